//! What the options of `add_process` and `update_process` say about a job.

use gaffer_cli::Failure;
use gaffer_core::{
    JobConfig, JobName, JobSpec,
    config::{Args, FieldError, InvalidConfig},
};
use serde_json::{Map, Value};

use crate::args::JobArgs;

/// A job's fields as they were given on the command line.
#[derive(Debug)]
pub(super) struct Settings {
    spec: JobSpec,
    /// The fields that were given; the others have their defaults.
    given: Vec<&'static str>,
}

impl Settings {
    /// Reads all that was given. The first of the words is the command.
    ///
    /// # Errors
    /// All mistakes, each with the option that holds it.
    pub(super) fn new(job: &JobArgs, name: &str, words: &[String]) -> Result<Self, Failure> {
        let mut settings = Self { spec: JobSpec::default(), given: Vec::new() };
        let mut errors = Vec::new();
        let texts = [
            ("name", Some(name)),
            ("numprocesses", job.numprocesses.as_deref()),
            ("cwd", job.cwd.as_deref()),
            ("uid", job.uid.as_deref()),
            ("gid", job.gid.as_deref()),
            ("redirect_output", job.redirect_output.as_deref()),
            ("redirect_input", job.redirect_input.as_deref()),
            ("shell", job.shell.as_deref()),
            ("graceful_timeout", job.graceful_timeout.as_deref()),
        ];
        for (field, text) in texts {
            let Some(text) = text else { continue };
            settings.given.push(field);
            errors.extend(settings.spec.set_text(field, text).err());
        }
        // The node's own folder is not ours, and the node may be on another machine.
        if job.cwd.as_ref().is_some_and(|cwd| !cwd.is_empty() && !cwd.starts_with('/')) {
            errors.push(FieldError::new("cwd", "must be an absolute path, as it is one of the node's machine"));
        }
        if let Some((cmd, args)) = words.split_first() {
            settings.given.extend(["cmd", "args"]);
            settings.spec.cmd = Some(cmd.clone());
            settings.spec.args = (!args.is_empty()).then(|| Args::List(args.to_vec()));
        }
        if !job.env.is_empty() {
            settings.given.push("env");
            settings.spec.env = job.env.iter().cloned().collect();
        }
        if errors.is_empty() { Ok(settings) } else { Err(mistakes(InvalidConfig(errors))) }
    }

    /// The job, with the defaults for what was not given.
    ///
    /// # Errors
    /// All mistakes, each with the option that holds it.
    pub(super) fn job(mut self, start: bool) -> Result<JobConfig, Failure> {
        self.spec.start = start;
        self.spec.check().map_err(mistakes)
    }

    /// Whether anything was given beside the name.
    pub(super) fn is_empty(&self) -> bool {
        self.given == ["name"]
    }

    /// Puts what was given on top of a job's configuration; variables of the environment one by one.
    ///
    /// # Errors
    /// All mistakes, each with the option that holds it.
    pub(super) fn put_on(mut self, config: &mut Map<String, Value>) -> Result<(), Failure> {
        // What the node has is the node's to check: it may be newer than this program.
        self.spec.cmd.get_or_insert_with(|| "true".to_owned());
        let given = serde_json::to_value(self.spec.check().map_err(mistakes)?)
            .map_err(|error| Failure::Failed(error.to_string()))?;
        for field in self.given {
            match (config.get_mut(field), &given[field]) {
                (Some(Value::Object(variables)), Value::Object(more)) => {
                    variables.extend(more.clone());
                }
                (_, value) => {
                    config.insert(field.to_owned(), value.clone());
                }
            }
        }
        Ok(())
    }
}

/// The name of a job that is to be changed or made.
///
/// # Errors
/// When it is none.
pub(super) fn job_name(text: &str) -> Result<JobName, Failure> {
    text.parse().map_err(|error| Failure::Usage(format!("{error}")))
}

fn mistakes(InvalidConfig(errors): InvalidConfig) -> Failure {
    let told: Vec<String> = errors.iter().map(told).collect();
    Failure::Usage(told.join("; "))
}

fn told(error: &FieldError) -> String {
    let place = match error.field.as_str() {
        "name" => "NAME".to_owned(),
        "cmd" => "CMD".to_owned(),
        "args" => "ARG".to_owned(),
        field => format!("--{}", field.replace('_', "-")),
    };
    format!("{place}: {}", error.problem)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job_args() -> JobArgs {
        JobArgs {
            numprocesses: Some("2".to_owned()),
            env: vec![("A".to_owned(), "1".to_owned())],
            ..JobArgs::default()
        }
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn each_mistake_names_its_option() {
        let args = JobArgs {
            graceful_timeout: Some("soon".to_owned()),
            shell: Some("perhaps".to_owned()),
            numprocesses: Some("-1".to_owned()),
            cwd: Some("relative".to_owned()),
            ..job_args()
        };
        let failure = Settings::new(&args, "a b", &words(&["true"])).unwrap_err().to_string();
        let places: Vec<&str> =
            failure.split("; ").filter_map(|mistake| mistake.split_once(": ").map(|(place, _)| place)).collect();
        assert!(failure.starts_with("NAME: `a b`"), "{failure}");
        for place in ["--numprocesses", "--shell", "--cwd", "--graceful-timeout"] {
            assert!(places.contains(&place), "{failure}");
        }
        let late = |args: &JobArgs, cmd: &str| {
            let settings = Settings::new(args, "web", &words(&[cmd])).unwrap();
            settings.job(false).unwrap_err().to_string()
        };
        assert!(late(&job_args(), "x 'y").starts_with("CMD: has an open quote"));
        let args = JobArgs { numprocesses: Some("1000000".to_owned()), ..job_args() };
        assert_eq!(late(&args, "x"), "--numprocesses: must be 10000 or less, but is 1000000");
        let args = JobArgs { env: vec![("".to_owned(), "1".to_owned())], ..job_args() };
        assert!(late(&args, "x").starts_with("--env: "));
    }

    #[test]
    fn what_is_not_given_stays_and_a_new_command_drops_the_old_words() {
        let old = json!({"name": "web", "cmd": "old", "args": ["x"], "env": {"A": "0", "B": "2"}, "cwd": "/tmp", "new_key": 1});
        let changed = |cmd: &[&str]| {
            let mut config = old.as_object().unwrap().clone();
            Settings::new(&job_args(), "web", &words(cmd)).unwrap().put_on(&mut config).unwrap();
            Value::Object(config)
        };
        let expected = json!({"name": "web", "cmd": "old", "args": ["x"], "env": {"A": "1", "B": "2"}, "cwd": "/tmp",
            "new_key": 1, "numprocesses": 2});
        assert_eq!(changed(&[]), expected);
        let new = changed(&["new"]);
        assert_eq!((&new["cmd"], &new["args"]), (&json!("new"), &json!(null)));
        let new = changed(&["grep", "-n", "5"]);
        assert_eq!((&new["cmd"], &new["args"]), (&json!("grep"), &json!(["-n", "5"])));
    }

    #[test]
    fn a_name_alone_changes_nothing() {
        assert!(Settings::new(&JobArgs::default(), "web", &[]).unwrap().is_empty());
        assert!(!Settings::new(&job_args(), "web", &[]).unwrap().is_empty());
    }
}
