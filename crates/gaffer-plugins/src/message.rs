//! What lines say.

use bytes::Bytes;
use gaffer_core::{
    ProcessId,
    api::channel::{Command, Failure},
    events::Notification,
};
use serde::Serialize;
use serde_json::{Map, Value, value::RawValue};

/// The version of what is spoken.
pub(crate) const PROTOCOL: u32 = 1;

/// The longest `id`, in bytes: it is sent back.
const MAX_ID: usize = 256;

/// What an application says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    Ready,
    Call(Command),
    Subscribe { id: Value, events: Vec<String> },
    Unsubscribe { id: Value, events: Vec<String> },
    Log { level: Level, text: String },
}

/// How severe something is that an application has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Error,
    Warning,
    Info,
    Debug,
}

/// A line that is no message, or one that lacks something.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Misunderstood {
    /// The message's `id`, if that much could be read. Such a message counts as a call that fails, not as garbage.
    pub(crate) id: Option<Value>,
    pub(crate) failure: Failure,
}

/// What an application says that is wrong, whatever it is.
pub(crate) fn failure(code: &str, reason: impl Into<String>) -> Failure {
    Failure { errno: 400, error: code.to_owned(), reason: reason.into() }
}

impl Said {
    /// Reads a line.
    pub(crate) fn read(line: &[u8]) -> Result<Self, Misunderstood> {
        let garbage = |code, reason: String| Misunderstood { id: None, failure: failure(code, reason) };
        let mut message: Map<String, Value> = serde_json::from_slice(line)
            .map_err(|error| garbage("invalid_json", format!("the line is no object of JSON: {error}")))?;
        let kind = message.remove("type");
        let Some(kind) = kind.as_ref().and_then(Value::as_str) else {
            return Err(garbage("invalid_msg", "the message has no `type`, a text".to_owned()));
        };
        match kind {
            "ready" => Ok(Self::Ready),
            "call" => call(message),
            "subscribe" => events(message).map(|(id, events)| Self::Subscribe { id, events }),
            "unsubscribe" => events(message).map(|(id, events)| Self::Unsubscribe { id, events }),
            "log" => log(message),
            other => {
                let shown: String = other.chars().take(40).collect();
                let known = "ready, call, subscribe, unsubscribe and log";
                Err(garbage("invalid_msg", format!("there is no message `{shown}`; known are {known}")))
            }
        }
    }
}

fn wrong(id: &Value, code: &str, reason: impl Into<String>) -> Misunderstood {
    Misunderstood { id: Some(id.clone()), failure: failure(code, reason) }
}

fn id(message: &mut Map<String, Value>) -> Result<Value, Misunderstood> {
    match message.remove("id").unwrap_or_default() {
        Value::Null => Ok(Value::Null),
        Value::String(text) if text.len() <= MAX_ID => Ok(text.into()),
        Value::Number(number) if number.is_u64() || number.is_i64() => Ok(number.into()),
        // Others would not come back as they were.
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => Err(wrong(
            &Value::Null,
            "bad_value",
            format!("`id` must be a text of at most {MAX_ID} bytes or a whole number"),
        )),
    }
}

fn call(mut message: Map<String, Value>) -> Result<Said, Misunderstood> {
    let identity = id(&mut message)?;
    let Some(Value::String(name)) = message.remove("command") else {
        return Err(wrong(&identity, "bad_command", "`command` is missing; give the name of a command"));
    };
    let args = match message.remove("args").unwrap_or_default() {
        Value::Null => Vec::new(),
        Value::Array(args) => args,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            return Err(wrong(&identity, "bad_command", "`args` must be a list"));
        }
    };
    let kwargs = match message.remove("kwargs").unwrap_or_default() {
        Value::Null => Map::new(),
        Value::Object(kwargs) => kwargs,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(wrong(&identity, "bad_command", "`kwargs` must be an object"));
        }
    };
    Ok(Said::Call(Command { identity, name, args, kwargs }))
}

