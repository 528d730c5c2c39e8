//! Which jobs a command is about, where lookup servers say which node has them.

use gaffer_cli::{
    Failure,
    lookup::{self, Want, a_process, names_no_job},
};

use super::kill;
use crate::args::NodeCommand;

/// What the node must have.
///
/// # Errors
/// [`Failure::Usage`], if the command is about no job, or about a process.
pub(crate) fn wanted(command: &NodeCommand) -> Result<Vec<Want>, Failure> {
    match command {
        NodeCommand::GetProcess(jobs)
        | NodeCommand::DelProcess(jobs)
        | NodeCommand::Numprocesses(jobs)
        | NodeCommand::Pids(jobs)
        | NodeCommand::Running(jobs)
        | NodeCommand::Start { names: jobs, .. }
        | NodeCommand::Restart { names: jobs, .. } => lookup::wanted(&jobs.names),
        NodeCommand::Add(change) | NodeCommand::Sub(change) => lookup::wanted(&change.names),
        NodeCommand::Stop { targets, .. } => lookup::wanted(&targets.targets),
        NodeCommand::Status { names } => lookup::wanted(names),
        NodeCommand::Logs { targets, .. } | NodeCommand::Stats { targets, .. } | NodeCommand::Info { targets } => {
            lookup::wanted(targets)
        }
        NodeCommand::Kill { signal, words } => kill::read(*signal, words).and_then(|(_, words)| lookup::wanted(words)),
        NodeCommand::UpdateProcess { name, .. } => lookup::wanted(std::slice::from_ref(name)),
        NodeCommand::Send { pid, .. } => Err(a_process(pid)),
        // Of a job that is to come no node is known.
        NodeCommand::LoadProcess { .. } | NodeCommand::AddProcess { .. } => Err(names_no_job()),
        NodeCommand::Processes { .. }
        | NodeCommand::Watch { .. }
        | NodeCommand::Groups { .. }
        | NodeCommand::Sessions { .. }
        | NodeCommand::ReloadConfig
        | NodeCommand::Diff
        | NodeCommand::Plugins
        | NodeCommand::Version
        | NodeCommand::Ping => Err(names_no_job()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    fn told(line: &str) -> Result<String, String> {
        let args = Args::try_parse_from(["gafferctl"].into_iter().chain(line.split(' '))).unwrap();
        let Command::Node(command) = args.command else { panic!("{line}") };
        match wanted(&command) {
            Ok(wanted) => Ok(wanted.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
            Err(failure @ Failure::Usage(_)) => Err(failure.to_string()),
            Err(failure) => panic!("{failure}"),
        }
    }

    #[test]
    fn a_command_is_about_the_jobs_that_it_names() {
        for line in [
            "status web",
            "get_process web",
            "update_process web -n 2",
            "del_process web",
            "add web 1",
            "sub web 1",
            "start web",
            "stop web --wait",
            "restart web",
            "numprocesses web",
            "running web",
            "pids web",
            "kill web HUP",
            "kill -s HUP web",
            "logs -f web",
            "stats web",
            "info web",
        ] {
            assert_eq!(told(line).as_deref(), Ok("`default.web`"), "{line}");
        }
        assert_eq!(told("stop shop.web w*").as_deref(), Ok("`shop.web`, a job that fits `w*`"));
    }

    #[test]
    fn commands_about_no_job_or_about_a_process_are_refused() {
        for line in [
            "processes",
            "status",
            "stats",
            "info",
            "groups",
            "sessions shop",
            "watch proc.web",
            "ping",
            "version",
            "reload_config",
            "diff",
            "load_process jobs.json",
            "add_process web true",
        ] {
            assert!(told(line).unwrap_err().ends_with("and none is named"), "{line}");
        }
        for line in ["stop 7", "kill web 7 HUP", "logs 7", "stats web 7", "info 7", "send 7 hello"] {
            assert!(told(line).unwrap_err().contains("7 is a pid"), "{line}");
        }
    }
}
