//! What is told of the node at its start: in a block for people, in a line for logs.

use std::path::PathBuf;

use tracing::info;

use crate::service::status;

/// What the node is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The files of its configuration.
    pub(crate) config: Vec<PathBuf>,
    /// The folder of its state, if it has one.
    pub(crate) state: Option<PathBuf>,
    /// The file of its log, if it is in one.
    pub(crate) log: Option<PathBuf>,
    /// Where it listens.
    pub(crate) endpoints: Vec<String>,
    /// Whether requests need a key.
    pub(crate) requires_key: bool,
    /// Jobs that are configured.
    pub(crate) jobs: usize,
    /// Processes that they are to have.
    pub(crate) processes: usize,
    /// The folder of plugins, if there is one.
    pub(crate) plugins: Option<PathBuf>,
    /// Where it registers.
    pub(crate) lookup: Vec<String>,
}

impl Summary {
    /// For a terminal: a line each, with what there is.
    pub(crate) fn block(&self) -> String {
        let mut text = format!("gafferd {}\n", env!("CARGO_PKG_VERSION"));
        for (what, values) in self.rows() {
            for (position, value) in values.iter().enumerate() {
                let label = if position == 0 { what } else { "" };
                text.push_str(&format!("  {label:<10}{value}\n"));
            }
        }
        text.push_str("  ^C stops it\n");
        text
    }

    fn rows(&self) -> Vec<(&'static str, Vec<String>)> {
        let shown = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        let config = if self.config.is_empty() { vec!["none".to_owned()] } else { shown(&self.config) };
        let mut rows = vec![("config", config)];
        rows.extend(self.state.as_ref().map(|state| ("state", shown(std::slice::from_ref(state)))));
        rows.extend(self.log.as_ref().map(|log| ("log", shown(std::slice::from_ref(log)))));
        rows.push(("endpoints", self.endpoints.clone()));
        rows.push(("keys", vec![if self.requires_key { "required" } else { "not required" }.to_owned()]));
        rows.push(("jobs", vec![status(self.jobs, self.processes)]));
        rows.extend(self.plugins.as_ref().map(|plugins| ("plugins", shown(std::slice::from_ref(plugins)))));
        if !self.lookup.is_empty() {
            rows.push(("lookup", self.lookup.clone()));
        }
        rows
    }

    /// For a log: one line, with the same as fields.
    pub(crate) fn log(&self) {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let config: Vec<String> = self.config.iter().map(|path| path.display().to_string()).collect();
        let list = |list: &[String]| (!list.is_empty()).then(|| list.join(", "));
        info!(
            version = env!("CARGO_PKG_VERSION"),
            config = list(&config),
            state = path(&self.state),
            log = path(&self.log),
            endpoints = list(&self.endpoints),
            requires_key = self.requires_key,
            jobs = self.jobs,
            processes = self.processes,
            plugins = path(&self.plugins),
            lookup = list(&self.lookup),
            "started"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_tells_what_there_is_and_no_more() {
        let least = Summary { endpoints: vec!["http://127.0.0.1:5000".to_owned()], ..Summary::default() };
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            least.block(),
            format!(
                "gafferd {version}\n  config    none\n  endpoints http://127.0.0.1:5000\n  keys      not required\n  \
                 jobs      0 jobs, 0 processes\n  ^C stops it\n"
            )
        );
        let all = Summary {
            config: vec!["gaffer.ini".into(), "more.ini".into()],
            state: Some("/var/lib/gafferd/x".into()),
            log: Some("/var/log/gafferd.log".into()),
            endpoints: vec!["http://127.0.0.1:5000".to_owned(), "unix:/run/g.sock".to_owned()],
            requires_key: true,
            jobs: 1,
            processes: 2,
            plugins: Some("plugins".into()),
            lookup: vec!["http://lookup:5010".to_owned()],
        };
        assert_eq!(
            all.block(),
            format!(
                "gafferd {version}\n  config    gaffer.ini\n            more.ini\n  state     /var/lib/gafferd/x\n  log       \
                 /var/log/gafferd.log\n  endpoints http://127.0.0.1:5000\n            unix:/run/g.sock\n  keys      required\n  \
                 jobs      1 job, 2 processes\n  plugins   plugins\n  lookup    http://lookup:5010\n  ^C stops it\n"
            )
        );
    }
}
