//! How often something may happen.

use std::time::Duration;

use tokio::time::Instant;

/// So many at once, and one more each time a while has passed.
#[derive(Debug)]
pub(crate) struct Budget {
    burst: u32,
    every: Duration,
    left: u32,
    /// When `left` was last true.
    since: Instant,
}

impl Budget {
    pub(crate) fn new(burst: u32, every: Duration, now: Instant) -> Self {
        Self { burst, every, left: burst, since: now }
    }

    /// Takes one; answers whether there was one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.since);
        let earned = u32::try_from(passed.as_nanos() / self.every.as_nanos().max(1)).unwrap_or(u32::MAX);
        if earned >= self.burst - self.left {
            (self.left, self.since) = (self.burst, now);
        } else {
            self.left += earned;
            self.since += self.every * earned;
        }
        let has_one = self.left > 0;
        self.left = self.left.saturating_sub(1);
        has_one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_had_at_once_and_comes_back_with_time() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let mut budget = Budget::new(3, Duration::from_secs(1), start);
        let taken = |budget: &mut Budget, at| (0..5).filter(|_| budget.take(after(at))).count();
        assert_eq!(taken(&mut budget, 0), 3);
        assert_eq!(taken(&mut budget, 999), 0);
        assert_eq!(taken(&mut budget, 1000), 1);
        assert_eq!(taken(&mut budget, 3500), 2, "half of one is kept");
        assert_eq!(taken(&mut budget, 4000), 1);
        assert_eq!(taken(&mut budget, 1_000_000), 3, "never more than the burst");
        assert_eq!(taken(&mut budget, 0), 0, "a clock that goes back gives nothing");
    }
}
