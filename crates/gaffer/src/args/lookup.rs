//! The command line of lookup, in the original's spelling and as commands of `lookup`.

use clap::{Args as Group, Subcommand};
use gaffer_core::SessionId;

/// What to ask lookup servers.
#[derive(Debug, Subcommand)]
pub(crate) enum LookupCommand {
    /// Print what changes on lookup servers, as it happens; or ask them
    Lookup {
        #[command(subcommand)]
        question: Option<LookupQuestion>,
    },

    /// List the jobs that lookup servers know, and the nodes that have them
    #[command(name = "lookup:jobs")]
    Jobs,

    /// List the nodes that have a job, and its processes there
    #[command(name = "lookup:job")]
    Job(JobWord),

    /// List the sessions of all nodes, or of one, and their jobs
    #[command(name = "lookup:sessions")]
    Sessions(NodeWord),

    /// List the jobs of a session, and the nodes that have them
    #[command(name = "lookup:session")]
    Session(SessionWord),

    /// List the nodes that lookup servers know
    #[command(name = "lookup:nodes")]
    Nodes,
}

/// What lookup servers answer at once.
#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum LookupQuestion {
    /// List the jobs, and the nodes that have them
    Jobs,

    /// List the nodes that have a job, and its processes there
    Job(JobWord),

    /// List the sessions of all nodes, or of one, and their jobs
    Sessions(NodeWord),

    /// List the jobs of a session, and the nodes that have them
    Session(SessionWord),

    /// List the nodes
    Nodes,
}

/// A job.
#[derive(Debug, PartialEq, Eq, Group)]
pub(crate) struct JobWord {
    /// The job: `app.web`
    #[arg(value_name = "JOB")]
    pub(crate) name: String,
}

/// A node, or none.
#[derive(Debug, PartialEq, Eq, Group)]
pub(crate) struct NodeWord {
    /// Only those of the nodes with this name or origin
    #[arg(value_name = "NODE")]
    pub(crate) node: Option<String>,
}

/// A session.
#[derive(Debug, PartialEq, Eq, Group)]
pub(crate) struct SessionWord {
    /// The session: an application
    #[arg(value_name = "SESSION")]
    pub(crate) session: SessionId,
}

impl LookupCommand {
    /// What is asked; none, if changes are to be told.
    pub(crate) fn question(self) -> Option<LookupQuestion> {
        match self {
            Self::Lookup { question } => question,
            Self::Jobs => Some(LookupQuestion::Jobs),
            Self::Job(job) => Some(LookupQuestion::Job(job)),
            Self::Sessions(node) => Some(LookupQuestion::Sessions(node)),
            Self::Session(session) => Some(LookupQuestion::Session(session)),
            Self::Nodes => Some(LookupQuestion::Nodes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};

    fn read(line: &str) -> (Option<LookupQuestion>, String) {
        let args = Args::read_line(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let Command::Lookup(command) = args.command else { panic!("{line}") };
        (command.question(), args.connection.lookupd.join(" "))
    }

    #[test]
    fn both_spellings_ask_the_same() {
        for words in ["jobs", "job s.a", "sessions", "sessions n", "session s", "nodes"] {
            let (one, other) =
                (read(&format!("gaffer lookup {words} -L a")), read(&format!("gaffer lookup:{words} -L a")));
            assert_eq!(one, other);
            assert!(one.0.is_some() && one.1 == "a", "{words}");
        }
        assert_eq!(read("gaffer lookup"), (None, String::new()));
        assert!(Args::read_line("gaffer lookup:job").is_err() && Args::read_line("gaffer lookup session a/b").is_err());
    }

    #[test]
    fn servers_are_named_in_each_spelling_and_anywhere() {
        for line in [
            "gaffer -L a --lookupd b lookup:nodes",
            "gaffer lookup -L a -L b nodes",
            "gaffer lookup nodes --lookupd-address=a -Lb",
        ] {
            assert_eq!(read(line).1, "a b", "{line}");
        }
        assert_eq!(Args::read_line("gaffer -L a ps shop").unwrap().connection.lookupd, ["a"]);
    }
}
