//! What came while something was sent.

use std::collections::VecDeque;

use super::ChannelItem;

/// The most that is kept.
const MOST: usize = 1024 * 1024;

/// Items that nobody has taken yet. Only so much is kept; beyond, the oldest output is given up and told as lost: a write must come
/// to its end though the process says more than anybody listens to.
#[derive(Debug, Default)]
pub(super) struct Kept {
    items: VecDeque<ChannelItem>,
    /// Bytes among them, with what each item costs.
    bytes: usize,
    /// Bytes of output given up before the first of them.
    lost: u64,
}

impl Kept {
    fn cost(item: &ChannelItem) -> usize {
        let body = match item {
            ChannelItem::Output(bytes) => bytes.len(),
            ChannelItem::Lost(_) => 0,
            ChannelItem::Error(refusal) => refusal.error.len() + refusal.reason.len(),
        };
        body + size_of::<ChannelItem>()
    }

    pub(super) fn push(&mut self, item: ChannelItem) {
        self.bytes += Self::cost(&item);
        self.items.push_back(item);
        while self.bytes > MOST
            && let Some(oldest) = self.items.iter().position(|item| !matches!(item, ChannelItem::Error(_)))
            && let Some(given_up) = self.items.remove(oldest)
        {
            self.bytes -= Self::cost(&given_up);
            self.lost = self.lost.saturating_add(match given_up {
                ChannelItem::Output(bytes) => bytes.len() as u64,
                ChannelItem::Lost(bytes) => bytes,
                ChannelItem::Error(_) => 0,
            });
        }
    }

    pub(super) fn pop(&mut self) -> Option<ChannelItem> {
        if self.lost > 0 {
            return Some(ChannelItem::Lost(std::mem::take(&mut self.lost)));
        }
        let item = self.items.pop_front()?;
        self.bytes -= Self::cost(&item);
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Refusal;

    #[test]
    fn what_nobody_takes_is_bounded_and_its_loss_is_told() {
        let mut kept = Kept::default();
        let refusal = Refusal { status: 400, error: "invalid_frame".to_owned(), reason: "no".to_owned() };
        kept.push(ChannelItem::Error(refusal.clone()));
        kept.push(ChannelItem::Lost(7));
        let piece = Bytes::from(vec![b'x'; 100_000]);
        for _ in 0..30 {
            kept.push(ChannelItem::Output(piece.clone()));
        }
        assert!(kept.bytes <= MOST);
        assert_eq!(kept.pop(), Some(ChannelItem::Lost(2_000_007)));
        assert_eq!(kept.pop(), Some(ChannelItem::Error(refusal)), "what is no output is not given up");
        for _ in 0..10 {
            assert_eq!(kept.pop(), Some(ChannelItem::Output(piece.clone())));
        }
        assert_eq!((kept.pop(), kept.bytes), (None, 0));
    }

    #[test]
    fn a_node_that_claims_to_have_lost_more_than_there_is_does_no_harm() {
        let mut kept = Kept::default();
        for _ in 0..MOST {
            kept.push(ChannelItem::Lost(u64::MAX));
        }
        assert_eq!(kept.pop(), Some(ChannelItem::Lost(u64::MAX)));
    }
}
