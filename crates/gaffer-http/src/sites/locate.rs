//! From the path of a request to an open file, and never to one outside of the site.
//!
//! A path is resolved first, with all its symbolic links, and must be in the site then. What it has come to is opened name by
//! name below the site's folder, and no link is followed on that way: one that was put there in between leads nowhere. So no
//! change of the files, however timed, gets anything from outside.

use std::{
    ffi::OsStr,
    fs::{File, Metadata},
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, open, openat},
    sys::stat::{Mode, SFlag, fstatat},
};

use super::path::SitePath;

/// What is served for a folder.
const INDEX: &str = "index.html";

/// The folder of a plugin that is its site.
const SITE: &str = "_site";

/// What makes a folder more than a site: it must not give away what else is in there.
const PLUGIN: &str = "plugin.ini";

/// A regular file, open for reading.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) metadata: Metadata,
    /// As the client named it, which is what its type goes by.
    pub(super) name: String,
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Found {
    File(Box<Opened>),
    /// A folder with an index, named without a slash.
    Folder,
    Nothing,
}

/// Something in a site.
enum Place {
    File(File, Metadata),
    Folder,
}

/// Looks up a path below a folder of plugins. Blocks.
pub(super) fn find(plugins: &Path, path: &SitePath) -> io::Result<Found> {
    let Some(root) = site(&plugins.join(&path.plugin)) else { return Ok(Found::Nothing) };
    let mut names: Vec<&str> = path.names.iter().map(String::as_str).collect();
    if path.is_folder {
        names.push(INDEX);
    }
    match place(&root, &names)? {
        Some(Place::File(file, metadata)) => {
            let name = names.last().map(|name| (*name).to_owned()).unwrap_or_default();
            Ok(Found::File(Box::new(Opened { file, metadata, name })))
        }
        // A folder without an index is nothing, whether it is named with a slash or without.
        Some(Place::Folder) if !path.is_folder => {
            names.push(INDEX);
            let has_index = matches!(place(&root, &names)?, Some(Place::File(..)));
            Ok(if has_index { Found::Folder } else { Found::Nothing })
        }
        Some(Place::Folder) | None => Ok(Found::Nothing),
    }
}

/// The site of a plugin.
pub(super) fn site(plugin: &Path) -> Option<PathBuf> {
    let own = plugin.join(SITE);
    if own.is_dir() {
        return Some(own);
    }
    let is_there = |error: io::Error| error.kind() != io::ErrorKind::NotFound;
    // Also a link that leads nowhere, or what cannot be looked at, makes it a plugin.
    let is_plugin = plugin.join(PLUGIN).symlink_metadata().map_or_else(is_there, |_| true);
    (!is_plugin && plugin.join(INDEX).is_file()).then(|| plugin.to_owned())
}

/// What stands there in a site; `None` if nothing that may be served.
fn place(root: &Path, names: &[&str]) -> io::Result<Option<Place>> {
    match resolve(root, names) {
        Err(error) if is_nothing(&error) => Ok(None),
        result => result,
    }
}

fn resolve(root: &Path, names: &[&str]) -> io::Result<Option<Place>> {
    let root = root.canonicalize()?;
    let mut target = root.clone();
    target.extend(names);
    let target = target.canonicalize()?;
    let Ok(inside) = target.strip_prefix(&root) else { return Ok(None) };
    let mut names: Vec<&OsStr> = inside.iter().collect();
    let mut folder = open(&root, THROUGH, Mode::empty())?;
    let Some(last) = names.pop() else { return Ok(Some(Place::Folder)) };
    for name in names {
        folder = openat(&folder, name, THROUGH | OFlag::O_NOFOLLOW, Mode::empty())?;
    }
    at(&folder, last)
}

/// To go through a folder, which takes no right to list it.
const THROUGH: OFlag = OFlag::O_PATH.union(OFlag::O_DIRECTORY).union(OFlag::O_CLOEXEC);

/// To read a file, without waiting or becoming a terminal's process if it is none after all.
const READ: OFlag =
    OFlag::O_RDONLY.union(OFlag::O_NOFOLLOW).union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);

