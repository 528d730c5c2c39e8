//! systemd units for gafferd, as it is called.

use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::ValueEnum;
use gaffer_core::JobConfig;
use gaffer_http::serve::BindAddress;
use nix::unistd::Uid;

use crate::{
    args::Args,
    endpoints::Configured,
    settings::{self, Settings},
};

/// What a stop takes beyond the time that jobs are given.
const MARGIN: Duration = Duration::from_secs(15);

/// The least time for a stop, which is systemd's own.
const STOP: Duration = Duration::from_secs(90);

/// What kind of unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Unit {
    /// A service.
    Service,
    /// The sockets of a service named gafferd.service, which it is given.
    Socket,
}

impl Unit {
    /// Its text, for a command line.
    ///
    /// # Errors
    /// A configuration that does not read; what systemd could not be told.
    pub(crate) fn text(self, args: &Args) -> anyhow::Result<String> {
        let config = settings::read(args)?;
        let jobs = config.jobs.clone();
        let settings = Settings::new(args, config)?;
        let is_system = Uid::effective().is_root();
        match self {
            Self::Socket => Ok(socket(&settings.endpoints)),
            Self::Service => {
                let folder = env::current_dir().context("the folder that gafferd was started in is gone")?;
                let program = env::current_exe().context("cannot find out where gafferd is")?;
                let mut words = words(env::args_os().skip(1), args.config().as_deref(), &folder);
                if !words.iter().any(|word| names_config(word, args.config().as_deref(), &folder))
                    && let Some(config) = args.config()
                {
                    // It came from the environment, which a service does not have.
                    words.extend(["-c".into(), folder.join(config).into_os_string()]);
                }
                let command = [vec![program.into_os_string()], words].concat();
                let command: Option<Vec<String>> = command.iter().map(|word| quoted(word)).collect();
                let Some(command) = command else {
                    bail!("a word of the command line holds what no unit can: it is not UTF-8, or breaks the line")
                };
                let Some(folder) = folder.to_str().filter(|folder| !folder.contains(char::is_control)) else {
                    bail!("the name of this folder holds what no unit can: it is not UTF-8, or breaks the line")
                };
                Ok(service(&Service { command: command.join(" "), folder: folder.to_owned(), is_system, jobs: &jobs }))
            }
        }
    }
}

/// The words of the command that are for the service, too, with the configuration's path as it is from everywhere.
fn words(given: impl Iterator<Item = OsString>, config: Option<&Path>, folder: &Path) -> Vec<OsString> {
    let only_here = |word: &OsString| {
        let text = word.to_string_lossy();
        text == "--daemon" || text == "--systemd-unit" || text.starts_with("--systemd-unit=")
    };
    let absolute = |word: OsString| match config {
        Some(config) if word == config => folder.join(config).into_os_string(),
        _ => word,
    };
    given.filter(|word| !only_here(word)).map(absolute).collect()
}

/// Whether a word says which configuration to read.
fn names_config(word: &OsStr, config: Option<&Path>, folder: &Path) -> bool {
    let Some(config) = config else { return false };
    let ends_so = |path: &Path| word.as_bytes().ends_with(path.as_os_str().as_bytes());
    ends_so(config) || ends_so(&folder.join(config))
}

/// A word as `ExecStart=` reads it; `None` if it cannot hold it.
fn quoted(word: &OsStr) -> Option<String> {
    let word = word.to_str().filter(|word| !word.contains(char::is_control))?;
    let is_plain = |letter: char| letter.is_alphanumeric() || "-_./:=@+,%$[]".contains(letter);
    let mut text = String::new();
    for letter in word.chars() {
        match letter {
            // Specifiers and variables.
            '%' => text.push_str("%%"),
            '$' => text.push_str("$$"),
            '"' | '\\' => text.extend(['\\', letter]),
            _ => text.push(letter),
        }
    }
    Some(if !word.is_empty() && word.chars().all(is_plain) { text } else { format!("\"{text}\"") })
}

struct Service<'a> {
    command: String,
    folder: String,
    /// Whether it is for the system, and not for a user.
    is_system: bool,
    jobs: &'a [JobConfig],
}

