//! Finding out whether a silent peer is still there.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep};

/// What is to be done about a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// Ask for a sign of life.
    Ping,
    /// None came.
    Dead,
}

/// Counts the time in which nothing was heard of the peer.
pub(super) struct KeepAlive {
    /// The silence after which a sign of life is asked for; `None` = never.
    pause: Option<Duration>,
    /// How long the peer may take to give one; `None` = as the pause is.
    patience: Option<Duration>,
    heard: Instant,
    /// When the first ping was sent after which nothing was heard.
    asked: Option<Instant>,
    /// Whether nothing can be heard, because we do not read.
    stalled: bool,
    /// Only while there is something to wait for.
    timer: Option<Pin<Box<Sleep>>>,
}

impl KeepAlive {
    /// A peer has at least so long to answer, however often it is asked, and at most so long, however seldom.
    const GRACE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));

    /// How often something is sent while we do not read. No answer can be seen then, but the kernel notices a peer that is gone
    /// when there is something to send.
    const STALLED: Duration = Duration::from_secs(5);

    pub(super) fn new(pause: Option<Duration>, patience: Option<Duration>) -> Self {
        Self { pause, patience, heard: Instant::now(), asked: None, stalled: false, timer: None }
    }

    /// The peer gave a sign of life.
    pub(super) fn heard(&mut self) {
        self.asked = None;
        if self.pause.is_some() {
            self.heard = Instant::now();
        }
    }

    /// Resolves when something is to be done; `stalled` says whether the peer cannot be heard.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, stalled: bool) -> Poll<Beat> {
        if self.stalled != stalled {
            self.stalled = stalled;
            self.asked = None;
            self.heard = Instant::now();
            self.timer = None;
        }
        let pause = match (self.pause, stalled) {
            (Some(pause), false) => pause,
            (None, false) => return Poll::Pending,
            (pause, true) => pause.unwrap_or(Self::STALLED).min(Self::STALLED),
        };
        let grace = self.patience.unwrap_or_else(|| pause.clamp(Self::GRACE.0, Self::GRACE.1));
        loop {
            ready!(self.timer.get_or_insert_with(|| Box::pin(sleep(pause))).as_mut().poll(cx));
            let now = Instant::now();
            let silent_until = self.heard + pause;
            // The timer is not moved at each sign of life: that would cost more than to look again when it fires.
            let (beat, next) = match self.asked {
                None if silent_until > now => (None, silent_until),
                None => {
                    // While we do not read no answer is seen; who said how long we are patient means that, too.
                    self.asked = (!stalled || self.patience.is_some()).then_some(now);
                    (Some(Beat::Ping), now + pause.min(grace))
                }
                Some(asked) if asked + grace <= now => (Some(Beat::Dead), now + grace),
                Some(_) => (Some(Beat::Ping), now + pause.min(grace)),
            };
            if let Some(timer) = &mut self.timer {
                timer.as_mut().reset(next);
            }
            if let Some(beat) = beat {
                return Poll::Ready(beat);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn next(keep_alive: &mut KeepAlive, stalled: bool) -> Beat {
        poll_fn(|cx| keep_alive.poll(cx, stalled)).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_asked_and_then_given_up() {
        let begun = Instant::now();
        let mut keep_alive = KeepAlive::new(Some(Duration::from_secs(15)), None);
        tokio::time::advance(Duration::from_secs(10)).await;
        keep_alive.heard();
        assert_eq!(next(&mut keep_alive, false).await, Beat::Ping);
        assert_eq!(begun.elapsed().as_secs(), 25);
        keep_alive.heard();
        assert_eq!(next(&mut keep_alive, false).await, Beat::Ping);
        assert_eq!(begun.elapsed().as_secs(), 40);
        assert_eq!(next(&mut keep_alive, false).await, Beat::Dead);
        assert_eq!(begun.elapsed().as_secs(), 55);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_asked_often_has_time_to_answer_all_the_same() {
        let begun = Instant::now();
        let mut keep_alive = KeepAlive::new(Some(Duration::from_secs(1)), None);
        let mut pings = 0;
        while next(&mut keep_alive, false).await == Beat::Ping {
            pings += 1;
        }
        assert_eq!((pings, begun.elapsed().as_secs()), (10, 11));
    }

    #[tokio::test(start_paused = true)]
    async fn how_long_that_may_take_can_be_said() {
        let begun = Instant::now();
        let mut keep_alive = KeepAlive::new(Some(Duration::from_secs(4)), Some(Duration::from_secs(2)));
        while next(&mut keep_alive, false).await == Beat::Ping {}
        assert_eq!(begun.elapsed().as_secs(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn who_holds_us_up_for_longer_than_we_are_patient_is_given_up() {
        let begun = Instant::now();
        let mut keep_alive = KeepAlive::new(Some(Duration::from_secs(3600)), Some(Duration::from_secs(60)));
        while next(&mut keep_alive, true).await == Beat::Ping {}
        assert_eq!(begun.elapsed().as_secs(), 65);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_given_up_while_we_do_not_read() {
        let begun = Instant::now();
        let mut keep_alive = KeepAlive::new(None, None);
        for _ in 0..20 {
            assert_eq!(next(&mut keep_alive, true).await, Beat::Ping);
        }
        assert_eq!(begun.elapsed().as_secs(), 100);
        let never = tokio::time::timeout(Duration::from_secs(1_000_000), next(&mut keep_alive, false)).await;
        assert!(never.is_err(), "without a pause nobody is asked");
    }
}
