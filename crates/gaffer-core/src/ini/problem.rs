//! The ways in which a configuration can be wrong, and their words.

use std::{io, path::PathBuf};

use super::{InvalidAddress, Place};
use crate::{
    config::{InvalidSecret, InvalidWebhookUrl},
    events::InvalidPattern,
    names::{InvalidJobName, SessionId},
};

/// What is wrong at one place of a configuration, and the cure.
///
/// Reads well after `file:line: [section] key: `. Text of the file is quoted clipped and without control characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file named on the command line cannot be read.
    #[error("cannot be read: {cause}")]
    Unreadable {
        /// What kind of failure it is.
        kind: io::ErrorKind,
        /// What the system says.
        cause: String,
    },
    /// A file or folder named by `include` or `include_dir`, or found below one, cannot be read.
    #[error("`{}` cannot be read: {cause}", path.display())]
    UnreadableInclude {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        cause: String,
    },
    /// A file is larger than any configuration.
    #[error("is larger than {limit} bytes; is it a configuration?")]
    TooLarge {
        /// The most bytes that are read.
        limit: u64,
    },
    /// Bytes that are no text.
    #[error("holds the byte {byte:#04x}, which is not UTF-8; save the file as UTF-8")]
    NotUtf8 {
        /// The first byte that does not fit.
        byte: u8,
    },
    /// A NUL character.
    #[error("holds a NUL character; is it a text file?")]
    Nul,
    /// Keys or other text above all sections.
    #[error("`{text}` stands before the first section; begin with a header such as `{example}`")]
    BeforeFirstSection {
        /// The line.
        text: String,
        /// A header that such a file may begin with.
        example: &'static str,
    },
    /// A line that is neither key nor header.
    #[error(
        "`{text}` has no `=`; write `key = value`, indent the line if it continues the value above, or begin it with \
         `#` if it is a comment"
    )]
    NoEquals {
        /// The line.
        text: String,
    },
    /// `= value`.
    #[error("`{text}` has no key before its `{separator}`; write `key = value`")]
    NoKey {
        /// The line.
        text: String,
        /// `=` or `:`.
        separator: char,
    },
    /// A header that is not closed.
    #[error("`{text}` has no closing `]`")]
    OpenHeader {
        /// The line.
        text: String,
    },
    /// Text behind a header.
    #[error("`{text}` stands behind a section header; put it on a line of its own")]
    BehindHeader {
        /// What follows the `]`.
        text: String,
    },
    /// A header that `configparser` would have taken for a part of a value.
    #[error(
        "`{text}` is indented, so it would continue this key's value (which began in line {began}) and not begin a \
         section; remove its indentation"
    )]
    SwallowedHeader {
        /// The line.
        text: String,
        /// The line of the key.
        began: usize,
    },
    /// A known key that `configparser` would have taken for a part of a value.
    #[error(
        "`{text}` is indented, so it would continue this key's value (which began in line {began}) and not set \
         `{key}`; remove its indentation, or move it up to the line above if it is meant as a part of the value"
    )]
    SwallowedKey {
        /// The line.
        text: String,
        /// The key it looks like.
        key: String,
        /// The line of the key above.
        began: usize,
    },
    /// A value that cannot have several lines.
    #[error("takes one line, but goes on with `{text}`; remove that line's indentation if it is a key of its own")]
    SeveralLines {
        /// The second line.
        text: String,
    },
    /// The section was given before.
    #[error("is given already at {first}; join the two")]
    DuplicateSection {
        /// Where it was given first.
        first: Place,
    },
    /// The key was given before.
    #[error("is given already at {first}; keep one of the two")]
    DuplicateKey {
        /// Where it was given first.
        first: Place,
    },
    /// Two sections for one job.
    #[error("names the job `{job}`, which [{section}] at {first} names already; keep one, or rename it")]
    SameJob {
        /// The job's full name.
        job: String,
        /// The header of the other section.
        section: String,
        /// Where that stands.
        first: Place,
    },
    /// No section of that kind is known.
    #[error("is not a section of this file; {}", did_you_mean(suggestion.as_deref(), expected))]
    UnknownSection {
        /// The header that may have been meant, with its brackets.
        suggestion: Option<String>,
        /// The sections that such a file may have.
        expected: &'static str,
    },
    /// `[DEFAULT]` of Python's parser.
    #[error("is not supported: give each key in the section that it is meant for")]
    DefaultSection,
    /// `[process]` or `[process:]`.
    #[error("needs a name: `[{kind}:NAME]`")]
    NameMissing {
        /// The kind of section.
        kind: &'static str,
    },
    /// `[gaffer:name]`.
    #[error("takes no name: `[{kind}]`")]
    NameNotTaken {
        /// The kind of section.
        kind: &'static str,
    },
    /// The name of a job's section is not a job's name.
    #[error(transparent)]
    JobName(InvalidJobName),
    /// A job in the session that is for plugins.
    #[error("is in the session `{session}`, which is for the applications of plugins; choose another", session = SessionId::PLUGINS)]
    ReservedSession,
    /// The section has no such key.
    #[error("is not a key of this section; {}", did_you_mean(suggestion.as_deref(), expected))]
    UnknownKey {
        /// The key that may have been meant.
        suggestion: Option<String>,
        /// All keys of the section.
        expected: String,
    },
    /// `name = …` in a job's section.
    #[error("is not a key of this section: the job is named by its header, `[process:NAME]`")]
    NameKey,
    /// `env = …`, or the original's `env:NAME = …`, in a job's section.
    #[error(
        "is not a key of this section; variables stand in a section of their own: `[env:{job}]`, then `KEY = value`"
    )]
    EnvKey {
        /// The name of the job as its header has it.
        job: String,
    },
    /// A key that must be given is not.
    #[error("has no `{key}`; {cure}")]
    Missing {
        /// The key.
        key: &'static str,
        /// What to do.
        cure: &'static str,
    },
    /// A value of the wrong form.
    #[error("must be {expected}, but is `{found}`")]
    Value {
        /// What would be right.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// No address to listen on.
    #[error(transparent)]
    Address(InvalidAddress),
    /// Text that selects no events.
    #[error(transparent)]
    Pattern(#[from] InvalidPattern),
    /// No place to send events to.
    #[error(transparent)]
    Url(InvalidWebhookUrl),
    /// No secret to sign with.
    #[error(transparent)]
    Secret(#[from] InvalidSecret),
    /// A key that says more about another, which is not given.
    #[error("{0}")]
    Alone(&'static str),
    /// What a job's own checks say of a field.
    #[error("{0}")]
    Field(String),
    /// A wrong value that holds what may be meant as a comment.
    #[error("{0}; a comment must stand on a line of its own")]
    CommentInValue(Box<Problem>),
    /// A list of paths with a quote that is not closed.
    #[error("has an open quote or a trailing backslash: `{found}`")]
    OpenQuote {
        /// The value.
        found: String,
    },
    /// `[env:NAME]` without a job of that name.
    #[error("no job is named `{job}`; {}", did_you_mean(suggestion.as_deref(), "give it a `[process:NAME]` section, or remove this one"))]
    UnknownJob {
        /// The name.
        job: String,
        /// The header that may have been meant, with its brackets.
        suggestion: Option<String>,
    },
    /// A name in `http_endpoints` that no section has.
    #[error("there is no section `[endpoint:{name}]`; {}", did_you_mean(suggestion.as_deref(), "add it, or remove the name"))]
    UnknownEndpoint {
        /// The name.
        name: String,
        /// The name that may have been meant.
        suggestion: Option<String>,
    },
    /// A name given twice in `http_endpoints`.
    #[error("names `{name}` twice; give it once")]
    EndpointTwice {
        /// The name.
        name: String,
    },
    /// A file that includes itself, in one step or in many.
    #[error("goes in a circle: {chain}")]
    IncludeCycle {
        /// The files, from the first to itself again.
        chain: String,
    },
    /// A file that is included from two places.
    #[error("`{}` is read already, because of {first}; include it once", path.display())]
    IncludedTwice {
        /// The file.
        path: PathBuf,
        /// The first `include`, or the file itself if it was named on the command line.
        first: Place,
    },
    /// Includes of includes of includes.
    #[error("is {limit} files deep; include the file from one nearer to the top")]
    TooDeep {
        /// The most levels that are followed.
        limit: usize,
    },
    /// More files than any configuration has.
    #[error("leads to more than {limit} files; is it the right folder?")]
    TooManyFiles {
        /// The most files that are read.
        limit: usize,
    },
    /// `include` where no file was read.
    #[error("cannot be followed, because this configuration was not read from a file")]
    NoFolder,
    /// `[node]`, `[node URL]`: not as a user's file names a node.
    #[error("must name the node by its URL, in quotes, such as `[node \"http://127.0.0.1:5000\"]`")]
    NodeHeader,
    /// Two nodes of one name.
    #[error("is `{name}`, which is the name of the node at {first} already; give it another")]
    SameName {
        /// The name.
        name: String,
        /// Where the other one is named.
        first: Place,
    },
    /// A path that begins with `~/`, where nobody knows what that is.
    #[error("is `{found}`, but there is no home folder: set HOME, or write the whole path")]
    NoHome {
        /// The path.
        found: String,
    },
    /// The reader gave up.
    #[error("too many mistakes; the rest is not told")]
    TooManyMistakes,
}

/// A suggestion if there is one, else what was expected.
fn did_you_mean(suggestion: Option<&str>, otherwise: &str) -> String {
    match suggestion {
        Some(suggestion) => format!("did you mean `{suggestion}`?"),
        None => otherwise.to_owned(),
    }
}

/// Most characters of a file that a message quotes.
const MAX_SHOWN: usize = 100;

/// Text of a file as messages quote it: clipped, and without characters that a terminal would obey.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (position, character) in text.chars().enumerate() {
        if position == MAX_SHOWN {
            shown.push('…');
            break;
        }
        if character.is_control() { shown.extend(character.escape_default()) } else { shown.push(character) }
    }
    shown
}
