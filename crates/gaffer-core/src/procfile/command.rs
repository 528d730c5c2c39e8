//! How a Procfile's line is run: by itself, or by a shell.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    iter::Peekable,
    str::Chars,
};

use super::quoting::{self, BrokenLine};
use crate::backend::{MARK, PARENTS};

/// What becomes of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Words, in which gaffer replaces `$NAME` and `${NAME}` from the environment; `$$` is a dollar sign.
    Words(Vec<String>),
    /// The line goes to `sh -c`.
    Shell(String),
}

impl Form {
    /// Chooses the form of a line: words, if to run them directly means the same as to have a shell run the line.
    ///
    /// `env` is what the process finds in its environment whatever happens, `inherited` what it finds there besides, as far as
    /// that is known. A shell splits the value of a variable that stands outside of quotes, and drops an empty one; so such a variable
    /// must be one of `env`, with a value that is one plain word. Any other variable must at least be known.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use gaffer_core::procfile::Form;
    ///
    /// let env = BTreeMap::from([("PORT".to_owned(), "5000".to_owned())]);
    /// let form = |line| Form::of(line, &env, &BTreeMap::new()).unwrap();
    /// assert_eq!(form("./web 'a b' -p $PORT"), Form::Words(["./web", "a b", "-p", "${PORT}"].map(String::from).into()));
    /// assert_eq!(form("./web $OPTIONS | log"), Form::Shell("./web $OPTIONS | log".to_owned()));
    /// ```
    ///
    /// # Errors
    /// When a quote is not closed.
    pub fn of(
        line: &str,
        env: &BTreeMap<String, String>,
        inherited: &BTreeMap<OsString, OsString>,
    ) -> Result<Self, BrokenLine> {
        quoting::check(line)?;
        let known = Known { env, inherited };
        let words = words(line).and_then(|words| {
            let program = words.first()?.iter().map(|piece| piece.value(&known)).collect::<Option<String>>()?;
            if is_shells_own(&program) {
                return None;
            }
            words.iter().map(|word| word.iter().map(|piece| piece.text(&known)).collect()).collect()
        });
        Ok(words.map_or_else(|| Self::Shell(for_shell(line)), Self::Words))
    }
}

/// A line as `sh -c` takes it.
pub(super) fn for_shell(line: &str) -> String {
    // A shell would take these for more options of its own.
    let escape = if line.starts_with(['-', '+']) { "\\" } else { "" };
    // An escaped blank at the end must not be taken for one that means nothing.
    let end = if line.ends_with(char::is_whitespace) { " #" } else { "" };
    format!("{escape}{line}{end}")
}

/// What is known of a process's environment.
struct Known<'a> {
    env: &'a BTreeMap<String, String>,
    inherited: &'a BTreeMap<OsString, OsString>,
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// Itself; holds no dollar sign.
    Text(String),
    /// `$NAME`, `${NAME}` or `${NAME:-default}`.
    Variable { name: String, default: Option<String>, quoted: bool },
}

impl Piece {
    /// What the shell makes of it; `None` if that is not known, or not one plain word.
    fn value<'a>(&'a self, known: &Known<'a>) -> Option<&'a str> {
        let (name, default, quoted) = match self {
            Self::Text(text) => return Some(text),
            Self::Variable { name, default, quoted } => (name, default, *quoted),
        };
        if SHELLS_VARIABLES.contains(&name.as_str()) || name.starts_with("BASH") {
            return None;
        }
        let value = match known.env.get(name) {
            Some(value) => value,
            None if quoted => known.inherited.get(OsStr::new(name))?.to_str()?,
            None => return None,
        };
        let replaced = value.is_empty() && default.is_some();
        let split = !quoted && (value.is_empty() || value.contains([' ', '\t', '\n', '*', '?', '[', '\\']));
        (!replaced && !split).then_some(value)
    }

    /// The piece as gaffer's own replacing of variables takes it.
    fn text(&self, known: &Known<'_>) -> Option<String> {
        self.value(known)?;
        Some(match self {
            Self::Text(text) => text.clone(),
            Self::Variable { name, default: Some(default), .. } => format!("${{{name}:-{default}}}"),
            // In braces: what follows may be a part of the name for gaffer that is none for a shell.
            Self::Variable { name, default: None, .. } => format!("${{{name}}}"),
        })
    }
}

/// Variables that a shell sets by itself, or that are only set at launch.
const SHELLS_VARIABLES: [&str; 27] = [
    MARK, PARENTS, "DIRSTACK", "EUID", "FUNCNAME", "GROUPS", "HISTCMD", "HOSTNAME", "HOSTTYPE", "IFS", "LINENO",
    "MACHTYPE", "OLDPWD", "OPTARG", "OPTERR", "OPTIND", "OSTYPE", "PPID", "PS1", "PS2", "PS4", "PWD", "RANDOM",
    "SECONDS", "SHLVL", "UID", "_",
];

