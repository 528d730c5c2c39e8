//! Command line and configuration file, put together.

use std::{fmt, path::PathBuf};

use gaffer_core::{
    JobConfig, ManagerOptions,
    config::WebhookConfig,
    ini::{self, IniErrors, NodeConfig},
};
use gaffer_daemon::systemd;
use gaffer_http::api::{self, Hosts, Origins};
use gaffer_plugins::PluginSet;

use crate::{
    args::Args,
    endpoints::{self, Configured},
    lookup::{self, Lookup},
    plugins,
    state::{self, State},
    summary::Summary,
    webhooks,
};

/// What the node is started with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) endpoints: Vec<Configured>,
    pub(crate) api: api::Options,
    pub(crate) state: State,
    /// In the order in which they are to be started.
    pub(crate) jobs: Vec<JobConfig>,
    pub(crate) manager: ManagerOptions,
    pub(crate) pidfile: Option<PathBuf>,
    pub(crate) lookup: Option<Lookup>,
    pub(crate) webhooks: Vec<WebhookConfig>,
    pub(crate) plugins: PluginSet,
    /// What will not do what its author may expect.
    pub(crate) warnings: Vec<String>,
    /// All of the file.
    pub(crate) config: NodeConfig,
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
        Self::new(args, read(args)?)
    }

    pub(crate) fn new(args: &Args, config: NodeConfig) -> Result<Self, Mistakes> {
        let endpoints = endpoints::of(args, &config).map_err(Mistakes)?;
        let plugins = plugins::folder(args, &config);
        let state = state::of(args, &config, &endpoints).map_err(|problem| Mistakes(vec![problem]))?;
        let set = PluginSet::read(plugins.path.as_deref(), &config).map_err(Mistakes)?;
        let api = api::Options { plugins: plugins.path, ..api_options(&config)? };
        let lookup = lookup::of(args, &config)?;
        let mut warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
        warnings.extend(plugins.warning);
        warnings.extend(webhooks::exposed(&config.webhooks));
        let webhooks = config.webhooks.iter().map(|webhook| webhook.config.clone()).collect();
        warnings.extend(set.warnings().iter().cloned());
        let mut jobs = config.jobs.clone();
        jobs.sort_by_key(JobConfig::priority); // Stable: equals stay in the order of the file.
        let mut environment = ManagerOptions::default().environment;
        environment.retain(|name, _| !systemd::VARIABLES.iter().any(|variable| name == variable));
        let manager =
            ManagerOptions { environment, stats_interval: config.settings.stats_interval, ..ManagerOptions::default() };
        let pidfile = args.pidfile.clone().or_else(|| config.settings.pidfile.clone());
        Ok(Self { endpoints, api, state, jobs, manager, pidfile, lookup, webhooks, plugins: set, warnings, config })
    }
}

impl Settings {
    /// What is told of it at the start; where it listens is known only later.
    pub(crate) fn summary(&self, log: Option<PathBuf>) -> Summary {
        let wanted = |job: &JobConfig| usize::try_from(job.numprocesses()).unwrap_or(usize::MAX);
        Summary {
            config: self.config.files.clone(),
            state: self.state.requires_key.then(|| self.state.folder.clone()),
            log,
            endpoints: Vec::new(),
            requires_key: self.state.requires_key,
            jobs: self.jobs.len(),
            processes: self.jobs.iter().filter(|job| job.spec().start).map(wanted).fold(0, usize::saturating_add),
            plugins: self.api.plugins.clone().filter(|plugins| plugins.is_dir()),
            lookup: self.lookup.as_ref().map(Lookup::servers).unwrap_or_default(),
        }
    }
}

/// Reads the configuration that the command line names, if it names one.
pub(crate) fn read(args: &Args) -> Result<NodeConfig, Mistakes> {
    Ok(args.config().map(|path| NodeConfig::read(&path)).transpose()?.unwrap_or_default())
}

