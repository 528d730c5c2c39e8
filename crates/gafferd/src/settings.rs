//! Command line and configuration file, put together.

use std::{fmt, path::PathBuf};

use gaffer_core::{
    JobConfig, ManagerOptions,
    ini::{IniErrors, NodeConfig},
};
use gaffer_http::api::{self, Origins};

use crate::{
    args::Args,
    endpoints::{self, Configured},
    plugins,
};

/// What the node is started with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) endpoints: Vec<Configured>,
    pub(crate) api: api::Options,
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
pub(crate) struct Mistakes(pub(crate) Vec<String>);

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

    pub(crate) fn new(args: &Args, config: NodeConfig) -> Result<Self, Mistakes> {
        if config.settings.require_key {
            // Serving everybody where keys were asked for would be worse than not serving.
            let problem = "keys are not supported yet; leave it out to serve whoever can reach the endpoints";
            return Err(Mistakes(vec![in_gaffer(&config, "require_key", &problem)]));
        }
        let endpoints = endpoints::of(args, &config).map_err(Mistakes)?;
        let plugins = plugins::folder(args, &config);
        let api = api::Options { plugins: plugins.path, ..api_options(&config)? };
        let mut warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
        warnings.extend(plugins.warning);
        let mut jobs = config.jobs;
        jobs.sort_by_key(JobConfig::priority); // Stable: equals stay in the order of the file.
        let manager = ManagerOptions { stats_interval: config.settings.stats_interval, ..ManagerOptions::default() };
        let pidfile = args.pidfile.clone().or(config.settings.pidfile);
        Ok(Self { endpoints, api, jobs, manager, pidfile, warnings })
    }
}

fn api_options(config: &NodeConfig) -> Result<api::Options, Mistakes> {
    // What no memory could hold is no limit.
    let max_body = config.settings.max_body.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let origins = Origins::from_list(&config.settings.cors_origins);
    let origins = origins.map_err(|error| Mistakes(vec![in_gaffer(config, "cors_origins", &error)]))?;
    let defaults = api::Options::default();
    Ok(api::Options { max_body: max_body.unwrap_or(defaults.max_body), origins, ..defaults })
}

/// Says what is wrong with a key of `[gaffer]`.
pub(crate) fn in_gaffer(config: &NodeConfig, key: &str, problem: &dyn fmt::Display) -> String {
    let place = config.place_of(key).map(|place| format!("{place}: ")).unwrap_or_default();
    format!("{place}[gaffer] {key}: {problem}")
}

#[cfg(test)]
pub(crate) mod tests {
    use clap::Parser;

    use super::*;

    /// What these options and this file come to, or what is said against them.
    pub(crate) fn settings(options: &[&str], ini: &str) -> Result<Settings, String> {
        let args = Args::try_parse_from(std::iter::once(&"gafferd").chain(options)).unwrap();
        let config = NodeConfig::parse("gaffer.ini", ini).map_err(|errors| errors.to_string())?;
        Settings::new(&args, config).map_err(|mistakes| mistakes.to_string())
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
    fn pages_that_may_call_are_listed() {
        let origins = |ini: &str| settings(&[], ini).unwrap().api.origins;
        assert_eq!(origins(""), Origins::Local);
        assert_eq!(origins("[gaffer]\ncors_origins = *\n"), Origins::Any);
        let listed = Origins::from_list(&["https://a.example", "http://localhost:*"]).unwrap();
        assert_eq!(origins("[gaffer]\ncors_origins = https://a.example, http://localhost:*\n"), listed);
        let error = settings(&[], "[gaffer]\ncors_origins = a.example\n").unwrap_err();
        assert!(
            error.starts_with("gaffer.ini:2: [gaffer] cors_origins: `a.example` is not an origin; write "),
            "{error}"
        );
    }

    #[test]
    fn keys_that_are_asked_for_and_not_there_keep_it_from_starting() {
        assert!(settings(&[], "[gaffer]\nrequire_key = false\n").is_ok());
        let error = settings(&[], "[gaffer]\nrequire_key = true\n").unwrap_err();
        assert!(error.starts_with("gaffer.ini:2: [gaffer] require_key: keys are not supported yet"), "{error}");
    }
}
