//! From `cmd`, `args` and an environment to the words that are executed.

use std::{borrow::Cow, collections::BTreeMap, ffi::OsString, fmt};

use super::ProgramName;

/// What runs a line for the shell.
const SHELL: &str = "/bin/sh";

/// A `$NAME` that the process's environment does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`${{{name}}}` in `{word}` is not set in the job's environment; add it to `env`, write `${{{name}:-default}}`, \
     or `$$` for a plain dollar sign"
)]
pub struct UnknownVariable {
    /// The variable.
    pub name: String,
    /// The word that uses it.
    pub word: String,
}

/// A command line as configured: split, but with its variables not yet replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// Words to execute as they are, once variables are replaced. Never empty.
    Words(Vec<String>),
    /// A line for `sh -c`, in which gaffer replaces nothing.
    Shell(String),
}

impl fmt::Display for CommandLine {
    /// As people write it: a line as it is, and of words only those in quotes that would not be read as one word.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell(line) => f.write_str(line),
            Self::Words(words) => words.iter().enumerate().try_for_each(|(position, word)| {
                let gap = if position > 0 { " " } else { "" };
                write!(f, "{gap}{}", quoted(word))
            }),
        }
    }
}

/// A word as it reads as one, and with its variables still replaced.
fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_alphanumeric() || "_-+=./:,@%^${}".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.into();
    }
    if !word.contains('$') {
        // Only a NUL cannot be quoted, and no command line holds one.
        return shlex::try_quote(word).unwrap_or(word.into());
    }
    let mut text = String::from('"');
    for c in word.chars() {
        if matches!(c, '"' | '\\' | '`') {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text.into()
}

impl CommandLine {
    /// The program as it is configured, for who is told of it.
    pub fn program(&self) -> ProgramName {
        match self {
            Self::Shell(_) => SHELL.into(),
            Self::Words(words) => ProgramName::unexpanded(words.first().map_or("", String::as_str)),
        }
    }

    /// The words to execute, with `$NAME` and `${NAME}` replaced from `env`, the environment that the process will get.
    ///
    /// A variable's value stays within its word, however many blanks it holds.
    ///
    /// # Errors
    /// When a variable is not in `env`.
    pub fn expand(&self, env: &BTreeMap<OsString, OsString>) -> Result<Vec<String>, UnknownVariable> {
        match self {
            Self::Shell(line) => Ok(vec![SHELL.to_owned(), "-c".to_owned(), line.clone()]),
            Self::Words(words) => words
                .iter()
                .map(|word| {
                    let lookup = |name: &str| match env.get(std::ffi::OsStr::new(name)) {
                        Some(value) => Ok(Some(value.to_string_lossy().into_owned())),
                        None => Err(()),
                    };
                    match shellexpand::env_with_context(word, lookup) {
                        Ok(expanded) => Ok(expanded.into_owned()),
                        Err(error) => Err(UnknownVariable { name: error.var_name, word: word.clone() }),
                    }
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(words: &[&str]) -> Result<Vec<String>, UnknownVariable> {
        let env = BTreeMap::from([("PORT".into(), "80".into()), ("NAMES".into(), "a b".into())]);
        CommandLine::Words(words.iter().map(ToString::to_string).collect()).expand(&env)
    }

    #[test]
    fn variables_are_replaced_within_their_word() {
        assert_eq!(expand(&["x", "--port=$PORT", "${NAMES}", "$$HOME"]).unwrap(), ["x", "--port=80", "a b", "$HOME"]);
        assert_eq!(expand(&["x", "${NOPE:-7}"]).unwrap(), ["x", "7"]);
    }

    #[test]
    fn an_unknown_variable_is_named_with_its_word() {
        let error = expand(&["x", "--a=$NOPE"]).unwrap_err();
        assert_eq!((error.name.as_str(), error.word.as_str()), ("NOPE", "--a=$NOPE"));
    }

    #[test]
    fn words_are_shown_in_quotes_where_they_need_them() {
        for (words, shown) in [
            (&["python", "-u", "dummy_basic.py"][..], "python -u dummy_basic.py"),
            (&["./web", "--port=${PORT}", "$HOME/x", "grüße"], "./web --port=${PORT} $HOME/x grüße"),
            (&["sh", "-c", "echo a; b", ""], "sh -c 'echo a; b' ''"),
            (&["it's", "a \"$B\" `c`", "*"], r#""it's" "a \"$B\" \`c\`" '*'"#),
        ] {
            let line = CommandLine::Words(words.iter().map(ToString::to_string).collect());
            assert_eq!(line.to_string(), shown);
        }
        assert_eq!(CommandLine::Shell("a | b 'c  d'".into()).to_string(), "a | b 'c  d'");
    }
}
