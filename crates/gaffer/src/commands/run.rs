//! `run`: a one-off command, here or on the node.
//!
//! | words | what is run |
//! |---|---|
//! | behind `--`, or with `-c` | the command, here |
//! | a job of the loaded application, and nothing else but `-p` and `--graceful-timeout` | the job, once more, on the node |
//! | a name of the Procfile, and nothing else | its line, here |
//! | anything else | the command, here |

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    io,
    os::unix::process::CommandExt,
    process::{self, ExitCode},
    time::Duration,
};

use gaffer_cli::{ConnectionArgs, Failure, Output};
use gaffer_core::{
    config::JobSpec,
    procfile::{Application, Concurrency, Entry, Instance, Procfile, Source},
};

use super::node;
use crate::{
    args::{self, ApplicationArgs, RunArgs},
    foreground::{self, Policy, Run, signals::let_early_ones_through},
    programs::{self, Found},
};

/// How long copies of a command may take to end, if nothing else is said.
const GRACE: Duration = Duration::from_secs(30);

/// One more process of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OneMore {
    /// The job, as the Procfile names it.
    pub(super) name: String,
    /// Variables on top of the job's.
    pub(super) variables: BTreeMap<String, String>,
    /// How long it may take to end; if `None`, what the job says.
    pub(super) graceful_timeout: Option<Duration>,
}

pub(super) fn run(
    application: &ApplicationArgs,
    connection: &ConnectionArgs,
    args: RunArgs,
    mut output: Output,
) -> ExitCode {
    let source = application.source(None, None);
    // Mistakes in it are told if something is to run here.
    let procfile = source.procfile().ok().flatten();
    let one_more = match one_more(&args, procfile.as_ref()) {
        Ok(one_more) => one_more,
        Err(failure) => return fails(&mut output, &failure),
    };
    let for_node = one_more.as_ref().filter(|_| args.concurrency.is_none());
    if for_node.is_none()
        && let Err(failure) = connection.refuse_lookup()
    {
        return fails(&mut output, &failure);
    }
    if let Some(one_more) = for_node {
        let_early_ones_through();
        let committed = gaffer_cli::attempt(&mut output, async |output| {
            node::commit(one_more, application, connection, output).await
        });
        match committed {
            Ok(true) => return ExitCode::SUCCESS,
            Ok(false) => {}
            Err(exit) => return exit.into(),
        }
    }
    match here(&source, args, one_more, &mut output) {
        Ok(Here::Copies(copies)) => foreground::run(copies, output),
        Ok(Here::Itself(command)) => {
            let (code, problem) = command.become_it();
            output.say(problem);
            code.into()
        }
        Err(failure) => fails(&mut output, &failure),
    }
}

fn fails(output: &mut Output, failure: &Failure) -> ExitCode {
    output.tell(failure);
    failure.exit().into()
}

/// What the words ask for if the first one is a job; `None` if they are a command in any case. Where there is a Procfile, it has all
/// names; options behind one of them that do not read are no words of a command.
fn one_more(args: &RunArgs, procfile: Option<&Procfile>) -> Result<Option<OneMore>, Failure> {
    let Some((name, options)) = args.words.split_first().filter(|_| !args.is_command) else { return Ok(None) };
    let is_name = procfile.map(|procfile| procfile.get(name).is_some());
    if is_name == Some(false) {
        return Ok(None);
    }
    match with_options(args, name, options) {
        Ok(one_more) => Ok(Some(one_more)),
        Err(problem) if is_name == Some(true) && options.first().is_some_and(|option| is_own(option)) => {
            Err(Failure::Usage(format!(
                "`{name}` is a job of the Procfile: {problem}; write `--` before a command of this name"
            )))
        }
        Err(_) => Ok(None),
    }
}

/// Whether a word is an option for one more process of a job.
fn is_own(word: &str) -> bool {
    word.starts_with("-p") || word == "--graceful-timeout" || word.starts_with("--graceful-timeout=")
}

