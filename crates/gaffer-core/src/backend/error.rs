//! Why a process could not be launched.

use std::{fmt, path::PathBuf};

use super::SearchPath;
use crate::config::{ProgramName, UnknownVariable};

/// The step of a launch that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpawnStage {
    /// Making pipes.
    Pipes,
    /// Making pseudo-terminals, or taking one as the controlling terminal.
    Terminal,
    /// Making the child.
    Fork,
    /// Starting a session of its own.
    Session,
    /// Making its process group.
    Group,
    /// Setting limits.
    Limits,
    /// Setting supplementary groups.
    Groups,
    /// Taking on the group.
    Gid,
    /// Taking on the user.
    Uid,
    /// Entering the working directory.
    Cwd,
    /// Wiring the descriptors.
    Descriptors,
    /// Executing the program.
    Exec,
}

impl fmt::Display for SpawnStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pipes => "making its pipes",
            Self::Terminal => "giving it a terminal",
            Self::Fork => "making a child",
            Self::Session => "starting a session of its own",
            Self::Group => "making its process group",
            Self::Limits => "setting its limits",
            Self::Groups => "setting its supplementary groups",
            Self::Gid => "taking on its group",
            Self::Uid => "taking on its user",
            Self::Cwd => "entering its working directory",
            Self::Descriptors => "wiring its descriptors",
            Self::Exec => "executing its program",
        })
    }
}

/// Why a process could not be launched: the cause in the job's info, in the log and in the `spawn_error` event.
///
/// Comparable, because the event is emitted only when the cause changes. It holds no values of the job's variables: who may read a
/// job reads this, and need not be one who may know them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpawnError {
    /// The process that was to be taken back has ended.
    #[error("the process that was to be taken back has ended")]
    Gone,
    /// A `$NAME` that the environment does not hold.
    #[error(transparent)]
    UnknownVariable(#[from] UnknownVariable),
    /// No such program.
    #[error("there is no program {program}{}", searched.as_ref().map(|path| format!(" in {path}")).unwrap_or_default())]
    ProgramNotFound {
        /// As configured.
        program: ProgramName,
        /// Where it was searched, for a name without a slash.
        searched: Option<SearchPath>,
    },
    /// The program is there but its interpreter (`#!…`) is not.
    #[error("the interpreter that {program} names in its first line, or a library it needs, does not exist")]
    InterpreterNotFound {
        /// As configured.
        program: ProgramName,
    },
    /// The file is there but cannot be executed.
    #[error("{program} cannot be executed: permission denied; is it marked executable, and may the user reach it?")]
    NotExecutable {
        /// As configured.
        program: ProgramName,
    },
    /// The working directory cannot be entered.
    #[error("the working directory `{}` cannot be entered: {}", cwd.display(), os_error(*errno))]
    BadCwd {
        /// As configured.
        cwd: PathBuf,
        /// The kernel's error number.
        errno: i32,
    },
    /// No such user.
    #[error("there is no user `{0}`")]
    UnknownUser(String),
    /// No such group.
    #[error("there is no group `{0}`")]
    UnknownGroup(String),
    /// Rights cannot be dropped without being root.
    #[error("gafferd may not run a process as another user or group: it does not run as root")]
    NotPrivileged,
    /// Anything else that the kernel refused.
    #[error("{stage} failed: {}", os_error(*errno))]
    Os {
        /// Which step.
        stage: SpawnStage,
        /// The kernel's error number.
        errno: i32,
    },
    /// Its launch was taken back before it had begun, see [`Backend::cancel`](super::Backend::cancel).
    #[error("the launch was taken back")]
    Cancelled,
    /// The backend itself is gone.
    #[error("the launcher has stopped")]
    LauncherGone,
}

impl SpawnError {
    /// What a shell would end with: 127 if there is no such program, 126 if it is there but cannot be run.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::ProgramNotFound { .. } => 127,
            Self::UnknownVariable(_)
            | Self::InterpreterNotFound { .. }
            | Self::NotExecutable { .. }
            | Self::BadCwd { .. }
            | Self::UnknownUser(_)
            | Self::UnknownGroup(_)
            | Self::NotPrivileged
            | Self::Os { .. }
            | Self::Gone
            | Self::Cancelled
            | Self::LauncherGone => 126,
        }
    }
}

fn os_error(errno: i32) -> std::io::Error {
    std::io::Error::from_raw_os_error(errno)
}
