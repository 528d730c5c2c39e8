//! Jobs as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::jobs;
use crate::{
    config::{Args, JobConfig},
    names::{JobName, StreamLabel},
    procfile::{Application, Concurrency, Mistake, Mistakes},
};

/// JSON that `gafferctl load_process` takes: an object for one type (the manual's `as_dict`), else `{"jobs": [...]}`.
///
/// What is written reads back as [`Application::jobs`].
///
/// # Errors
/// As [`Application::jobs`]; or what JSON cannot hold.
pub fn json(application: &Application, concurrency: &Concurrency, name: Option<&str>) -> Result<String, Mistakes> {
    let jobs = jobs(application, concurrency, name)?;
    let jobs = jobs.iter().map(Job::new).collect::<Result<Vec<Job<'_>>, Mistake>>()?;
    let text = match (name, &jobs[..]) {
        (Some(_), [job]) => serde_json::to_string_pretty(job),
        _ => serde_json::to_string_pretty(&Jobs { jobs }),
    };
    text.map(|text| text + "\n").map_err(|error| Mistake::given(error.to_string()).into())
}

#[derive(Debug, Serialize)]
struct Jobs<'a> {
    jobs: Vec<Job<'a>>,
}

/// The fields of a job in which it differs from others.
#[derive(Debug, Serialize)]
struct Job<'a> {
    name: &'a JobName,
    cmd: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    args: &'a [String],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    shell: bool,
    env: &'a BTreeMap<String, String>,
    cwd: &'a str,
    numprocesses: u32,
    redirect_output: &'a [StreamLabel],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    redirect_input: bool,
    priority: u32,
}

impl<'a> Job<'a> {
    fn new(job: &'a JobConfig) -> Result<Self, Mistake> {
        let cwd = job.cwd().map(|cwd| cwd.to_str().ok_or(cwd)).transpose().map_err(|cwd| {
            Mistake::given(format!(
                "the folder `{}`: its name is not UTF-8, and JSON can hold no other; rename it",
                cwd.display()
            ))
        })?;
        let args = match &job.spec().args {
            Some(Args::List(words)) => words.as_slice(),
            Some(Args::Line(_)) | None => &[],
        };
        Ok(Self {
            name: job.name(),
            cmd: job.spec().cmd.as_deref().unwrap_or_default(),
            args,
            shell: job.spec().shell,
            env: job.env(),
            cwd: cwd.unwrap_or_default(),
            numprocesses: job.numprocesses(),
            redirect_output: job.redirect_output(),
            redirect_input: job.redirect_input(),
            priority: job.priority(),
        })
    }
}
