//! Static sites of plugins: files below `/_plugin/<name>/`.
//!
//! [`Sites`] answers from a folder of plugins. The site of a plugin is its folder `_site`, or the plugin's own folder if that has an
//! `index.html` and no `plugin.ini`: one with web files only. It is looked up at each request, so that a site that was added,
//! changed or removed is served, or not, at once.
//!
//! A path names a file in the site, or a folder with an `index.html`, which is served at the path with a slash at its end; without it a
//! client is sent there, so that relative links in the page lead into the folder. What begins with a dot is hidden.
//!
//! No path leads out of a site: neither by dots or slashes, however they are written, nor by symbolic links, which may lead to
//! other places in the same site only. Nothing but regular files is ever read.
//!
//! Answers have validators and may be asked for in part, as RFC 9110 has it. Clients may keep them, but are to ask each time whether
//! they are still good. A file is read piece by piece, as its reader takes it, never on a thread that serves others as well.

mod answer;
mod body;
mod conditions;
mod locate;
mod media;
mod path;
mod range;
mod validators;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use axum::{http::request::Parts, response::Response};
use tokio::{sync::Semaphore, task::spawn_blocking};

use self::{conditions::Verdict, locate::Found, path::SitePath, validators::Validators};

/// Most files that are sent at once, over all clients. Readers that stand still keep theirs open, and files that may be open are what
/// processes are launched with.
pub const MAX_OPEN: usize = 256;

/// The sites below one folder of plugins. Clones share the limit of open files.
#[derive(Clone, Debug)]
pub struct Sites {
    plugins: Option<Arc<Path>>,
    open: Arc<Semaphore>,
}

/// Why a request is not answered with a file.
#[derive(Debug, thiserror::Error)]
pub enum NotServed {
    /// There is no such site, or no such file in it; or it must not be served.
    #[error("there is no such file")]
    Nothing,
    /// `If-Match` or `If-Unmodified-Since` says that the client wants another version.
    #[error("the file is another one than the request wants")]
    Changed,
    /// `Range` asks for bytes that the file does not have.
    #[error("the file has {length} bytes, and none of those that the request wants")]
    Unsatisfiable {
        /// Bytes that the file has.
        length: u64,
    },
    /// [`MAX_OPEN`] files are being sent.
    #[error("{MAX_OPEN} files are being sent already")]
    TooMany,
    /// The file could not be read.
    #[error("a file of a site cannot be read")]
    Unreadable(#[source] io::Error),
}

/// Whether a plugin's folder has a site. Blocks.
pub fn has_site(plugin: &Path) -> bool {
    locate::site(plugin).is_some()
}

impl Sites {
    /// The sites below this folder, which need not exist yet; without one there are none.
    pub fn new(plugins: Option<PathBuf>) -> Self {
        Self { plugins: plugins.map(Arc::from), open: Arc::new(Semaphore::new(MAX_OPEN)) }
    }

    /// Answers a `GET` or `HEAD` of a path below `/_plugin/`.
    ///
    /// # Errors
    ///
    /// If there is nothing to be sent; see [`NotServed`].
    pub async fn serve(&self, request: &Parts) -> Result<Response, NotServed> {
        let path = SitePath::read(request.uri.path()).ok_or(NotServed::Nothing)?;
        let plugins = self.plugins.clone().ok_or(NotServed::Nothing)?;
        let looking = spawn_blocking(move || locate::find(&plugins, &path).map(|found| (found, path)));
        let found = looking.await.map_err(io::Error::other).flatten().map_err(NotServed::Unreadable)?;
        let file = match found {
            (Found::File(file), _) => *file,
            (Found::Folder, path) => return Ok(answer::elsewhere(&path, request.uri.query())),
            (Found::Nothing, _) => return Err(NotServed::Nothing),
        };
        let now = SystemTime::now();
        let validators = Validators::of(&file.metadata, now);
        let length = file.metadata.len();
        match conditions::judge(request, &validators, length, now) {
            Verdict::Known => Ok(answer::known(&validators, length)),
            Verdict::Changed => Err(NotServed::Changed),
            Verdict::Unsatisfiable => Err(NotServed::Unsatisfiable { length }),
            Verdict::Send(part) => {
                let permit = self.open.clone().try_acquire_owned().map_err(|_| NotServed::TooMany)?;
                Ok(answer::file(&request.method, file, part, &validators, permit))
            }
        }
    }
}
