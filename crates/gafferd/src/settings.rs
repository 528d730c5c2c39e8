//! Command line and configuration file, put together.

use std::{fmt, path::PathBuf};

use gaffer_core::{
    JobConfig, ManagerOptions,
    ini::{self, IniErrors, NodeConfig},
};
use gaffer_http::serve::{BindAddress, DEFAULT_BACKLOG, Endpoint};

use crate::args::Args;

/// What the node is started with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) endpoints: Vec<Endpoint>,
    /// In the order in which they are to be started.
    pub(crate) jobs: Vec<JobConfig>,
    pub(crate) manager: ManagerOptions,
    pub(crate) pidfile: Option<PathBuf>,
    /// What will not do what its author may expect.
    pub(crate) warnings: Vec<String>,
}

/// Everything that is wrong with a configuration, one a line.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub(crate) struct Mistakes(Vec<String>);

impl From<IniErrors> for Mistakes {
    fn from(IniErrors(errors): IniErrors) -> Self {
        Self(errors.iter().map(ToString::to_string).collect())
    }
}

impl Settings {
    /// Reads the configuration that the command line names.
    pub(crate) fn read(args: &Args) -> Result<Self, Mistakes> {
        let config = args.config().map(|path| NodeConfig::read(&path)).transpose()?;
        Self::new(args, config.unwrap_or_default())
    }

    fn new(args: &Args, config: NodeConfig) -> Result<Self, Mistakes> {
        if config.settings.require_key {
            // Serving everybody where keys were asked for would be worse than not serving.
            let problem = "keys are not supported yet; leave it out to serve whoever can reach the endpoints";
            return Err(Mistakes(vec![in_gaffer(&config, "require_key", &problem)]));
        }
        let endpoints = endpoints(args, &config).map_err(Mistakes)?;
        let mut warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
        if args.plugins_dir.is_some() {
            warnings.push("--plugins-dir: plugins are not supported yet; it has no effect".to_owned());
        }
        let mut jobs = config.jobs;
        jobs.sort_by_key(JobConfig::priority); // Stable: equals stay in the order of the file.
        let manager = ManagerOptions { stats_interval: config.settings.stats_interval, ..ManagerOptions::default() };
        let pidfile = args.pidfile.clone().or(config.settings.pidfile);
        Ok(Self { endpoints, jobs, manager, pidfile, warnings })
    }
}

/// Says what is wrong with a key of `[gaffer]`.
fn in_gaffer(config: &NodeConfig, key: &str, problem: &dyn fmt::Display) -> String {
    let file = config.files.first().map(|file| format!("{}: ", file.display())).unwrap_or_default();
    format!("{file}[gaffer] {key}: {problem}")
}

/// `--bind`, else the endpoints of the file, else `[gaffer] bind`, else the default.
fn endpoints(args: &Args, config: &NodeConfig) -> Result<Vec<Endpoint>, Vec<String>> {
    let backlog = args.backlog.or(config.settings.backlog).unwrap_or(DEFAULT_BACKLOG);
    let single = |bind: BindAddress| vec![Endpoint { bind, backlog, ..Endpoint::default() }];
    if let Some(bind) = &args.bind {
        return Ok(single(bind.clone()));
    }
    if config.endpoints.is_empty() {
        return match &config.settings.bind {
            Some(bind) => bind.parse().map(single).map_err(|error| vec![in_gaffer(config, "bind", &error)]),
            None => Ok(single(BindAddress::default())),
        };
    }
    let mut mistakes = Vec::new();
    let mut endpoints = Vec::with_capacity(config.endpoints.len());
    for configured in &config.endpoints {
        let mut fail = |key: &str, problem: &dyn fmt::Display| {
            mistakes.push(format!("{}: [endpoint:{}] {key}: {problem}", configured.place, configured.name));
        };
        if let Some(key) = tls_key(configured) {
            // Serving in the clear what was meant to be secret would be worse than not serving.
            fail(key, &"TLS is not supported yet; leave out certfile, keyfile and cacert to serve plain HTTP");
        }
        match configured.bind.parse() {
            Ok(bind) => {
                let backlog = configured.backlog.unwrap_or(backlog);
                endpoints.push(Endpoint { name: configured.name.clone(), bind, backlog });
            }
            Err(error) => {
                let error: gaffer_http::serve::InvalidAddress = error;
                fail("bind", &error);
            }
        }
    }
    if mistakes.is_empty() { Ok(endpoints) } else { Err(mistakes) }
}

