//! What is spoken with lookup servers (`gaffer_lookupd`): by nodes, which register, and by who asks.
//!
//! A node says [`NodeMessage`]s on a websocket and is answered [`NodeReply`]s; who watches is told [`Change`]s; the rest is plain
//! requests. Names of jobs are texts here: a server repeats them as nodes registered them, whatever those are.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::names::ProcessId;

/// The version of the protocol that nodes speak.
pub const PROTOCOL: &str = "0.1";

/// The port of lookup servers, where none is given.
pub const DEFAULT_PORT: u16 = 5010;

/// Most bytes of a name, an origin or a version: a job's full name has 511 at most.
pub const MAX_NAME: usize = 512;

/// Text that lookup servers take for no name. It follows what it is a name of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// It has so many bytes.
    #[error("has {0} bytes; at most {MAX_NAME} are allowed")]
    TooLong(usize),
    /// There is nothing, or what would do something to a terminal or a log that shows it.
    #[error("must not be empty or hold control characters")]
    Unprintable,
}

/// Refuses what lookup servers take for no name, origin or version.
///
/// # Errors
/// When it is none.
pub fn check_name(text: &str) -> Result<(), InvalidName> {
    if text.len() > MAX_NAME {
        return Err(InvalidName::TooLong(text.len()));
    }
    if text.is_empty() || text.chars().any(char::is_control) { Err(InvalidName::Unprintable) } else { Ok(()) }
}

/// A node as it identified itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Its name: the host's, unless it was given another.
    pub name: String,
    /// Where clients reach it.
    pub origin: String,
    /// The version of the protocol that it speaks.
    pub version: String,
}

/// A node that runs a job, and the processes that it has of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The node's name.
    pub name: String,
    /// The job's processes there, oldest first.
    pub pids: Vec<ProcessId>,
    /// The node.
    pub node_info: NodeInfo,
}

/// A job, and where it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupJob {
    /// Its full name.
    pub name: String,
    /// The nodes that have it.
    pub sources: Vec<Source>,
}

/// A session, and where its jobs run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookupSession {
    /// Its name.
    pub sessionid: String,
    /// Its jobs by full name, and the nodes that have them.
    pub jobs: BTreeMap<String, Vec<Source>>,
}

/// Several nodes of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameConflict {
    /// The name.
    pub name: String,
    /// Where those nodes are.
    pub origins: Vec<String>,
}

/// The answer of `/nodes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nodes {
    /// All nodes. The original's servers list connections, too, whose nodes did not say yet who they are: those are left out when read.
    #[serde(deserialize_with = "identified")]
    pub nodes: Vec<NodeInfo>,
    /// Names that several of them have. They are told apart by their origins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<NameConflict>,
}

impl Nodes {
    /// These nodes, by name and each once, and the names that several of them have.
    pub fn of(nodes: impl IntoIterator<Item = NodeInfo>) -> Self {
        let mut nodes: Vec<NodeInfo> = nodes.into_iter().collect();
        nodes.sort_unstable();
        nodes.dedup();
        let conflict = |nodes: &[NodeInfo]| {
            let mut origins: Vec<String> = nodes.iter().map(|node| node.origin.clone()).collect();
            origins.dedup();
            (origins.len() > 1).then(|| NameConflict { name: nodes[0].name.clone(), origins })
        };
        let conflicts = nodes.chunk_by(|one, next| one.name == next.name).filter_map(conflict).collect();
        Self { nodes, conflicts }
    }
}

fn identified<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<NodeInfo>, D::Error> {
    let listed = Vec::<UnknownNode>::deserialize(deserializer)?;
    let node = |UnknownNode { name, origin, version }| {
        Some(NodeInfo { name: name?, origin: origin?, version: version.unwrap_or_default() })
    };
    Ok(listed.into_iter().filter_map(node).collect())
}

/// The answer of `/jobs` and `/findSession`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jobs {
    /// How many.
    pub nb_jobs: usize,
    /// The jobs, by name.
    pub jobs: Vec<LookupJob>,
}

/// The answer of `/sessions` and `/sessions/<node>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    /// How many.
    pub nb_sessions: usize,
    /// The sessions, by name.
    pub sessions: Vec<LookupSession>,
}

