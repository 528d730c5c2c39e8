//! Where a reader may go on.

use std::{fmt, str::FromStr, sync::Arc};

/// A place in a feed, as the `id` of an event: `<incarnation>-<number>`.
///
/// Numbers mean nothing to another incarnation of the source, and readers that come back say which one they knew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedId {
    /// Which run of the source counts here. Holds no line break.
    pub incarnation: Arc<str>,
    /// Grows within a feed, not always by one.
    pub number: u64,
}

impl fmt::Display for FeedId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.incarnation, self.number)
    }
}

/// What a reader has seen of a feed, as it says in the header `Last-Event-ID`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// All up to the event of this id, which is how it is written.
    UpTo(FeedId),
    /// Nothing, of a feed that began at this place: `<incarnation>-@<number>`. Of output it is not the same, as an event's id stands
    /// before the line break at the event's end.
    NothingSince(FeedId),
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpTo(id) => id.fmt(f),
            Self::NothingSince(FeedId { incarnation, number }) => write!(f, "{incarnation}-@{number}"),
        }
    }
}

impl FromStr for Seen {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.rsplit_once("-@") {
            Some((incarnation, number)) => Ok(Self::NothingSince(FeedId::read(incarnation, number)?)),
            None => text.parse().map(Self::UpTo),
        }
    }
}

impl FeedId {
    fn read(incarnation: &str, number: &str) -> Result<Self, ()> {
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(());
        }
        Ok(Self { incarnation: incarnation.into(), number: number.parse().map_err(drop)? })
    }
}

impl FromStr for FeedId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (incarnation, number) = text.rsplit_once('-').ok_or(())?;
        Self::read(incarnation, number)
    }
}
