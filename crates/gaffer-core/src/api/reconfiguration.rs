//! What reading a node's configuration again comes to.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::{
    config::JobConfig,
    names::JobName,
    supervisor::{Origin, Standing},
};

/// What is different between a node and its configuration; or was, if that has been applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconfiguration {
    /// Whether the node is as its configuration says by now, but for `failed` and `at_restart`.
    pub applied: bool,
    /// The files that were read, the one that was named first.
    pub files: Vec<String>,
    /// Jobs.
    pub jobs: JobChanges,
    /// Endpoints, by their names.
    pub endpoints: Changes,
    /// Webhooks, by pattern or name.
    pub webhooks: Changes,
    /// Plugins, by their names.
    pub plugins: Changes,
    /// Settings that are different, and count from the next start of the node on.
    pub at_restart: Vec<String>,
    /// What could not be done; all else was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<Failed>,
    /// What will not do what its author may expect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What changes of the jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobChanges {
    /// Those that are loaded.
    pub added: Vec<JobName>,
    /// Those that are stopped and forgotten.
    pub removed: Vec<JobName>,
    /// Those that are otherwise.
    pub changed: Vec<JobChange>,
    /// How many stay as they are.
    pub unchanged: usize,
}

/// What changes of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobChange {
    /// Which job.
    pub name: JobName,
    /// The keys that are different.
    pub keys: Vec<String>,
    /// Whether its processes are replaced.
    pub restarts: bool,
}

/// What changes of something that has names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// What comes.
    pub added: Vec<String>,
    /// What goes.
    pub removed: Vec<String>,
    /// What is otherwise.
    pub changed: Vec<String>,
}

/// Something that could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// With what: a job's name, say.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl Changes {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        let Self { added, removed, changed } = self;
        added.is_empty() && removed.is_empty() && changed.is_empty()
    }

    /// What there is to change from some things to others, which are told apart by their names, in the order of the latter.
    pub fn between<'a, T: PartialEq + 'a>(
        old: impl IntoIterator<Item = (&'a str, &'a T)>,
        new: impl IntoIterator<Item = (&'a str, &'a T)>,
    ) -> Self {
        let old: Vec<(&str, &T)> = old.into_iter().collect();
        let mut before: HashMap<&str, &T> = old.iter().copied().collect();
        let mut changes = Self::default();
        for (name, thing) in new {
            match before.remove(name) {
                None => changes.added.push(name.to_owned()),
                Some(known) if known != thing => changes.changed.push(name.to_owned()),
                Some(_) => {}
            }
        }
        let gone = old.iter().filter(|(name, _)| before.contains_key(name));
        changes.removed = gone.map(|(name, _)| (*name).to_owned()).collect();
        changes
    }
}

impl JobChanges {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        let Self { added, removed, changed, unchanged: _ } = self;
        added.is_empty() && removed.is_empty() && changed.is_empty()
    }

    /// What there is to change for a node's jobs to be as its configuration says. Jobs that were loaded by somebody else are none of its
    /// business, unless it has them too.
    pub fn between<C: AsRef<JobConfig>>(live: &[(C, Standing)], configured: &[JobConfig]) -> Self {
        let mut known: HashMap<&JobName, (&JobConfig, &Standing)> =
            live.iter().map(|(config, standing)| (config.as_ref().name(), (config.as_ref(), standing))).collect();
        let mut changes = Self::default();
        for config in configured {
            let name = config.name();
            match known.remove(name) {
                None => changes.added.push(name.clone()),
                Some((before, _)) if before == config => changes.unchanged += 1,
                Some((before, standing)) => {
                    let keys = before.differing_keys(config).into_iter().map(str::to_owned).collect();
                    let is_stopped = before.spec().start && !config.spec().start;
                    let restarts = standing.started && !is_stopped && before.needs_new_processes(config);
                    changes.changed.push(JobChange { name: name.clone(), keys, restarts });
                }
            }
        }
        let gone = live.iter().filter(|(config, standing)| {
            standing.origin == Origin::Configuration && known.contains_key(config.as_ref().name())
        });
        changes.removed = gone.map(|(config, _)| config.as_ref().name().clone()).collect();
        changes
    }
}

impl Reconfiguration {
    /// Whether the node is as its configuration says.
    pub fn is_empty(&self) -> bool {
        let Self { applied: _, files: _, jobs, endpoints, webhooks, plugins, at_restart, failed: _, warnings: _ } =
            self;
        jobs.is_empty() && endpoints.is_empty() && webhooks.is_empty() && plugins.is_empty() && at_restart.is_empty()
    }

    /// Each change in a line: `+` for what comes, `-` for what goes, `~` for what is otherwise.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        lines.extend(self.jobs.removed.iter().map(|name| format!("- job {name}")));
        lines.extend(self.jobs.added.iter().map(|name| format!("+ job {name}")));
        lines.extend(self.jobs.changed.iter().map(|JobChange { name, keys, restarts }| {
            let restarts = if *restarts { "its processes are replaced" } else { "its processes go on" };
            format!("~ job {name}: {} ({restarts})", keys.join(", "))
        }));
        for (what, changes) in [("endpoint", &self.endpoints), ("webhook", &self.webhooks), ("plugin", &self.plugins)] {
            for (sign, names) in [('-', &changes.removed), ('+', &changes.added), ('~', &changes.changed)] {
                lines.extend(names.iter().map(|name| format!("{sign} {what} {name}")));
            }
        }
        lines.extend(self.at_restart.iter().map(|key| format!("~ {key}: counts from the next start of gafferd on")));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::JobSpec;

    fn config(name: &str, change: impl FnOnce(&mut JobSpec)) -> JobConfig {
        let mut spec = JobSpec::new(name.parse().unwrap(), "run");
        change(&mut spec);
        spec.check().unwrap()
    }

    #[test]
    fn jobs_of_the_configuration_come_go_and_change() {
        let live = |name: &str, origin| {
            let config = config(name, |_| {});
            let standing = Standing::configured(&config, origin);
            (Box::new(config), standing)
        };
        let jobs = [
            live("same", Origin::Configuration),
            live("gone", Origin::Configuration),
            live("scaled", Origin::Configuration),
            live("theirs", Origin::Client),
            live("taken", Origin::Client),
        ];
        let configured = [
            config("new", |_| {}),
            config("same", |_| {}),
            config("scaled", |spec| spec.numprocesses = 2),
            config("taken", |spec| spec.cwd = Some("/".into())),
        ];
        let changes = JobChanges::between(&jobs, &configured);
        let told =
            Reconfiguration { jobs: changes, at_restart: vec!["state_dir".to_owned()], ..Reconfiguration::default() };
        let expected = [
            "- job default.gone",
            "+ job default.new",
            "~ job default.scaled: numprocesses (its processes go on)",
            "~ job default.taken: cwd (its processes are replaced)",
            "~ state_dir: counts from the next start of gafferd on",
        ];
        assert_eq!(told.lines(), expected);
        assert_eq!(told.jobs.unchanged, 1);
        assert!(!told.is_empty());
    }

    #[test]
    fn things_with_names_come_go_and_change() {
        let changes = Changes::between([("a", &1), ("b", &2), ("c", &3)], [("d", &4), ("c", &3), ("b", &9)]);
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let expected = Changes { added: list(&["d"]), removed: list(&["a"]), changed: list(&["b"]) };
        assert_eq!(changes, expected);
        assert!(Changes::between([("a", &1)], [("a", &1)]).is_empty());
    }
}