/// The answer of `/findJob`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// The nodes that have the job.
    pub sources: Vec<Source>,
}

/// What a node says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeMessage {
    /// By which the answer is known: any JSON.
    pub msgid: Value,
    /// What.
    #[serde(flatten)]
    pub request: NodeRequest,
}

/// What a node may say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NodeRequest {
    /// Who it is. Comes first.
    Identify {
        /// The node.
        #[serde(flatten)]
        node: NodeInfo,
        /// What tells this run of the node from another: so a node that comes back is known. Not of the original's nodes.
        #[serde(skip_serializing_if = "Option::is_none")]
        incarnation: Option<String>,
    },
    /// It has this job.
    RegisterJob {
        /// Its full name.
        job_name: String,
    },
    /// It has this job no more, nor its processes.
    UnregisterJob {
        /// Its full name.
        job_name: String,
    },
    /// It runs this process.
    RegisterProcess {
        /// The full name of its job.
        job_name: String,
        /// Gaffer's number of it.
        pid: ProcessId,
    },
    /// It runs this process no more.
    UnregisterProcess {
        /// The full name of its job.
        job_name: String,
        /// Gaffer's number of it.
        pid: ProcessId,
    },
    /// All that it has was registered on this connection: whatever an earlier one has left is no more. Not of the original's nodes.
    Synced,
    /// It is there.
    Ping,
}

/// Why something that a node said does not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNodeMessage {
    /// No JSON, or no object.
    #[error("{0}")]
    Json(String),
    /// A field is missing, or is something else than it should be.
    #[error("{problem}")]
    Field {
        /// The message's id, if it had one.
        msgid: Value,
        /// Which, and what it should be.
        problem: String,
    },
    /// Nothing that a node may say.
    #[error(
        "`{kind}` is none of IDENTIFY, REGISTER_JOB, UNREGISTER_JOB, REGISTER_PROCESS, UNREGISTER_PROCESS, SYNCED and PING"
    )]
    Type {
        /// The message's id.
        msgid: Value,
        /// Its type, clipped.
        kind: String,
    },
}

impl InvalidNodeMessage {
    /// The code: the original's.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "invalid_json",
            Self::Field { .. } => "invalid_message",
            Self::Type { .. } => "invalid_message_type",
        }
    }

    /// The id of the message; null if it had none.
    pub fn msgid(&self) -> Value {
        match self {
            Self::Json(_) => Value::Null,
            Self::Field { msgid, .. } | Self::Type { msgid, .. } => msgid.clone(),
        }
    }
}

/// The fields of all messages, whatever they hold.
#[derive(Deserialize)]
struct Fields {
    msgid: Option<Value>,
    r#type: Option<Value>,
    name: Option<Value>,
    origin: Option<Value>,
    version: Option<Value>,
    #[serde(default, deserialize_with = "lenient")]
    incarnation: Option<String>,
    job_name: Option<Value>,
    pid: Option<Value>,
}

/// A text, or nothing.
fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_str().map(str::to_owned))
}

/// Most bytes of what stands for a type in a message to people.
const SHOWN: usize = 60;