/// The first of the keys of an endpoint that ask for TLS.
fn tls_key(endpoint: &ini::Endpoint) -> Option<&'static str> {
    let keys = [("certfile", &endpoint.certfile), ("keyfile", &endpoint.keyfile), ("cacert", &endpoint.cacert)];
    keys.iter().find(|(_, file)| file.is_some()).map(|(key, _)| *key)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn settings(options: &[&str], ini: &str) -> Result<Settings, String> {
        let args = Args::try_parse_from(std::iter::once(&"gafferd").chain(options)).unwrap();
        let config = NodeConfig::parse("gaffer.ini", ini).map_err(|errors| errors.to_string())?;
        Settings::new(&args, config).map_err(|mistakes| mistakes.to_string())
    }

    /// Address and backlog of each endpoint.
    fn endpoints(options: &[&str], ini: &str) -> Vec<(String, u32)> {
        let settings = settings(options, ini).unwrap();
        settings.endpoints.iter().map(|endpoint| (endpoint.bind.to_string(), endpoint.backlog)).collect()
    }

    const TWO: &str = "[gaffer]\nbind = 10.0.0.1:1\nbacklog = 7\n[endpoint:a]\nbind = 127.0.0.1:0\nbacklog = 9\n\
                       [endpoint:b]\nbind = [::1]:6000\n";

    #[test]
    fn endpoints_come_from_the_nearest_source() {
        let one = |address: &str, backlog| vec![(address.to_owned(), backlog)];
        assert_eq!(endpoints(&[], ""), one("127.0.0.1:5000", 128));
        assert_eq!(endpoints(&["--backlog", "5"], "[gaffer]\nbind = :80\n"), one("0.0.0.0:80", 5));
        assert_eq!(endpoints(&[], TWO), [("127.0.0.1:0".to_owned(), 9), ("[::1]:6000".to_owned(), 7)]);
        assert_eq!(endpoints(&["--bind", "localhost:0"], TWO), one("localhost:0", 7));
        assert_eq!(endpoints(&["--backlog", "5"], TWO)[1].1, 5);
    }

    #[test]
    fn what_cannot_be_served_is_refused_with_its_place() {
        let ini =
            "[endpoint:a]\nbind = unix:/run/gaffer.sock\n[endpoint:b]\nbind = :1\ncertfile = x.pem\nkeyfile = x.key\n";
        assert_eq!(
            settings(&[], ini).unwrap_err(),
            "gaffer.ini:1: [endpoint:a] bind: `unix:/run/gaffer.sock`: unix sockets are not supported yet; use host:port\n\
             gaffer.ini:3: [endpoint:b] certfile: TLS is not supported yet; leave out certfile, keyfile and cacert to serve \
             plain HTTP"
        );
        assert!(settings(&["--bind", ":0"], ini).is_ok(), "--bind replaces them");
    }

    #[test]
    fn jobs_are_in_the_order_of_their_priorities() {
        let ini = "[process:a]\ncmd = a\n[process:b]\ncmd = b\npriority = 2\n[process:c]\ncmd = c\npriority = 1\n\
                   [process:d]\ncmd = d\n";
        let jobs = settings(&[], ini).unwrap().jobs;
        let names: Vec<&str> = jobs.iter().map(|job| job.name().name()).collect();
        assert_eq!(names, ["c", "b", "a", "d"]);
    }

    #[test]
    fn plugins_are_warned_about() {
        let warnings = settings(&["-p", "plugins"], "").unwrap().warnings;
        assert_eq!(warnings, ["--plugins-dir: plugins are not supported yet; it has no effect"]);
    }

    #[test]
    fn keys_that_are_asked_for_and_not_there_keep_it_from_starting() {
        assert!(settings(&[], "[gaffer]\nrequire_key = false\n").is_ok());
        let error = settings(&[], "[gaffer]\nrequire_key = true\n").unwrap_err();
        assert!(error.contains("[gaffer] require_key: keys are not supported yet"), "{error}");
    }
}
