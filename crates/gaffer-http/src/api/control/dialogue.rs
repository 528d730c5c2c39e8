//! One client of `/channel`.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Poll, ready},
    time::Duration,
};

use axum::http::StatusCode;
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, pending},
    stream::FuturesUnordered,
};
use gaffer_core::api::channel::{
    FailedCommand, Failure, InvalidRequest, Lost, Misunderstanding, Outcome, Reply, Request, Subscribe,
    SubscriptionStart,
};
use serde_json::Value;
use tokio::{sync::Semaphore, time::timeout};
use tracing::debug;

use super::{
    command::{self, Command, Means, Progress},
    door::Door,
    opening::{self, Wanted},
    source::{Said, Source},
    topics::{MOST, Topics},
};
use crate::{
    api::{
        Api, ApiError,
        access::{Caller, Place, Visitor, audit},
        websocket,
    },
    sockjs::Session,
    ws::{Close, Utf8Bytes},
};

/// Answers that may wait for a client to take them; then it is not listened to.
const ANSWERS: usize = 16;

/// What a client may send to processes that do not read, in messages.
const SENDING: usize = 256;

/// Time to do what a client said before it went.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What a client said is being done.
enum Step {
    /// Nothing but an answer.
    Answered(Reply),
    /// It is subscribed, unless that fails.
    Opened(String, Result<(Box<Source>, SubscriptionStart), ApiError>),
    /// It waits for a process, and holds up nobody.
    Sending(Value, BoxFuture<'static, command::Outcome>),
    /// It has shown a key, of this caller.
    Shown(Result<Caller, ApiError>),
}

/// One client: what it says is done in order, and what there is to say is sent as there is room.
pub(super) struct Dialogue {
    api: Api,
    session: Session,
    /// From where it is, for the log.
    peer: Arc<str>,
    door: Door,
    topics: Topics,
    /// What is done at the moment.
    step: Option<BoxFuture<'static, Step>>,
    sending: FuturesUnordered<BoxFuture<'static, Reply>>,
    answers: Answers,
    /// Of subscriptions that look back.
    turns: Arc<Semaphore>,
}

impl Dialogue {
    pub(super) fn new(api: Api, session: Session) -> Self {
        let peer = session.extensions().get().map_or_else(|| "".into(), |Place(peer)| Arc::from(peer.as_str()));
        let door = Door::new(api.doorkeeper.clone(), Visitor::of(session.extensions()));
        Self {
            api,
            session,
            peer,
            door,
            topics: Topics::default(),
            step: None,
            sending: FuturesUnordered::new(),
            answers: Answers::default(),
            turns: Arc::new(Semaphore::new(opening::LOOKING_BACK)),
        }
    }

    /// Speaks until the client is gone; then does what it had said last. A client that may not be here is told so, and no more.
    pub(super) async fn hold(mut self) {
        loop {
            let Self { session, door, topics, step, sending, answers, .. } = &mut self;
            let listens = step.is_none() && answers.texts.len() < ANSWERS;
            let heard = tokio::select! {
                biased;
                () = door.end() => door.caller().map(drop),
                done = doing(step) => self.done(done),
                Some(reply) = sending.next() => {
                    self.answer(&reply);
                    Ok(())
                }
                message = session.recv(), if listens => match message {
                    Some(message) => self.hear(&message),
                    None => break,
                },
                said = next(session, answers, topics) => match said {
                    Some(Next::Answer(text)) => {
                        let _over = self.session.push(text); // If it is, the next turn says so.
                        Ok(())
                    }
                    Some(Next::Said(topic, said)) => {
                        self.tell(&topic, said);
                        Ok(())
                    }
                    None => break,
                },
            };
            if let Err(error) = heard {
                return self.refuse(&error);
            }
        }
        let closing = self.api.lifetime.closing().clone();
        let rest = timeout(LAST_WORDS, self.finish());
        if closing.run_until_cancelled(rest).await.is_some_and(|ended| ended.is_err()) {
            debug!("a client went, and what it had said last took too long");
        }
    }

    /// Tells a client that it may not be here.
    fn refuse(self, error: &ApiError) {
        audit::refused_message(&self.peer, self.door.who(), "/channel", error);
        let data = Misunderstanding {
            error: "AUTH_REQUIRED".to_owned(),
            reason: error.code().to_owned(),
            errno: error.status().as_u16(),
            detail: error.reason().to_owned(),
        };
        let _over = self.session.push(Reply::Invalid { data }.to_text());
        let Close { code, reason } = websocket::close(error);
        self.session.close(code, reason);
    }