impl NodeMessage {
    /// Reads what a node says.
    ///
    /// # Errors
    /// When it does not read.
    pub fn read(text: &[u8]) -> Result<Self, InvalidNodeMessage> {
        let fields: Fields =
            serde_json::from_slice(text).map_err(|error| InvalidNodeMessage::Json(error.to_string()))?;
        let Fields { msgid, r#type, name, origin, version, incarnation, job_name, pid } = fields;
        let has_id = msgid.is_some();
        let msgid = msgid.unwrap_or_default();
        let wrong = |problem: String| InvalidNodeMessage::Field { msgid: msgid.clone(), problem };
        if !has_id {
            return Err(wrong("`msgid` is missing".to_owned()));
        }
        let text = |field: &str, value: Option<Value>| match value {
            Some(Value::String(text)) if !text.is_empty() => Ok(text),
            Some(_) => Err(wrong(format!("`{field}` must be a text, and not empty"))),
            None => Err(wrong(format!("`{field}` is missing"))),
        };
        let number = |value: Option<Value>| match value {
            Some(value) => value.as_u64().map(ProcessId::new).ok_or_else(|| wrong("`pid` must be a number".to_owned())),
            None => Err(wrong("`pid` is missing".to_owned())),
        };
        let request = match text("type", r#type)?.as_str() {
            "IDENTIFY" => {
                let node = NodeInfo {
                    name: text("name", name)?,
                    origin: text("origin", origin)?,
                    version: text("version", version)?,
                };
                NodeRequest::Identify { node, incarnation }
            }
            "REGISTER_JOB" => NodeRequest::RegisterJob { job_name: text("job_name", job_name)? },
            "UNREGISTER_JOB" => NodeRequest::UnregisterJob { job_name: text("job_name", job_name)? },
            "REGISTER_PROCESS" => {
                NodeRequest::RegisterProcess { job_name: text("job_name", job_name)?, pid: number(pid)? }
            }
            "UNREGISTER_PROCESS" => {
                NodeRequest::UnregisterProcess { job_name: text("job_name", job_name)?, pid: number(pid)? }
            }
            "SYNCED" => NodeRequest::Synced,
            "PING" => NodeRequest::Ping,
            other => {
                let kind = other.chars().take(SHOWN).collect();
                return Err(InvalidNodeMessage::Type { msgid, kind });
            }
        };
        Ok(Self { msgid, request })
    }
}

/// The answer to something that a node said: done, or why not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeReply {
    /// The id of what it answers; null if that had none.
    pub msgid: Value,
    /// True, if it is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ok: bool,
    /// To `IDENTIFY`: after so many seconds of silence a node is asked for a sign of life; it may speak as often by itself. Not of the
    /// original's servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ping_interval: Option<f64>,
    /// If it is not done, a status as of HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<u16>,
    /// If it is not done, a code for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// If it is not done, why; of what does not read it is the code once more, as of the original.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What exactly does not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl NodeReply {
    /// It is done.
    pub fn done(msgid: Value) -> Self {
        Self { msgid, ok: true, ..Self::default() }
    }

    /// It is not done.
    pub fn refused(msgid: Value, errno: u16, error: &str, reason: impl Into<String>) -> Self {
        Self {
            msgid,
            errno: Some(errno),
            error: Some(error.to_owned()),
            reason: Some(reason.into()),
            ..Self::default()
        }
    }
}

impl From<InvalidNodeMessage> for NodeReply {
    fn from(invalid: InvalidNodeMessage) -> Self {
        let detail = Some(invalid.to_string());
        Self { detail, ..Self::refused(invalid.msgid(), 400, invalid.code(), invalid.code()) }
    }
}

/// What changed, as those are told who watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Change {
    /// A node has come, and will say who it is.
    AddNode(UnknownNode),
    /// It said so.
    Identify(NodeInfo),
    /// A node is gone, with all of its jobs.
    RemoveNode(NodeInfo),
    /// A node has a job.
    AddJob {
        /// The node.
        node: NodeInfo,
        /// The job's full name.
        job_name: String,
    },
    /// A node has a job no more, nor its processes.
    RemoveJob {
        /// The node.
        node: NodeInfo,
        /// The job's full name.
        job_name: String,
    },
    /// A node runs a process.
    AddProcess {
        /// The node.
        node: NodeInfo,
        /// The full name of the process's job.
        job_name: String,
        /// The node's number of it.
        pid: ProcessId,
    },
    /// A node runs a process no more.
    RemoveProcess {
        /// The node.
        node: NodeInfo,
        /// The full name of the process's job.
        job_name: String,
        /// The node's number of it.
        pid: ProcessId,
    },
    /// So many changes were lost, because this watcher was slow: whoever counts on them has to ask anew. Not of the original's servers.
    Lost {
        /// How many.
        lost: u64,
    },
}

