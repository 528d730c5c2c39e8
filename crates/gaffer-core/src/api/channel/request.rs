//! What clients say.

use serde_json::{Map, Value, json};

/// A message of a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Subscribes to a topic.
    Subscribe(Subscribe),
    /// Takes a subscription back: to the topic as it was written then.
    Unsubscribe {
        /// The topic.
        topic: String,
    },
    /// Carries out a command.
    Command(Command),
    /// Nothing: it keeps a connection open.
    Nop,
    /// Shows a key.
    Auth(String),
}

/// How a topic is subscribed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subscribe {
    /// The topic. Whether it is one is for the node to say.
    pub topic: String,
    /// So many of the last events, or lines of output, are told first.
    pub history: Option<usize>,
    /// The id of what was seen last: what followed it is told first.
    pub after: Option<String>,
    /// The run of the node that the topic's pid is of; in another run there is no such process.
    pub run: Option<String>,
}

/// A command, and what ties the answer to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// What ties the answer to it: text, or a number.
    pub identity: Value,
    /// Which command.
    pub name: String,
    /// Its arguments.
    pub args: Vec<Value>,
    /// Those that are given by name.
    pub kwargs: Map<String, Value>,
}

/// A message that is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// It is no JSON, or no object.
    #[error("the message is no object of JSON: {0}")]
    Json(String),
    /// There is no `event`, or none that is known.
    #[error("the message must have an `event`: SUB, UNSUB, CMD or NOP")]
    Event,
    /// There is no `data`.
    #[error("the message must have `data`, an object")]
    Data,
    /// There is no topic.
    #[error("`data` must have a `topic`, a text")]
    Topic,
    /// The command has no name.
    #[error("`data` must have the `name` of a command, a text")]
    Name,
    /// The command has no identity.
    #[error(
        "`data` must have an `identity`, a text of at most {MAX_IDENTITY} bytes or a whole number, which comes back with the answer"
    )]
    Identity,
    /// A subscription that is to begin at a place that does not read.
    #[error("{problem}")]
    Subscription {
        /// The topic.
        topic: String,
        /// What is wrong.
        problem: String,
    },
    /// A command whose arguments are no arguments.
    #[error("{problem}")]
    Arguments {
        /// The command's identity.
        identity: Value,
        /// What is wrong.
        problem: &'static str,
    },
}

/// Identities are sent back, so they are not kept if they are absurd.
const MAX_IDENTITY: usize = 256;

impl InvalidRequest {
    /// The code that clients are told.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "invalid_json",
            Self::Event => "event_missing",
            Self::Data => "data_missing",
            Self::Topic => "topic_missing",
            Self::Name => "cmd_name_missing",
            Self::Identity => "cmd_identity_missing",
            Self::Subscription { .. } => "bad_value",
            Self::Arguments { .. } => "bad_command",
        }
    }
}

impl Request {
    /// What precedes a key.
    const AUTH: &'static str = "AUTH:";

    /// Reads a message.
    ///
    /// # Errors
    /// When it is no request.
    pub fn read(text: &str) -> Result<Self, InvalidRequest> {
        if let Some(key) = text.strip_prefix(Self::AUTH) {
            return Ok(Self::Auth(key.to_owned()));
        }
        let mut message: Map<String, Value> =
            serde_json::from_str(text).map_err(|error| InvalidRequest::Json(error.to_string()))?;
        let data = match message.remove("data") {
            Some(Value::Object(data)) => Ok(data),
            _ => Err(InvalidRequest::Data),
        };
        match message.get("event").and_then(Value::as_str) {
            Some("NOP") => Ok(Self::Nop),
            Some("SUB") => Subscribe::read(data?).map(Self::Subscribe),
            Some("UNSUB") => Ok(Self::Unsubscribe { topic: topic(&mut data?)? }),
            Some("CMD") => Command::read(data?).map(Self::Command),
            _ => Err(InvalidRequest::Event),
        }
    }

    /// Writes it as it is read.
    pub fn to_text(&self) -> String {
        match self {
            Self::Nop => json!({"event": "NOP"}).to_string(),
            Self::Auth(key) => format!("{}{key}", Self::AUTH),
            Self::Unsubscribe { topic } => json!({"event": "UNSUB", "data": {"topic": topic}}).to_string(),
            Self::Subscribe(Subscribe { topic, history, after, run }) => {
                let mut data = json!({"topic": topic});
                let options = [("history", history.map(Value::from)), ("after", after.clone().map(Value::from))];
                for (key, value) in options.into_iter().chain([("run", run.clone().map(Value::from))]) {
                    if let Some(value) = value {
                        data[key] = value;
                    }
                }
                json!({"event": "SUB", "data": data}).to_string()
            }
            Self::Command(Command { identity, name, args, kwargs }) => {
                let data = json!({"identity": identity, "name": name, "args": args, "kwargs": kwargs});
                json!({"event": "CMD", "data": data}).to_string()
            }
        }
    }
}

fn topic(data: &mut Map<String, Value>) -> Result<String, InvalidRequest> {
    match data.remove("topic") {
        Some(Value::String(topic)) => Ok(topic),
        _ => Err(InvalidRequest::Topic),
    }
}

