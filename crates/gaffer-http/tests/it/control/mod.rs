//! `/channel`, over its bare websocket.

mod commands;
mod events;
mod limits;
mod output;
mod requests;
mod stats;

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::sockets::{Client, Listening};

/// A client of `/channel`.
struct Line {
    socket: Client,
    /// What came while something else was waited for.
    kept: VecDeque<Value>,
    /// Identities of commands.
    last: u64,
}

impl Line {
    async fn open(node: &Listening) -> Self {
        Self { socket: node.open("/channel/websocket").await, kept: VecDeque::new(), last: 0 }
    }

    async fn say(&mut self, message: Value) {
        self.socket.send(message.to_string()).await;
    }

    /// What comes next.
    async fn next(&mut self) -> Value {
        match self.kept.pop_front() {
            Some(kept) => kept,
            None => self.read().await,
        }
    }

    async fn read(&mut self) -> Value {
        serde_json::from_str(&self.socket.text().await).unwrap()
    }

    /// What comes next that is like this. Everything else is kept.
    async fn find(&mut self, is_like: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.kept.iter().position(&is_like) {
            return self.kept.remove(at).unwrap();
        }
        loop {
            let message = self.read().await;
            if is_like(&message) {
                return message;
            }
            self.kept.push_back(message);
        }
    }

    /// What comes next that is of this kind.
    async fn next_of(&mut self, event: &str) -> Value {
        self.find(|message| message["event"] == event).await
    }

    /// Subscribes, which must be granted. Answers how.
    async fn subscribe(&mut self, topic: &str) -> Value {
        self.subscribe_with(json!({"topic": topic})).await
    }

    async fn subscribe_with(&mut self, data: Value) -> Value {
        self.say(json!({"event": "SUB", "data": data})).await;
        let answer = self.next_of("gaffer:subscription_success").await;
        assert_eq!(answer["topic"], data["topic"]);
        answer
    }

    /// Subscribes, which must be refused. Answers number and code.
    async fn not_subscribed(&mut self, data: Value) -> (u64, String) {
        self.say(json!({"event": "SUB", "data": data})).await;
        let answer = self.next_of("gaffer:subscription_error").await;
        assert_eq!(answer["topic"], data["topic"]);
        failure(&answer["data"])
    }

    async fn unsubscribe(&mut self, topic: &str) {
        self.say(json!({"event": "UNSUB", "data": {"topic": topic}})).await;
        let answer = self.next_of("gaffer:subscription_success").await;
        assert_eq!(answer, json!({"event": "gaffer:subscription_success", "topic": topic}));
    }

    /// Commands, and answers the message that answers it.
    async fn command(&mut self, name: &str, args: Value, kwargs: Value) -> Value {
        self.last += 1;
        let identity = self.last;
        let data = json!({"identity": identity, "name": name, "args": args, "kwargs": kwargs});
        self.say(json!({"event": "CMD", "data": data})).await;
        self.find(|message| message["data"]["id"] == identity).await
    }

    /// Commands something that must be done. Answers the result.
    async fn done(&mut self, name: &str, args: Value) -> Value {
        let answer = self.command(name, args, json!({})).await;
        assert_eq!(answer["event"], "gaffer:command_success", "{answer}");
        answer["data"]["result"].clone()
    }

    /// Commands something that must fail. Answers number and code.
    async fn failed(&mut self, name: &str, args: Value, kwargs: Value) -> (u64, String) {
        let answer = self.command(name, args, kwargs).await;
        assert_eq!(answer["event"], "gaffer:command_error", "{answer}");
        failure(&answer["data"]["error"])
    }

    /// Waits until all that was said before is done and answered. Answers what came meanwhile and was not taken.
    async fn settle(&mut self) -> Vec<Value> {
        self.done("sessions", json!([])).await;
        self.kept.drain(..).collect()
    }
}

fn failure(error: &Value) -> (u64, String) {
    assert!(!error["reason"].as_str().unwrap().is_empty(), "{error}");
    (error["errno"].as_u64().unwrap(), error["error"].as_str().unwrap().to_owned())
}

fn is(errno: u64, code: &str) -> (u64, String) {
    (errno, code.to_owned())
}

/// The data of an event, without what differs from run to run.
fn told(message: &Value) -> Value {
    assert_eq!(message["event"], "gaffer:event", "{message}");
    let mut data = message["data"].clone();
    for key in ["os_pid", "time", "detach", "detached", "exit_code", "exit_status", "term_signal"] {
        data.as_object_mut().unwrap().remove(key);
    }
    data
}

/// A job that just is.
fn idle(name: &str) -> Value {
    json!({"name": name, "cmd": "sleep", "args": ["1000"]})
}

/// A job that says what it is told.
fn echo(name: &str) -> Value {
    json!({"name": name, "cmd": "cat", "redirect_output": ["out", "err"], "redirect_input": true})
}
