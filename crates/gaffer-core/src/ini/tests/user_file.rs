//! The file of the command line clients.

use std::{env, fs, path::Path};

use proptest::prelude::*;

use crate::ini::{Place, UserFile};

#[track_caller]
fn good(text: &str) -> UserFile {
    match UserFile::parse("/etc/gaffer.ini", text) {
        Ok(file) => file,
        Err(errors) => panic!("{text:?} was refused:\n{errors}"),
    }
}

#[track_caller]
fn bad_each(cases: &[(&str, &str)]) {
    for (text, message) in cases {
        match UserFile::parse("gaffer.ini", text) {
            Ok(file) => panic!("{text:?} was read as {file:?}"),
            Err(errors) => assert_eq!(errors.to_string(), *message, "{text:?}"),
        }
    }
}

#[test]
fn nodes_come_in_the_order_of_the_file() {
    let file = good(
        "# mine\n[node \"https://shop.example:5000\"]\nName = shop\nkey: s3c=ret\ncertfile = me.pem\nkeyfile = /k/me.key\n\
         cacert =\n\n[ node   \"unix:/run/gaffer.sock\" ] ; by file\n",
    );
    let [shop, local] = &file.nodes[..] else { panic!("{file:?}") };
    assert_eq!(
        (shop.url.as_str(), &shop.place),
        ("https://shop.example:5000", &Place::new(Path::new("/etc/gaffer.ini"), 2))
    );
    assert_eq!((shop.name.as_deref(), shop.key.as_deref()), (Some("shop"), Some("s3c=ret")));
    assert_eq!(shop.certfile.as_deref(), Some(Path::new("/etc/me.pem")), "relative to the file");
    assert_eq!(shop.keyfile.as_deref(), Some(Path::new("/k/me.key")));
    assert_eq!(shop.cacert, None, "as if it were not given");
    assert_eq!((local.url.as_str(), &local.name, &local.key), ("unix:/run/gaffer.sock", &None, &None));
    assert_eq!(good("").nodes, []);
}

#[test]
fn a_bracket_in_quotes_does_not_end_the_header() {
    let file = good("[node \"http://[::1]:5000\"]\nname = six\n");
    assert_eq!(file.nodes[0].url, "http://[::1]:5000");
}

#[test]
fn a_tilde_is_the_home_folder() {
    let home = env::home_dir().unwrap();
    let node = &good("[node \"http://a\"]\ncertfile = ~/me.pem\ncacert = ~me/ca.pem\n").nodes[0];
    assert_eq!(node.certfile, Some(home.join("me.pem")));
    assert_eq!(node.cacert.as_deref(), Some(Path::new("/etc/~me/ca.pem")), "only one's own is known");
}

#[test]
fn headers_that_name_no_node_come_with_a_suggestion() {
    bad_each(&[
        (
            "[nod \"http://a\"]",
            "gaffer.ini:1: [nod \"http://a\"] is not a section of this file; did you mean `[node \"http://a\"]`?",
        ),
        ("[Node]", "gaffer.ini:1: [Node] is not a section of this file; did you mean `[node \"URL\"]`?"),
        ("[gaffer]", "gaffer.ini:1: [gaffer] is not a section of this file; expected [node \"URL\"]"),
        (
            "name = x",
            "gaffer.ini:1: `…` stands before the first section; begin with a header such as \
             `[node \"http://127.0.0.1:5000\"]`",
        ),
    ]);
    for header in [
        "node",
        "node http://a",
        "node:http://a",
        "node \"\"",
        "node \" \"",
        "node \"http://a",
        "node \"http://[::1]:1",
        "node \"a\"b\"",
        "node \"a\" b",
    ] {
        let message = "must name the node by its URL, in quotes, such as `[node \"http://127.0.0.1:5000\"]`";
        bad_each(&[(&format!("[{header}]"), &format!("gaffer.ini:1: [{header}] {message}"))]);
    }
}

#[test]
fn keys_that_are_unknown_or_do_not_fit_are_refused() {
    bad_each(&[
        (
            "[node \"a\"]\nkeyfiel = x",
            "gaffer.ini:2: [node \"a\"] keyfiel: is not a key of this section; did you mean `keyfile`?",
        ),
        (
            "[node \"a\"]\ncolour = red",
            "gaffer.ini:2: [node \"a\"] colour: is not a key of this section; expected one of key, certfile, keyfile, \
             cacert, name",
        ),
        (
            "[node \"a\"]\nname = http://a",
            "gaffer.ini:2: [node \"a\"] name: must be a word without `:` and `/`, which stand in URLs, but is `http://a`",
        ),
        (
            "[node \"a\"]\nname = a # mine",
            "gaffer.ini:2: [node \"a\"] name: must be a word without `:` and `/`, which stand in URLs, but is `a # mine`; a \
             comment must stand on a line of its own",
        ),
    ]);
}

