//! Sections for gafferd's configuration.

use super::jobs;
use crate::{
    config::{CommandLine, JobConfig, JobSpec},
    ini::{NodeConfig, shown},
    procfile::{Application, Concurrency, Mistake, Mistakes, mistake::Gathered},
};

/// Sections for gafferd's configuration, of all types or of one: the manual's `as_configparser`.
///
/// What is written reads back as [`Application::jobs`].
///
/// # Errors
/// As [`Application::jobs`]; or what an ini file cannot hold.
pub fn ini(application: &Application, concurrency: &Concurrency, name: Option<&str>) -> Result<String, Mistakes> {
    let jobs = jobs(application, concurrency, name)?;
    let mut text = String::new();
    let mut unheld = Vec::new();
    for job in &jobs {
        match sections(job).filter(|sections| reads_back(sections, job)) {
            Some(sections) if text.is_empty() => text = sections,
            Some(sections) => text.extend(["\n", &sections]),
            None => unheld.push(job),
        }
    }
    if unheld.is_empty() { Ok(text) } else { Err(causes(application, &unheld)) }
}

/// A job as its sections; none if its folder is no text.
fn sections(job: &JobConfig) -> Option<String> {
    let name = format!("{}:{}", job.name().session(), job.name().name());
    let mut text = format!("[process:{name}]\n");
    let mut key = |key: &str, value: &str| text.extend([key, " = ", &value.replace('\n', "\n    "), "\n"]);
    match job.command() {
        CommandLine::Shell(line) => {
            key("cmd", line);
            key("shell", "true");
        }
        CommandLine::Words(words) => {
            let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            let (program, args) = words.split_first()?;
            key("cmd", program);
            if !args.is_empty() {
                key("args", &args.join(" "));
            }
        }
    }
    if let Some(cwd) = job.cwd() {
        key("cwd", cwd.to_str()?);
    }
    key("numprocesses", &job.numprocesses().to_string());
    key("priority", &job.priority().to_string());
    let labels: Vec<&str> = job.redirect_output().iter().map(|label| label.as_str()).collect();
    key("redirect_output", &labels.join(", "));
    if job.redirect_input() {
        key("redirect_input", "true");
    }
    text.push_str(&format!("\n[env:{name}]\n"));
    for (variable, value) in job.env() {
        text.push_str(&assignment(variable, value));
    }
    Some(text)
}

/// A key with its value, whose lines after the first are indented.
fn assignment(key: &str, value: &str) -> String {
    format!("{key} = {}\n", value.replace('\n', "\n    "))
}

/// A word that is split from others at blanks. Gaffer replaces variables in any case, so that they need no quotes.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-${}".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    shlex::try_quote(word).unwrap_or_default().into_owned()
}

/// Whether the sections are read as this job.
fn reads_back(sections: &str, job: &JobConfig) -> bool {
    // The one has its arguments as a line, the other as words: what counts is what they amount to.
    let rest = |job: &JobConfig| JobSpec { cmd: None, args: None, ..job.spec().clone() };
    let read = NodeConfig::parse("export", sections).map(|read| read.jobs).unwrap_or_default();
    matches!(&read[..], [read] if read.command() == job.command() && rest(read) == rest(job))
}

/// What an ini file cannot hold of an application, some of whose jobs do not read back.
fn causes(application: &Application, unheld: &[&JobConfig]) -> Mistakes {
    let mut mistakes = Gathered::default();
    let root = application.root();
    if !root.to_str().is_some_and(|root| root.trim() == root && !root.contains(['\n', '\r'])) {
        let shown = shown(&root.to_string_lossy());
        mistakes.push(Mistake::given(format!("the folder `{shown}`: an ini file cannot hold its name; rename it")));
    }
    for (variable, value) in application.env() {
        let problem = if *variable != variable.to_uppercase() {
            "an ini file makes the names of variables upper case; rename it, or export JSON"
        } else if !variable_reads_back(variable, value) {
            "an ini file cannot hold its value: it loses blanks around a line, lines that begin with `#`, `;` or a section's header, \
             blank lines at the ends, and carriage returns; export JSON instead"
        } else {
            continue;
        };
        let place = application.place_of(variable).cloned();
        mistakes.push(Mistake { place, problem: format!("`{variable}`: {problem}") });
    }
    if mistakes.is_empty() {
        for name in unheld.iter().map(|job| job.name().name()) {
            let place = application.procfile().get(name).map(|entry| application.procfile().place(entry));
            mistakes.push(Mistake {
                place,
                problem: format!("`{name}`: an ini file cannot hold this; export JSON instead"),
            });
        }
    }
    mistakes.into_mistakes()
}

fn variable_reads_back(variable: &str, value: &str) -> bool {
    let text = format!("[process:x]\ncmd = x\n[env:x]\n{}", assignment(variable, value));
    let read = NodeConfig::parse("export", &text).map(|read| read.jobs).unwrap_or_default();
    matches!(&read[..], [read] if read.env().len() == 1 && read.env().get(variable).is_some_and(|read| read == value))
}
