//! In what two configurations of a job differ, and whether its processes could tell.

use super::{JobConfig, JobSpec};

/// The keys that say how processes are looked after, and not what they are: when one of these changes, what runs goes on.
pub const KEYS_IN_PLACE: [&str; 5] = ["numprocesses", "flapping", "graceful_timeout", "priority", "start"];

impl JobConfig {
    /// The keys in which another configuration of the job differs, as [`JOB_KEYS`](super::JOB_KEYS) has them and in that order.
    pub fn differing_keys(&self, other: &Self) -> Vec<&'static str> {
        // Whole, so that a new field cannot be forgotten.
        let JobSpec {
            name,
            cmd,
            args,
            env,
            uid,
            gid,
            cwd,
            detach,
            shell,
            os_env,
            numprocesses,
            flapping,
            redirect_output,
            redirect_input,
            custom_streams,
            graceful_timeout,
            priority,
            start,
        } = self.spec();
        let other = other.spec();
        let differ = [
            ("name", *name != other.name),
            ("cmd", *cmd != other.cmd),
            ("args", *args != other.args),
            ("env", *env != other.env),
            ("uid", *uid != other.uid),
            ("gid", *gid != other.gid),
            ("cwd", *cwd != other.cwd),
            ("detach", *detach != other.detach),
            ("shell", *shell != other.shell),
            ("os_env", *os_env != other.os_env),
            ("numprocesses", *numprocesses != other.numprocesses),
            ("flapping", *flapping != other.flapping),
            ("redirect_output", *redirect_output != other.redirect_output),
            ("redirect_input", *redirect_input != other.redirect_input),
            ("custom_streams", *custom_streams != other.custom_streams),
            ("graceful_timeout", *graceful_timeout != other.graceful_timeout),
            ("priority", *priority != other.priority),
            ("start", *start != other.start),
        ];
        differ.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
    }

    /// Whether processes that were launched with this configuration must be replaced to be as another one has them.
    pub fn needs_new_processes(&self, other: &Self) -> bool {
        self.differing_keys(other).iter().any(|key| !KEYS_IN_PLACE.contains(key))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::JOB_KEYS;

    fn config(change: impl FnOnce(&mut JobSpec)) -> JobConfig {
        let mut spec = JobSpec::new("web".parse().unwrap(), "./web");
        change(&mut spec);
        spec.check().unwrap()
    }

    #[test]
    fn keys_that_differ_are_named_in_their_order() {
        let one = config(|_| {});
        assert!(one.differing_keys(&one).is_empty());
        let other = config(|spec| {
            spec.start = false;
            spec.env.insert("A".into(), "b".into());
            spec.cmd = Some("./other".into());
        });
        assert_eq!(one.differing_keys(&other), ["cmd", "env", "start"]);
        assert!(KEYS_IN_PLACE.iter().all(|key| JOB_KEYS.contains(key)));
    }

    #[test]
    fn what_says_how_processes_are_looked_after_needs_no_new_ones() {
        let one = config(|_| {});
        let in_place = config(|spec| {
            spec.numprocesses = 3;
            spec.graceful_timeout = Duration::from_secs(1);
            spec.priority = Some(1);
            spec.flapping = Some(crate::config::Flapping::default());
            spec.start = false;
        });
        assert_eq!(one.differing_keys(&in_place).len(), KEYS_IN_PLACE.len());
        assert!(!one.needs_new_processes(&in_place));
        assert!(one.needs_new_processes(&config(|spec| spec.cwd = Some("/".into()))));
    }
}
