//! How many processes of each type.

use std::{collections::BTreeMap, str::FromStr};

use crate::config::MAX_PROCESSES;

/// `web=2,worker=1` or `all=1`: how many processes to run of each type. By default 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Concurrency {
    /// For types that are not named.
    all: Option<u32>,
    named: BTreeMap<String, u32>,
}

/// Text that says no numbers of processes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidConcurrency(pub(super) String);

impl FromStr for Concurrency {
    type Err = InvalidConcurrency;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut concurrency = Self::default();
        for part in text.split(',') {
            let expected = |what: &str| InvalidConcurrency(format!("`{}`: {what}", part.trim().escape_debug()));
            let (name, number) = part
                .split_once('=')
                .map(|(name, number)| (name.trim(), number.trim()))
                .filter(|(name, _)| !name.is_empty())
                .ok_or_else(|| expected("must be TYPE=NUMBER, for example web=2,worker=1 or all=2"))?;
            let number = number
                .parse()
                .ok()
                .filter(|number| *number <= MAX_PROCESSES)
                .ok_or_else(|| expected(&format!("must give a whole number from 0 to {MAX_PROCESSES}")))?;
            if name == "all" {
                concurrency.all = Some(number);
            } else {
                concurrency.named.insert(name.to_owned(), number);
            }
        }
        Ok(concurrency)
    }
}

impl Concurrency {
    /// How many of this type.
    pub fn of(&self, name: &str) -> u32 {
        self.named.get(name).copied().or(self.all).unwrap_or(1)
    }

    /// Adds what another one says, which wins.
    pub fn extend(&mut self, other: Self) {
        self.all = other.all.or(self.all);
        self.named.extend(other.named);
    }

    /// The types that are named.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_their_number_else_that_of_all_else_one() {
        let concurrency: Concurrency = "web=2, worker = 0".parse().unwrap();
        assert_eq!(["web", "worker", "clock"].map(|name| concurrency.of(name)), [2, 0, 1]);
        assert_eq!(concurrency.names().collect::<Vec<_>>(), ["web", "worker"]);
        let concurrency: Concurrency = "all=3,web=2".parse().unwrap();
        assert_eq!(["web", "clock"].map(|name| concurrency.of(name)), [2, 3]);
        assert_eq!(Concurrency::default().of("web"), 1);
    }

    #[test]
    fn later_ones_win() {
        let mut concurrency: Concurrency = "all=3,web=2,clock=1".parse().unwrap();
        concurrency.extend("web=5".parse().unwrap());
        assert_eq!(["web", "clock", "other"].map(|name| concurrency.of(name)), [5, 1, 3]);
        concurrency.extend("all=0,web=1,web=7".parse().unwrap());
        assert_eq!(["web", "clock", "other"].map(|name| concurrency.of(name)), [7, 1, 0]);
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for (text, part) in [
            ("", "``: must be TYPE=NUMBER"),
            ("web", "`web`: must be TYPE=NUMBER"),
            ("web=1,", "``: must be TYPE=NUMBER"),
            ("=2", "`=2`: must be TYPE=NUMBER"),
            ("web=", "`web=`: must give a whole number"),
            ("a=1,web=x", "`web=x`: must give a whole number"),
            ("web=-1", "`web=-1`: must give a whole number"),
            ("web=10001", "`web=10001`: must give a whole number from 0 to 10000"),
            ("web+2", "`web+2`: must be TYPE=NUMBER"),
        ] {
            let error = text.parse::<Concurrency>().unwrap_err().to_string();
            assert!(error.starts_with(part), "{text}: {error}");
        }
    }
}
