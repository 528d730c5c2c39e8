//! What a topic has to say, as messages that are ready to be sent.

use std::{
    collections::VecDeque,
    fmt::Write,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use gaffer_core::{
    JobName, ProcessId,
    events::{Delivery, EventKind, EventSubscription, Notification, Subscription},
    stats::{StatsSubscription, StatsUpdate},
    streams::{Chunk, OutputSubscription},
};

use tokio::sync::OwnedSemaphorePermit;

use crate::{api::access::Caller, feed::Utf8Splitter, ws::Utf8Bytes};

/// Something that a topic has to say.
#[derive(Debug)]
pub(super) enum Said {
    /// A message.
    Message(Utf8Bytes),
    /// So much was lost.
    Lagged(u64),
    /// Nothing more comes.
    Ended,
}

/// What a topic has to say. After [`Said::Ended`] the stream ends.
pub(super) struct Source {
    /// As it stands in messages.
    topic_json: String,
    /// The run of the node.
    run: Arc<str>,
    /// None once nothing more comes.
    about: Option<About>,
    /// Whether that was said.
    is_over: bool,
    /// For whom it is, if that is not everything.
    sifts: Option<Caller>,
    /// What is to be said before anything else.
    waiting: VecDeque<Said>,
}

type Exit = Subscription<Arc<Notification>>;

/// What it is about.
pub(super) enum About {
    Events {
        subscription: EventSubscription,
        /// If they are one process's: its exit, after which nothing comes.
        exit: Option<Exit>,
        /// Held until all of the past is told.
        turn: Option<OwnedSemaphorePermit>,
    },
    Stats {
        updates: StatsSubscription,
        /// The exit of the process, if it is one's.
        exit: Option<Exit>,
    },
    Output(Box<OutputSource>),
}

/// What a process writes to one stream.
pub(super) struct OutputSource {
    pub(super) subscription: OutputSubscription,
    pub(super) text: Utf8Splitter,
    /// Bytes before the next one.
    pub(super) position: u64,
    /// What stands before the text in the data of a message.
    pub(super) head: String,
}

impl Source {
    pub(super) fn new(topic: &str, run: Arc<str>, about: About, sifts: Option<Caller>) -> Self {
        let topic_json = json_string(topic);
        Self { topic_json, run, about: Some(about), is_over: false, sifts, waiting: VecDeque::new() }
    }

    /// Whether it is to be told what is of this job.
    fn tells_of(&self, job: &JobName) -> bool {
        self.sifts.as_ref().is_none_or(|caller| caller.reads(job))
    }

    fn event(&self, told: &Notification) -> Utf8Bytes {
        let payload = told.json_in_sessions();
        // Strings and numbers, which are always UTF-8; an object, which begins with a brace.
        let payload = std::str::from_utf8(&payload).unwrap_or_default().strip_prefix('{').unwrap_or("}");
        let mut out = String::with_capacity(payload.len() + self.topic_json.len() + 96);
        // Writing to a string does not fail.
        let _ = write!(out, r#"{{"event":"gaffer:event","id":"{}-{}","data":{{"topic":"#, self.run, told.id());
        out.push_str(&self.topic_json);
        out.push(',');
        out.push_str(payload);
        out.push('}');
        out.into()
    }

    fn stats(&self, update: &StatsUpdate) -> Utf8Bytes {
        // Strings and numbers: it always serialises.
        let figures = serde_json::to_string(&*update.stats).unwrap_or_default();
        let figures = figures.strip_prefix('{').unwrap_or("}");
        let name = json_string(&update.job.to_string());
        let topic = &self.topic_json;
        format!(r#"{{"event":"gaffer:event","data":{{"event":"stat","topic":{topic},"name":{name},{figures}}}"#).into()
    }

    fn output(&self, position: u64, head: &str, text: &str) -> Utf8Bytes {
        let (run, topic, text) = (&self.run, &self.topic_json, json_string(text));
        format!(r#"{{"event":"gaffer:event","id":"{run}-{position}","data":{{"topic":{topic},{head},"data":{text}}}}}"#)
            .into()
    }

    /// Takes what is next from what it is about, and puts that back unless it is over. `None` if it had nothing to say.
    fn poll_about(&mut self, mut about: About, cx: &mut Context<'_>) -> Poll<Option<Said>> {
        let polled = match &mut about {
            About::Events { subscription, exit, turn } => {
                let delivery = subscription.poll_recv(cx);
                if !subscription.looks_back() {
                    *turn = None;
                }
                match delivery {
                    Poll::Ready(Some(Delivery::Item(told))) => Poll::Ready(Turn {
                        said: self.tells_of(&told.event().job).then(|| Said::Message(self.event(&told))),
                        is_over: exit.is_some() && told.event().kind == EventKind::Exit,
                    }),
                    Poll::Ready(Some(Delivery::Lagged(lost))) => Poll::Ready(Turn::of(Said::Lagged(lost))),
                    Poll::Ready(None) => Poll::Ready(Turn::OVER),
                    // An exit that is not wanted, or was lost.
                    Poll::Pending if is_over(exit, cx) => Poll::Ready(Turn::OVER),
                    Poll::Pending => Poll::Pending,
                }
            }
            About::Stats { updates, exit } => {
                if is_over(exit, cx) {
                    Poll::Ready(Turn::OVER)
                } else {
                    updates.poll_recv(cx).map(|delivery| match delivery {
                        Some(Delivery::Item(update)) => {
                            let said = self.tells_of(&update.job).then(|| Said::Message(self.stats(&update)));
                            Turn { said, is_over: false }
                        }
                        Some(Delivery::Lagged(lost)) => Turn::of(Said::Lagged(lost)),
                        None => Turn::OVER,
                    })
                }
            }
            About::Output(output) => output.subscription.poll_recv(cx).map(|chunk| self.chunk(output, chunk)),
        };
        match polled {
            Poll::Pending => {
                self.about = Some(about);
                Poll::Pending
            }
            Poll::Ready(Turn { said, is_over }) => {
                if !is_over {
                    self.about = Some(about);
                }
                Poll::Ready(said)
            }
        }
    }

    fn chunk(&mut self, output: &mut OutputSource, chunk: Option<Chunk>) -> Turn {
        match chunk {
            Some(Chunk::Data(data)) => {
                output.position += data.len() as u64;
                let text = output.text.push(&data);
                let position = output.position - output.text.pending() as u64;
                let said = (!text.is_empty()).then(|| Said::Message(self.output(position, &output.head, &text)));
                Turn { said, is_over: false }
            }
            Some(Chunk::Lagged(lost)) => {
                // The rest of a character that was begun is among what was lost.
                let begun = output.text.finish();
                let said =
                    (!begun.is_empty()).then(|| Said::Message(self.output(output.position, &output.head, &begun)));
                output.position += lost;
                self.waiting.push_back(Said::Lagged(lost));
                Turn { said, is_over: false }
            }
            None => {
                let begun = output.text.finish();
                let said =
                    (!begun.is_empty()).then(|| Said::Message(self.output(output.position, &output.head, &begun)));
                Turn { said, is_over: true }
            }
        }
    }
}

/// Whether it is about a process, and that has ended.
fn is_over(exit: &mut Option<Exit>, cx: &mut Context<'_>) -> bool {
    exit.as_mut().is_some_and(|exit| exit.poll_recv(cx).is_ready())
}

/// One step of what a topic is about.
struct Turn {
    said: Option<Said>,
    is_over: bool,
}

impl Turn {
    const OVER: Self = Self { said: None, is_over: true };

    fn of(said: Said) -> Self {
        Self { said: Some(said), is_over: false }
    }
}

impl OutputSource {
    /// What stands before the text: what kind of output, and whose, as far as that is known.
    pub(super) fn head(event: &str, job: Option<&JobName>, pid: ProcessId) -> String {
        let name = job.map(|job| format!(r#""name":{},"#, json_string(&job.to_string()))).unwrap_or_default();
        format!(r#""event":{},{name}"pid":{pid}"#, json_string(event))
    }
}

impl Stream for Source {
    type Item = Said;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Said>> {
        loop {
            if let Some(said) = self.waiting.pop_front() {
                return Poll::Ready(Some(said));
            }
            let Some(about) = self.about.take() else {
                let was_over = std::mem::replace(&mut self.is_over, true);
                return Poll::Ready((!was_over).then_some(Said::Ended));
            };
            if let Some(said) = ready!(self.poll_about(about, cx)) {
                return Poll::Ready(Some(said));
            }
        }
    }
}

fn json_string(text: &str) -> String {
    // A text always serialises.
    serde_json::to_string(text).unwrap_or_default()
}
