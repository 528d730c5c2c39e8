//! The programs under test.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::lock::exclusive;

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The folder of the running test's profile, such as `target/debug`.
fn profile_dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        // The test itself is <target>/<profile>/deps/<name>.
        let test = env::current_exe().unwrap();
        let deps = test.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "deps"));
        deps.and_then(Path::parent).expect("the test lies in a target folder").to_owned()
    })
}

pub(crate) fn target_dir() -> &'static Path {
    profile_dir().parent().unwrap()
}

/// The path of a program of the workspace, built from the present source.
pub fn binary(name: &str) -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| build(&["--workspace", "--bins"]));
    let path = profile_dir().join(name);
    assert!(path.exists(), "{} was not built", path.display());
    path
}

/// The `PATH` on which our programs come first.
pub(crate) fn search_path() -> OsString {
    let folder = binary("gafferd").parent().unwrap().to_owned();
    let others = env::var_os("PATH").unwrap_or_default();
    env::join_paths([folder].into_iter().chain(env::split_paths(&others))).unwrap()
}

/// The path of an example of a crate, built from the present source.
pub fn example(package: &str, name: &str) -> PathBuf {
    // Apart from the programs: what only tests and examples need must not be built into those.
    build(&["--package", package, "--example", name]);
    profile_dir().join("examples").join(name)
}

fn build(what: &[&str]) {
    let _other_test_processes_wait = exclusive("e2e-build.lock");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet"]).args(what).current_dir(repository());
    cargo.arg("--target-dir").arg(target_dir());
    match profile_dir().file_name().and_then(|name| name.to_str()) {
        Some("debug") => {}
        Some(profile) => {
            cargo.args(["--profile", profile]);
        }
        None => unreachable!("a folder below the target folder has a name"),
    }
    // What cargo tells a test of its package would look like a change to the build.
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let of_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
        if of_package.iter().any(|prefix| text.starts_with(prefix)) {
            cargo.env_remove(&name);
        }
    }
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "the programs do not build:\n{}", String::from_utf8_lossy(&output.stderr));
}