fn events(mut message: Map<String, Value>) -> Result<(Value, Vec<String>), Misunderstood> {
    let id = id(&mut message)?;
    let text = |value| if let Value::String(text) = value { Some(text) } else { None };
    let events = match message.remove("events").unwrap_or_default() {
        Value::String(one) => Some(vec![one]),
        Value::Array(list) => list.into_iter().map(text).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    };
    match events {
        Some(events) => Ok((id, events)),
        None => {
            Err(wrong(&id, "bad_value", "`events` must be a pattern such as `exit` or `proc.web`, or a list of them"))
        }
    }
}

fn log(mut message: Map<String, Value>) -> Result<Said, Misunderstood> {
    let level = match message.get("level").map_or(Some("info"), Value::as_str) {
        Some("error" | "critical") => Level::Error,
        Some("warning" | "warn") => Level::Warning,
        Some("info") => Level::Info,
        Some("debug") => Level::Debug,
        _ => return Err(wrong(&Value::Null, "bad_value", "`level` must be error, warning, info or debug")),
    };
    match message.remove("message") {
        Some(Value::String(text)) => Ok(Said::Log { level, text }),
        _ => Err(wrong(&Value::Null, "bad_value", "`message` must be a text")),
    }
}

/// What an application is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Told<'a> {
    Hello(Hello<'a>),
    Start,
    Restart,
    Stop,
    Event {
        /// The pattern, as the application wrote it.
        subscription: &'a str,
        data: &'a RawValue,
    },
    Lagged {
        subscription: &'a str,
        /// So many events.
        lost: u64,
    },
    Reply(Reply<'a>),
    /// Of a line that is no message.
    Error {
        error: &'a Failure,
    },
}

#[derive(Debug, Serialize)]
pub(crate) struct Hello<'a> {
    pub(crate) protocol: u32,
    /// The version of gafferd.
    pub(crate) gaffer: &'a str,
    /// The run of the node.
    pub(crate) node: &'a str,
    /// gaffer's number of the application's process.
    pub(crate) pid: ProcessId,
    pub(crate) plugin: About<'a>,
    /// `[plugin:NAME]`.
    pub(crate) config: &'a std::collections::BTreeMap<String, String>,
    pub(crate) endpoints: &'a [String],
}

#[derive(Debug, Serialize)]
pub(crate) struct About<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: Option<&'a str>,
    pub(crate) description: Option<&'a str>,
    pub(crate) folder: std::borrow::Cow<'a, str>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Reply<'a> {
    pub(crate) id: &'a Value,
    pub(crate) ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<&'a Failure>,
}

