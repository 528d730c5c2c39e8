//! What a key permits.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Scope;
use crate::{
    config::suggest,
    names::{JobName, SessionId},
};

/// What is done, from the least to the most: who may do one of them may do those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// To see how something stands, what happens to it and what it writes.
    Read,
    /// To write to processes.
    Write,
    /// All else: to load, change, start, stop, scale, signal and unload jobs. Who may do so runs commands as the user that the node
    /// runs as.
    Manage,
}

/// What it is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The whole node.
    Everything,
    /// A session, with all jobs that it has or may get.
    Session(&'a SessionId),
    /// A job, and its processes.
    Job(&'a JobName),
}

/// What a key permits. By default nothing.
///
/// ```
/// use gaffer_core::access::{Permissions, Resource, Right};
///
/// let may: Permissions = serde_json::from_str(r#"{"write": ["shop"]}"#)?;
/// let job = "shop.web".parse()?;
/// assert!(may.allow(Right::Read, Resource::Job(&job)) && !may.allow(Right::Manage, Resource::Job(&job)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Permissions {
    /// Everything.
    pub admin: bool,
    /// To make keys that permit no more than this one, and to revoke those.
    pub create_key: bool,
    /// To make users who may do no more than this key, and to change those.
    pub create_user: bool,
    /// What may be managed, and so written to and read as well.
    pub manage: BTreeSet<Scope>,
    /// What may be written to, and so read as well.
    pub write: BTreeSet<Scope>,
    /// What may be read.
    pub read: BTreeSet<Scope>,
}

/// What is wrong with permissions.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("permissions.{0}")]
pub struct InvalidPermissions(String);

/// The most that each of the lists may name.
const MOST_SCOPES: usize = 1000;

/// The fields.
const FIELDS: [&str; 6] = ["admin", "create_key", "create_user", "manage", "write", "read"];

impl Permissions {
    /// Permits everything.
    pub fn admin() -> Self {
        Self { admin: true, ..Self::default() }
    }

    /// Whether this may be done.
    pub fn allow(&self, right: Right, resource: Resource<'_>) -> bool {
        self.admin || self.scopes(right).any(|scope| scope.holds(resource))
    }

    /// What a right, or one that includes it, is given of.
    fn scopes(&self, right: Right) -> impl Iterator<Item = &Scope> {
        let lists = [(Right::Manage, &self.manage), (Right::Write, &self.write), (Right::Read, &self.read)];
        lists.into_iter().filter(move |(given, _)| *given >= right).flat_map(|(_, scopes)| scopes)
    }

    /// Whether something of a session, or that is called so, may be done to some job of it.
    pub fn allow_some_of(&self, right: Right, session: &SessionId) -> bool {
        let is_inside = |scope: &Scope| match scope {
            Scope::Job(job) => job.session() == session,
            Scope::Named(name) => {
                let inside = name.as_str().strip_prefix(session.as_str()).and_then(|rest| rest.strip_prefix('.'));
                inside.is_some_and(|job| !job.is_empty() && !job.contains('.'))
            }
            Scope::All => true,
        };
        self.allow(right, Resource::Session(session)) || self.scopes(right).any(is_inside)
    }

    /// Whether all that the other permits is permitted here.
    pub fn cover(&self, other: &Self) -> bool {
        let covered = |right: Right, wanted: &BTreeSet<Scope>| {
            wanted.iter().all(|scope| self.scopes(right).any(|own| own.covers(scope)))
        };
        self.admin
            || !other.admin
                && (self.create_key || !other.create_key)
                && (self.create_user || !other.create_user)
                && covered(Right::Manage, &other.manage)
                && covered(Right::Write, &other.write)
                && covered(Right::Read, &other.read)
    }

    /// Reads what clients send: truth values, and lists of scopes (or objects, of which the keys count, as gaffer 0.5 took them).
    ///
    /// # Errors
    /// The first field that does not read, also one that does not exist: a permission that is not given by mistake is found late.
    pub fn from_json(object: &Map<String, Value>) -> Result<Self, InvalidPermissions> {
        let mut read = Self::default();
        for (field, value) in object {
            match field.as_str() {
                "admin" => read.admin = boolean(field, value)?,
                "create_key" => read.create_key = boolean(field, value)?,
                "create_user" => read.create_user = boolean(field, value)?,
                "manage" => read.manage = scopes(field, value)?,
                "write" => read.write = scopes(field, value)?,
                "read" => read.read = scopes(field, value)?,
                _ => {
                    let meant = suggest(field, FIELDS).map(|meant| format!("; did you mean `{meant}`?"));
                    let known = || format!("; there are {}", FIELDS.join(", "));
                    let problem = format!("{field}: is no permission{}", meant.unwrap_or_else(known));
                    return Err(InvalidPermissions(problem));
                }
            }
        }
        Ok(read)
    }
}

fn boolean(field: &str, value: &Value) -> Result<bool, InvalidPermissions> {
    if value.is_null() {
        return Ok(false);
    }
    value.as_bool().ok_or_else(|| InvalidPermissions(format!("{field}: must be true or false, but is {value}")))
}