fn service(service: &Service<'_>) -> String {
    let longest = service.jobs.iter().map(JobConfig::graceful_timeout).max().unwrap_or_default();
    let stop = longest.saturating_add(MARGIN).max(STOP).as_secs();
    let folder = service.folder.replace('%', "%%");
    let kill = if service.jobs.iter().any(JobConfig::detach) {
        "# gafferd stops its processes itself, and leaves those that are detached, as systemd must.\nKillMode=process"
    } else {
        "# gafferd stops its processes itself, in order and each with its grace; what is left after that is killed.\nKillMode=mixed"
    };
    // User managers know neither the network's state nor a folder below /var/lib.
    let (network, state, target) = if service.is_system {
        (
            "Wants=network-online.target\nAfter=network-online.target\n",
            "StateDirectory=gafferd\nStateDirectoryMode=0700\n",
            "multi-user.target",
        )
    } else {
        ("", "", "default.target")
    };
    let command = &service.command;
    format!(
        "\
[Unit]
Description=gaffer node: launches and supervises processes
{network}
[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
ExecReload=kill -HUP $MAINPID
WorkingDirectory={folder}
Restart=on-failure
# A gafferd whose heart does not answer any more is started anew.
WatchdogSec=30
TimeoutStartSec=90
TimeoutStopSec={stop}
{kill}
# A job that takes too much memory is that job's problem, not that of all.
OOMPolicy=continue
# gafferd raises the first number to the second for itself; its processes get what it was.
LimitNOFILE=1024:524288
TasksMax=infinity
{state}
# What is denied here is denied to every job as well, so nothing is by default. Of these, take what your jobs can do without:
#User=gaffer
#NoNewPrivileges=yes
#PrivateTmp=yes
#ProtectSystem=full
#ProtectHome=read-only
#ProtectKernelTunables=yes
#RestrictSUIDSGID=yes

[Install]
WantedBy={target}
"
    )
}

fn socket(endpoints: &[Configured]) -> String {
    let mut text = "[Unit]\nDescription=Sockets of the gaffer node\n\n[Socket]\n".to_owned();
    for Configured { endpoint, .. } in endpoints {
        let address = match &endpoint.bind {
            BindAddress::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            BindAddress::Tcp { host, port } => format!("{host}:{port}"),
            BindAddress::Unix(path) => absolute(path),
        };
        text.push_str(&format!("# Endpoint {}\nListenStream={}\n", endpoint.name, address.replace('%', "%%")));
    }
    // These are for all of them.
    if let [Configured { endpoint, .. }] = endpoints {
        text.push_str(&format!("FileDescriptorName={}\nBacklog={}\n", endpoint.name, endpoint.backlog));
    }
    if let Some(Configured { endpoint, .. }) =
        endpoints.iter().find(|one| matches!(one.endpoint.bind, BindAddress::Unix(_)))
    {
        text.push_str(&format!("SocketMode={:04o}\n", endpoint.mode));
    }
    text.push_str("\n[Install]\nWantedBy=sockets.target\n");
    text
}

fn absolute(path: &Path) -> String {
    let absolute: PathBuf = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::tests::settings;

    fn text_for(ini: &str, is_system: bool) -> String {
        let config = gaffer_core::ini::NodeConfig::parse("gaffer.ini", ini).unwrap();
        service(&Service {
            command: "/usr/bin/gafferd -c /etc/gaffer.ini".to_owned(),
            folder: "/srv/100%".to_owned(),
            is_system,
            jobs: &config.jobs,
        })
    }

    #[test]
    fn words_are_quoted_as_systemd_reads_them() {
        let quoted = |word: &str| quoted(OsStr::new(word)).unwrap();
        assert_eq!(quoted("-c"), "-c");
        assert_eq!(quoted("/a b/$c%d"), "\"/a b/$$c%%d\"");
        assert_eq!(quoted("100%"), "100%%");
        assert_eq!(quoted("say \"\\\""), "\"say \\\"\\\\\\\"\"");
        assert_eq!(quoted(""), "\"\"");
        assert_eq!(super::quoted(OsStr::new("a\nb")), None);
        assert_eq!(super::quoted(OsStr::from_bytes(b"\xff")), None);
    }

    #[test]
    fn what_is_for_the_command_line_alone_stays_out_of_a_unit() {
        let given = ["--systemd-unit", "-c", "a.ini", "--daemon", "--bind", ":1", "--systemd-unit=service"];
        let words = words(given.iter().map(OsString::from), Some(Path::new("a.ini")), Path::new("/srv"));
        assert_eq!(words, ["-c", "/srv/a.ini", "--bind", ":1"]);
        assert!(names_config(OsStr::new("--config=a.ini"), Some(Path::new("a.ini")), Path::new("/srv")));
        assert!(!names_config(OsStr::new("--bind"), Some(Path::new("a.ini")), Path::new("/srv")));
    }

    #[test]
    fn a_unit_gives_jobs_the_time_that_they_may_take() {
        assert!(text_for("", true).contains("\nTimeoutStopSec=90\n"));
        assert!(text_for("[process:a]\ncmd = a\ngraceful_timeout = 300\n", true).contains("\nTimeoutStopSec=315\n"));
        assert!(text_for("", true).contains("\nKillMode=mixed\n"));
        assert!(text_for("[process:a]\ncmd = a\ndetach = true\n", true).contains("\nKillMode=process\n"));
        assert!(text_for("", true).contains("\nWorkingDirectory=/srv/100%%\n"));
    }

    #[test]
    fn a_unit_of_a_user_needs_nothing_of_the_system() {
        let text = text_for("", false);
        assert!(text.ends_with("WantedBy=default.target\n"));
        assert!(!text.contains("StateDirectory") && !text.contains("network-online"), "{text}");
        assert!(text_for("", true).contains("\nStateDirectory=gafferd\n"));
    }

    #[test]
    fn sockets_are_those_of_the_endpoints() {
        let endpoints = |ini: &str| settings(&[], ini).unwrap().endpoints;
        let one = socket(&endpoints("[endpoint:web]\nbind = [::1]:80\nbacklog = 9\n"));
        assert!(one.contains("ListenStream=[::1]:80\nFileDescriptorName=web\nBacklog=9\n"), "{one}");
        let two = socket(&endpoints("[endpoint:a]\nbind = :80\n[endpoint:b]\nbind = unix:/run/g.sock\nmode = 660\n"));
        assert!(
            two.contains("ListenStream=0.0.0.0:80\n") && two.contains("ListenStream=/run/g.sock\nSocketMode=0660\n"),
            "{two}"
        );
        assert!(!two.contains("FileDescriptorName"), "it would be the name of both");
    }
}