/// What has this name in a folder.
fn at(folder: &OwnedFd, name: &OsStr) -> io::Result<Option<Place>> {
    // Before it is opened: that alone may do something, to a device or to who waits at a pipe.
    let stat = fstatat(folder, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFDIR => return Ok(Some(Place::Folder)),
        SFlag::S_IFREG => {}
        _ => return Ok(None),
    }
    let file = File::from(openat(folder, name, READ, Mode::empty())?);
    let metadata = file.metadata()?;
    // It may have been replaced in between.
    Ok(metadata.is_file().then_some(Place::File(file, metadata)))
}

/// Whether an error says that nothing is there, or nothing for us.
fn is_nothing(error: &io::Error) -> bool {
    use Errno::{EACCES, ELOOP, ENAMETOOLONG, ENODEV, ENOENT, ENOTDIR, ENXIO, EPERM};
    let errno = error.raw_os_error().map(Errno::from_raw);
    errno.is_some_and(|errno| [EACCES, ELOOP, ENAMETOOLONG, ENODEV, ENOENT, ENOTDIR, ENXIO, EPERM].contains(&errno))
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::Read,
        os::unix::fs::symlink,
        sync::atomic::{AtomicBool, Ordering},
    };

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;

    const SECRET: &str = "secret";

    /// Plugins, and a secret beside them.
    fn plugins() -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        let site = dir.path().join("plugins/web/_site");
        fs::create_dir_all(site.join("sub")).unwrap();
        fs::write(site.join("index.html"), "index").unwrap();
        fs::write(site.join("sub/page.html"), "page").unwrap();
        fs::write(dir.path().join("plugins/web/plugin.ini"), SECRET).unwrap();
        fs::create_dir(dir.path().join("outside")).unwrap();
        fs::write(dir.path().join("outside/page.html"), SECRET).unwrap();
        fs::write(dir.path().join("outside/index.html"), SECRET).unwrap();
        dir
    }

    /// The content of a file, `/` for a folder, and nothing for nothing.
    fn get(dir: &TempDir, path: &str) -> Option<String> {
        let path = SitePath::read(&format!("/_plugin/{path}"))?;
        match find(&dir.path().join("plugins"), &path).unwrap() {
            Found::File(mut opened) => {
                let mut text = String::new();
                opened.file.read_to_string(&mut text).unwrap();
                Some(text)
            }
            Found::Folder => Some("/".to_owned()),
            Found::Nothing => None,
        }
    }

    #[test]
    fn links_may_lead_within_the_site_alone() {
        let dir = plugins();
        let site = dir.path().join("plugins/web/_site");
        for (name, target) in [
            ("near.html", PathBuf::from("sub/page.html")),
            ("around.html", "sub/../../_site/sub/page.html".into()),
            ("absolute.html", site.join("sub/page.html")),
            ("folder", "sub".into()),
            ("out.html", "../../../outside/page.html".into()),
            ("far.html", dir.path().join("outside/page.html")),
            ("away", dir.path().join("outside")),
            ("up", "..".into()),
            ("ini.html", "../plugin.ini".into()),
            ("root", "/".into()),
            ("me.html", "/proc/self/environ".into()),
            ("loop.html", "loop.html".into()),
            ("nowhere.html", "nothing".into()),
        ] {
            symlink(target, site.join(name)).unwrap();
        }
        for path in ["near.html", "around.html", "absolute.html", "folder/page.html"] {
            assert_eq!(get(&dir, &format!("web/{path}")).as_deref(), Some("page"), "{path}");
        }
        for path in [
            "out.html",
            "far.html",
            "away",
            "away/",
            "away/page.html",
            "up/plugin.ini",
            "ini.html",
            "root/etc/passwd",
            "me.html",
            "loop.html",
            "nowhere.html",
        ] {
            assert_eq!(get(&dir, &format!("web/{path}")), None, "{path}");
        }
    }

    #[test]
    fn the_folder_of_a_site_may_be_a_link_itself() {
        let dir = plugins();
        let plugins = dir.path().join("plugins");
        symlink(dir.path().join("outside"), plugins.join("linked")).unwrap();
        fs::create_dir(plugins.join("other")).unwrap();
        symlink("../../outside", plugins.join("other/_site")).unwrap();
        for path in ["linked/page.html", "other/page.html", "other/"] {
            assert_eq!(get(&dir, path).as_deref(), Some(SECRET), "{path}: its owner says that this is the site");
        }
    }

    #[test]
    fn a_folder_with_web_files_alone_is_a_site() {
        let dir = plugins();
        let plain = dir.path().join("plugins/plain");
        fs::create_dir(&plain).unwrap();
        fs::write(plain.join("page.html"), "plain").unwrap();
        assert_eq!(get(&dir, "plain/page.html"), None, "it has no index");
        fs::write(plain.join("index.html"), "index").unwrap();
        assert_eq!(get(&dir, "plain/page.html").as_deref(), Some("plain"));
        symlink("nothing", plain.join("plugin.ini")).unwrap();
        assert_eq!(get(&dir, "plain/page.html"), None, "it is more than a site");
        fs::create_dir(plain.join("_site")).unwrap();
        fs::write(plain.join("_site/page.html"), "site").unwrap();
        assert_eq!(get(&dir, "plain/page.html").as_deref(), Some("site"));
    }

    /// Looks again and again for a file that `exchange` keeps replacing by a link to the secret.
    fn is_never_led_out(dir: &TempDir, path: &str, exchange: impl Fn() + Sync) {
        let over = AtomicBool::new(false);
        let texts: Vec<Option<String>> = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    exchange();
                }
            });
            let texts = (0..5000).map(|_| get(dir, path)).collect();
            over.store(true, Ordering::Relaxed);
            texts
        });
        assert!(texts.iter().flatten().all(|text| text == "page"));
        assert!(texts.iter().any(Option::is_some), "it is there now and then");
    }

    #[test]
    fn a_file_that_is_replaced_by_a_link_meanwhile_leads_nowhere() {
        let dir = plugins();
        let sub = dir.path().join("plugins/web/_site/sub");
        let [page, link, copy] = ["page.html", "link", "copy"].map(|name| sub.join(name));
        fs::copy(&page, sub.join("kept")).unwrap();
        is_never_led_out(&dir, "web/sub/page.html", || {
            symlink(dir.path().join("outside/page.html"), &link).unwrap();
            fs::rename(&link, &page).unwrap();
            fs::hard_link(sub.join("kept"), &copy).unwrap();
            fs::rename(&copy, &page).unwrap();
        });
    }

    #[test]
    fn a_folder_that_is_replaced_by_a_link_meanwhile_leads_nowhere() {
        let dir = plugins();
        let [sub, trap, spare] = ["sub", "trap", "spare"].map(|name| dir.path().join("plugins/web/_site").join(name));
        symlink(dir.path().join("outside"), &trap).unwrap();
        is_never_led_out(&dir, "web/sub/page.html", || {
            for (from, to) in [(&sub, &spare), (&trap, &sub), (&sub, &trap), (&spare, &sub)] {
                fs::rename(from, to).unwrap();
            }
        });
    }

    /// Places that links lead to.
    const TARGETS: [&str; 12] = [
        "../plugin.ini",
        "../../../outside",
        "../../../outside/page.html",
        "..",
        "../..",
        "../../..",
        "/proc/self/root",
        "sub",
        "a",
        "b",
        ".",
        "sub/../../../..",
    ];

    /// Segments of paths: names of links, and of what they may lead to.
    const SEGMENTS: [&str; 9] = ["a", "b", "sub", "outside", "page.html", "plugin.ini", "plugins", "web", "_site"];

    proptest! {
        #[test]
        fn nothing_outside_is_ever_read(
            targets in [prop::sample::select(&TARGETS[..]), prop::sample::select(&TARGETS[..])],
            first in prop::sample::select(&["a", "b", "sub"][..]),
            rest in prop::collection::vec(prop::sample::select(&SEGMENTS[..]), 0..4),
            slash in prop::sample::select(&["", "/"][..]),
        ) {
            let dir = plugins();
            for (name, target) in ["a", "b"].into_iter().zip(targets) {
                symlink(target, dir.path().join("plugins/web/_site").join(name)).unwrap();
            }
            let path = std::iter::once(first).chain(rest).collect::<Vec<_>>().join("/");
            let text = get(&dir, &format!("web/{path}{slash}"));
            prop_assert_ne!(text.as_deref(), Some(SECRET));
        }
    }
}