#[test]
fn what_is_given_twice_is_refused_with_both_lines() {
    bad_each(&[
        (
            "[node \"a\"]\nname = x\n[node  \"a\"]\n",
            "gaffer.ini:3: [node  \"a\"] is given already at gaffer.ini:1; join the two",
        ),
        (
            "[node \"a\"]\nkey = x\nKEY = y\n",
            "gaffer.ini:3: [node \"a\"] KEY: is given already at gaffer.ini:2; keep one of the two",
        ),
        (
            "[node \"a\"]\nname = x\n[node \"b\"]\nname = x\n",
            "gaffer.ini:4: [node \"b\"] name: is `x`, which is the name of the node at gaffer.ini:2 already; give it \
             another",
        ),
    ]);
}

#[test]
fn an_indented_header_or_key_is_not_swallowed_by_the_value_above() {
    bad_each(&[
        (
            "[node \"a\"]\nname = x\n  [node \"b\"]\n  key = y\n",
            "gaffer.ini:3: [node \"a\"] name: `[node \"b\"]` is indented, so it would continue this key's value (which \
             began in line 2) and not begin a section; remove its indentation",
        ),
        (
            "[node \"a\"]\nname = x\n  key = s3cret\n",
            "gaffer.ini:3: [node \"a\"] name: `…` is indented, so it would continue this key's value (which began in line \
             2) and not set `key`; remove its indentation, or move it up to the line above if it is meant as a part of \
             the value",
        ),
    ]);
    // What only a file of gafferd would take for a header is a part of the value; and that is one line.
    bad_each(&[(
        "[node \"a\"]\ncacert =\n  [gaffer]\n  x\n",
        "gaffer.ini:2: [node \"a\"] cacert: takes one line, but goes on with `…`; remove that line's indentation if it is \
         a key of its own",
    )]);
}

#[test]
fn all_mistakes_are_told_at_once() {
    let errors = UserFile::parse("g", "[node \"a\"]\nnme = x\n[nope]\nx\n[node \"b\"]\nname = a b\n").unwrap_err();
    let lines: Vec<usize> = errors.0.iter().map(|error| error.place.line).collect();
    assert_eq!(lines, [2, 3, 4, 6], "{errors}");
}

#[test]
fn a_file_that_is_not_there_is_told_from_one_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gaffer.ini");
    let errors = UserFile::read(&path).unwrap_err();
    assert!(errors.is_missing_file(), "{errors}");
    assert!(errors.to_string().starts_with(&format!("{}: cannot be read: No such file", path.display())), "{errors}");
    assert!(!UserFile::read(folder.path()).unwrap_err().is_missing_file(), "it is a folder");
    fs::write(&path, "\u{feff}[node \"a\"]\r\ncacert = ca.pem\r\n").unwrap();
    assert_eq!(UserFile::read(&path).unwrap().nodes[0].cacert, Some(folder.path().join("ca.pem")));
    fs::write(&path, b"[node \"a\"]\nname = \xff\n").unwrap();
    let errors = UserFile::read(&path).unwrap_err();
    assert!(!errors.is_missing_file() && errors.to_string().contains(":2: holds the byte 0xff"), "{errors}");
}

#[test]
fn a_key_is_shown_nowhere() {
    for text in [
        "[node \"a\"]\nkey = hush\n",
        "[node \"a\"]\nkey = hush\nkey = hush\n",
        "[node \"a\"]\nkey = hush\n[node \"a\"]\nkey = hush\nnope = hush\n",
        "[node \"a\"]\nkey = x\n  hush\n",
        "[node \"a\"]\nname = x\n  key = hush\n",
        "[node \"a\"]\nkey hush\n",
        "[node \"a\"]\nkey =\nhush\n",
        "[node \"a\"]\n= hush\n",
        "[nope]\nkey = hush\n",
        "key = hush\n",
        "hush\n",
    ] {
        let shown = match UserFile::parse("gaffer.ini", text) {
            Ok(file) => format!("{file:?}"),
            Err(errors) => format!("{errors} {errors:?}"),
        };
        assert!(!shown.contains("hush"), "{text:?}: {shown}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in "(\\[node \"[a\\]\"]{0,3}\"?\\]|key|name| |=|\n|\r|~/|\0|é|x){0,30}") {
        let _ = UserFile::parse("gaffer.ini", &text).map_err(|errors| errors.to_string()); // Any answer is right.
    }
}
