//! What is left out of answers to who may read a job, and not manage it: the values of variables, which may be secret. That they are
//! there is told, as `null`: such a configuration cannot be loaded by mistake.

use gaffer_core::JobName;
use serde_json::{Map, Value};

use super::Caller;

/// Leaves the values of variables out.
pub(in crate::api) fn hide(object: &mut Map<String, Value>) {
    if let Some(Value::Object(env)) = object.get_mut("env") {
        env.values_mut().for_each(|value| *value = Value::Null);
    }
}

/// Leaves out of a process what its job's variables have become: also its program and its arguments, in which they may stand.
pub(in crate::api) fn hide_process(object: &mut Map<String, Value>) {
    hide(object);
    for words in ["cmd", "args"] {
        object.insert(words.to_owned(), Value::Null);
    }
}

/// What a caller may know of what is told of a job.
pub(in crate::api) fn told(
    caller: &Caller,
    job: &JobName,
    mut told: Value,
    hide: fn(&mut Map<String, Value>),
) -> Value {
    if let Value::Object(object) = &mut told
        && !caller.manages(job)
    {
        hide(object);
    }
    told
}