impl Told<'_> {
    /// As a line.
    pub(crate) fn line(&self) -> Bytes {
        // All of its types serialise.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line.into()
    }

    /// What came of what was asked for.
    pub(crate) fn reply(id: &Value, outcome: &Result<Value, Failure>) -> Bytes {
        let (result, error) = (outcome.as_ref().ok(), outcome.as_ref().err());
        Told::Reply(Reply { id, ok: outcome.is_ok(), result, error }).line()
    }

    /// Something happened.
    pub(crate) fn event(subscription: &str, notification: &Notification) -> Bytes {
        let json = notification.json();
        // It was written as JSON, which is text.
        let data: Option<&RawValue> = serde_json::from_slice(&json).ok();
        data.map(|data| Told::Event { subscription, data }.line()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(message: Value) -> Result<Said, Misunderstood> {
        Said::read(message.to_string().as_bytes())
    }

    #[test]
    fn messages_read() {
        assert_eq!(read(json!({"type": "ready", "more": 1})), Ok(Said::Ready));
        let command = Command {
            identity: 7.into(),
            name: "scale".to_owned(),
            args: vec!["web".into(), 2.into()],
            kwargs: Map::from_iter([("a".to_owned(), true.into())]),
        };
        let call = json!({"type": "call", "id": 7, "command": "scale", "args": ["web", 2], "kwargs": {"a": true}});
        assert_eq!(read(call), Ok(Said::Call(command)));
        let bare = Command { identity: Value::Null, name: "jobs".to_owned(), args: vec![], kwargs: Map::new() };
        assert_eq!(read(json!({"type": "call", "command": "jobs", "args": null})), Ok(Said::Call(bare)));
        let subscribe = |id: Value, events: &[&str]| {
            let events = events.iter().map(|event| (*event).to_owned()).collect();
            Ok(Said::Subscribe { id, events })
        };
        assert_eq!(read(json!({"type": "subscribe", "events": "exit"})), subscribe(Value::Null, &["exit"]));
        assert_eq!(
            read(json!({"type": "subscribe", "id": "a", "events": ["exit", "."]})),
            subscribe("a".into(), &["exit", "."])
        );
        let log = |level, text: &str| Ok(Said::Log { level, text: text.to_owned() });
        assert_eq!(read(json!({"type": "log", "message": "hi"})), log(Level::Info, "hi"));
        assert_eq!(read(json!({"type": "log", "level": "warning", "message": "hi"})), log(Level::Warning, "hi"));
    }

    #[test]
    fn what_is_no_message_says_why_and_what_is_wrong_keeps_its_id() {
        let refused = |text: &str| {
            let wrong = Said::read(text.as_bytes()).unwrap_err();
            (wrong.id, wrong.failure.error)
        };
        for text in ["", "hello", "[1]", "7", "null", "{\"type\":", "\u{0}", "{\"a\":1} {}"] {
            assert_eq!(refused(text), (None, "invalid_json".to_owned()), "{text}");
        }
        for text in ["{}", r#"{"type": 7}"#, r#"{"type": "nonsense"}"#] {
            assert_eq!(refused(text), (None, "invalid_msg".to_owned()), "{text}");
        }
        let id = |value: Value, code: &str| (Some(value), code.to_owned());
        assert_eq!(refused(r#"{"type": "call", "id": 7}"#), id(7.into(), "bad_command"));
        assert_eq!(refused(r#"{"type": "call", "id": 7, "command": "x", "args": 1}"#), id(7.into(), "bad_command"));
        assert_eq!(refused(r#"{"type": "call", "id": {}, "command": "x"}"#), id(Value::Null, "bad_value"));
        assert_eq!(refused(r#"{"type": "call", "id": 1.5, "command": "x"}"#), id(Value::Null, "bad_value"));
        assert_eq!(refused(r#"{"type": "subscribe", "events": [7]}"#), id(Value::Null, "bad_value"));
        assert_eq!(refused(r#"{"type": "log", "level": "loud", "message": ""}"#), id(Value::Null, "bad_value"));
        assert!(Said::read(b"\xff\xfe").is_err());
    }

    #[test]
    fn what_is_told_is_one_line() {
        let text = |line: Bytes| String::from_utf8(line.to_vec()).unwrap();
        assert_eq!(text(Told::Stop.line()), "{\"type\":\"stop\"}\n");
        assert_eq!(
            text(Told::reply(&7.into(), &Ok(json!({"ok": true})))),
            "{\"type\":\"reply\",\"id\":7,\"ok\":true,\"result\":{\"ok\":true}}\n"
        );
        assert_eq!(
            text(Told::reply(&Value::Null, &Err(failure("bad_value", "a\nb")))),
            "{\"type\":\"reply\",\"id\":null,\"ok\":false,\"error\":{\"errno\":400,\"error\":\"bad_value\",\"reason\":\"a\\nb\"}}\n"
        );
        assert_eq!(
            text(Told::Lagged { subscription: "exit", lost: 3 }.line()),
            "{\"type\":\"lagged\",\"subscription\":\"exit\",\"lost\":3}\n"
        );
    }

    proptest! {
        #[test]
        fn no_line_confuses_it(line in prop::collection::vec(any::<u8>(), 0..80), text in ".{0,60}") {
            let _either_way = Said::read(&line);
            let _either_way = Said::read(text.as_bytes());
        }
    }
}
