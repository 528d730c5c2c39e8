//! What a client asks of a feed.

use std::{str::FromStr, time::Duration};

use gaffer_core::api::MOST_HISTORY;
use serde::Deserialize;
use utoipa::IntoParams;

/// The form of a feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FeedKind {
    /// The first item, and then the end.
    #[default]
    Longpoll,
    /// Items as they come.
    Continuous,
    /// An event stream, as browsers read it.
    EventSource,
}

/// A request for a feed that cannot be met.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFeed {
    /// No such form.
    #[error("`feed` must be longpoll, continuous or eventsource (or of stats also normal), but is `{0}`")]
    Kind(String),
    /// No such heartbeat.
    #[error("`heartbeat` must be true or a number of seconds from 0 (none) to 86400, but is `{0}`")]
    Heartbeat(String),
    /// No such history.
    #[error("`history` must be a number from 0 to {most}, but is `{0}`", most = MOST_HISTORY)]
    History(String),
    /// Neither yes nor no.
    #[error("`follow` must be true or false, but is `{0}`")]
    Follow(String),
    /// What is kept, of that which is not kept.
    #[error("`follow=false` asks for what is kept, but statistics are not; leave out `feed` to look once")]
    NothingKept,
}

/// The form of a feed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FeedQuery {
    /// `longpoll` (one item, then the end), `continuous` or `eventsource`. Default: `longpoll`; of stats `normal`, which is no
    /// feed but one look.
    pub feed: Option<String>,
    /// Seconds of silence after which a sign of life is sent; `true` is 60, 0 or `false` never. Default: 60, and
    /// never for what a process writes.
    pub heartbeat: Option<String>,
    /// So many of the last events, or of the last lines that a process wrote, are sent first, as far as they are kept. Stats have no
    /// history. Default: 0; with `follow=false` all.
    #[param(value_type = Option<u32>, maximum = 100_000)]
    pub history: Option<String>,
    /// `false`: only what is kept is sent, and then the end. A `longpoll` is `continuous` then. Not for stats. Default: `true`.
    #[param(value_type = Option<bool>)]
    pub follow: Option<String>,
}

/// How a feed is to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedOptions {
    /// The form.
    pub kind: FeedKind,
    /// After how long a silence a sign of life is sent; never for `None`.
    pub heartbeat: Option<Duration>,
    /// How much of the past is sent first, in events or lines.
    pub history: usize,
    /// Whether nothing is sent but what is kept.
    pub kept_only: bool,
}

impl FromStr for FeedKind {
    type Err = InvalidFeed;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "longpoll" => Ok(Self::Longpoll),
            "continuous" => Ok(Self::Continuous),
            "eventsource" => Ok(Self::EventSource),
            _ => Err(InvalidFeed::Kind(text.to_owned())),
        }
    }
}

impl FeedOptions {
    /// What `heartbeat=true` means.
    pub const USUAL_HEARTBEAT: Duration = Duration::from_secs(60);
    /// More often would be load, not a sign of life.
    const SHORTEST_HEARTBEAT: Duration = Duration::from_millis(100);
    const LONGEST_HEARTBEAT: Duration = Duration::from_secs(86_400);
}

impl FeedQuery {
    /// Reads the parameters; `heartbeat` is for who asks for none, or for one.
    ///
    /// # Errors
    /// When one of them holds what it cannot.
    pub fn options(&self, heartbeat: Option<Duration>) -> Result<FeedOptions, InvalidFeed> {
        let kind = self.feed.as_deref().map(str::parse).transpose()?.unwrap_or_default();
        let kept_only = !self.follow.as_deref().map_or(Ok(true), read_follow)?;
        Ok(FeedOptions {
            // There is nothing to wait for, and so no reason to end after one item.
            kind: if kept_only && kind == FeedKind::Longpoll { FeedKind::Continuous } else { kind },
            heartbeat: self.heartbeat.as_deref().map_or(Ok(heartbeat), read_heartbeat)?,
            history: self.history.as_deref().map_or(Ok(if kept_only { usize::MAX } else { 0 }), read_history)?,
            kept_only,
        })
    }
}

fn read_follow(text: &str) -> Result<bool, InvalidFeed> {
    text.parse().map_err(|_| InvalidFeed::Follow(text.to_owned()))
}

