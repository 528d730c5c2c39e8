//! What a client asks of a feed.

use std::{str::FromStr, time::Duration};

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
    #[error("`feed` must be longpoll, continuous or eventsource, but is `{0}`")]
    Kind(String),
    /// No such heartbeat.
    #[error("`heartbeat` must be true or a number of seconds from 0 (none) to 86400, but is `{0}`")]
    Heartbeat(String),
}

/// How a feed is to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeedOptions {
    /// The form.
    pub kind: FeedKind,
    /// After how long a silence a sign of life is sent; never for `None`.
    pub heartbeat: Option<Duration>,
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
    const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(60);
    /// More often would be load, not a sign of life.
    const SHORTEST_HEARTBEAT: Duration = Duration::from_millis(100);
    const LONGEST_HEARTBEAT: Duration = Duration::from_secs(86_400);

    /// Reads the query parameters `feed` (default: longpoll) and `heartbeat` (default: none).
    ///
    /// # Errors
    /// When either holds what it cannot.
    pub fn from_query(feed: Option<&str>, heartbeat: Option<&str>) -> Result<Self, InvalidFeed> {
        Ok(Self {
            kind: feed.map(str::parse).transpose()?.unwrap_or_default(),
            heartbeat: heartbeat.map(read_heartbeat).transpose()?.flatten(),
        })
    }
}

fn read_heartbeat(text: &str) -> Result<Option<Duration>, InvalidFeed> {
    match text {
        "true" => return Ok(Some(FeedOptions::DEFAULT_HEARTBEAT)),
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

    #[test]
    fn the_default_is_a_longpoll_without_heartbeat() {
        assert_eq!(FeedOptions::from_query(None, None), Ok(FeedOptions::default()));
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
            let options = FeedOptions::from_query(Some("eventsource"), Some(text)).unwrap();
            assert_eq!(options.heartbeat, seconds.map(Duration::from_secs_f64), "{text}");
        }
        for text in ["", "yes", "-1", "NaN", "inf", "1e300", "86401"] {
            assert_eq!(
                FeedOptions::from_query(None, Some(text)),
                Err(InvalidFeed::Heartbeat(text.to_owned())),
                "{text}"
            );
        }
        assert!(FeedOptions::from_query(Some("Continuous"), None).is_err());
    }
}