fn with_options(args: &RunArgs, name: &str, options: &[String]) -> Result<OneMore, String> {
    let mut one_more =
        OneMore { name: name.to_owned(), variables: args.variables.iter().cloned().collect(), graceful_timeout: None };
    let mut options = options.iter().map(String::as_str);
    while let Some(option) = options.next() {
        match option.split_once('=') {
            Some(("--graceful-timeout", value)) => {
                one_more.graceful_timeout = Some(read("--graceful-timeout", value, args::seconds)?)
            }
            _ if option == "--graceful-timeout" => {
                let value = options.next().ok_or("`--graceful-timeout` needs a value")?;
                one_more.graceful_timeout = Some(read(option, value, args::seconds)?);
            }
            _ => {
                let variable = match option.strip_prefix("-p") {
                    Some("") => options.next().ok_or("`-p` needs a value")?,
                    Some(variable) => variable,
                    None => return Err(format!("`{option}` may not follow it, but `-p` and `--graceful-timeout`")),
                };
                one_more.variables.extend([read("-p", variable, args::variable)?]);
            }
        }
    }
    Ok(one_more)
}

/// Reads an option's value.
fn read<T>(option: &str, value: &str, parse: fn(&str) -> Result<T, String>) -> Result<T, String> {
    parse(value).map_err(|problem| format!("`{option} {value}`: {problem}"))
}

/// How a command is run here.
enum Here {
    /// Beside others like it.
    Copies(Run),
    /// This program becomes it.
    Itself(Command),
}

fn here(source: &Source, args: RunArgs, one_more: Option<OneMore>, output: &mut Output) -> Result<Here, Failure> {
    let environment: BTreeMap<OsString, OsString> = env::vars_os().collect();
    let application = Application::read(source, &environment)?;
    let line = one_more.as_ref().and_then(|one_more| application.procfile().get(&one_more.name)).cloned();
    let grace = one_more.as_ref().and_then(|one_more| one_more.graceful_timeout).unwrap_or(GRACE);
    let variables = match (one_more, &line) {
        // They stood behind the name.
        (Some(one_more), Some(_)) => one_more.variables,
        _ => args.variables.into_iter().collect(),
    };
    let number = args.concurrency.unwrap_or(1);
    let mut instances = match line {
        Some(line) => of_line(&application, &line, number)?,
        None => (1..=number).map(|number| application.command(&args.words, number)).collect::<Result<_, _>>()?,
    };
    for instance in &mut instances {
        let mut spec: JobSpec = instance.config.spec().clone();
        spec.env.extend(variables.clone());
        instance.config = spec.check().map_err(|error| Failure::Usage(error.to_string()))?;
    }
    if let [instance] = &instances[..] {
        return Ok(Here::Itself(Command::of(instance, environment)?));
    }
    for warning in application.warnings() {
        output.say_placed(warning);
    }
    Ok(Here::Copies(Run { instances, policy: Policy::LastEnd, grace, terminals: false }))
}

/// Processes that run a line of the Procfile, as `start` would.
fn of_line(application: &Application, line: &Entry, number: u32) -> Result<Vec<Instance>, Failure> {
    let concurrency = format!("{}={number}", line.name);
    let concurrency: Concurrency = concurrency.parse().map_err(|error| Failure::Usage(format!("{error}")))?;
    Ok(application.instances(&concurrency, std::slice::from_ref(&line.name))?)
}

/// A command, ready to take this program's place: then terminal, signals and exit code are its own.
struct Command {
    words: Vec<String>,
    environment: BTreeMap<OsString, OsString>,
}

impl Command {
    fn of(instance: &Instance, mut environment: BTreeMap<OsString, OsString>) -> Result<Self, Failure> {
        let config = &instance.config;
        if let Some(root) = config.cwd() {
            // Inherited, it would be the caller's folder.
            environment.insert("PWD".into(), root.into());
        }
        environment.extend(config.env().iter().map(|(key, value)| (key.into(), value.into())));
        if let Some(root) = config.cwd() {
            env::set_current_dir(root).map_err(|error| Failure::Failed(format!("{}: {error}", root.display())))?;
        }
        let words = config.command().expand(&environment).map_err(|error| Failure::Failed(error.to_string()))?;
        Ok(Self { words, environment })
    }

