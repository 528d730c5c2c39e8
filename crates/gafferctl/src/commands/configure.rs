//! `add_process`, `get_process`, `update_process`: how jobs are configured.

use gaffer_cli::{Context, Failure, Format, Output, Targets};
use gaffer_client::{Error, hidden_variables};
use gaffer_core::api::JobState;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

use super::{
    Acts,
    settings::{Settings, job_name},
};
use crate::args::JobArgs;

pub(super) async fn add(
    context: &mut Context<'_>,
    start: bool,
    settings: &JobArgs,
    name: &str,
    words: &[String],
) -> Result<(), Failure> {
    let job = Settings::new(settings, name, words)?.job(start)?;
    let loaded = context.client.load(&job).await;
    let mut acts = Acts::of_one(context.output);
    let outcome = loaded.map(|ignored| tell_ignored(acts.output(), &ignored));
    acts.name(job.name(), outcome)?;
    acts.finish()
}

pub(super) async fn get(context: &mut Context<'_>, words: &[String]) -> Result<(), Failure> {
    let targets = Targets::jobs(&context.client, words).await?;
    let mut acts = Acts::new(context.output, &targets);
    let mut configs = Vec::new();
    let mut lost = None;
    for job in &targets.found {
        match acts.found(context.client.config_json(job).await) {
            Ok(config) => configs.extend(config.map(InOrder)),
            Err(failure) => {
                lost = Some(failure);
                break;
            }
        }
    }
    // What is printed can be loaded: so failures have no place in it.
    match (acts.output().format(), configs.as_slice()) {
        (Format::Json, all) => acts.output().json(all)?,
        (Format::Text, [one]) if !acts.several() => pretty(acts.output(), one)?,
        (Format::Text, []) => {}
        (Format::Text, all) => pretty(acts.output(), all)?,
    }
    lost.map_or_else(|| acts.end(), Err)
}

pub(super) async fn update(
    context: &mut Context<'_>,
    settings: &JobArgs,
    name: &str,
    words: &[String],
) -> Result<(), Failure> {
    let job = job_name(name)?;
    let settings = Settings::new(settings, name, words)?;
    if settings.is_empty() {
        return Err(Failure::Usage("nothing is to be changed; give a command, or options such as -n 2".to_owned()));
    }
    let mut config = context.client.config_json(&job).await?;
    if hidden_variables(&config).next().is_some() {
        // Sent back, they would be lost.
        return Err(Error::Hidden { job }.into());
    }
    settings.put_on(&mut config)?;
    // The node would start a stopped job whose configuration says that it starts.
    if context.client.status(&job).await?.state == JobState::Stopped {
        config.insert("start".to_owned(), false.into());
    }
    let updated = context.client.update(&job, &config).await;
    let mut acts = Acts::of_one(context.output);
    let outcome = updated.map(|ignored| tell_ignored(acts.output(), &ignored));
    acts.done(&job, outcome)?;
    acts.finish()
}

fn tell_ignored(output: &mut Output, ignored: &[String]) {
    for key in ignored {
        output.say(format_args!("the node knows no `{key}`, and left it out"));
    }
}

fn pretty(output: &mut Output, value: &(impl Serialize + ?Sized)) -> Result<(), Failure> {
    output.line(serde_json::to_string_pretty(value).map_err(|error| Failure::Failed(error.to_string()))?)
}

/// A job's configuration with its keys in the order of the manual, and those that only the node knows at the end.
struct InOrder(Map<String, Value>);

impl Serialize for InOrder {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let known = gaffer_core::config::JOB_KEYS;
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in known.iter().filter_map(|key| self.0.get_key_value(*key)) {
            map.serialize_entry(key, value)?;
        }
        for (key, value) in self.0.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
