//! How a program is called where it is told of.

use std::fmt;

/// A program as it is configured, for errors: what its variables stand for may be secret, and errors are read by more people than
/// the variables are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramName {
    word: String,
    has_variables: bool,
}

impl ProgramName {
    /// Takes the first word of a command, in which variables are still to be replaced.
    pub(super) fn unexpanded(word: &str) -> Self {
        let mut has_variables = false;
        // Only to see whether any are asked for: an escaped dollar sign asks for none.
        let _text = shellexpand::env_with_context_no_errors(word, |_| {
            has_variables = true;
            None::<&str>
        });
        Self { word: word.to_owned(), has_variables }
    }

    /// Whether the program that is searched is called otherwise.
    pub fn has_variables(&self) -> bool {
        self.has_variables
    }
}

impl<T: Into<String>> From<T> for ProgramName {
    /// One without variables.
    fn from(word: T) -> Self {
        Self { word: word.into(), has_variables: false }
    }
}

impl fmt::Display for ProgramName {
    /// In quotes; where variables are replaced it says so, without their values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let note = if self.has_variables { " (variables replaced)" } else { "" };
        write!(f, "`{}`{note}", self.word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_called_as_it_is_configured() {
        for (word, shown) in [
            ("./web", "`./web`"),
            ("$TOK/bin/x", "`$TOK/bin/x` (variables replaced)"),
            ("${TOK}", "`${TOK}` (variables replaced)"),
            ("a${TOK:-b}c", "`a${TOK:-b}c` (variables replaced)"),
            ("$$TOK", "`$$TOK`"),
            ("~/x", "`~/x`"),
        ] {
            assert_eq!(ProgramName::unexpanded(word).to_string(), shown);
        }
        assert_eq!(ProgramName::from("$x").to_string(), "`$x`");
    }
}
