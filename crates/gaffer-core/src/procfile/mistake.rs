//! What is wrong in a file, with its place.

use std::fmt;

use crate::ini::Place;

/// One mistake: where it stands, what is wrong, and the cure.
///
/// Shown as `Procfile:3: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// File and line; none for what was given on the command line.
    pub place: Option<Place>,
    /// What is wrong and what was expected.
    pub problem: String,
}

impl Mistake {
    /// A mistake that stands in a file.
    pub(super) fn at(place: Place, problem: impl Into<String>) -> Self {
        Self { place: Some(place), problem: problem.into() }
    }

    /// A mistake that stands in no file.
    pub(super) fn given(problem: impl Into<String>) -> Self {
        Self { place: None, problem: problem.into() }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.problem),
            None => f.write_str(&self.problem),
        }
    }
}

/// Every mistake, file by file and line by line; never empty. Shown one a line.
///
/// After a hundred the last one says how many more there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, mistake) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

impl From<Mistake> for Mistakes {
    fn from(mistake: Mistake) -> Self {
        Self(vec![mistake])
    }
}

/// Most mistakes told at once: a binary file taken for a Procfile has one on every line.
const MAX_TOLD: usize = 100;

/// Gathers mistakes while reading goes on.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    told: Vec<Mistake>,
    untold: usize,
}

impl Gathered {
    /// Notes a mistake.
    pub(super) fn push(&mut self, mistake: Mistake) {
        if self.told.len() < MAX_TOLD {
            self.told.push(mistake);
        } else {
            self.untold += 1;
        }
    }

    /// What `result` holds; its mistakes, if it failed, are noted.
    pub(super) fn take<T>(&mut self, result: Result<T, impl Into<Mistakes>>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(mistakes) => {
                mistakes.into().0.into_iter().for_each(|mistake| self.push(mistake));
                None
            }
        }
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// `value`, if nothing is wrong.
    pub(super) fn or<T>(self, value: T) -> Result<T, Mistakes> {
        if self.is_empty() { Ok(value) } else { Err(self.into_mistakes()) }
    }

    /// What is wrong.
    pub(super) fn into_mistakes(mut self) -> Mistakes {
        if self.untold > 0 {
            self.told.push(Mistake::given(format!("and {} more", self.untold)));
        }
        Mistakes(self.told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_hundred_only_the_number_is_told() {
        let gathered = |number| {
            let mut gathered = Gathered::default();
            (0..number).for_each(|position| gathered.push(Mistake::given(position.to_string())));
            gathered.or(())
        };
        assert_eq!(gathered(0), Ok(()));
        assert_eq!(gathered(100).unwrap_err().0.len(), 100);
        let many = gathered(117).unwrap_err();
        assert_eq!(many.0.len(), 101);
        assert!(many.to_string().ends_with("\n99\nand 17 more"), "{many}");
    }
}
