//! What a connection is at, and how long it may be at it.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A request is expected, or a part of its head was read.
    Head(Instant),
    /// So many requests are being answered.
    Busy(usize),
    /// Nothing goes on.
    Idle(Instant),
}

/// How long each phase may last. Nothing limits being busy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) head: Duration,
    pub(super) idle: Duration,
}

/// Which phase lasted too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    Head,
    Idle,
}

/// What a connection is at, as those who see a part of it report.
///
/// A clone is of the same connection.
#[derive(Clone, Debug)]
pub(super) struct Activity {
    state: Arc<Mutex<State>>,
    /// Whether several requests share the connection (HTTP/2): then what is read need not be the head of one, and answers
    /// end in other tasks than the connection's.
    multiplexed: bool,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Of the connection's task, to hear of the end of an answer in another one.
    waker: Option<Waker>,
}

impl Activity {
    /// A connection that was just made: the first request is expected.
    pub(super) fn new(multiplexed: bool) -> Self {
        let state = State { phase: Phase::Head(Instant::now()), waker: None };
        Self { state: Arc::new(Mutex::new(state)), multiplexed }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that holds the lock can panic, and each change is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was read.
    pub(super) fn was_read(&self) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Idle(_)) && !self.multiplexed {
            state.phase = Phase::Head(Instant::now());
        }
    }

    /// Something was written: the end of an answer is on its way after the answer itself is over.
    pub(super) fn was_written(&self) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Idle(_)) && !self.multiplexed {
            state.phase = Phase::Idle(Instant::now());
        }
    }

    /// A request was read: it is being answered until what this gives out is dropped.
    pub(super) fn answer(&self) -> Answering {
        let mut state = self.state();
        state.phase = match state.phase {
            Phase::Busy(number) => Phase::Busy(number + 1),
            Phase::Head(_) | Phase::Idle(_) => Phase::Busy(1),
        };
        Answering(self.clone())
    }

    /// Whatever it is at begins now.
    pub(super) fn begin_anew(&self) {
        let mut state = self.state();
        let now = Instant::now();
        state.phase = match state.phase {
            Phase::Head(_) => Phase::Head(now),
            Phase::Idle(_) => Phase::Idle(now),
            Phase::Busy(number) => Phase::Busy(number),
        };
    }

    /// The connection is no longer ours: its time is nobody's business.
    pub(super) fn ignore(&self) {
        self.state().phase = Phase::Busy(1);
    }

    /// Waits, on the connection's task, until a phase lasts too long. `timer` is armed only when it would be late otherwise.
    pub(super) fn poll_overdue(
        &self,
        patience: Patience,
        mut timer: Pin<&mut Sleep>,
        cx: &mut Context<'_>,
    ) -> Poll<Overdue> {
        let mut state = self.state();
        let (deadline, overdue) = match state.phase {
            Phase::Head(since) => (since + patience.head, Overdue::Head),
            Phase::Idle(since) => (since + patience.idle, Overdue::Idle),
            Phase::Busy(_) => {
                if self.multiplexed && !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    state.waker = Some(cx.waker().clone());
                }
                return Poll::Pending;
            }
        };
        drop(state);
        // A timer that goes off early is set anew then; one that is merely put off at each request would cost more.
        if deadline < timer.deadline() {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= deadline {
                return Poll::Ready(overdue);
            }
            timer.as_mut().reset(deadline);
        }
    }

    /// A timer for [`poll_overdue`](Self::poll_overdue).
    pub(super) fn timer(patience: Patience) -> Sleep {
        sleep_until(Instant::now() + patience.head)
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Answering(Activity);

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.phase = match state.phase {
            Phase::Busy(number @ 2..) => Phase::Busy(number - 1),
            Phase::Busy(_) | Phase::Head(_) | Phase::Idle(_) => Phase::Idle(Instant::now()),
        };
        if let Phase::Idle(_) = state.phase
            && let Some(waker) = state.waker.take()
        {
            drop(state);
            waker.wake();
        }
    }
}

/// The body of an answer, whose end is the answer's.
pub(super) struct AnswerBody {
    body: Body,
    _answering: Option<Answering>,
}

impl AnswerBody {
    pub(super) fn new(body: Body, answering: Option<Answering>) -> Self {
        Self { body, _answering: answering }
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
