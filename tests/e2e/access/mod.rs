//! Keys and users of a real gafferd.

mod admin;
mod cli;
mod console;
mod killed;
mod original;
mod reader;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use gaffer_tests::{
    Daemon, Setup, binary,
    http::{Answer, Connection},
};
use serde_json::Value;
use tempfile::TempDir;

/// A state folder, and the key of its admin.
pub(crate) struct Keys {
    folder: TempDir,
    pub(crate) admin: String,
}

/// The password of the user `root`.
const PASSWORD: &str = "open sesame";

impl Keys {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = errand(&folder.path().join("state"), &["--create-admin-user", "--username=root"], PASSWORD);
        let text = String::from_utf8(made.stdout).unwrap();
        let (said, admin) = text.trim_end().split_once("\nAPI Key: ").unwrap();
        assert_eq!(said, "User 'root' created.");
        Self { admin: admin.to_owned(), folder }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A gafferd that requires these keys.
    fn setup(&self) -> Setup {
        Setup::new().arg("--require-key").arg("--state-dir").arg(self.state())
    }

    pub(crate) fn start(&self, ini: &str) -> Daemon {
        self.setup().ini(ini).start()
    }
}

/// Has gafferd do something with its keys, and end. What is asked for is answered with a line of stdin.
fn errand(state: &Path, args: &[&str], input: &str) -> Output {
    use std::io::Write;
    let mut command = Command::new(binary("gafferd"));
    command.arg("--state-dir").arg(state).args(args).env("GAFFER_LOG", "debug").env_remove("GAFFERD_CONFIG");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It may end without reading.
    let _unread = child.stdin.take().unwrap().write_all(format!("{input}\n").as_bytes());
    child.wait_with_output().unwrap()
}

/// Asks with a key.
fn ask(daemon: &Daemon, key: &str, method: &str, path: &str, body: &str) -> Answer {
    let mut connection = Connection::open(daemon.address());
    let headers = [("X-Api-Key", key), ("Connection", "close")];
    connection.request(method, path, &headers, Some(body.as_bytes()));
    connection.answer(method)
}

/// Makes a key.
fn make(daemon: &Daemon, by: &str, permissions: &Value) -> String {
    let answer = ask(daemon, by, "POST", "/keys", &serde_json::json!({ "permissions": permissions }).to_string());
    assert_eq!(answer.status, 200, "{answer}");
    answer.json()["api_key"].as_str().unwrap().to_owned()
}
