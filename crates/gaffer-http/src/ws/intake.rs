//! Messages of the peer on their way to whoever takes them.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::{Data, Outgoing, Pulse};

/// Takes what the peer says.
pub trait Receiver: Send + 'static {
    /// Takes one message, and answers what is to be sent back, in order.
    ///
    /// The next message is given once this has resolved and all of its answers are on their way. If the session ends before,
    /// the future is dropped.
    fn receive(&mut self, message: Data) -> impl Future<Output = Vec<Outgoing>> + Send;

    /// By what others find out whether the peer is there. Asked once, at the beginning. Default: they cannot.
    fn pulse(&self) -> Option<Arc<Pulse>> {
        None
    }
}

/// Receives, and does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deaf;

impl Receiver for Deaf {
    async fn receive(&mut self, _message: Data) -> Vec<Outgoing> {
        Vec::new()
    }
}

/// A receiver, and the messages that wait for it.
pub(super) struct Intake<R> {
    state: State<R>,
    waiting: VecDeque<Data>,
    /// What those that wait cost.
    cost: usize,
}

enum State<R> {
    /// `None` only for the moment in which it becomes busy.
    Idle(Option<R>),
    Busy(Pin<Box<dyn Future<Output = (R, Vec<Outgoing>)> + Send>>),
}

impl<R: Receiver> Intake<R> {
    /// From so much on nothing more is read. Enough to see a ping or a close behind some messages, and little beside one message.
    const LOOKAHEAD: usize = 64 * 1024;
    /// What an empty message takes.
    const OVERHEAD: usize = size_of::<Data>();

    pub(super) fn new(receiver: R) -> Self {
        Self { state: State::Idle(Some(receiver)), waiting: VecDeque::new(), cost: 0 }
    }

    pub(super) fn has_room(&self) -> bool {
        self.cost < Self::LOOKAHEAD
    }

    /// Whether everything was taken and answered.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle(_)) && self.waiting.is_empty()
    }

    pub(super) fn push(&mut self, message: Data) {
        self.cost += Self::OVERHEAD + message.len();
        self.waiting.push_back(message);
    }

    /// Resolves each time that a message was taken, with the answers to it.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Outgoing>> {
        if let State::Idle(receiver) = &mut self.state {
            let Some(message) = self.waiting.pop_front() else { return Poll::Pending };
            self.cost -= Self::OVERHEAD + message.len();
            let Some(mut receiver) = receiver.take() else { return Poll::Pending }; // Not reached: see `State`.
            self.state = State::Busy(Box::pin(async move {
                let answers = receiver.receive(message).await;
                (receiver, answers)
            }));
        }
        let State::Busy(receiving) = &mut self.state else { return Poll::Pending }; // Not reached: it has just become so.
        let (receiver, answers) = ready!(receiving.as_mut().poll(cx));
        self.state = State::Idle(Some(receiver));
        Poll::Ready(answers)
    }
}