    /// Comes back only if it cannot be run: with the exit code that shells have for that, and why.
    fn become_it(self) -> (u8, String) {
        let Some((program, args)) = self.words.split_first() else { return (127, "there is no command".to_owned()) };
        let mut command = process::Command::new(program);
        let_early_ones_through();
        let error = command.args(args).env_clear().envs(&self.environment).exec();
        explained(program, &self.environment, &error)
    }
}

fn explained(program: &str, environment: &BTreeMap<OsString, OsString>, error: &io::Error) -> (u8, String) {
    if error.kind() != io::ErrorKind::NotFound {
        return (126, format!("`{program}` cannot be run: {error}"));
    }
    match programs::find(program, environment, None) {
        Found::Usable => (126, format!("`{program}` needs an interpreter or a library that does not exist")),
        Found::Unusable => (126, format!("`{program}` cannot be run: it is not marked executable")),
        Found::Nowhere if program.contains(char::is_whitespace) => {
            (127, format!("there is no program `{program}`; its arguments are words of their own: or `sh -c '…'`"))
        }
        Found::Nowhere => (127, format!("there is no program `{program}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &[&str]) -> Option<OneMore> {
        let words = words.iter().map(ToString::to_string).collect();
        let args = RunArgs { concurrency: None, variables: Vec::new(), verbose: false, words, is_command: false };
        one_more(&args, None).unwrap()
    }

    fn web(variables: &[(&str, &str)], seconds: Option<f64>) -> Option<OneMore> {
        let variables = variables.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Some(OneMore { name: "web".to_owned(), variables, graceful_timeout: seconds.map(Duration::from_secs_f64) })
    }

    #[test]
    fn a_job_s_name_may_be_followed_by_its_options_only() {
        assert_eq!(asked(&["web"]), web(&[], None));
        assert_eq!(asked(&["web", "-p", "A=1", "-pB=x=y"]), web(&[("A", "1"), ("B", "x=y")], None));
        assert_eq!(asked(&["web", "--graceful-timeout", "2.5"]), web(&[], Some(2.5)));
        assert_eq!(asked(&["web", "--graceful-timeout=7", "-p", "A="]), web(&[("A", "")], Some(7.0)));
        for words in [
            &["web", "-p"][..],
            &["web", "-p", "80"],
            &["web", "-l"],
            &["web", "more"],
            &["web", "--graceful-timeout"],
            &["web", "--graceful-timeout", "soon"],
        ] {
            assert_eq!(asked(words), None, "{words:?}");
        }
    }

    #[test]
    fn broken_options_behind_a_name_of_the_procfile_are_no_command() {
        let procfile = Procfile::parse("Procfile", "web: true\n").unwrap();
        let asked = |words: &[&str]| {
            let words = words.iter().map(ToString::to_string).collect();
            let args = RunArgs { concurrency: None, variables: Vec::new(), verbose: false, words, is_command: false };
            one_more(&args, Some(&procfile))
        };
        for words in [
            &["web", "-p"][..],
            &["web", "-p", "80"],
            &["web", "-p80"],
            &["web", "-p", "A=1", "more"],
            &["web", "--graceful-timeout"],
            &["web", "--graceful-timeout=soon"],
        ] {
            let failure = asked(words).unwrap_err();
            assert_eq!(failure.exit(), gaffer_cli::Exit::Usage, "{words:?}");
        }
        assert_eq!(asked(&["web", "more"]).unwrap(), None);
        assert_eq!(asked(&["ls", "-p"]).unwrap(), None);
    }

    #[test]
    fn options_before_the_name_are_those_of_the_job_too() {
        let args = |is_command| RunArgs {
            concurrency: None,
            variables: vec![("A".to_owned(), "1".to_owned())],
            verbose: false,
            words: vec!["web".to_owned(), "-pB=2".to_owned()],
            is_command,
        };
        assert_eq!(one_more(&args(false), None).unwrap(), web(&[("A", "1"), ("B", "2")], None));
        assert_eq!(one_more(&args(true), None).unwrap(), None);
    }
}
