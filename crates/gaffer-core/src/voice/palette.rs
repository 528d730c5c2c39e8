//! A colour for each job.

use std::collections::HashMap;

use crate::names::JobName;

/// One of the twelve colours that jobs take in turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(usize);

/// Cyan, yellow, green, magenta, red, blue; then the bright ones.
const BEGIN: [&str; 12] = [
    "\x1b[36m", "\x1b[33m", "\x1b[32m", "\x1b[35m", "\x1b[31m", "\x1b[34m", "\x1b[96m", "\x1b[93m", "\x1b[92m",
    "\x1b[95m", "\x1b[91m", "\x1b[94m",
];

impl Colour {
    /// Back to the terminal's own colour.
    pub const END: &str = "\x1b[39m";

    /// Of what is wrong.
    pub(super) const RED: &str = "\x1b[31m";

    /// Turns the colour on.
    pub fn begin(self) -> &'static str {
        BEGIN[self.0 % BEGIN.len()]
    }
}

/// Which job has which colour.
#[derive(Debug, Default)]
pub struct Palette {
    given: HashMap<JobName, Colour>,
    next: usize,
}

impl Palette {
    /// A job's colour: the next one in turn, at the first time.
    pub fn of(&mut self, job: &JobName) -> Colour {
        if let Some(colour) = self.given.get(job) {
            return *colour;
        }
        let colour = Colour(self.next % BEGIN.len());
        self.next += 1;
        self.given.insert(job.clone(), colour);
        colour
    }

    /// A job was unloaded.
    pub fn forget(&mut self, job: &JobName) {
        self.given.remove(job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_take_colours_in_turn_and_keep_them() {
        let mut palette = Palette::default();
        let mut of = |name: String| palette.of(&name.parse().unwrap()).begin();
        let first: Vec<&str> = (0..13).map(|n| of(format!("job{n}"))).collect();
        assert_eq!(first[..3], ["\x1b[36m", "\x1b[33m", "\x1b[32m"]);
        assert_eq!(first[12], first[0]);
        assert_eq!(of("job2".into()), first[2]);
    }
}
