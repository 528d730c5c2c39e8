//! Folders and files that somebody else has made, or could: they are refused, and nothing is done to them.

use std::{
    env, fs,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
        net::UnixListener,
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::Command,
};

use gaffer_state::{StateError, StateFile, StateFolder};
use nix::{sys::stat::Mode, unistd};

/// Two users that are not root, and that need not be known to the system.
const USER: u32 = 65534;
const OTHER_USER: u32 = 65533;

/// All that may be there under a name that is used.
const DATABASE: [&str; 4] = ["state.db", "state.db-wal", "state.db-shm", "state.db-journal"];

/// Names what was prepared for [`a_user`].
const PREPARED: &str = "GAFFER_TEST_STATE_PREPARED";

fn is_root() -> bool {
    unistd::geteuid().is_root()
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn give(path: &Path, user: u32) {
    chown(path, Some(user), Some(user)).unwrap();
}

/// All ways to have a folder.
fn open_all(path: &Path) -> [Result<StateFolder, StateError>; 3] {
    [StateFolder::lock(path), StateFolder::open(path), StateFolder::existing(path).map(Option::unwrap)]
}

/// All ways to have a state file that is there.
fn open_files(folder: &Path) -> [Result<StateFile, StateError>; 3] {
    let opened = StateFolder::open(folder).unwrap();
    let existing = opened.existing_file().map(Option::unwrap);
    [opened.file(), existing, StateFile::open(&folder.join("state.db"))]
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, StateError>, at: &Path, told: &str) {
    let error = result.unwrap_err();
    assert!(matches!(&error, StateError::Untrusted { path, .. } if path == at), "{error:?}");
    let expected = format!("`{}` is not safe to use: it {told}", at.display());
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[track_caller]
fn assert_folder_refused(path: &Path, told: &str) {
    let before = fs::read_dir(path).unwrap().count();
    for result in open_all(path) {
        assert_refused(result, path, told);
    }
    assert_eq!(fs::read_dir(path).unwrap().count(), before, "nothing is made in it");
}

/// A folder in which all is as it must be, with a state file. Nobody has it open any more, who would remove what is beside it.
async fn good_folder(root: &Path) -> PathBuf {
    let path = root.join("state");
    StateFolder::lock(&path).unwrap().file().unwrap().close().await;
    path
}

#[test]
fn a_folder_to_which_others_may_write_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("state");
    fs::create_dir(&path).unwrap();
    for mode in [0o770, 0o720, 0o702, 0o777, 0o1777] {
        set_mode(&path, mode);
        let told =
            format!("may be written to by others than its owner (mode {mode:o}); take that from them: chmod go-w");
        assert_folder_refused(&path, &told);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, mode, "it is as it was");
    }
    for mode in [0o700, 0o755, 0o750] {
        set_mode(&path, mode);
        let _all_open = open_all(&path).map(Result::unwrap);
    }
}

#[tokio::test]
async fn a_link_to_a_folder_is_followed_and_what_it_leads_to_must_be_trusted() {
    let root = tempfile::tempdir().unwrap();
    let (path, link) = (root.path().join("elsewhere"), root.path().join("state"));
    fs::create_dir(&path).unwrap();
    set_mode(&path, 0o755);
    symlink("elsewhere", &link).unwrap();
    for folder in open_all(&link).map(Result::unwrap) {
        assert_eq!(folder.path(), link);
        folder.file().unwrap().close().await;
    }
    assert!(path.join("lock").is_file() && path.join("state.db").is_file());

    set_mode(&path, 0o775);
    assert_folder_refused(&link, "may be written to by others");
    fs::remove_dir_all(&path).unwrap();
    assert!(StateFolder::existing(&link).unwrap().is_none(), "it leads nowhere");
    assert!(matches!(StateFolder::open(&link), Err(StateError::Folder { .. })));
}

#[tokio::test]
async fn a_link_instead_of_a_file_is_refused_and_what_it_leads_to_is_as_it_was() {
    let root = tempfile::tempdir().unwrap();
    let victim = root.path().join("victim");
    fs::write(&victim, "dear").unwrap();
    set_mode(&victim, 0o644);
    let path = good_folder(root.path()).await;
    for (target, is_there) in [(victim.clone(), true), (root.path().join("nothing"), false)] {
        for name in DATABASE {
            let (at, kept) = (path.join(name), root.path().join("kept"));
            let was_there = fs::rename(&at, &kept).is_ok();
            symlink(&target, &at).unwrap();
            for result in open_files(&path) {
                assert_refused(result, &at, "is a link to somewhere else; remove it");
            }
            fs::remove_file(&at).unwrap();
            if was_there {
                fs::rename(&kept, &at).unwrap();
            }
        }
        let at = path.join("lock");
        let _none_the_second_time = fs::remove_file(&at);
        symlink(&target, &at).unwrap();
        assert_refused(StateFolder::lock(&path), &at, "is a link to somewhere else; remove it");
        fs::remove_file(&at).unwrap();
        assert_eq!(target.exists(), is_there);
    }
    assert_eq!(fs::read(&victim).unwrap(), b"dear");
    assert_eq!(fs::metadata(&victim).unwrap().mode() & 0o777, 0o644);
    StateFolder::lock(&path).unwrap();
    let _all_open = open_files(&path).map(Result::unwrap);
}

