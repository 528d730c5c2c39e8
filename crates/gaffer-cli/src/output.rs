//! Where results go, and how they look.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Stderr, Stdout, Write},
};

use anstream::{AutoStream, ColorChoice, adapter::strip_str};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::{Failure, Table, escaped};

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless the variable NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How results are told, as options.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Print results as JSON; what a feed tells, one object a line
    #[arg(long, global = true)]
    pub json: bool,

    /// Print results only: no `ok`, no progress, no hints
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// Use colours: on a terminal and without NO_COLOR, always, or never
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    pub color: Colour,
}

/// The form of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Stdout for results, stderr for words.
#[derive(Debug)]
pub struct Output {
    program: &'static str,
    stdout: AutoStream<Stdout>,
    stderr: AutoStream<Stderr>,
    format: Format,
    colour: Colour,
    quiet: bool,
    /// The option that names the node.
    node_option: &'static str,
    advice: Option<String>,
    /// Whether it was said how to get a key.
    told_of_keys: bool,
    /// While a screen of its own is shown: what was said to the terminal meanwhile.
    screen: Option<Vec<String>>,
}

impl Output {
    /// Results go out as these options say; words begin with the program's name.
    pub fn new(program: &'static str, args: &OutputArgs) -> Self {
        let (stdout, stderr) = match args.color {
            Colour::Auto => (AutoStream::auto(io::stdout()), AutoStream::auto(io::stderr())),
            Colour::Always => {
                let choice = ColorChoice::Always;
                (AutoStream::new(io::stdout(), choice), AutoStream::new(io::stderr(), choice))
            }
            Colour::Never => (AutoStream::never(io::stdout()), AutoStream::never(io::stderr())),
        };
        let format = if args.json { Format::Json } else { Format::Text };
        let (colour, quiet) = (args.color, args.quiet);
        let (node_option, advice, told_of_keys, screen) = ("--connect", None, false, None);
        Self { program, stdout, stderr, format, colour, quiet, node_option, advice, told_of_keys, screen }
    }

    /// For programs that name the node by another option than `--connect`.
    #[must_use]
    pub fn naming_nodes_by(self, node_option: &'static str) -> Self {
        Self { node_option, ..self }
    }

