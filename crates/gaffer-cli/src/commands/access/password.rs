//! Passwords, and where they come from.

use std::{
    env, fmt,
    io::{self, BufRead, IsTerminal, Read, Write},
    ops::ControlFlow,
};

use clap::Args;
use gaffer_core::os;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use crate::{Failure, unless_signalled};

/// The variable that holds one.
const VARIABLE: &str = "GAFFER_PASSWORD";

/// The longest line that is read.
const LONGEST: u64 = 4096;

/// A password, as an option.
#[derive(Clone, Default, Args)]
pub struct PasswordArgs {
    /// The password; others can see it in the list of processes [env: GAFFER_PASSWORD] [default: asked for, or a line of stdin]
    #[arg(short, long, value_name = "PASSWORD")]
    password: Option<String>,
}

impl fmt::Debug for PasswordArgs {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordArgs").finish_non_exhaustive()
    }
}

/// What a password is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To show that one knows it.
    Show,
    /// To choose it: it is asked for twice.
    Choose,
}

impl PasswordArgs {
    /// The password: of the option, else of the environment, else asked for unseen on the terminal, else a line of stdin.
    ///
    /// # Errors
    /// When there is none.
    pub async fn read(&self, purpose: Purpose) -> Result<String, Failure> {
        if let Some(password) = self.password.clone() {
            return not_empty(password);
        }
        match env::var(VARIABLE) {
            Ok(password) if !password.is_empty() => return Ok(password),
            Ok(_) | Err(env::VarError::NotPresent) => {}
            Err(env::VarError::NotUnicode(_)) => {
                return Err(Failure::Failed(format!("{VARIABLE} holds bytes that are not UTF-8")));
            }
        }
        if !io::stdin().is_terminal() {
            return not_empty(line(&mut io::stdin().lock())?);
        }
        match purpose {
            Purpose::Show => asked("password: ").await,
            Purpose::Choose => loop {
                let password = asked("password: ").await?;
                if asked("confirm password: ").await? == password {
                    return Ok(password);
                }
                say("Passwords are different.")?;
            },
        }
    }
}

fn not_empty(password: String) -> Result<String, Failure> {
    let cure = "no password is given; write it to stdin, or name it with -p or GAFFER_PASSWORD";
    if password.is_empty() { Err(Failure::Failed(cure.to_owned())) } else { Ok(password) }
}

/// A line without its end.
pub(super) fn line(input: &mut impl BufRead) -> Result<String, Failure> {
    let mut line = String::new();
    let read = input.take(LONGEST).read_line(&mut line);
    read.map_err(|error| Failure::Failed(format!("cannot read stdin: {error}")))?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// Says something to the person at the terminal.
pub(super) fn say(text: &str) -> Result<(), Failure> {
    writeln!(io::stderr(), "{text}").map_err(cannot_ask)
}

fn cannot_ask(error: io::Error) -> Failure {
    Failure::Failed(format!("cannot ask: {error}"))
}

/// What the person at the terminal types, unseen. If a signal ends the program meanwhile, the terminal shows again what is typed.
async fn asked(prompt: &'static str) -> Result<String, Failure> {
    let shown = tcgetattr(io::stdin()).map_err(|error| cannot_ask(error.into()))?;
    loop {
        let task = tokio::task::spawn_blocking(move || rpassword::prompt_password(prompt));
        let typed = match unless_signalled(task).await? {
            ControlFlow::Continue(typed) => typed,
            ControlFlow::Break(signal) => {
                // If it cannot be set, it is gone.
                let _: rustix::io::Result<()> = tcsetattr(io::stdin(), OptionalActions::Now, &shown);
                os::die_of(signal)
            }
        };
        match typed.map_err(io::Error::other).and_then(|typed| typed) {
            Ok(password) if password.is_empty() => say("password is empty. Please enter a password.")?,
            Ok(password) => return Ok(password),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Failure::Failed("no password was given".to_owned()));
            }
            Err(error) => return Err(cannot_ask(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_stdin_is_a_password_without_its_end() {
        for (input, expected) in
            [("s3cret\nmore", "s3cret"), ("s3cret\r\n", "s3cret"), ("s3cret", "s3cret"), (" a b \n", " a b "), ("", "")]
        {
            assert_eq!(line(&mut input.as_bytes()).unwrap(), expected);
        }
        assert_eq!(line(&mut "x".repeat(10_000).as_bytes()).unwrap().len() as u64, LONGEST);
        assert!(line(&mut &b"\xff\n"[..]).is_err());
    }

    #[tokio::test]
    async fn the_option_wins_and_is_not_shown() {
        let args = |password: &str| PasswordArgs { password: Some(password.to_owned()) };
        assert_eq!(args("s3cret").read(Purpose::Choose).await.unwrap(), "s3cret");
        assert!(!format!("{:?}", args("s3cret")).contains("s3cret"));
        let failure = args("").read(Purpose::Show).await.unwrap_err();
        assert!(failure.to_string().starts_with("no password is given; write it to stdin"), "{failure}");
    }
}
