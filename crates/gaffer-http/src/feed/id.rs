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

impl FromStr for FeedId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (incarnation, number) = text.rsplit_once('-').ok_or(())?;
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(());
        }
        Ok(Self { incarnation: incarnation.into(), number: number.parse().map_err(drop)? })
    }
}
