//! Passwords, and where they come from.

use std::{
    env, fmt,
    io::{self, BufRead, IsTerminal, Read, Write},
    sync::{Mutex, MutexGuard, Once, PoisonError},
    thread,
    time::Duration,
};

use clap::Args;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::{Failure, signals::before_the_end};

/// The variable that holds one.
const VARIABLE: &str = "GAFFER_PASSWORD";

/// The most bytes of a line: what is longer is no name and no password, but the wrong file.
const LONGEST: usize = 4096;

/// The most bytes of its end.
const END: usize = 2;

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
    /// Blocks until it is there.
    ///
    /// # Errors
    /// When there is none.
    pub fn read(&self, purpose: Purpose) -> Result<String, Failure> {
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
            Purpose::Show => asked("password: "),
            Purpose::Choose => loop {
                let password = asked("password: ")?;
                if asked("confirm password: ")? == password {
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

/// A line of stdin, for what is not to stand in the list of processes.
///
/// # Errors
/// When there is none, or it is no text, or longer than any secret is.
pub fn stdin_line() -> Result<String, Failure> {
    line(&mut io::stdin().lock())
}

/// A line without its end.
///
/// # Errors
/// When it is too long, or no text. It is not cut: a part of a password is another one.
pub(super) fn line(input: &mut impl BufRead) -> Result<String, Failure> {
    let failed = |problem: &dyn fmt::Display| Failure::Failed(format!("cannot read stdin: {problem}"));
    let mut line = Vec::new();
    input.take((LONGEST + END) as u64).read_until(b'\n', &mut line).map_err(|error| failed(&error))?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    if line.len() > LONGEST {
        return Err(failed(&format_args!("the line is longer than {LONGEST} bytes")));
    }
    String::from_utf8(line).map_err(|_| failed(&"it is not UTF-8"))
}

/// Says something to the person at the terminal.
pub(super) fn say(text: &str) -> Result<(), Failure> {
    writeln!(io::stderr(), "{text}").map_err(cannot_ask)
}

fn cannot_ask(error: io::Error) -> Failure {
    Failure::Failed(format!("cannot ask: {error}"))
}

/// Time for a signal to end the program.
const MOMENT: Duration = Duration::from_millis(200);

/// How the terminal is to be left, as long as it does not show what is typed.
static SHOWN: Mutex<Option<Termios>> = Mutex::new(None);

/// Whether signals put it right.
static WATCHED: Once = Once::new();

/// What the person at the terminal types, unseen.
fn asked(prompt: &str) -> Result<String, Failure> {
    let mut watching = Ok(());
    WATCHED.call_once(|| watching = before_the_end(show_again));
    watching?;
    loop {
        *shown() = Some(tcgetattr(io::stdin()).map_err(|error| cannot_ask(error.into()))?);
        let typed = rpassword::prompt_password(prompt);
        *shown() = None;
        match typed {
            Ok(password) if password.is_empty() => say("password is empty. Please enter a password.")?,
            Ok(password) => return Ok(password),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                // The end of input ends no line.
                say("")?;
                return Err(Failure::Failed("no password was given".to_owned()));
            }
            // A signal: if it ends the program, that happens elsewhere in a moment. Else it is asked again.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => thread::sleep(MOMENT),
            Err(error) => return Err(cannot_ask(error)),
        }
    }
}

fn shown() -> MutexGuard<'static, Option<Termios>> {
    // It is set whole.
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has the terminal show again what is typed, if it does not.
fn show_again() {
    if let Some(settings) = shown().take() {
        // If it cannot be set, it is gone.
        let _: rustix::io::Result<()> = tcsetattr(io::stdin(), OptionalActions::Now, &settings);
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
        assert!(line(&mut &b"\xff\n"[..]).is_err());
    }

    #[test]
    fn a_line_that_is_too_long_is_not_cut() {
        let longest = "x".repeat(LONGEST);
        for end in ["", "\n", "\r\n", "\nmore"] {
            assert_eq!(line(&mut format!("{longest}{end}").as_bytes()).unwrap(), longest, "{end:?}");
        }
        for text in [format!("{longest}x"), format!("{longest}x\n"), format!("{longest}\rx\n"), "ü".repeat(LONGEST)] {
            let failure = line(&mut text.as_bytes()).unwrap_err();
            assert_eq!(failure.to_string(), "cannot read stdin: the line is longer than 4096 bytes");
        }
    }

    #[test]
    fn the_option_wins_and_is_not_shown() {
        let args = |password: &str| PasswordArgs { password: Some(password.to_owned()) };
        assert_eq!(args("s3cret").read(Purpose::Choose).unwrap(), "s3cret");
        assert!(!format!("{:?}", args("s3cret")).contains("s3cret"));
        let failure = args("").read(Purpose::Show).unwrap_err();
        assert!(failure.to_string().starts_with("no password is given; write it to stdin"), "{failure}");
    }
}