    /// Does what is left when nobody hears of it.
    async fn finish(&mut self) {
        self.topics = Topics::default();
        loop {
            self.answers = Answers::default();
            if self.step.is_some() {
                let done = doing(&mut self.step).await;
                if self.done(done).is_err() {
                    return;
                }
            }
            match self.session.recv().await {
                Some(message) if self.hear(&message).is_err() => return,
                Some(_) => {}
                None => break,
            }
        }
        while self.sending.next().await.is_some() {}
    }

    fn answer(&mut self, reply: &Reply) {
        self.answers.texts.push_back(reply.to_text().into());
    }

    /// Does what a client says, or begins to. An error if it may not be here.
    fn hear(&mut self, message: &str) -> Result<(), ApiError> {
        if message.is_empty() {
            return Ok(());
        }
        let request = Request::read(message);
        match request {
            Ok(Request::Nop) => return Ok(()),
            Ok(Request::Auth(key)) => {
                // Who is known stays who it is; where no keys are required, everybody is.
                if self.door.is_closed() {
                    self.step = Some(self.door.show(&key).map(Step::Shown).boxed());
                }
                return Ok(());
            }
            Ok(Request::Subscribe(_) | Request::Unsubscribe { .. } | Request::Command(_)) | Err(_) => {}
        }
        let caller = self.door.caller()?;
        match request {
            Err(invalid) => self.answer(&misunderstood(invalid)),
            Ok(Request::Nop | Request::Auth(_)) => {}
            Ok(Request::Subscribe(wanted)) => self.subscribe(caller, wanted),
            Ok(Request::Unsubscribe { topic }) => {
                self.topics.remove(&topic);
                self.answer(&Reply::Subscribed { topic, start: SubscriptionStart::default() });
            }
            Ok(Request::Command(request)) => {
                let identity = request.identity.clone();
                match Command::read(request) {
                    Ok(command) => {
                        let has_room = self.sending.len() < SENDING;
                        let wish =
                            Wish { api: self.api.clone(), caller, peer: Arc::clone(&self.peer), identity, command };
                        self.step = Some(carry_out(wish, has_room).boxed());
                    }
                    Err(error) => self.answer(&answered(identity, Err(error))),
                }
            }
        }
        Ok(())
    }

    fn subscribe(&mut self, caller: Caller, wanted: Subscribe) {
        let (manager, topic) = (self.api.manager.clone(), wanted.topic.clone());
        let wanted = match Wanted::read(wanted, manager.node()) {
            Ok(wanted) => wanted,
            Err(error) => return self.answer(&Reply::NotSubscribed { topic, data: error.failure() }),
        };
        if self.topics.again(&topic) {
            let start = SubscriptionStart { run: Some(manager.node().to_owned()), ..SubscriptionStart::default() };
            return self.answer(&Reply::Subscribed { topic, start });
        }
        if self.topics.is_full() {
            let reason = format!("a connection may have {MOST} topics; open another one");
            let error = ApiError::new(StatusCode::BAD_REQUEST, "too_many_topics", reason);
            return self.answer(&Reply::NotSubscribed { topic, data: error.failure() });
        }
        let (turns, peer) = (Arc::clone(&self.turns), Arc::clone(&self.peer));
        let opening = async move {
            let topic = wanted.text.clone();
            let opened = opening::open(&manager, &caller, wanted, &turns).await;
            if let Err(error) = &opened {
                audit::refused_message(&peer, Some(&caller), &topic, error);
            }
            Step::Opened(topic, opened.map(|(source, start)| (Box::new(source), start)))
        };
        self.step = Some(opening.boxed());
    }

    /// Takes in what was done. An error if the client may not be here.
    fn done(&mut self, step: Step) -> Result<(), ApiError> {
        match step {
            Step::Shown(caller) => return self.door.shown(caller),
            Step::Answered(reply) => self.answer(&reply),
            Step::Opened(topic, Ok((source, start))) => {
                self.topics.add(&topic, *source);
                self.answer(&Reply::Subscribed { topic, start });
                self.answers.hurry();
            }
            Step::Opened(topic, Err(error)) => self.answer(&Reply::NotSubscribed { topic, data: error.failure() }),
            Step::Sending(identity, sending) => {
                self.sending.push(sending.map(|outcome| answered(identity, outcome)).boxed());
            }
        }
        Ok(())
    }

