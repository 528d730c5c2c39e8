//! What a node says on one connection, and what it makes of the answers: without the connection.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use gaffer_core::api::lookup::{NodeMessage, NodeReply, NodeRequest};
use serde_json::Value;

/// How often a node speaks, where a server does not say; the original's.
pub(super) const USUAL_INTERVAL: Duration = Duration::from_secs(15);

/// Said, but not answered yet: more is not said before some of it is.
pub(super) const MOST_UNANSWERED: usize = 4096;

/// Messages that were said, and wait for their answers, which come in order.
#[derive(Debug, Default)]
pub(super) struct Dialogue {
    next_id: u64,
    unanswered: VecDeque<Kind>,
    /// Jobs that the server does not take: of them and their processes it knows nothing.
    not_taken: HashSet<String>,
}

/// What is to be known of a message when it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Identify,
    /// Of this job.
    Job(String),
    /// Of a process of this job.
    Process(String),
    Synced,
    Other,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It goes on.
    Fine,
    /// The server knows who we are, and wants to hear us this often.
    Welcome(Duration),
    /// The server does not let us in.
    Refused(String),
    /// It does not take something, and goes on.
    NotTaken(String),
    /// It knows something else of us than we think: all is to be said anew.
    OutOfStep(String),
}

impl Dialogue {
    /// Puts something into words.
    pub(super) fn say(&mut self, request: NodeRequest) -> String {
        self.next_id += 1;
        self.unanswered.push_back(match &request {
            NodeRequest::Identify { .. } => Kind::Identify,
            NodeRequest::RegisterJob { job_name } => Kind::Job(job_name.clone()),
            NodeRequest::RegisterProcess { job_name, .. } | NodeRequest::UnregisterProcess { job_name, .. } => {
                Kind::Process(job_name.clone())
            }
            NodeRequest::Synced => Kind::Synced,
            NodeRequest::UnregisterJob { .. } | NodeRequest::Ping => Kind::Other,
        });
        // The original's ids are texts.
        let message = NodeMessage { msgid: Value::from(self.next_id.to_string()), request };
        // Serialising texts and numbers does not fail.
        serde_json::to_string(&message).unwrap_or_default()
    }

    /// Whether something waits for its answer.
    pub(super) fn is_waiting(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// Whether so much waits that no more should be said.
    pub(super) fn is_full(&self) -> bool {
        self.unanswered.len() >= MOST_UNANSWERED
    }

    /// Takes in an answer.
    pub(super) fn hear(&mut self, text: &[u8]) -> Meaning {
        let Ok(reply) = serde_json::from_slice::<NodeReply>(text) else {
            let shown: String = String::from_utf8_lossy(text).chars().take(100).collect();
            return Meaning::OutOfStep(format!("`{shown}` is no answer of a lookup server"));
        };
        let Some(kind) = self.unanswered.pop_front() else {
            return Meaning::OutOfStep("it answers what was not said".to_owned());
        };
        if reply.ok {
            return match kind {
                Kind::Identify => Meaning::Welcome(interval(reply.ping_interval)),
                Kind::Job(job) => {
                    self.not_taken.remove(&job);
                    Meaning::Fine
                }
                Kind::Process(_) | Kind::Synced | Kind::Other => Meaning::Fine,
            };
        }
        let reason = [reply.detail, reply.reason, reply.error].into_iter().flatten().find(|text| !text.is_empty());
        let reason = reason.unwrap_or_else(|| format!("error {}", reply.errno.unwrap_or_default()));
        match (kind, reply.errno) {
            (Kind::Identify, _) => Meaning::Refused(reason),
            // The original does not know the word.
            (Kind::Synced, Some(400)) => Meaning::Fine,
            // It has it, which is what is wanted.
            (Kind::Job(_), Some(409)) => Meaning::Fine,
            (Kind::Job(job), Some(400)) => {
                self.not_taken.insert(job);
                Meaning::NotTaken(reason)
            }
            (Kind::Process(job), Some(404)) if self.not_taken.contains(&job) => Meaning::Fine,
            (Kind::Process(_) | Kind::Other, Some(400)) => Meaning::NotTaken(reason),
            (Kind::Job(_) | Kind::Process(_) | Kind::Synced | Kind::Other, _) => Meaning::OutOfStep(reason),
        }
    }
}

/// How often to speak, for a server that takes a node for gone after so many seconds.
fn interval(told: Option<f64>) -> Duration {
    let told = told.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(USUAL_INTERVAL);
    told.clamp(Duration::from_millis(100), USUAL_INTERVAL)
}

#[cfg(test)]
mod tests {
    use gaffer_core::{ProcessId, api::lookup::NodeInfo};

    use super::*;

