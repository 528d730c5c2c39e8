//! The file of a unix socket: made, given its rights, and removed.

use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, chown},
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use gaffer_core::{config::Owner, ini::SocketOwner};
use nix::{
    fcntl::OFlag,
    sys::socket::{getsockopt, sockopt::PeerCredentials},
    unistd::{Group, User},
};
use socket2::{Domain, SockAddr, Socket, Type};

use super::PortUser;

/// Why a unix socket could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketFileError {
    /// Somebody listens there.
    #[error("it is in use{}", PortUser::by(user.as_ref()))]
    InUse {
        /// Who, if that may be known.
        user: Option<PortUser>,
    },
    /// Something else has the name.
    #[error("a file that is no socket has this name, and is left alone; remove it, or choose another path")]
    NotASocket,
    /// The folder of the file.
    #[error("its folder {} cannot be used", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A user or group that is to own it does not exist.
    #[error("its owner: there is no {kind} `{name}`")]
    NoSuchOwner {
        /// `user` or `group`.
        kind: &'static str,
        /// Which.
        name: String,
    },
    /// Its rights could not be set; it is gone again.
    #[error("it cannot be given its {what}")]
    Rights {
        /// `mode` or `owner`.
        what: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Anything else that the kernel refused.
    #[error("the kernel refused")]
    Os(#[from] io::Error),
}

/// Who may connect.
#[derive(Clone, Debug)]
pub(super) struct Rights {
    pub(super) mode: u32,
    pub(super) owner: Option<SocketOwner>,
}

/// The file of a socket of ours. It is removed when this is dropped, unless another has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// The file itself: as long as it is open, no other file has its number.
    file: File,
}

/// Listens at a path. Nobody can connect before the file has its rights, as until then the socket does not listen.
///
/// Blocks: it may look up users.
pub(super) fn listen(path: &Path, rights: &Rights, backlog: i32) -> Result<(Socket, SocketFile), SocketFileError> {
    // First: an owner that is not known keeps the file from being made.
    rights.owner.as_ref().map(ids).transpose()?;
    let absolute = std::path::absolute(path)?;
    let _lock = lock_folder(&absolute)?;
    clear(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?).map_err(|error| {
        let taken = error.kind() == io::ErrorKind::AddrInUse;
        if taken { SocketFileError::InUse { user: None } } else { error.into() }
    })?;
    let file = SocketFile::of(absolute.clone()).inspect_err(|_| discard(&absolute))?;
    file.give(rights)?;
    socket.listen(backlog)?;
    Ok((socket, file))
}

impl SocketFile {
    /// The socket that was just made at a path.
    fn of(path: PathBuf) -> io::Result<Self> {
        // Neither opened nor followed, only held.
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(&path)?;
        if !file.metadata()?.file_type().is_socket() {
            return Err(io::Error::other("another file has taken its place"));
        }
        Ok(Self { path, file })
    }

    /// The held file under a name that cannot be exchanged for another.
    fn handle(&self) -> String {
        format!("/proc/self/fd/{}", self.file.as_raw_fd())
    }

    /// Gives the file its rights. Blocks: it may look up users.
    pub(super) fn give(&self, rights: &Rights) -> Result<(), SocketFileError> {
        let owner = rights.owner.as_ref().map(ids).transpose()?;
        let refused = |what| move |source| SocketFileError::Rights { what, source };
        self.set_mode(rights.mode).map_err(refused("mode"))?;
        if let Some((user, group)) = owner {
            self.set_owner(user, group).map_err(refused("owner"))?;
        }
        Ok(())
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        fs::set_permissions(self.handle(), Permissions::from_mode(mode))
    }

    fn set_owner(&self, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
        chown(self.handle(), user, group)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn is_in_place(&self) -> io::Result<bool> {
        let (own, found) = (self.file.metadata()?, fs::symlink_metadata(&self.path)?);
        Ok((own.dev(), own.ino()) == (found.dev(), found.ino()))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_in_place().unwrap_or(false) {
            // What cannot be removed is left stale, and the next one that listens there replaces it.
            let _: io::Result<()> = fs::remove_file(&self.path);
        }
    }
}

/// Removes the socket that was just made, though it cannot be held. The folder's lock keeps another's from being there.
fn discard(path: &Path) {
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        // As in `drop`.
        let _: io::Result<()> = fs::remove_file(path);
    }
}

/// Longest wait for another program that is about to listen in the same folder.
const LOCK_PATIENCE: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Keeps other gafferds from listening in the folder meanwhile: a socket that does not listen yet would look stale to them.
fn lock_folder(path: &Path) -> Result<Option<File>, SocketFileError> {
    let folder = path.parent().unwrap_or(path);
    let refused = |source| SocketFileError::Folder { folder: folder.to_owned(), source };
    let opened = match File::open(folder) {
        Ok(opened) => opened,
        // One may make files in a folder without being let to list them.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        Err(error) => return Err(refused(error)),
    };
    for _ in 0..LOCK_PATIENCE {
        match opened.try_lock() {
            Ok(()) => return Ok(Some(opened)),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            // A file system without locks.
            Err(TryLockError::Error(_)) => return Ok(None),
        }
    }
    // Whoever holds it this long is no gafferd at its start.
    Ok(None)
}

/// Makes way at a path: removes a socket that nobody listens on.
fn clear(path: &Path) -> Result<(), SocketFileError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(found) if !found.file_type().is_socket() => return Err(SocketFileError::NotASocket),
        Ok(_) => {}
    }
    let knock = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    knock.set_nonblocking(true)?; // One that has its queue full lives, too.
    match knock.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(fs::remove_file(path)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(error.into()),
        // Of another type, or with its queue full.
        Err(_) => Err(SocketFileError::InUse { user: None }),
        Ok(()) => Err(SocketFileError::InUse { user: listener_of(&knock) }),
    }
}

/// Who listens on the other side.
fn listener_of(connected: &Socket) -> Option<PortUser> {
    let credentials = getsockopt(connected, PeerCredentials).ok()?;
    PortUser::of(u32::try_from(credentials.pid()).ok()?)
}

/// The numbers of user and group. Blocks.
pub(super) fn ids(owner: &SocketOwner) -> Result<(Option<u32>, Option<u32>), SocketFileError> {
    let user = owner
        .user
        .as_ref()
        .map(|user| id("user", user, |name| User::from_name(name).map(|user| user.map(|user| user.uid.as_raw()))));
    let group = owner.group.as_ref().map(|group| {
        id("group", group, |name| Group::from_name(name).map(|group| group.map(|group| group.gid.as_raw())))
    });
    Ok((user.transpose()?, group.transpose()?))
}

fn id(
    kind: &'static str,
    owner: &Owner,
    look_up: impl FnOnce(&str) -> nix::Result<Option<u32>>,
) -> Result<u32, SocketFileError> {
    match owner {
        Owner::Number(number) => Ok(*number),
        Owner::Name(name) => look_up(name)
            .map_err(io::Error::from)?
            .ok_or_else(|| SocketFileError::NoSuchOwner { kind, name: name.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn what_cannot_be_held_is_discarded_if_it_is_a_socket() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, file) = (folder.path().join("g.sock"), folder.path().join("file"));
        drop(UnixListener::bind(&socket).unwrap());
        fs::write(&file, "precious").unwrap();
        discard(&socket);
        discard(&file);
        assert!(!socket.exists() && file.exists());
    }
}