fn read_history(text: &str) -> Result<usize, InvalidFeed> {
    let invalid = || InvalidFeed::History(text.to_owned());
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit()); // Rust's own reading also takes a plus sign.
    let count = text.parse().map_err(|_| invalid())?;
    if is_number && count <= MOST_HISTORY { Ok(count) } else { Err(invalid()) }
}

fn read_heartbeat(text: &str) -> Result<Option<Duration>, InvalidFeed> {
    match text {
        "true" => return Ok(Some(FeedOptions::USUAL_HEARTBEAT)),
        "false" => return Ok(None),
        _ => {}
    }
    let invalid = || InvalidFeed::Heartbeat(text.to_owned());
    let seconds: f64 = text.parse().map_err(|_| invalid())?;
    let pause = Duration::try_from_secs_f64(seconds).map_err(|_| invalid())?;
    match pause {
        Duration::ZERO => Ok(None),
        _ if pause > FeedOptions::LONGEST_HEARTBEAT => Err(invalid()),
        _ => Ok(Some(pause.max(FeedOptions::SHORTEST_HEARTBEAT))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(feed: Option<&str>, heartbeat: Option<&str>, history: Option<&str>) -> Result<FeedOptions, InvalidFeed> {
        let [feed, heartbeat, history] = [feed, heartbeat, history].map(|text| text.map(str::to_owned));
        FeedQuery { feed, heartbeat, history, follow: None }.options(Some(Duration::from_secs(7)))
    }

    #[test]
    fn the_default_is_a_longpoll_of_what_comes() {
        let options = read(None, None, None).unwrap();
        let expected = FeedOptions { heartbeat: Some(Duration::from_secs(7)), ..FeedOptions::default() };
        assert_eq!((options, expected.kind), (expected, FeedKind::Longpoll));
        assert_eq!(FeedQuery::default().options(None), Ok(FeedOptions::default()));
        assert_eq!(read(Some("Continuous"), None, None), Err(InvalidFeed::Kind("Continuous".into())));
    }

    #[test]
    fn a_heartbeat_is_true_or_seconds() {
        for (text, seconds) in [
            ("true", Some(60.0)),
            ("false", None),
            ("0", None),
            ("5", Some(5.0)),
            ("0.5", Some(0.5)),
            ("0.0001", Some(0.1)),
        ] {
            let options = read(Some("eventsource"), Some(text), None).unwrap();
            assert_eq!(options.heartbeat, seconds.map(Duration::from_secs_f64), "{text}");
        }
        for text in ["", "yes", "-1", "NaN", "inf", "1e300", "86401"] {
            assert_eq!(read(None, Some(text), None), Err(InvalidFeed::Heartbeat(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn history_is_a_number_within_reason() {
        for (text, count) in [("0", 0), ("007", 7), ("100000", 100_000)] {
            assert_eq!(read(None, None, Some(text)).unwrap().history, count);
        }
        for text in ["", "all", "-1", "+1", "1.5", "100001", "99999999999999999999999"] {
            let error = read(None, None, Some(text)).unwrap_err();
            assert_eq!(error, InvalidFeed::History(text.to_owned()));
            assert!(error.to_string().contains("`history` must be a number from 0 to 100000"), "{error}");
        }
    }

    #[test]
    fn what_is_kept_is_told_whole_and_in_a_form_that_takes_it() {
        let read = |feed: Option<&str>, history: Option<&str>, follow: &str| {
            let [feed, history] = [feed, history].map(|text| text.map(str::to_owned));
            FeedQuery { feed, history, follow: Some(follow.to_owned()), heartbeat: None }.options(None)
        };
        for (feed, history, expected) in [
            (None, None, (FeedKind::Continuous, usize::MAX)),
            (Some("longpoll"), Some("0"), (FeedKind::Continuous, 0)),
            (Some("continuous"), Some("3"), (FeedKind::Continuous, 3)),
            (Some("eventsource"), None, (FeedKind::EventSource, usize::MAX)),
        ] {
            let options = read(feed, history, "false").unwrap();
            assert!(options.kept_only);
            assert_eq!((options.kind, options.history), expected, "{feed:?} {history:?}");
        }
        assert_eq!(read(None, None, "true"), Ok(FeedOptions::default()));
        for text in ["", "no", "0", "False"] {
            assert_eq!(read(None, None, text), Err(InvalidFeed::Follow(text.to_owned())));
        }
    }
}
