//! How a program ends.

use std::process::ExitCode;

/// What the exit code of a command line client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: it is done.
    Done,
    /// 1: it failed, or a part of it.
    Failed,
    /// 2: the command line does not read.
    Usage,
    /// 3: what was named is not there.
    NotFound,
    /// 4: the node, or every lookup server, cannot be reached, or did not answer to the end.
    Unreachable,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Unreachable => 4,
        }
    }

    /// How several things ended together: as all of them did that did not end well, else as failed; but a node that
    /// cannot be reached outweighs all.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Done, other) | (other, Self::Done) => other,
            (one, other) if one == other => one,
            (Self::Unreachable, _) | (_, Self::Unreachable) => Self::Unreachable,
            (Self::Failed | Self::Usage | Self::NotFound, _) => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_ends_make_one() {
        use Exit::{Done, Failed, NotFound, Unreachable};
        for (one, other, both) in [
            (Done, Done, Done),
            (Done, NotFound, NotFound),
            (NotFound, NotFound, NotFound),
            (NotFound, Failed, Failed),
            (Failed, Done, Failed),
            (Failed, Unreachable, Unreachable),
            (NotFound, Unreachable, Unreachable),
        ] {
            assert_eq!((one.and(other), other.and(one)), (both, both));
        }
    }
}
