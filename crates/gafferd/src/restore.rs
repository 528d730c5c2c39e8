//! Which jobs a node begins with, and how they stand: those of its configuration, and those that were kept.

use std::collections::HashMap;

use gaffer_core::{
    JobConfig, JobName,
    manager::Restored,
    supervisor::{Origin, Standing},
};
use gaffer_state::{Change, PastProcess, StoredJob};

/// What a node begins with.
#[derive(Debug, Default)]
pub(crate) struct Beginning {
    /// In the order in which they are to be started.
    pub(crate) jobs: Vec<Restored>,
    /// Processes of earlier runs that no job takes back, as they are to be ended.
    pub(crate) strays: Vec<PastProcess>,
    /// Those that are taken back.
    pub(crate) taken_back: Vec<PastProcess>,
    /// What of the file is out of date.
    pub(crate) changes: Vec<Change>,
    /// What will not be as somebody may expect.
    pub(crate) warnings: Vec<String>,
}

/// Puts together what is configured, what was kept, and what still lives.
pub(crate) fn beginning(configured: Vec<JobConfig>, stored: Vec<StoredJob>, past: Vec<PastProcess>) -> Beginning {
    let mut beginning = Beginning::default();
    let names: Vec<JobName> = stored.iter().map(|job| job.name.clone()).collect();
    let mut by_name: HashMap<JobName, StoredJob> = stored.into_iter().map(|job| (job.name.clone(), job)).collect();
    for config in configured {
        let origin = Origin::Configuration;
        let mut standing = Standing::configured(&config, origin);
        if let Some(stored) = by_name.remove(config.name()) {
            if stored.config.is_some() {
                let name = config.name();
                beginning.warnings.push(format!(
                    "job `{name}`: it was loaded by a client, and is in the configuration by now, which counts; what was kept of it is forgotten"
                ));
                beginning.changes.push(Change::DeleteJob(name.clone()));
            } else {
                standing = stored.standing(&config, origin);
            }
        }
        beginning.jobs.push(Restored { config, standing, survivors: Vec::new() });
    }
    for name in names {
        let Some(stored) = by_name.remove(&name) else { continue };
        let Some(text) = &stored.config else {
            // A job that the configuration has no longer.
            beginning.changes.push(Change::DeleteJob(name));
            continue;
        };
        match serde_json::from_str::<JobConfig>(text) {
            Ok(config) => {
                let standing = stored.standing(&config, Origin::Client);
                beginning.jobs.push(Restored { config, standing, survivors: Vec::new() });
            }
            // It stays in the file: an older or newer gaffer may read it.
            Err(error) => {
                beginning
                    .warnings
                    .push(format!("job `{name}`: what was kept of it does not read, so it is not loaded: {error}"));
            }
        }
    }
    // Stable: equals stay in their order.
    beginning.jobs.sort_by_key(|job| job.config.priority());
    beginning.strays = past;
    for job in &mut beginning.jobs {
        take_back(job, &mut beginning.strays, &mut beginning.taken_back);
    }
    beginning
}

/// Gives a job those of its processes that live and are still as it is configured.
fn take_back(job: &mut Restored, past: &mut Vec<PastProcess>, taken_back: &mut Vec<PastProcess>) {
    let places = if job.standing.started { job.standing.number as usize } else { 0 };
    let taken = past.extract_if(.., |process| process.detach && !process.once && process.is_as(&job.config));
    let mut taken: Vec<PastProcess> = taken.collect();
    past.extend(taken.drain(places.min(taken.len())..));
    job.survivors = taken.iter().map(|process| process.survivor.clone()).collect();
    taken_back.extend(taken);
}

#[cfg(test)]
mod tests {
    use gaffer_core::JobSpec;

    use super::*;

    fn config(name: &str, change: impl FnOnce(&mut JobSpec)) -> JobConfig {
        let mut spec = JobSpec::new(name.parse().unwrap(), "run");
        change(&mut spec);
        spec.check().unwrap()
    }

    fn stored(config: &JobConfig, started: bool, number: u32, origin: Origin) -> StoredJob {
        StoredJob::of(config, Standing { started, number, origin }).unwrap()
    }

    fn standing(beginning: &Beginning) -> Vec<(String, bool, u32, Origin)> {
        let told = |job: &Restored| {
            let Standing { started, number, origin } = job.standing;
            (job.config.name().to_string(), started, number, origin)
        };
        beginning.jobs.iter().map(told).collect()
    }

    #[test]
    fn kept_jobs_come_back_as_they_stood_with_those_of_the_configuration() {
        let [web, db] = [config("web", |_| {}), config("shop.db", |spec| spec.priority = Some(1))];
        let kept = vec![stored(&db, false, 3, Origin::Client), stored(&web, true, 2, Origin::Configuration)];
        let beginning = beginning(vec![web], kept, Vec::new());
        let expected = [
            ("shop.db".to_owned(), false, 3, Origin::Client),
            ("default.web".to_owned(), true, 2, Origin::Configuration),
        ];
        assert_eq!(standing(&beginning), expected);
        assert!(beginning.changes.is_empty() && beginning.warnings.is_empty());
    }

    #[test]
    fn the_configuration_wins_and_what_it_has_no_longer_is_forgotten() {
        let [web, gone] = [config("web", |_| {}), config("gone", |_| {})];
        let kept = vec![stored(&web, false, 3, Origin::Client), stored(&gone, false, 1, Origin::Configuration)];
        let beginning = beginning(vec![web], kept, Vec::new());
        assert_eq!(standing(&beginning), [("default.web".to_owned(), true, 1, Origin::Configuration)]);
        assert!(beginning.warnings[0].contains("`default.web`: it was loaded by a client"), "{beginning:?}");
        assert!(matches!(&beginning.changes[..], [Change::DeleteJob(_), Change::DeleteJob(_)]));
    }

    #[test]
    fn what_does_not_read_is_told_and_left_in_the_file() {
        let mut broken = stored(&config("web", |_| {}), true, 1, Origin::Client);
        broken.config = Some("{\"name\": \"web\"}".to_owned());
        let beginning = beginning(Vec::new(), vec![broken], Vec::new());
        assert!(beginning.jobs.is_empty() && beginning.changes.is_empty());
        assert!(beginning.warnings[0].contains("does not read, so it is not loaded: cmd: "), "{beginning:?}");
    }
}