#[test]
fn what_is_no_file_is_refused() {
    type Make = fn(&Path);
    let root = tempfile::tempdir().unwrap();
    let makers: [(&str, Make); 3] = [
        ("folder", |at| fs::create_dir(at).unwrap()),
        ("pipe", |at| unistd::mkfifo(at, Mode::S_IRWXU).unwrap()),
        ("socket", |at| drop(UnixListener::bind(at).unwrap())),
    ];
    for (kind, make) in makers {
        for name in DATABASE {
            let path = root.path().join(format!("{kind} {name}"));
            fs::create_dir(&path).unwrap();
            set_mode(&path, 0o700);
            // Not to be looked for in vain.
            fs::write(path.join("state.db"), "").unwrap();
            let at = path.join(name);
            let _only_one_of_them = fs::remove_file(&at);
            make(&at);
            for result in open_files(&path) {
                assert_refused(result, &at, "is no regular file; move it away");
            }
        }
        let path = root.path().join(kind);
        fs::create_dir(&path).unwrap();
        set_mode(&path, 0o700);
        make(&path.join("lock"));
        assert_refused(StateFolder::lock(&path), &path.join("lock"), "is no regular file; move it away");
        StateFolder::open(&path).unwrap();
    }
}

#[tokio::test]
async fn root_refuses_what_belongs_to_a_user() {
    if !is_root() {
        eprintln!("skipped: only root can give a file away");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let path = good_folder(root.path()).await;
    let told = format!("belongs to user {USER}, and gafferd runs as user 0; ");
    give(&path, USER);
    assert_folder_refused(&path, &told);
    give(&path, 0);

    let at = path.join("lock");
    fs::write(&at, "1\n").unwrap();
    give(&at, USER);
    assert_refused(StateFolder::lock(&path), &at, &told);
    assert_eq!(fs::read(&at).unwrap(), b"1\n", "it is as it was");
    give(&at, 0);
    StateFolder::lock(&path).unwrap();

    for name in DATABASE {
        let at = path.join(name);
        let was_there = at.exists();
        if !was_there {
            fs::write(&at, "").unwrap();
        }
        set_mode(&at, 0o644);
        give(&at, USER);
        for result in open_files(&path) {
            assert_refused(result, &at, &told);
        }
        assert_eq!(fs::metadata(&at).unwrap().mode() & 0o777, 0o644, "it is as it was");
        if was_there {
            give(&at, 0);
        } else {
            fs::remove_file(&at).unwrap();
        }
    }
    let _all_open = open_files(&path).map(Result::unwrap);
}

#[test]
fn a_user_trusts_nobody_else_but_root_with_the_folder() {
    if !is_root() {
        eprintln!("skipped: only root can prepare what belongs to others");
        return;
    }
    let root = tempfile::tempdir().unwrap();
    set_mode(root.path(), 0o755);
    for (name, owner) in [("mine", USER), ("of root", 0), ("of another", OTHER_USER)] {
        let path = root.path().join(name);
        fs::create_dir(&path).unwrap();
        set_mode(&path, 0o755);
        give(&path, owner);
    }
    for name in ["lock", "state.db"] {
        let at = root.path().join("mine").join(name);
        fs::write(&at, "").unwrap();
        // Which is no reason to use it.
        set_mode(&at, 0o666);
    }
    // Where the user can reach it.
    let program = root.path().join("it");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new(&program);
    command.args(["trust::a_user", "--exact", "--ignored", "--nocapture"]);
    command.current_dir(root.path()).env(PREPARED, root.path());
    let output = match command.uid(USER).gid(USER).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: nothing can be started as another user: {error}");
            return;
        }
    };
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Run by the test above, in a program of its own.
#[test]
#[ignore = "run by another test, in a program of its own"]
fn a_user() {
    let Some(prepared) = env::var_os(PREPARED).map(PathBuf::from) else { return };
    let of_another = format!(
        "belongs to user {OTHER_USER}, and gafferd runs as user {USER}; run it as its owner, or choose another"
    );
    assert_folder_refused(&prepared.join("of another"), &of_another);

    let of_root = prepared.join("of root");
    StateFolder::open(&of_root).unwrap();
    StateFolder::existing(&of_root).unwrap().unwrap();
    assert!(
        matches!(StateFolder::lock(&of_root), Err(StateError::Folder { .. })),
        "it is safe, but not to be written to"
    );

    let mine = prepared.join("mine");
    let told = format!("belongs to user 0, and gafferd runs as user {USER}; run it as its owner, or, if");
    assert_refused(StateFolder::lock(&mine), &mine.join("lock"), &told);
    for result in open_files(&mine) {
        assert_refused(result, &mine.join("state.db"), &told);
    }
    for name in ["lock", "state.db"] {
        fs::remove_file(mine.join(name)).unwrap();
    }
    let _mine = StateFolder::lock(&mine).unwrap().file().unwrap();
    let _all_open = open_files(&mine).map(Result::unwrap);
}
