//! `[process:NAME]`, `[job:NAME]` and `[env:NAME]`.

use std::collections::{BTreeMap, HashMap};

use super::{
    Place, Problem,
    error::Findings,
    kind::near,
    problem::shown,
    scanner::{Entry, Section},
    value::unknown_key,
};
use crate::{
    config::{FieldError, InvalidConfig, JOB_KEYS, JobConfig, JobSpec},
    names::{JobName, SessionId},
};

/// Keys whose value may have several lines; a second line of any other is a key that was indented by mistake.
const LONG_KEYS: [&str; 2] = ["cmd", "args"];
/// Keys whose value is a list with commas, so that each line may be one entry of it.
const LIST_KEYS: [&str; 3] = ["redirect_output", "custom_streams", "flapping"];

/// The keys of a job's section: all fields but those that have another place.
fn keys() -> impl Iterator<Item = &'static str> + Clone {
    JOB_KEYS.into_iter().filter(|key| !["name", "env"].contains(key))
}

/// A job's section, with what is known of it before all sections are read.
#[derive(Debug)]
struct Draft {
    header: String,
    place: Place,
    spec: JobSpec,
    /// Where each key stands, wrong ones too.
    keys: HashMap<String, Place>,
    /// The fields that are wrong already, so that nothing more needs to be said of them.
    told: Vec<String>,
}

/// The variables of a job.
#[derive(Debug)]
struct Env {
    name: JobName,
    header: String,
    place: Place,
    variables: BTreeMap<String, String>,
}

/// Gathers jobs and their environments, which may stand in any order and in different files.
#[derive(Debug, Default)]
pub(super) struct JobsReader {
    drafts: Vec<Draft>,
    by_name: HashMap<JobName, usize>,
    envs: Vec<Env>,
    env_by_name: HashMap<JobName, usize>,
}

impl JobsReader {
    /// Takes in a `[process:NAME]`.
    pub(super) fn job(&mut self, name: &str, section: &Section, findings: &mut Findings) {
        let parsed = match name.parse::<JobName>() {
            Ok(parsed) => parsed,
            Err(error) => {
                // Its keys are read all the same, for the sake of their mistakes.
                findings.error(&section.place, Some(&section.header), None, Problem::JobName(error));
                self.drafts.push(Draft::read(None, name, section, findings));
                return;
            }
        };
        if parsed.session().as_str() == SessionId::PLUGINS {
            findings.error(&section.place, Some(&section.header), None, Problem::ReservedSession);
            self.drafts.push(Draft::read(None, name, section, findings));
            return;
        }
        if let Some(first) = self.by_name.get(&parsed).and_then(|position| self.drafts.get(*position)) {
            let problem =
                Problem::SameJob { job: parsed.to_string(), section: first.header.clone(), first: first.place.clone() };
            findings.error(&section.place, Some(&section.header), None, problem);
            return;
        }
        self.by_name.insert(parsed.clone(), self.drafts.len());
        self.drafts.push(Draft::read(Some(parsed), name, section, findings));
    }

    /// Takes in an `[env:NAME]`.
    pub(super) fn env(&mut self, name: &str, section: &Section, findings: &mut Findings) {
        let name = match name.parse::<JobName>() {
            Ok(name) => name,
            Err(error) => {
                findings.error(&section.place, Some(&section.header), None, Problem::JobName(error));
                return;
            }
        };
        if let Some(first) = self.env_by_name.get(&name).and_then(|position| self.envs.get(*position)) {
            let problem =
                Problem::SameJob { job: name.to_string(), section: first.header.clone(), first: first.place.clone() };
            findings.error(&section.place, Some(&section.header), None, problem);
            return;
        }
        let variables = free_keys(section, str::to_uppercase, findings);
        self.env_by_name.insert(name.clone(), self.envs.len());
        self.envs.push(Env { name, header: shown(&section.header), place: section.place.clone(), variables });
    }

    /// Gives each job its environment and checks it. `complete` says whether every section could be read: if not, a
    /// job that is not there may only have been missed.
    pub(super) fn finish(mut self, complete: bool, findings: &mut Findings) -> Vec<JobConfig> {
        for env in self.envs {
            match self.by_name.get(&env.name).and_then(|position| self.drafts.get_mut(*position)) {
                Some(draft) => {
                    draft.spec.env = env.variables;
                    draft.keys.insert("env".to_owned(), env.place);
                }
                None if complete && !findings.is_full() => {
                    let names: Vec<String> = self.by_name.keys().map(JobName::short).collect();
                    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
                    names.sort_unstable();
                    let suggestion = near(&env.name.short(), names).map(|name| format!("[env:{name}]"));
                    let problem = Problem::UnknownJob { job: env.name.to_string(), suggestion };
                    findings.error(&env.place, Some(&env.header), None, problem);
                }
                None => {}
            }
        }
        self.drafts.into_iter().filter_map(|draft| draft.check(findings)).collect()
    }
}

