//! Unix sockets, from their making to their removal.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink},
    path::Path,
};

use gaffer_http::serve::{BindError, Endpoint, Limits, Listener, SocketOwner, TlsFiles};
use tempfile::TempDir;
use tokio::net::UnixStream;

use crate::{server::Fixture, wire::Wire};

fn endpoint(path: &Path) -> Endpoint {
    let bind = format!("unix:{}", path.display()).parse().unwrap();
    Endpoint { name: "local".into(), bind, ..Endpoint::default() }
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The message of a refusal with all its causes.
async fn refusal(endpoint: &Endpoint) -> String {
    let error = Listener::bind(endpoint).await.unwrap_err();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn a_socket_lives_as_long_as_its_server() {
    let folder = folder();
    let path = folder.path().join("g.sock");
    let server = Fixture::at(&endpoint(&path)).await;
    assert_eq!(server.listening.to_string(), format!("unix:{}", path.display()));
    assert_eq!(mode(&path), 0o600);
    let mut wire = Wire::over(UnixStream::connect(&path).await.unwrap());
    wire.send("GET /who HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let uid = nix::unistd::getuid();
    let expected = format!("local Unix {{ uid: Some({uid}), os_pid: Some({}) }} false", std::process::id());
    wire.until(&expected).await;
    server.stop().await;
    assert_eq!(wire.rest().await, "");
    assert!(!path.exists());
}

#[tokio::test]
async fn mode_and_owner_are_as_asked() {
    let folder = folder();
    let path = folder.path().join("g.sock");
    let (user, group) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    let owner = SocketOwner::from_text(&format!("{user}:{group}"));
    let wanted = Endpoint { mode: 0o666, owner, ..endpoint(&path) };
    let listener = Listener::bind(&wanted).await.unwrap();
    assert_eq!(mode(&path), 0o666, "whatever the umask says");
    drop(listener);

    if user == 0 {
        let owner = SocketOwner::from_text("nobody:4711");
        let listener = Listener::bind(&Endpoint { mode: 0o660, owner, ..endpoint(&path) }).await.unwrap();
        let found = fs::metadata(&path).unwrap();
        let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap().uid.as_raw();
        assert_eq!((found.uid(), found.gid(), mode(&path)), (nobody, 4711, 0o660));
        drop(listener);
    }
    let owner = SocketOwner::from_text("no-such-user");
    let text = refusal(&Endpoint { owner, ..endpoint(&path) }).await;
    assert!(text.ends_with(": its owner: there is no user `no-such-user`"), "{text}");
    assert!(!path.exists());
}

#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let folder = folder();
    let path = folder.path().join("g.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(fs::metadata(&path).unwrap().file_type().is_socket(), "its owner is gone, and it is not");
    let server = Fixture::at(&endpoint(&path)).await;
    UnixStream::connect(&path).await.unwrap();
    server.stop().await;
    assert!(!path.exists());
}

#[tokio::test]
async fn a_live_socket_is_left_alone() {
    let folder = folder();
    let path = folder.path().join("g.sock");
    let holder = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let error = Listener::bind(&endpoint(&path)).await.unwrap_err();
    let BindError::InUse { user: Some(user), .. } = &error else { panic!("{error}") };
    assert_eq!(user.os_pid, std::process::id());
    assert!(error.to_string().contains("g.sock: it is in use by "), "{error}");
    holder.accept().unwrap();

    let datagrams = folder.path().join("datagrams.sock");
    let _other = std::os::unix::net::UnixDatagram::bind(&datagrams).unwrap();
    let error = Listener::bind(&endpoint(&datagrams)).await.unwrap_err();
    assert!(matches!(error, BindError::InUse { user: None, .. }), "{error}");
    assert!(path.exists() && datagrams.exists());
}

#[tokio::test]
async fn of_two_that_start_at_once_one_gets_the_socket() {
    let folder = folder();
    let path = folder.path().join("g.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let wanted = endpoint(&path);
    let (one, other) = tokio::join!(Listener::bind(&wanted), Listener::bind(&wanted));
    let (good, bad): (Vec<_>, Vec<_>) = [one, other].into_iter().partition(Result::is_ok);
    assert_eq!((good.len(), bad.len()), (1, 1), "{bad:?}");
    UnixStream::connect(&path).await.unwrap();
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let folder = folder();
    let (file, link, dir) = (folder.path().join("file"), folder.path().join("link"), folder.path().join("dir"));
    fs::write(&file, "precious").unwrap();
    let socket = folder.path().join("g.sock");
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    symlink(&socket, &link).unwrap();
    fs::create_dir(&dir).unwrap();
    for path in [&file, &link, &dir] {
        let text = refusal(&endpoint(path)).await;
        assert!(
            text.ends_with(
                "a file that is no socket has this name, and is left alone; remove it, or choose another path"
            ),
            "{text}"
        );
    }
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    assert!(link.is_symlink() && dir.is_dir());
    let missing = refusal(&endpoint(&folder.path().join("missing/g.sock"))).await;
    assert!(missing.contains("missing cannot be used: No such file or directory"), "{missing}");
}

#[tokio::test]
async fn another_file_in_its_place_is_not_removed() {
    let folder = folder();
    let path = folder.path().join("g.sock");
    let server = Fixture::at(&endpoint(&path)).await;
    fs::remove_file(&path).unwrap();
    let _other = std::os::unix::net::UnixListener::bind(&path).unwrap();
    server.stop().await;
    assert!(path.exists());
}

#[tokio::test]
async fn its_limit_is_its_own() {
    let folder = folder();
    let path = folder.path().join("g.sock");
    let limits = Limits { max_connections: 1, ..Limits::default() };
    let server = Fixture::at(&Endpoint { limits, ..endpoint(&path) }).await;
    let mut kept = Wire::over(UnixStream::connect(&path).await.unwrap());
    kept.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    kept.until("hello").await;
    let mut refused = Wire::over(UnixStream::connect(&path).await.unwrap());
    refused.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(refused.rest().await.starts_with("HTTP/1.1 503 "));
    server.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_cannot_speak_tls_leaves_no_socket() {
    let folder = folder();
    let path = folder.path().join("g.sock");
    let tls = Some(TlsFiles { certfile: folder.path().join("none.pem"), keyfile: None, cacert: None });
    let text = refusal(&Endpoint { tls, ..endpoint(&path) }).await;
    assert!(text.starts_with("cannot serve TLS at endpoint `local`: certfile "), "{text}");
    assert!(text.ends_with("none.pem: No such file or directory (os error 2)"), "{text}");
    assert!(!path.exists());
}