/// Whether a shell does this by itself, and not as the program of that name would.
///
/// `true`, `test`, `printf` and `kill` are missing: the programs do the same.
pub fn is_shells_own(word: &str) -> bool {
    #[rustfmt::skip]
    const WORDS: &[&str] = &[
        // Reserved words.
        "!", "[[", "]]", "case", "coproc", "do", "done", "elif", "else", "esac", "fi", "for", "function", "if", "in", "select", "then",
        "time", "until", "while", "{", "}",
        // Special builtins.
        ".", ":", "break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "source", "times",
        "trap", "unset",
        // Builtins.
        "alias", "bg", "bind", "builtin", "caller", "cd", "chdir", "command", "compgen", "complete", "compopt", "declare", "dirs",
        "disown", "echo", "enable", "fc", "fg", "getopts", "hash", "help", "history", "jobs", "let", "local", "logout", "mapfile",
        "popd", "pushd", "pwd", "read", "readarray", "shopt", "suspend", "type", "typeset", "ulimit", "umask", "unalias", "wait",
    ];
    WORDS.contains(&word)
}

/// Splits a line as a shell would; `None` if it holds what only a shell can do.
fn words(line: &str) -> Option<Vec<Vec<Piece>>> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut rest = line.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            ' ' | '\t' => words.extend(word.take().map(Word::finish)),
            '~' | '#' if word.is_none() => return None,
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '`' | '*' | '?' | '[' | '{' | '}' | '\n' => return None,
            '=' if words.is_empty() && word.as_ref().is_some_and(Word::is_assigned) => return None,
            '\'' => {
                let word = word.get_or_insert_default();
                word.plain = false;
                loop {
                    match rest.next()? {
                        '\'' => break,
                        '$' => return None,
                        other => word.text.push(other),
                    }
                }
            }
            '"' => double_quoted(&mut rest, word.get_or_insert_default())?,
            '\\' => {
                let word = word.get_or_insert_default();
                word.plain = false;
                word.text.push(rest.next().filter(|escaped| !['$', '\n'].contains(escaped))?);
            }
            '$' => word.get_or_insert_default().variable(variable(&mut rest, false)?),
            other => word.get_or_insert_default().text.push(other),
        }
    }
    words.extend(word.take().map(Word::finish));
    Some(words)
}

/// A word that is being read.
#[derive(Debug)]
struct Word {
    pieces: Vec<Piece>,
    /// What is read since the last variable.
    text: String,
    /// Whether nothing was quoted or replaced so far.
    plain: bool,
}

impl Default for Word {
    fn default() -> Self {
        Self { pieces: Vec::new(), text: String::new(), plain: true }
    }
}

impl Word {
    /// Whether a `=` behind it makes it an assignment: `NAME=` or `NAME+=`.
    fn is_assigned(&self) -> bool {
        let name = self.text.strip_suffix('+').unwrap_or(&self.text);
        self.plain && is_variable(name)
    }

    fn variable(&mut self, variable: Piece) {
        self.plain = false;
        if !self.text.is_empty() {
            self.pieces.push(Piece::Text(std::mem::take(&mut self.text)));
        }
        self.pieces.push(variable);
    }

    fn finish(mut self) -> Vec<Piece> {
        if !self.text.is_empty() {
            self.pieces.push(Piece::Text(self.text));
        }
        self.pieces
    }
}

/// Reads on to the closing quote.
fn double_quoted(rest: &mut Peekable<Chars<'_>>, word: &mut Word) -> Option<()> {
    word.plain = false;
    loop {
        match rest.next()? {
            '"' => return Some(()),
            '`' => return None,
            '$' => word.variable(variable(rest, true)?),
            '\\' => match rest.peek()? {
                '$' | '\n' => return None,
                '"' | '\\' | '`' => word.text.extend(rest.next()),
                _ => word.text.push('\\'),
            },
            other => word.text.push(other),
        }
    }
}

/// Reads what stands behind a dollar sign, if it is a variable of the simple kinds.
fn variable(rest: &mut Peekable<Chars<'_>>, quoted: bool) -> Option<Piece> {
    let braces = rest.next_if_eq(&'{').is_some();
    let mut name = String::new();
    while let Some(character) = rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
        name.push(character);
    }
    if !is_variable(&name) {
        return None;
    }
    let mut default = None;
    if braces && rest.next_if_eq(&'}').is_none() {
        rest.next_if_eq(&':')?;
        rest.next_if_eq(&'-')?;
        let mut text = String::new();
        loop {
            match rest.next()? {
                '}' => break,
                // gaffer takes it as it stands.
                '$' | '\\' | '\'' | '"' | '`' | '{' | '\n' => return None,
                c if quoted || c.is_ascii_alphanumeric() || "_-./:,@%+=".contains(c) => text.push(c),
                _ => return None,
            }
        }
        default = Some(text);
    }
    Some(Piece::Variable { name, default, quoted })
}

/// Whether a shell takes this for the name of a variable.
fn is_variable(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests;
