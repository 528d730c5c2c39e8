//! The folder of plugins.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use gaffer_core::ini::NodeConfig;

use crate::{args::Args, settings::in_gaffer};

/// Where plugins are by default, below `$HOME`.
const DEFAULT: &str = ".gafferd/plugins";

/// The names of the key in `[gaffer]`.
const KEYS: [&str; 2] = ["plugins_dir", "plugin_dir"];

/// Where plugins are looked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Folder {
    /// `None` if nobody names one and there is no home to have one in.
    pub(crate) path: Option<PathBuf>,
    /// If somebody names a folder that is not there. It may come to be.
    pub(crate) warning: Option<String>,
}

/// The folder that the command line names; else that of the configuration; else the default, which need not be there.
pub(crate) fn folder(args: &Args, config: &NodeConfig) -> Folder {
    choose(args, config, env::var_os("HOME"))
}

fn choose(args: &Args, config: &NodeConfig, home: Option<OsString>) -> Folder {
    if let Some(path) = &args.plugins_dir {
        let warning = missing(path).map(|problem| format!("--plugins-dir: {problem}"));
        return Folder { path: Some(path.clone()), warning };
    }
    if let Some(path) = &config.settings.plugins_dir {
        let key = KEYS.into_iter().find(|key| config.place_of(key).is_some()).unwrap_or(KEYS[0]);
        let warning = missing(path).map(|problem| in_gaffer(config, key, &problem));
        return Folder { path: Some(path.clone()), warning };
    }
    let home = home.filter(|home| !home.is_empty());
    Folder { path: home.map(|home| Path::new(&home).join(DEFAULT)), warning: None }
}

fn missing(path: &Path) -> Option<String> {
    (!path.is_dir()).then(|| format!("there is no folder `{}`; nothing is served of it until there is", path.display()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn chosen(options: &[&str], ini: &str, home: Option<&str>) -> Folder {
        let args = Args::try_parse_from(std::iter::once(&"gafferd").chain(options)).unwrap();
        choose(&args, &NodeConfig::parse("gaffer.ini", ini).unwrap(), home.map(OsString::from))
    }

    fn path(options: &[&str], ini: &str, home: Option<&str>) -> Option<PathBuf> {
        chosen(options, ini, home).path
    }

    #[test]
    fn the_command_line_wins_over_the_configuration_and_that_over_the_default() {
        let home = Some("/home/me");
        assert_eq!(path(&["-p", "a"], "[gaffer]\nplugins_dir = b\n", home), Some("a".into()));
        assert_eq!(path(&["--plugins-dir", "a"], "", None), Some("a".into()));
        assert_eq!(path(&[], "[gaffer]\nplugins_dir = b\n", home), Some("b".into()));
        assert_eq!(path(&[], "[gaffer]\nplugin_dir = b\n", home), Some("b".into()));
        assert_eq!(path(&[], "[gaffer]\nplugins_dir =\n", home), Some("/home/me/.gafferd/plugins".into()));
        for home in [None, Some("")] {
            assert_eq!(chosen(&[], "", home), Folder { path: None, warning: None });
        }
    }

    #[test]
    fn a_folder_that_is_named_and_not_there_is_warned_of() {
        let warning = |options: &[&str], ini: &str| chosen(options, ini, Some("/nowhere")).warning.unwrap_or_default();
        let problem = "there is no folder `/no/where`; nothing is served of it until there is";
        assert_eq!(warning(&["-p", "/no/where"], ""), format!("--plugins-dir: {problem}"));
        for key in KEYS {
            let ini = format!("[gaffer]\n{key} = /no/where\n");
            assert_eq!(warning(&[], &ini), format!("gaffer.ini:2: [gaffer] {key}: {problem}"));
            assert_eq!(warning(&["-p", "."], &ini), "", "it is not asked for");
        }
        assert_eq!(warning(&[], ""), "", "nobody named the default");
        assert_eq!(warning(&["-p", "Cargo.toml"], "").lines().count(), 1, "a file is no folder");
    }
}