fn scopes(field: &str, value: &Value) -> Result<BTreeSet<Scope>, InvalidPermissions> {
    let wrong = || InvalidPermissions(format!("{field}: must be a list of sessions and jobs, but is {value}"));
    let texts: Vec<&str> = match value {
        Value::Null => Vec::new(),
        Value::Array(list) => list.iter().map(Value::as_str).collect::<Option<_>>().ok_or_else(wrong)?,
        Value::Object(map) => map.keys().map(String::as_str).collect(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(wrong()),
    };
    if texts.len() > MOST_SCOPES {
        return Err(InvalidPermissions(format!("{field}: names more than {MOST_SCOPES} sessions and jobs; use `*`")));
    }
    let read = |text: &str| text.parse::<Scope>().map_err(|error| InvalidPermissions(format!("{field}: {error}")));
    texts.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn permissions(value: Value) -> Permissions {
        let Value::Object(object) = value else { panic!() };
        Permissions::from_json(&object).unwrap()
    }

    fn rights(permissions: &Permissions, resource: Resource<'_>) -> [bool; 3] {
        [Right::Read, Right::Write, Right::Manage].map(|right| permissions.allow(right, resource))
    }

    #[test]
    fn more_includes_less() {
        let job = "s.j".parse().unwrap();
        let job = Resource::Job(&job);
        for (value, expected) in [
            (json!({}), [false, false, false]),
            (json!({"admin": true}), [true, true, true]),
            (json!({"manage": ["s"]}), [true, true, true]),
            (json!({"write": ["s.j"]}), [true, true, false]),
            (json!({"read": ["*"]}), [true, false, false]),
            (json!({"read": {"s": 1}}), [true, false, false]),
            (json!({"read": ["s.k"], "write": ["t"]}), [false, false, false]),
            (json!({"create_key": true, "create_user": true}), [false, false, false]),
        ] {
            assert_eq!(rights(&permissions(value.clone()), job), expected, "{value}");
        }
    }

    #[test]
    fn everything_needs_the_star() {
        assert_eq!(rights(&permissions(json!({"manage": ["s", "t"]})), Resource::Everything), [false; 3]);
        assert_eq!(rights(&permissions(json!({"write": ["*"]})), Resource::Everything), [true, true, false]);
    }

    #[test]
    fn a_session_is_seen_by_who_sees_one_of_its_jobs() {
        let session: SessionId = "shop".parse().unwrap();
        for (scope, expected) in [
            ("shop", true),
            ("shop.web", true),
            ("shop:web", true),
            ("*", true),
            ("blog", false),
            ("shop.eu.web", false),
            ("shopping.web", false),
        ] {
            let may = permissions(json!({"read": [scope]}));
            assert_eq!(may.allow_some_of(Right::Read, &session), expected, "{scope}");
            assert!(!may.allow_some_of(Right::Write, &session));
        }
        assert!(Permissions::admin().allow_some_of(Right::Manage, &session));
    }

    #[test]
    fn what_does_not_read_is_refused() {
        for (value, problem) in [
            (json!({"admin": 1}), "permissions.admin: must be true or false, but is 1"),
            (json!({"read": "s"}), "permissions.read: must be a list of sessions and jobs, but is \"s\""),
            (json!({"read": [1]}), "permissions.read: must be a list of sessions and jobs, but is [1]"),
            (json!({"raed": []}), "permissions.raed: is no permission; did you mean `read`?"),
            (
                json!({"x": []}),
                "permissions.x: is no permission; there are admin, create_key, create_user, manage, write, read",
            ),
        ] {
            let Value::Object(object) = value else { panic!() };
            assert_eq!(Permissions::from_json(&object).unwrap_err().to_string(), problem);
        }
    }

    fn some() -> impl Strategy<Value = Permissions> {
        let scope = prop_oneof![
            Just("*"),
            Just("a"),
            Just("b"),
            Just("a.x"),
            Just("a:x"),
            Just("a.x:y"),
            Just("b:y"),
            Just("a:y")
        ];
        let scopes = || prop::collection::btree_set(scope.clone().prop_map(|text| text.parse().unwrap()), 0..3);
        (prop::bool::weighted(0.1), any::<bool>(), any::<bool>(), scopes(), scopes(), scopes()).prop_map(
            |(admin, create_key, create_user, manage, write, read)| Permissions {
                admin,
                create_key,
                create_user,
                manage,
                write,
                read,
            },
        )
    }

    proptest! {
        #[test]
        fn who_covers_another_may_do_all_that_it_may(one in some(), other in some()) {
            prop_assume!(one.cover(&other));
            let jobs = ["a.x", "a.y", "b.x", "b.y", "a.x.y"].map(|name| name.parse::<JobName>().unwrap());
            let sessions = ["a", "b", "a.x"].map(|name| name.parse::<SessionId>().unwrap());
            let resources = jobs.iter().map(Resource::Job).chain(sessions.iter().map(Resource::Session));
            for resource in resources.chain([Resource::Everything]) {
                for right in [Right::Read, Right::Write, Right::Manage] {
                    prop_assert!(one.allow(right, resource) || !other.allow(right, resource), "{right:?} {resource:?}");
                }
            }
            prop_assert!(one.admin || !other.admin);
            prop_assert!(one.admin || one.create_key || !other.create_key);
        }

        #[test]
        fn permissions_cover_themselves_and_read_as_they_are_written(one in some()) {
            prop_assert!(one.cover(&one));
            let Value::Object(object) = serde_json::to_value(&one).unwrap() else { panic!() };
            prop_assert_eq!(Permissions::from_json(&object).unwrap(), one);
        }
    }
}
