//! What is asked before something is done.

use std::io::{self, IsTerminal, Write};

use crate::Failure;

/// Who is asked.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    is_there: bool,
}

impl Asker {
    /// The person at the terminal, unless nobody is to be asked.
    pub fn new(no_input: bool) -> Self {
        Self { is_there: !no_input && io::stdin().is_terminal() && io::stderr().is_terminal() }
    }

    /// Asks whether to do something: `unload 'web'`. Where nobody is there it is to be done. Blocks until there is an answer.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    pub fn wants_to(self, what: &str) -> Result<bool, Failure> {
        self.confirms(&format!("Do you want to {what}?"))
    }

    /// The same, in these words: `Create the key`.
    ///
    /// # Errors
    /// As [`wants_to`](Self::wants_to).
    pub fn confirms(self, words: &str) -> Result<bool, Failure> {
        if !self.is_there {
            return Ok(true);
        }
        let failed = |error: io::Error| Failure::Failed(format!("cannot ask: {error}"));
        write!(io::stderr(), "{words} [y]|n: ").map_err(failed)?;
        let mut answer = String::new();
        if io::stdin().read_line(&mut answer).map_err(failed)? == 0 {
            // The end of input is no answer, and ends no line.
            writeln!(io::stderr()).map_err(failed)?;
            return Ok(false);
        }
        Ok(is_yes(&answer))
    }
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "" | "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yes_need_not_be_said() {
        for (answer, expected) in [("\n", true), ("y\n", true), (" Yes\r\n", true), ("n\n", false), ("what?\n", false)]
        {
            assert_eq!(is_yes(answer), expected, "{answer:?}");
        }
    }
}