/// The keys that are different in another configuration, and count from the next start on.
pub(crate) fn at_restart(old: &NodeConfig, new: &NodeConfig) -> Vec<String> {
    // Whole, so that a new key cannot be forgotten. Those of endpoints count with them.
    let ini::Settings {
        http_endpoints: _,
        plugins_dir,
        include: _,
        include_dir: _,
        bind: _,
        broadcast_address,
        backlog: _,
        limits: _,
        max_body,
        daemonize,
        pidfile,
        error_log,
        log_level,
        lookupd_addresses,
        node_name,
        require_key,
        state_dir,
        cors_origins,
        allowed_hosts,
        stats_interval,
        ..
    } = &old.settings;
    let now = &new.settings;
    let address = |(address, _): &(String, ini::Place)| address.clone();
    let servers = |all: &[(String, ini::Place)]| all.iter().map(address).collect::<Vec<_>>();
    let differ = [
        ("plugins_dir", *plugins_dir != now.plugins_dir),
        ("broadcast_address", *broadcast_address != now.broadcast_address),
        ("max_body", *max_body != now.max_body),
        ("daemonize", *daemonize != now.daemonize),
        ("pidfile", *pidfile != now.pidfile),
        ("error_log", *error_log != now.error_log),
        ("log_level", *log_level != now.log_level),
        ("lookupd_address", servers(lookupd_addresses) != servers(&now.lookupd_addresses)),
        ("node_name", *node_name != now.node_name),
        ("require_key", *require_key != now.require_key),
        ("state_dir", *state_dir != now.state_dir),
        ("cors_origins", *cors_origins != now.cors_origins),
        ("allowed_hosts", *allowed_hosts != now.allowed_hosts),
        ("stats_interval", *stats_interval != now.stats_interval),
        ("[auth] session_lifetime", old.session_lifetime != new.session_lifetime),
        ("[lookup_ssl]", old.lookup_tls != new.lookup_tls),
    ];
    let keys = differ.into_iter().filter_map(|(key, differs)| differs.then_some(key));
    keys.map(|key| if key.starts_with('[') { key.to_owned() } else { format!("[gaffer] {key}") }).collect()
}

fn api_options(config: &NodeConfig) -> Result<api::Options, Mistakes> {
    // What no memory could hold is no limit.
    let max_body = config.settings.max_body.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    let origins = Origins::from_list(&config.settings.cors_origins);
    let origins = origins.map_err(|error| Mistakes(vec![in_gaffer(config, "cors_origins", &error)]))?;
    let hosts = Hosts::from_list(&config.settings.allowed_hosts);
    let hosts = hosts.map_err(|error| Mistakes(vec![in_gaffer(config, "allowed_hosts", &error)]))?;
    let defaults = api::Options::default();
    Ok(api::Options { max_body: max_body.unwrap_or(defaults.max_body), origins, hosts, ..defaults })
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
    fn keys_are_required_by_option_or_file() {
        let requires = |options: &[&str], ini: &str| settings(options, ini).unwrap().state.requires_key;
        assert!(!requires(&[], "[gaffer]\nrequire_key = false\n"));
        assert!(requires(&[], "[gaffer]\nrequire_key = true\n"));
        assert!(requires(&["--require-key"], "[gaffer]\nrequire_key = false\n"));
    }

    #[test]
    fn names_of_the_node_are_listed() {
        let hosts = |ini: &str| settings(&[], ini).unwrap().api.hosts;
        assert_eq!(hosts(""), Hosts::Own);
        assert_eq!(hosts("[gaffer]\nallowed_hosts = a.example\n"), Hosts::Listed(vec!["a.example".to_owned()]));
        let error = settings(&[], "[gaffer]\nallowed_hosts = http://a\n").unwrap_err();
        assert!(error.starts_with("gaffer.ini:2: [gaffer] allowed_hosts: `http://a` is not a host name; "), "{error}");
    }
}