    fn identify() -> NodeRequest {
        let [name, origin, version] = ["a", "http://a", "0.1"].map(str::to_owned);
        NodeRequest::Identify { node: NodeInfo { name, origin, version }, incarnation: None }
    }

    fn heard(request: NodeRequest, answer: &str) -> Meaning {
        let mut dialogue = Dialogue::default();
        let said: Value = serde_json::from_str(&dialogue.say(request)).unwrap();
        assert_eq!(said["msgid"], "1");
        dialogue.hear(answer.as_bytes())
    }

    #[test]
    fn a_welcome_says_how_often_to_speak() {
        let welcome = |answer: &str| {
            let Meaning::Welcome(interval) = heard(identify(), answer) else { panic!("{answer}") };
            interval.as_secs_f64()
        };
        assert_eq!(welcome(r#"{"ok": true, "msgid": "1"}"#), 15.0, "the original does not say");
        assert_eq!(welcome(r#"{"ok": true, "msgid": "1", "ping_interval": 2.5}"#), 2.5);
        assert_eq!(welcome(r#"{"ok": true, "msgid": "1", "ping_interval": 3600}"#), 15.0);
        assert_eq!(welcome(r#"{"ok": true, "msgid": "1", "ping_interval": -1}"#), 15.0);
        assert_eq!(welcome(r#"{"ok": true, "msgid": "1", "ping_interval": 0}"#), 0.1);
    }

    #[test]
    fn a_refusal_is_told_apart_from_what_does_not_matter() {
        let job = || NodeRequest::RegisterJob { job_name: "s.a".to_owned() };
        let process = || NodeRequest::RegisterProcess { job_name: "s.a".to_owned(), pid: ProcessId::new(1) };
        let taken = r#"{"errno": 409, "reason": "job s.a is already registered", "msgid": "1"}"#;
        assert_eq!(heard(job(), taken), Meaning::Fine);
        assert_eq!(heard(NodeRequest::Synced, r#"{"errno": 400, "reason": "x", "msgid": null}"#), Meaning::Fine);
        assert_eq!(
            heard(identify(), r#"{"errno": 409, "reason": "", "msgid": "1"}"#),
            Meaning::Refused("error 409".to_owned())
        );
        let missing = r#"{"errno": 404, "error": "not_found", "reason": "no job", "msgid": "1"}"#;
        assert_eq!(heard(process(), missing), Meaning::OutOfStep("no job".to_owned()));
        let many = r#"{"errno": 400, "error": "too_many", "reason": "at most 7", "msgid": "1"}"#;
        assert_eq!(heard(job(), many), Meaning::NotTaken("at most 7".to_owned()));
        assert!(matches!(heard(job(), "hello"), Meaning::OutOfStep(_)));
        let mut silent = Dialogue::default();
        assert!(matches!(silent.hear(br#"{"ok": true, "msgid": "9"}"#), Meaning::OutOfStep(_)));
    }

    #[test]
    fn what_is_said_of_a_job_that_is_not_taken_is_of_no_consequence() {
        let mut dialogue = Dialogue::default();
        let job = |name: &str| NodeRequest::RegisterJob { job_name: name.to_owned() };
        let process = |name: &str| NodeRequest::RegisterProcess { job_name: name.to_owned(), pid: ProcessId::new(1) };
        let many = br#"{"errno": 400, "error": "too_many", "reason": "at most 7", "msgid": "1"}"#;
        let missing = br#"{"errno": 404, "error": "not_found", "reason": "no job", "msgid": "1"}"#;
        drop((dialogue.say(job("s.a")), dialogue.say(process("s.a")), dialogue.say(process("s.b"))));
        assert_eq!(dialogue.hear(many), Meaning::NotTaken("at most 7".to_owned()));
        assert_eq!(dialogue.hear(missing), Meaning::Fine);
        assert_eq!(dialogue.hear(missing), Meaning::OutOfStep("no job".to_owned()), "that one it should have");
        drop((dialogue.say(job("s.a")), dialogue.say(process("s.a"))));
        assert_eq!(dialogue.hear(br#"{"ok": true, "msgid": "1"}"#), Meaning::Fine);
        assert!(matches!(dialogue.hear(missing), Meaning::OutOfStep(_)), "now it should have it");
    }

    #[test]
    fn what_is_not_answered_is_bounded() {
        let mut dialogue = Dialogue::default();
        for _ in 0..MOST_UNANSWERED {
            assert!(!dialogue.is_full());
            drop(dialogue.say(NodeRequest::Ping));
        }
        assert!(dialogue.is_full() && dialogue.is_waiting());
        assert_eq!(dialogue.hear(br#"{"ok": true, "msgid": "1"}"#), Meaning::Fine);
        assert!(!dialogue.is_full());
    }
}
