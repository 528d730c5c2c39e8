//! Exports are read back by those who read them: gaffer's own readers, and systemd's rules.

mod jobs;
mod systemd;

use std::{collections::BTreeMap, fs, path::PathBuf};

use proptest::prelude::*;

use crate::procfile::{Application, Concurrency, EnvSource, Mistakes, Source};

/// An application in a folder of its own.
struct Shop {
    folder: tempfile::TempDir,
    application: Application,
}

impl Shop {
    fn new(root: &str, procfile: &str, env: &[(&str, &str)]) -> Result<Self, Mistakes> {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().canonicalize().unwrap().join(root);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("Procfile"), procfile).unwrap();
        let env = env.iter().map(|(key, value)| EnvSource::Pair(key.to_string(), value.to_string())).collect();
        let source = Source { directory: Some(directory), env, name: Some("shop".to_owned()), ..Source::default() };
        let application = Application::read(&source, &BTreeMap::new())?;
        Ok(Self { folder, application })
    }

    /// An export, with the folder's name in the place of its path.
    fn plain(&self, text: &str) -> String {
        let folder = self.folder.path().canonicalize().unwrap();
        text.replace(&folder.display().to_string(), "")
    }
}

/// The application of the snapshots.
fn shop() -> Shop {
    let procfile = "web: ./web --port $PORT --name 'the shop' -b \"$HOST\"\n\
                    worker: cd lib && exec ./work \"50%\" | tee log\n\
                    a-clock: ./clock\n";
    let env = [("HOST", "::1"), ("KEY", "-----BEGIN-----\nabc\n-----END-----"), ("GAFFER_REDIRECT_INPUT", "worker")];
    Shop::new("srv/shop", procfile, &env).unwrap()
}

fn concurrency() -> Concurrency {
    "web=2".parse().unwrap()
}

/// Command lines whose words are of all kinds. None of them does anything but run its program.
fn arguments() -> impl Strategy<Value = String> {
    let pieces = [
        "a",
        "-x",
        "--port=",
        ":",
        "é",
        "\u{a0}",
        "#",
        "!",
        "%",
        "%%",
        "%n",
        "^",
        "]",
        ",",
        "\u{b}",
        " ",
        " ",
        "\t",
        "\\ ",
        "\\a",
        "\\\\",
        "\\'",
        "\\\"",
        "\\;",
        "''",
        "'a b'",
        "'#'",
        "'\"'",
        "'\\'",
        "\"\"",
        "\"'\"",
        "\"\\\"\"",
        "\"\\n\"",
        "\"%d\"",
        "$PORT",
        "${PORT}",
        "\"$SPACED\"",
        "$SPACED",
        "'$PORT'",
        "\\$PORT",
        "\"\\$PORT\"",
        "$$PORT",
        "\"$PORT x\"",
        "\u{1}",
        "\u{7f}",
        "; true",
        "$NOWHERE",
        "${NOWHERE:-x}",
        "{",
        "}",
        "~",
        "*.none",
        "\\x41",
        "\\u0041",
        "; : $",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..10).prop_map(|pieces| pieces.concat())
}

/// Variables with values of all kinds.
fn variables() -> impl Strategy<Value = BTreeMap<String, String>> {
    let value = prop_oneof![
        3 => "[ -~éλ]{0,12}",
        1 => "[a-z #;\\[=:\t\n]{0,12}",
        1 => "[^\0]{0,8}",
    ];
    proptest::collection::btree_map("[A-Z_][A-Z0-9_]{0,5}", value, 0..4)
}

/// Names of folders.
fn root() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just("shop".to_owned()), 1 => "[ !-.0-~é]{1,8}"]
        .prop_filter("not a folder's name", |name| name.parse::<PathBuf>().is_ok_and(|path| path.file_name().is_some()))
}

fn borrowed(variables: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    let more = [("SPACED", "a  b")];
    more.into_iter().chain(variables.iter().map(|(key, value)| (key.as_str(), value.as_str()))).collect()
}