impl Subscribe {
    fn read(mut data: Map<String, Value>) -> Result<Self, InvalidRequest> {
        let topic = topic(&mut data)?;
        let invalid = |key: &str, expected: &str, value: &Value| InvalidRequest::Subscription {
            topic: topic.clone(),
            problem: format!("`{key}` must be {expected}, but is {value}"),
        };
        let mut given = |key: &str| data.remove(key).filter(|value| !value.is_null());
        let text = |key: &str, value: Option<Value>| match value {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(value) => Err(invalid(key, "a text", &value)),
        };
        let history = given("history").map(|value| {
            let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
            number.ok_or_else(|| invalid("history", "a whole number of 0 or more", &value))
        });
        let (history, after, run) = (history.transpose()?, text("after", given("after"))?, text("run", given("run"))?);
        Ok(Self { history, after, run, topic })
    }
}

impl Command {
    fn read(mut data: Map<String, Value>) -> Result<Self, InvalidRequest> {
        let identity = data.remove("identity").filter(|identity| match identity {
            Value::String(text) => text.len() <= MAX_IDENTITY,
            // Others would not come back as they were.
            Value::Number(number) => number.is_u64() || number.is_i64(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
        });
        let name = match data.remove("name") {
            Some(Value::String(name)) => name,
            _ => return Err(InvalidRequest::Name),
        };
        let identity = identity.ok_or(InvalidRequest::Identity)?;
        let args = match data.remove("args") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(args)) => args,
            Some(_) => return Err(InvalidRequest::Arguments { identity, problem: "`args` must be a list" }),
        };
        let kwargs = match data.remove("kwargs") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(kwargs)) => kwargs,
            Some(_) => return Err(InvalidRequest::Arguments { identity, problem: "`kwargs` must be an object" }),
        };
        Ok(Self { identity, name, args, kwargs })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(text: &str) -> &'static str {
        Request::read(text).unwrap_err().code()
    }

    #[test]
    fn requests_read_as_they_are_written() {
        let subscribe = Subscribe { topic: "EVENTS".to_owned(), ..Subscribe::default() };
        let resume = Subscribe {
            topic: "STREAM:7".to_owned(),
            history: Some(5),
            after: Some("n-7".to_owned()),
            run: Some("n".to_owned()),
        };
        let command = Command {
            identity: "5f".into(),
            name: "scale".to_owned(),
            args: vec!["shop.web".into(), 1.into()],
            kwargs: Map::from_iter([("a".to_owned(), Value::Null)]),
        };
        for request in [
            Request::Nop,
            Request::Auth("key".to_owned()),
            Request::Subscribe(subscribe),
            Request::Subscribe(resume),
            Request::Unsubscribe { topic: "EVENTS".to_owned() },
            Request::Command(command),
        ] {
            assert_eq!(Request::read(&request.to_text()), Ok(request));
        }
    }

    #[test]
    fn what_may_be_left_out_may_be_null() {
        let read = Request::read(r#"{"event":"CMD","data":{"identity":7,"name":"jobs","args":null,"kwargs":null}}"#);
        let command = Command { identity: 7.into(), name: "jobs".to_owned(), args: Vec::new(), kwargs: Map::new() };
        assert_eq!(read, Ok(Request::Command(command.clone())));
        assert_eq!(
            Request::read(r#"{"event":"CMD","data":{"identity":7,"name":"jobs"}}"#),
            Ok(Request::Command(command))
        );
        let read = Request::read(r#"{"event":"SUB","data":{"topic":"STATS","history":null,"after":null,"run":null}}"#);
        assert_eq!(read, Ok(Request::Subscribe(Subscribe { topic: "STATS".to_owned(), ..Subscribe::default() })));
    }

    #[test]
    fn what_is_no_request_says_why() {
        for (text, expected) in [
            ("", "invalid_json"),
            ("hello", "invalid_json"),
            ("[1]", "invalid_json"),
            ("7", "invalid_json"),
            ("null", "invalid_json"),
            (r#"{"event": "SUB""#, "invalid_json"),
            ("{}", "event_missing"),
            (r#"{"event": 7}"#, "event_missing"),
            (r#"{"event": "sub"}"#, "event_missing"),
            (r#"{"event": "SUB"}"#, "data_missing"),
            (r#"{"event": "SUB", "data": "EVENTS"}"#, "data_missing"),
            (r#"{"event": "SUB", "data": {}}"#, "topic_missing"),
            (r#"{"event": "UNSUB", "data": {"topic": 7}}"#, "topic_missing"),
            (r#"{"event": "SUB", "data": {"topic": "EVENTS", "history": -1}}"#, "bad_value"),
            (r#"{"event": "SUB", "data": {"topic": "EVENTS", "after": 7}}"#, "bad_value"),
            (r#"{"event": "CMD"}"#, "data_missing"),
            (r#"{"event": "CMD", "data": {"identity": "a"}}"#, "cmd_name_missing"),
            (r#"{"event": "CMD", "data": {"name": "jobs"}}"#, "cmd_identity_missing"),
            (r#"{"event": "CMD", "data": {"name": "jobs", "identity": {}}}"#, "cmd_identity_missing"),
            (r#"{"event": "CMD", "data": {"name": "jobs", "identity": 1, "args": "x"}}"#, "bad_command"),
            (r#"{"event": "CMD", "data": {"name": "jobs", "identity": 1, "kwargs": []}}"#, "bad_command"),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
        let long = format!(r#"{{"event": "CMD", "data": {{"name": "jobs", "identity": "{}"}}}}"#, "x".repeat(257));
        assert_eq!(code(&long), "cmd_identity_missing");
    }

    proptest! {
        #[test]
        fn no_text_confuses_it(text in ".{0,60}") {
            let _either_way = Request::read(&text);
        }
    }
}
