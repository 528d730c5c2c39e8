//! The configuration file of gafferd: ini text into checked jobs, endpoints and settings.
//!
//! [`NodeConfig::read`] is the way in. Reading goes through three floors, each with a file or two of its own: the
//! scanner turns lines into sections and keys and remembers where each stood; the include floor strings files
//! together; the readers (`settings`, `endpoint`, `job`) give every key its type. Nothing is taken over in part:
//! the answer is either a whole configuration or every mistake in it, each as `file:line: [section] key: what is
//! wrong and what would be right`.
//!
//! The file of the command line clients, which says how to reach the nodes that their user calls, is read by the same scanner
//! and with the same care: [`UserFile::read`].
//!
//! So is the `plugin.ini` of a plugin: [`PluginFile::read`].
//!
//! # Rules of the text
//!
//! They are those of Python 3's `configparser`, so that files of the original read as they always did:
//!
//! - A line that begins with `;` or `#`, indented or not, is a comment. There are no comments behind a value:
//!   `url = http://x/?a=1;b=2#top` is one value.
//! - `key = value` and `key: value`; whichever of `=` and `:` comes first ends the key. Keys are case-blind, except
//!   that variables of `[env:NAME]` are upper-cased and dotted topics of `[webhooks]` are kept as they are.
//! - A line indented deeper than its key continues the value, on a line of its own within it. In lists such a line
//!   is one more entry; `cmd` and `args` are split at it, or are lines of a script if `shell` is on.
//! - Nothing is replaced: a `%` or a `$` is a plain character here.
//!
//! Where `configparser` would lose something without a word, this reader refuses: a section or a key given twice, a
//! section header or a known key that is swallowed by the value above because it is indented, a header that is not
//! closed, text behind a header, a line without `=`, a `[process:NAME]` without `cmd`.
//!
//! # Files
//!
//! `include` (files) and `include_dir` (folders; every `*.ini` below them, sorted, hidden ones left out) are lists
//! split at blanks; quotes protect a blank. Both are relative to the folder of the file that holds them, and are read
//! after that file. Every other relative path, a job's `cwd` among them, is kept as it is, and so is relative to the
//! folder that gafferd was started in.

mod address;
mod endpoint;
mod error;
mod include;
mod job;
mod kind;
mod node;
mod plugin_file;
mod problem;
mod scanner;
mod settings;
mod user_file;
mod user_file_edit;
mod value;
mod webhook;

#[cfg(test)]
mod tests;

pub use address::{BindAddress, DEFAULT_PORT, InvalidAddress};
pub use endpoint::{Endpoint, EndpointLimits, SocketOwner};
pub use error::{IniError, IniErrors, Place, Warning};
pub use node::{LookupTls, NodeConfig};
pub use plugin_file::PluginFile;
pub use problem::Problem;
pub(crate) use problem::shown;
pub(crate) use scanner::decode;
pub use settings::{LogLevel, Settings};
pub use user_file::{UserFile, UserNode};
pub use user_file_edit::UserFileEditError;
pub use webhook::Webhook;
