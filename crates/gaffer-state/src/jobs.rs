//! Keeping how jobs stand.

use std::collections::{HashMap, HashSet};

use gaffer_core::{
    JobConfig, JobName,
    manager::JobRecord,
    supervisor::{Origin, Standing},
};
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::error;

use crate::{Change, StateError, StateFile, StoredJob};

/// Most records that are written at once: their clients share one wait for the disk.
const MAX_GROUP: usize = 1024;

/// Keeps what a manager tells of its jobs, until it has ended: each change is on the disk before its client is answered. `kept` is what
/// the file has of jobs at the beginning.
///
/// A change that leaves a job as it is costs no write.
pub async fn keep_jobs(file: StateFile, kept: Vec<StoredJob>, mut records: UnboundedReceiver<JobRecord>) {
    let mut kept: HashMap<JobName, StoredJob> = kept.into_iter().map(|job| (job.name.clone(), job)).collect();
    let mut group = Vec::new();
    while records.recv_many(&mut group, MAX_GROUP).await > 0 {
        let changes = changes(&mut kept, &group);
        let changed: HashSet<JobName> = changes.iter().filter_map(about).cloned().collect();
        let outcome = if changes.is_empty() { Ok(()) } else { file.write(changes).await };
        if let Err(error) = &outcome {
            error!(error = error as &dyn std::error::Error, "changes of jobs cannot be kept");
            // Of what could not be written, or might have been, nobody knows how the file has it: it is written again next time.
            for name in &changed {
                kept.insert(name.clone(), unknown(name));
            }
        }
        let outcome = outcome.map_err(|error: StateError| error.to_string());
        for record in group.drain(..) {
            let is_kept = if changed.contains(&record.name) { outcome.clone() } else { Ok(()) };
            record.answer(is_kept);
        }
    }
}

/// The job that a change is about.
fn about(change: &Change) -> Option<&JobName> {
    match change {
        Change::PutJob(job) => Some(&job.name),
        Change::DeleteJob(name) => Some(name),
        Change::PutKey(_)
        | Change::DeleteKey(_)
        | Change::PutUser(_)
        | Change::DeleteUser(_)
        | Change::PutWebhook(_)
        | Change::DeleteWebhook(_) => None,
    }
}

/// What equals no job.
fn unknown(name: &JobName) -> StoredJob {
    StoredJob { name: name.clone(), config: None, numprocesses: 0, start: true, started: true, number: 0 }
}

/// What must be written for the file to have it as the last record of each job does.
fn changes(kept: &mut HashMap<JobName, StoredJob>, group: &[JobRecord]) -> Vec<Change> {
    let mut last: HashMap<&JobName, usize> = HashMap::new();
    for (place, record) in group.iter().enumerate() {
        last.insert(&record.name, place);
    }
    let mut changes = Vec::new();
    for (place, record) in group.iter().enumerate() {
        if last.get(&record.name) != Some(&place) {
            continue;
        }
        let stored = record.job.as_ref().and_then(|(config, standing)| StoredJob::of(config, *standing));
        match stored {
            Some(job) if kept.get(&job.name) != Some(&job) => {
                kept.insert(job.name.clone(), job.clone());
                changes.push(Change::PutJob(job));
            }
            Some(_) => {}
            None => {
                if kept.remove(&record.name).is_some() {
                    changes.push(Change::DeleteJob(record.name.clone()));
                }
            }
        }
    }
    changes
}

impl StoredJob {
    /// What is to be kept of a job: all of it if it was loaded at run time. Of one of the configuration, how it stands, if that is
    /// not as configured. `None` if nothing is.
    pub fn of(config: &JobConfig, standing: Standing) -> Option<Self> {
        let whole = match standing.origin {
            Origin::Client => Some(serde_json::to_string(config).ok()?),
            Origin::Configuration if standing == Standing::configured(config, Origin::Configuration) => return None,
            Origin::Configuration => None,
            Origin::Program => return None,
        };
        Some(Self {
            name: config.name().clone(),
            config: whole,
            numprocesses: config.numprocesses(),
            start: config.spec().start,
            started: standing.started,
            number: standing.number,
        })
    }

    /// How the job stands, for a configuration that says this of it: what the configuration says otherwise than it did is as it says.
    pub fn standing(&self, config: &JobConfig, origin: Origin) -> Standing {
        let configured = Standing::configured(config, origin);
        Standing {
            started: if self.start == config.spec().start { self.started } else { configured.started },
            number: if self.numprocesses == config.numprocesses() { self.number } else { configured.number },
            origin,
        }
    }
}

#[cfg(test)]
mod tests {
    use gaffer_core::JobSpec;

    use super::*;

    fn config(change: impl FnOnce(&mut JobSpec)) -> JobConfig {
        let mut spec = JobSpec::new("shop.web".parse().unwrap(), "./web");
        change(&mut spec);
        spec.check().unwrap()
    }

    #[test]
    fn a_job_of_the_configuration_is_kept_only_where_it_stands_otherwise() {
        let config = config(|spec| spec.numprocesses = 2);
        let configured = Standing::configured(&config, Origin::Configuration);
        assert_eq!(StoredJob::of(&config, configured), None);
        let scaled = StoredJob::of(&config, Standing { number: 3, ..configured }).unwrap();
        assert_eq!((scaled.config.as_deref(), scaled.number, scaled.started), (None, 3, true));
        assert_eq!(StoredJob::of(&config, Standing { origin: Origin::Program, ..configured }), None);
    }

    #[test]
    fn a_job_of_a_client_is_kept_whole() {
        let config = config(|spec| spec.env = [("A".to_owned(), "b".to_owned())].into());
        let stored = StoredJob::of(&config, Standing::configured(&config, Origin::Client)).unwrap();
        let again: JobConfig = serde_json::from_str(&stored.config.unwrap()).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn what_the_configuration_says_anew_is_in_place_of_what_was_kept() {
        let before = config(|spec| spec.numprocesses = 2);
        let standing = Standing { started: false, number: 5, origin: Origin::Configuration };
        let stored = StoredJob::of(&before, standing).unwrap();
        assert_eq!(stored.standing(&before, Origin::Configuration), standing);
        let otherwise = config(|spec| spec.numprocesses = 3);
        assert_eq!(stored.standing(&otherwise, Origin::Configuration), Standing { number: 3, ..standing });
        let rests = config(|spec| {
            spec.numprocesses = 2;
            spec.start = false;
        });
        assert!(!stored.standing(&rests, Origin::Configuration).started);
    }
}