    /// Passes on what a topic has to say.
    fn tell(&mut self, topic: &str, said: Said) {
        let topic = || topic.to_owned();
        let text = match said {
            Said::Message(text) => text,
            Said::Lagged(lost) => Reply::Lagged { topic: topic(), data: Lost { lost } }.to_text().into(),
            Said::Ended => Reply::Ended { topic: topic() }.to_text().into(),
        };
        // If it is over, the next turn says so.
        let _over = self.session.push(text);
    }
}

/// Resolves when what is done at the moment is done; never if that is nothing.
///
/// # Cancel safety
/// If this is dropped, it goes on with the next call.
async fn doing(step: &mut Option<BoxFuture<'static, Step>>) -> Step {
    match step {
        Some(doing) => {
            let done = doing.await;
            *step = None;
            done
        }
        None => pending().await,
    }
}

/// What is to be sent next.
enum Next {
    Answer(Utf8Bytes),
    Said(Arc<str>, Said),
}

/// Answers that wait to be sent.
#[derive(Default)]
struct Answers {
    texts: VecDeque<Utf8Bytes>,
    /// So many of them come before anything of a topic: up to the last that grants a subscription.
    urgent: usize,
    /// Whether it is the turn of the topics.
    waits: bool,
}

impl Answers {
    /// What is there by now comes before anything of a topic.
    fn hurry(&mut self) {
        self.urgent = self.texts.len();
    }

    fn pop(&mut self) -> Option<Utf8Bytes> {
        let text = self.texts.pop_front()?;
        self.urgent = self.urgent.saturating_sub(1);
        self.waits = true;
        Some(text)
    }
}

/// What is to be sent next, once there is room for it: answers and what topics say take turns. `None` if nobody hears it.
async fn next(session: &Session, answers: &mut Answers, topics: &mut Topics) -> Option<Next> {
    poll_fn(|cx| {
        if ready!(session.poll_ready(cx)).is_err() {
            return Poll::Ready(None);
        }
        if (!answers.waits || answers.urgent > 0)
            && let Some(answer) = answers.pop()
        {
            return Poll::Ready(Some(Next::Answer(answer)));
        }
        if let Poll::Ready((topic, said)) = topics.poll_said(cx) {
            answers.waits = false;
            return Poll::Ready(Some(Next::Said(topic, said)));
        }
        answers.pop().map_or(Poll::Pending, |answer| Poll::Ready(Some(Next::Answer(answer))))
    })
    .await
}

/// A command, and whose.
struct Wish {
    api: Api,
    caller: Caller,
    peer: Arc<str>,
    identity: Value,
    command: Command,
}

async fn carry_out(Wish { api, caller, peer, identity, command }: Wish, has_room: bool) -> Step {
    if let (Command::Send { .. }, false) = (&command, has_room) {
        let reason = format!("{SENDING} messages of this connection wait for processes that do not read");
        let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "input_waits", reason);
        return Step::Answered(answered(identity, Err(error)));
    }
    let name = command.name();
    match command.run(&Means::from(&api), &caller).await {
        Ok(Progress::Done(result)) => Step::Answered(answered(identity, Ok(result))),
        Ok(Progress::Waiting(sending)) => Step::Sending(identity, sending),
        Err(error) => {
            audit::refused_message(&peer, Some(&caller), name, &error);
            Step::Answered(answered(identity, Err(error)))
        }
    }
}

fn answered(id: Value, outcome: command::Outcome) -> Reply {
    match outcome {
        Ok(result) => Reply::Done { data: Outcome { id, result } },
        Err(error) => Reply::Failed { data: FailedCommand { id, error: error.failure() } },
    }
}

fn misunderstood(invalid: InvalidRequest) -> Reply {
    let (code, detail) = (invalid.code(), invalid.to_string());
    let failure = || Failure { errno: 400, error: code.to_owned(), reason: detail.clone() };
    match invalid {
        InvalidRequest::Subscription { topic, .. } => Reply::NotSubscribed { topic, data: failure() },
        InvalidRequest::Arguments { identity, .. } => {
            Reply::Failed { data: FailedCommand { id: identity, error: failure() } }
        }
        InvalidRequest::Json(_)
        | InvalidRequest::Event
        | InvalidRequest::Data
        | InvalidRequest::Topic
        | InvalidRequest::Name
        | InvalidRequest::Identity => {
            let error = "invalid_msg".to_owned();
            Reply::Invalid { data: Misunderstanding { error, reason: code.to_owned(), errno: 400, detail } }
        }
    }
}