impl Draft {
    /// Reads the keys of one section.
    fn read(name: Option<JobName>, shown_name: &str, section: &Section, findings: &mut Findings) -> Self {
        let header = shown(&section.header);
        let told = if name.is_none() { vec!["name".to_owned()] } else { Vec::new() };
        let spec = JobSpec { name, ..JobSpec::default() };
        let mut draft = Self { header, place: section.place.clone(), spec, keys: HashMap::new(), told };
        for entry in &section.entries {
            let key = entry.key.to_lowercase();
            let result = match draft.keys.get(&key) {
                Some(first) => Err(Problem::DuplicateKey { first: first.clone() }),
                None => {
                    draft.keys.insert(key.clone(), entry.place.clone());
                    if let Some((line, problem)) = entry.swallowed_key(keys()) {
                        let place = Place { line, ..entry.place.clone() };
                        findings.error(&place, Some(&section.header), Some(&entry.key), problem);
                        draft.told.push(key);
                        continue;
                    }
                    draft.set(shown_name, &key, entry)
                }
            };
            if let Err(problem) = result {
                findings.error(&entry.place, Some(&section.header), Some(&entry.key), problem);
                draft.told.push(key);
            }
        }
        draft
    }

    fn set(&mut self, name: &str, key: &str, entry: &Entry) -> Result<(), Problem> {
        match key {
            "name" => return Err(Problem::NameKey),
            "env" => return Err(Problem::EnvKey { job: shown(name) }),
            _ => {}
        }
        let text = if LONG_KEYS.contains(&key) {
            entry.text()
        } else if LIST_KEYS.contains(&key) {
            entry.joined()
        } else if JOB_KEYS.contains(&key) {
            entry.line()?.to_owned()
        } else {
            return Err(unknown_key(key, keys()));
        };
        match self.spec.set_text(key, &text) {
            Ok(true) => Ok(()),
            Ok(false) => Err(unknown_key(key, keys())),
            Err(error) => Err(entry.hinted(field(error))),
        }
    }

    /// Holds the fields against each other, and places what is wrong at the key concerned.
    fn check(self, findings: &mut Findings) -> Option<JobConfig> {
        let Self { header, place, spec, keys, told } = self;
        if !keys.contains_key("cmd") {
            let problem = Problem::Missing { key: "cmd", cure: "give the command to launch, or remove the section" };
            findings.error(&place, Some(&header), None, problem);
        }
        match spec.check() {
            // A field that did not read has its default here: the job is not the one that was meant.
            Ok(config) => told.is_empty().then_some(config),
            Err(InvalidConfig(errors)) => {
                for error in errors {
                    let key = error.field.clone();
                    if told.contains(&key) || (key == "cmd" && !keys.contains_key("cmd")) {
                        continue;
                    }
                    findings.error(keys.get(&key).unwrap_or(&place), Some(&header), Some(&key), field(error));
                }
                None
            }
        }
    }
}

/// What a job's own check says. It may quote a whole value, so it is clipped.
fn field(error: FieldError) -> Problem {
    const MAX: usize = 400;
    let mut problem: String = error.problem.chars().take(MAX + 1).collect();
    if problem.chars().count() > MAX {
        problem.pop();
        problem.push('…');
    }
    if problem.contains(char::is_control) {
        problem =
            problem.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect();
    }
    Problem::Field(problem)
}

/// Reads a section whose keys are free; `fold` makes two spellings of one key the same.
pub(super) fn free_keys(
    section: &Section,
    fold: impl Fn(&str) -> String,
    findings: &mut Findings,
) -> BTreeMap<String, String> {
    let mut places: HashMap<String, &Place> = HashMap::new();
    let mut values = BTreeMap::new();
    for entry in &section.entries {
        let key = fold(&entry.key);
        if let Some(&first) = places.get(&key) {
            let problem = Problem::DuplicateKey { first: first.clone() };
            findings.error(&entry.place, Some(&section.header), Some(&entry.key), problem);
            continue;
        }
        places.insert(key.clone(), &entry.place);
        values.insert(key, entry.text());
    }
    values
}