    /// The option that names the node.
    pub fn node_option(&self) -> &'static str {
        self.node_option
    }

    /// The program's name.
    pub(crate) fn program(&self) -> &'static str {
        self.program
    }

    /// What to say to a person whose node cannot be reached.
    pub(crate) fn set_advice(&mut self, advice: String) {
        self.advice = Some(advice);
    }

    /// Takes what was to be said.
    pub(crate) fn take_advice(&mut self) -> Option<String> {
        self.advice.take()
    }

    /// Says it, unless only results are wanted.
    pub(crate) fn advise(&mut self) {
        let usual = || {
            let option = self.node_option;
            format!("is gafferd running there? `gafferd -c FILE` starts it; `{option} URL` names another node")
        };
        let advice = self.advice.take().unwrap_or_else(usual);
        self.hint(advice);
    }

    /// The form that was asked for.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether only results are wanted.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Whether a person looks at stdout.
    pub fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Whether colours reach stdout. Styles may be written in any case, and are left out where they are not wanted.
    pub fn has_colour(&self) -> bool {
        self.stdout.current_choice() != ColorChoice::Never
    }

    /// Whether colours reach stderr.
    pub fn has_colour_on_stderr(&self) -> bool {
        self.stderr.current_choice() != ColorChoice::Never
    }

    /// Whether colours may reach stdout if a command is asked for them: unless there are to be none at all.
    pub fn allows_colour(&self) -> bool {
        self.colour != Colour::Never
    }

    /// Prints one or more lines of a result.
    ///
    /// # Errors
    /// [`Failure::Stdout`] if nobody reads it any more, or it cannot be written.
    pub fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        writeln!(self.stdout, "{text}").map_err(Failure::Stdout)
    }

    /// Prints bytes of a result as they are.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        // All of stdout is one buffer, whoever writes to it.
        let mut stdout = io::stdout();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(Failure::Stdout)
    }

    /// Turns the terminal to a screen of its own, so that what stands on it is there again after [`leave_screen`](Self::leave_screen).
    ///
    /// # Errors
    /// As [`line`](Self::line).
    pub fn enter_screen(&mut self) -> Result<(), Failure> {
        self.screen.get_or_insert_default();
        self.bytes(b"\x1b[?1049h")
    }

    /// Turns the terminal back, and says again what was said meanwhile: it went with the screen.
    pub fn leave_screen(&mut self) {
        let Some(said) = self.screen.take() else { return };
        // A terminal that is gone needs no order.
        let _: Result<(), Failure> = self.bytes(b"\x1b[?1049l");
        for text in said {
            self.say(text);
        }
    }

    /// Shows a text on the terminal in place of what is there. What does not fit is left out, and how much that is said.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    pub fn screen(&mut self, text: impl Display) -> Result<(), Failure> {
        let text = text.to_string();
        let text = if self.has_colour() { text } else { strip_str(&text).to_string() };
        let height = terminal_size::terminal_size().map_or(usize::MAX, |(_, height)| height.0.into());
        self.bytes(in_place(&text, height).as_bytes())
    }

    /// Prints a result as one line of JSON.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    pub fn json(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| Failure::Failed(error.to_string()))?;
        self.line(text)
    }

    /// Prints a list: an item a line, or as JSON.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    pub fn list<T: Display + Serialize>(&mut self, items: &[T]) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.json(items),
            Format::Text => items.iter().try_for_each(|item| self.line(item)),
        }
    }

    /// Prints a table: on a terminal so that no row takes two lines, elsewhere whole.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    pub fn table(&mut self, table: Table) -> Result<(), Failure> {
        let width = if self.is_terminal() { terminal_size::terminal_size() } else { None };
        match width {
            Some((width, _)) => self.line(table.cut(width.0.into())),
            None => self.line(table),
        }
    }

    /// Prints that something is done, unless only results are wanted.
    ///
    /// # Errors
    /// As [`line`](Self::line).
    pub fn acknowledge(&mut self, text: impl Display) -> Result<(), Failure> {
        if self.quiet { Ok(()) } else { self.line(text) }
    }

    /// Says something helpful to the person, on stderr, unless only results are wanted.
    pub fn hint(&mut self, text: impl Display) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// Says why something failed.
    pub fn tell(&mut self, failure: &Failure) {
        match failure {
            Failure::Placed(text) => self.say_placed(text),
            Failure::UserFile(errors) => errors.0.iter().for_each(|error| self.say_placed(error)),
            Failure::Application(mistakes) => mistakes.0.iter().for_each(|mistake| match mistake.place {
                Some(_) => self.say_placed(mistake),
                None => self.say(mistake),
            }),
            Failure::Call(_)
            | Failure::Unanswered { .. }
            | Failure::NoServer(_)
            | Failure::NotFound(_)
            | Failure::Failed(_)
            | Failure::Usage(_)
            | Failure::Endpoint(_)
            | Failure::Stdout(_)
            | Failure::Told(_) => self.say(failure),
        }
        if failure.wants_key() && !std::mem::replace(&mut self.told_of_keys, true) {
            let program = self.program;
            self.hint(format_args!(
                "`{program} login` gets a key for a user's name and password; `--api-key KEY` gives one"
            ));
        }
    }

    /// Says something about a place in a file, whose name stands first: so editors find it.
    pub fn say_placed(&mut self, text: impl Display) {
        // As for `say`.
        let _: io::Result<()> = writeln!(self.stderr, "{}", escaped(text.to_string()));
    }

    /// Says something to the person, on stderr, in one line: what others have put into it cannot act on the terminal.
    pub fn say(&mut self, text: impl Display) {
        if let Some(said) = &mut self.screen
            && io::stderr().is_terminal()
        {
            said.push(text.to_string());
        }
        // With nobody to read it there is nobody to tell.
        let _: io::Result<()> = writeln!(self.stderr, "{}: {}", self.program, escaped(text.to_string()));
    }
}

/// From the upper left corner, each line wiped behind its text, and then all below: so nothing flickers. Lines are cut by the
/// terminal at its edge, or they would take more lines than are counted.
fn in_place(text: &str, height: usize) -> String {
    let count = text.lines().count();
    // The cursor stands below the last line.
    let shown = if count < height { count } else { height.saturating_sub(2) };
    let mut screen = "\x1b[H\x1b[?7l".to_owned();
    for line in text.lines().take(shown) {
        screen.extend([line, "\x1b[K\n"]);
    }
    if shown < count {
        screen.push_str(&format!("... {} more lines\x1b[K\n", count - shown));
    }
    screen + "\x1b[J\x1b[?7h"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_terminal_cannot_hold_is_counted() {
        let screen = |text: &str, height| in_place(text, height).replace("\x1b[K\n", "|");
        assert_eq!(screen("a\nb", 3), "\x1b[H\x1b[?7la|b|\x1b[J\x1b[?7h");
        assert_eq!(screen("a\nb\nc", 3), "\x1b[H\x1b[?7la|... 2 more lines|\x1b[J\x1b[?7h");
        assert_eq!(screen("a", 0), "\x1b[H\x1b[?7l... 1 more lines|\x1b[J\x1b[?7h");
    }
}
