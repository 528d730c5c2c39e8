//! Files, folders and what they include.

use std::{fs, os::unix::fs::symlink, path::Path};

use crate::ini::NodeConfig;

/// A folder with the given files; `gaffer.ini` is the one to read.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// What is said of `gaffer.ini`, with the folder's own path left out.
#[track_caller]
fn refused(folder: &tempfile::TempDir) -> String {
    let errors = NodeConfig::read(&folder.path().join("gaffer.ini")).unwrap_err();
    errors.to_string().replace(&format!("{}/", folder.path().display()), "")
}

#[track_caller]
fn read(folder: &tempfile::TempDir) -> NodeConfig {
    match NodeConfig::read(&folder.path().join("gaffer.ini")) {
        Ok(config) => config,
        Err(errors) => panic!("{errors}"),
    }
}

fn names(config: &NodeConfig) -> Vec<String> {
    config.jobs.iter().map(|job| job.name().short()).collect()
}

#[test]
fn a_folder_stands_for_its_gafferd_ini() {
    let folder = folder(&[("gafferd.ini", "[process:a]\ncmd = x\n")]);
    let config = NodeConfig::read(folder.path()).unwrap();
    assert_eq!(names(&config), ["a"]);
    assert_eq!(config.files, [folder.path().join("gafferd.ini")]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    assert_eq!(
        NodeConfig::read(Path::new("/nowhere/gaffer.ini")).unwrap_err().to_string(),
        "/nowhere/gaffer.ini: cannot be read: No such file or directory (os error 2)"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gafferd.ini");
    assert_eq!(
        NodeConfig::read(folder.path()).unwrap_err().to_string(),
        format!("{}: cannot be read: No such file or directory (os error 2)", path.display())
    );
}

#[test]
fn included_files_are_read_after_their_file_in_order_and_relative_to_it() {
    let folder = folder(&[
        (
            "gaffer.ini",
            "[gaffer]\ninclude = sub/one.ini 'two words.ini'\n  \"#three.ini\"\ninclude_dir = conf.d more\n\
             backlog = 3\n[process:main]\ncmd = x\n[env:deep]\na = 1\n",
        ),
        (
            "sub/one.ini",
            "[gaffer]\ninclude = two.ini\nbind = :1\n[process:one]\ncmd = x\n[webhooks]\nexit = http://x\n",
        ),
        ("sub/two.ini", "[process:two]\ncmd = x\n[webhooks]\nspawn = http://x\n"),
        ("two words.ini", "[process:words]\ncmd = x\n"),
        ("#three.ini", "[process:three]\ncmd = x\n"),
        ("conf.d/b.ini", "[process:b]\ncmd = x\n"),
        ("conf.d/a/z.ini", "[process:deep]\ncmd = x\n"),
        ("conf.d/a.txt", "not an ini"),
        ("conf.d/.#b.ini", "what an editor left"),
        ("conf.d/c.ini.bak", "not an ini"),
        ("more/m.ini", "[endpoint:m]\nbind = :1\n"),
    ]);
    let config = read(&folder);
    assert_eq!(names(&config), ["main", "one", "two", "words", "three", "deep", "b"]);
    assert_eq!(config.jobs[5].env()["A"], "1");
    assert_eq!(config.settings.backlog, Some(3));
    let place = |key| config.place_of(key).map(|place| (place.file.file_name().unwrap().to_owned(), place.line));
    assert_eq!(place("backlog"), Some(("gaffer.ini".into(), 5)));
    assert_eq!(place("bind"), Some(("one.ini".into(), 3)));
    assert_eq!(place("cors_origins"), None);
    assert_eq!(config.settings.bind, ":1".parse().ok());
    assert_eq!(config.webhooks.len(), 2);
    assert_eq!(config.endpoints.len(), 1);
    let relative = |paths: &[std::path::PathBuf]| -> Vec<String> {
        paths.iter().map(|path| path.strip_prefix(folder.path()).unwrap().display().to_string()).collect()
    };
    assert_eq!(relative(&config.settings.include), ["sub/one.ini", "sub/two.ini", "two words.ini", "#three.ini"]);
    assert_eq!(relative(&config.settings.include_dir), ["conf.d", "more"]);
    assert_eq!(
        relative(&config.files),
        [
            "gaffer.ini",
            "sub/one.ini",
            "sub/two.ini",
            "two words.ini",
            "#three.ini",
            "conf.d/a/z.ini",
            "conf.d/b.ini",
            "more/m.ini"
        ]
    );
}

#[test]
fn mistakes_of_all_files_are_told_with_their_places() {
    let folder = folder(&[
        ("gaffer.ini", "[gaffer]\ninclude = a.ini nope.ini\nbacklog = x\ninclude_dir = nodir\n"),
        ("a.ini", "\n[process:a]\n"),
    ]);
    assert_eq!(
        refused(&folder),
        "gaffer.ini:2: [gaffer] include: `nope.ini` cannot be read: No such file or directory (os error 2)\n\
         gaffer.ini:3: [gaffer] backlog: must be a whole number of 1 or more, but is `x`\n\
         gaffer.ini:4: [gaffer] include_dir: `nodir` cannot be read: No such file or directory (os error 2)\n\
         a.ini:2: [process:a] has no `cmd`; give the command to launch, or remove the section"
    );
}

#[test]
fn what_two_files_say_of_one_thing_is_refused_with_both_places() {
    let folder = folder(&[
        ("gaffer.ini", "[gaffer]\ninclude = a.ini\nbacklog = 1\n[process:a]\ncmd = x\n[endpoint:e]\nbind = :1\n"),
        ("a.ini", "[gaffer]\nbacklog = 2\n[job:a]\ncmd = x\n[endpoint:e]\nbind = :1\n"),
    ]);
    assert_eq!(
        refused(&folder),
        "a.ini:2: [gaffer] backlog: is given already at gaffer.ini:3; keep one of the two\n\
         a.ini:3: [job:a] names the job `default.a`, which [process:a] at gaffer.ini:4 names already; keep one, or \
         rename it\n\
         a.ini:5: [endpoint:e] is given already at gaffer.ini:6; join the two"
    );
}

#[test]
fn files_that_include_each_other_are_refused_with_the_circle() {
    let alone = folder(&[("gaffer.ini", "[gaffer]\ninclude = gaffer.ini\n")]);
    assert_eq!(refused(&alone), "gaffer.ini:2: [gaffer] include: goes in a circle: gaffer.ini -> gaffer.ini");
    let many = folder(&[
        ("gaffer.ini", "[gaffer]\ninclude = a.ini\n"),
        ("a.ini", "[gaffer]\n\ninclude = d/b.ini\n"),
        ("d/b.ini", "[gaffer]\ninclude = ../a.ini\n"),
    ]);
    assert_eq!(refused(&many), "d/b.ini:2: [gaffer] include: goes in a circle: a.ini -> d/b.ini -> d/../a.ini");
}

#[test]
fn a_file_is_included_once() {
    let folder = folder(&[
        ("gaffer.ini", "[gaffer]\ninclude = a.ini b.ini\n"),
        ("a.ini", "[gaffer]\ninclude = b.ini\n"),
        ("b.ini", ""),
    ]);
    assert_eq!(
        refused(&folder),
        "gaffer.ini:2: [gaffer] include: `b.ini` is read already, because of a.ini:2; include it once"
    );
}

#[test]
fn a_folder_may_hold_what_is_read_already() {
    let folder = folder(&[
        ("gaffer.ini", "[gaffer]\ninclude = b.ini\ninclude_dir = .\n[process:main]\ncmd = x\n"),
        ("a.ini", "[process:a]\ncmd = x\n"),
        ("b.ini", "[process:b]\ncmd = x\n"),
    ]);
    symlink("a.ini", folder.path().join("c.ini")).unwrap();
    assert_eq!(names(&read(&folder)), ["main", "b", "a"]);
}

#[test]
fn depth_is_bounded_for_files_and_folders() {
    let files: Vec<(String, String)> =
        (0..20).map(|n| (format!("{n}.ini"), format!("[gaffer]\ninclude = {}.ini\n", n + 1))).collect();
    let mut files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    files.push(("gaffer.ini", "[gaffer]\ninclude = 0.ini\n"));
    let deep = folder(&files);
    assert_eq!(
        refused(&deep),
        "14.ini:2: [gaffer] include: is 16 files deep; include the file from one nearer to the top"
    );
    let circle = folder(&[("gaffer.ini", "[gaffer]\ninclude_dir = d\n"), ("d/a.ini", "")]);
    symlink(".", circle.path().join("d/loop")).unwrap();
    assert_eq!(
        refused(&circle),
        "gaffer.ini:2: [gaffer] include_dir: is 16 files deep; include the file from one nearer to the top"
    );
}

#[test]
fn only_files_are_included() {
    let folder = folder(&[("gaffer.ini", "[gaffer]\ninclude = d\n"), ("d/a.ini", "")]);
    assert_eq!(
        refused(&folder),
        "gaffer.ini:2: [gaffer] include: `d` cannot be read: it is a folder; name it in `include_dir`"
    );
    fs::write(folder.path().join("gaffer.ini"), "[gaffer]\ninclude = /dev/zero\n").unwrap();
    assert_eq!(refused(&folder), "gaffer.ini:2: [gaffer] include: `/dev/zero` cannot be read: it is not a file");
    fs::write(folder.path().join("gaffer.ini"), "[gaffer]\ninclude = 'a\n").unwrap();
    assert_eq!(refused(&folder), "gaffer.ini:2: [gaffer] include: has an open quote or a trailing backslash: `'a`");
    assert!(NodeConfig::read(Path::new("/dev/null")).unwrap().jobs.is_empty());
}

#[test]
fn sizes_are_bounded() {
    assert_eq!(
        NodeConfig::read(Path::new("/dev/zero")).unwrap_err().to_string(),
        "/dev/zero: is larger than 16777216 bytes; is it a configuration?"
    );
    let half = format!("#{}\n", "x".repeat(9 * 1024 * 1024));
    let folder = folder(&[("gaffer.ini", &format!("[gaffer]\ninclude = a.ini\n{half}")), ("a.ini", &half)]);
    assert_eq!(
        refused(&folder),
        "gaffer.ini:2: [gaffer] include: `a.ini` cannot be read: with it the configuration is larger than 16777216 bytes"
    );
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gaffer.ini");
    for (bytes, message) in [
        (&b"[gaffer]\n\nbind = \xe9\n"[..], ":3: holds the byte 0xe9, which is not UTF-8; save the file as UTF-8"),
        (b"[gaffer]\r\n\xff", ":2: holds the byte 0xff, which is not UTF-8; save the file as UTF-8"),
        (b"[gaffer]\r\r\xff", ":3: holds the byte 0xff, which is not UTF-8; save the file as UTF-8"),
        (b"\xff\xfe[\0", ":1: holds the byte 0xff, which is not UTF-8; save the file as UTF-8"),
        (b"[gaffer]\n\0", ":2: holds a NUL character; is it a text file?"),
    ] {
        fs::write(&path, bytes).unwrap();
        let errors = NodeConfig::read(&path).unwrap_err();
        assert_eq!(errors.to_string(), format!("{}{message}", path.display()));
    }
}
