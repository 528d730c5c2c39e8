//! Waiting for what must come.

use std::{
    fmt::Display,
    thread,
    time::{Duration, Instant},
};

/// How long anything at all may take. Far longer than anything does: it only bounds what a failure costs.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks again and again until `look` gives a value. What it gives instead is shown if it never does.
#[track_caller]
pub fn wait_until<T, E: Display>(what: &str, mut look: impl FnMut() -> Result<T, E>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(value) => return value,
            Err(seen) if begun.elapsed() > DEADLINE => {
                panic!("waited {} s until {what}; seen last: {seen}", DEADLINE.as_secs())
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}
