//! gaffer against a real gafferd. Applications in the foreground are tested in `foreground`.

mod commit;
mod jobs;
mod load;
mod manual;
mod output;
mod session;
mod shown;
mod state;
mod transports;
mod unreachable;

use std::{
    fs,
    path::{Path, PathBuf},
};

use gaffer_tests::{Client, Daemon};

use crate::transcript::Transcript;

/// An application's folder `shop` in that of a gafferd that has no jobs yet.
struct Shop {
    daemon: Daemon,
}

impl Shop {
    /// With this Procfile.
    fn new(procfile: &str) -> Self {
        let shop = Self::empty();
        shop.file("Procfile", procfile);
        shop
    }

    /// With nothing in it.
    fn empty() -> Self {
        let daemon = Daemon::start("");
        fs::create_dir(daemon.path("shop")).unwrap();
        Self { daemon }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.daemon.path("shop").join(name)
    }

    fn file(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// gaffer, run there.
    fn gaffer(&self) -> Client {
        gaffer(&self.daemon, &self.path(""))
    }

    /// The same, once the application is loaded and one process of each of these runs.
    fn loaded(&self, jobs: &[&str]) -> Client {
        let gaffer = self.gaffer();
        gaffer.prints(&["load"]);
        for job in jobs {
            self.daemon.until_running(&format!("shop.{job}"), 1);
        }
        gaffer
    }
}

/// gaffer, run in a folder, and told where this gafferd serves plain HTTP.
fn gaffer(daemon: &Daemon, folder: &Path) -> Client {
    Client::ours(daemon, "gaffer").within(folder)
}