/// A node that did not say yet who it is: all is null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownNode {
    /// Null.
    pub name: Option<String>,
    /// Null.
    pub origin: Option<String>,
    /// Null.
    pub version: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node() -> NodeInfo {
        NodeInfo { name: "a".to_owned(), origin: "http://a:5000".to_owned(), version: PROTOCOL.to_owned() }
    }

    #[test]
    fn what_a_node_says_is_read_as_it_is_written() {
        let (job_name, pid) = ("s.a".to_owned(), ProcessId::new(7));
        for request in [
            NodeRequest::Identify { node: node(), incarnation: Some("x".to_owned()) },
            NodeRequest::Identify { node: node(), incarnation: None },
            NodeRequest::RegisterJob { job_name: job_name.clone() },
            NodeRequest::UnregisterJob { job_name: job_name.clone() },
            NodeRequest::RegisterProcess { job_name: job_name.clone(), pid },
            NodeRequest::UnregisterProcess { job_name, pid },
            NodeRequest::Synced,
            NodeRequest::Ping,
        ] {
            for msgid in [json!("3f"), json!(7)] {
                let message = NodeMessage { msgid, request: request.clone() };
                assert_eq!(NodeMessage::read(&serde_json::to_vec(&message).unwrap()), Ok(message));
            }
        }
        let identify =
            NodeMessage { msgid: json!("1"), request: NodeRequest::Identify { node: node(), incarnation: None } };
        let expected =
            json!({"msgid": "1", "type": "IDENTIFY", "name": "a", "origin": "http://a:5000", "version": "0.1"});
        assert_eq!(json!(identify), expected);
    }

    #[test]
    fn what_does_not_read_is_answered_with_its_id_and_the_original_s_code() {
        for (text, code, msgid, detail) in [
            ("{", "invalid_json", json!(null), "EOF"),
            ("[]", "invalid_json", json!(null), "invalid"),
            ("\"x\"", "invalid_json", json!(null), "invalid"),
            (r#"{"type":"PING"}"#, "invalid_message", json!(null), "`msgid` is missing"),
            (r#"{"msgid":"1"}"#, "invalid_message", json!("1"), "`type` is missing"),
            (r#"{"msgid":"1","type":7}"#, "invalid_message", json!("1"), "`type` must be a text"),
            (r#"{"msgid":"1","type":"IDENTIFY","name":"a"}"#, "invalid_message", json!("1"), "`origin` is missing"),
            (r#"{"msgid":"1","type":"REGISTER_JOB","job_name":""}"#, "invalid_message", json!("1"), "`job_name` must"),
            (
                r#"{"msgid":"1","type":"REGISTER_PROCESS","job_name":"a","pid":-1}"#,
                "invalid_message",
                json!("1"),
                "`pid` must be a number",
            ),
            (r#"{"msgid":[1],"type":"HELLO"}"#, "invalid_message_type", json!([1]), "`HELLO` is none of"),
        ] {
            let reply = json!(NodeReply::from(NodeMessage::read(text.as_bytes()).unwrap_err()));
            assert_eq!(
                (&reply["errno"], &reply["reason"], &reply["msgid"]),
                (&json!(400), &json!(code), &msgid),
                "{text}"
            );
            assert!(reply["detail"].as_str().unwrap().contains(detail), "{text}: {reply}");
        }
    }

    #[test]
    fn who_did_not_say_who_it_is_is_no_node() {
        let listed = json!({"nodes": [{"name": null, "origin": null, "version": null}, node()]});
        assert_eq!(serde_json::from_value::<Nodes>(listed).unwrap().nodes, [node()]);
    }

    #[test]
    fn changes_are_written_as_ever() {
        let json = |change: &Change| serde_json::to_value(change).unwrap();
        assert_eq!(
            json(&Change::AddNode(UnknownNode::default())),
            json!({"event": "add_node", "name": null, "origin": null, "version": null})
        );
        assert_eq!(
            json(&Change::Identify(node())),
            json!({"event": "identify", "name": "a", "origin": "http://a:5000", "version": "0.1"})
        );
        let (job_name, pid) = ("s.a".to_owned(), ProcessId::new(7));
        let add = Change::AddProcess { node: node(), job_name, pid };
        let expected = json!({"event": "add_process", "node": node(), "job_name": "s.a", "pid": 7});
        assert_eq!(json(&add), expected);
        assert_eq!(serde_json::from_value::<Change>(expected).unwrap(), add);
    }
}
