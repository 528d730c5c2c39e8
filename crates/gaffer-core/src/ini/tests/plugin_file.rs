//! The file of a plugin.

use std::time::Duration;

use proptest::prelude::*;

use crate::ini::PluginFile;

fn bad_each(cases: &[(&str, &str)]) {
    for (text, message) in cases {
        match PluginFile::parse("plugin.ini", text) {
            Ok(file) => panic!("{text:?} was read as {file:?}"),
            Err(errors) => assert_eq!(errors.to_string(), *message, "{text:?}"),
        }
    }
}

#[test]
fn all_that_a_plugin_is_stands_in_its_file() {
    let file = PluginFile::parse(
        "plugin.ini",
        "; what it is\n[plugin]\nName = a\nversion: 1\ndescription = Does = this.\nmandatory = b,\n  c\napp = ./run 'x y'\n\
         subscribe = exit, proc.web\n  .\nstop_timeout = 0.5\n[env]\nmode = x\n",
    )
    .unwrap();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    assert_eq!(
        [&file.name, &file.version, &file.description, &file.app].map(text),
        ["a", "1", "Does = this.", "./run 'x y'"]
    );
    assert_eq!((file.mandatory.join(" "), file.subscribe.join(" ")), ("b c".to_owned(), "exit proc.web .".to_owned()));
    assert_eq!((file.env["MODE"].as_str(), file.stop_timeout), ("x", Duration::from_millis(500)));
    assert_eq!(file.place_of("app").to_string(), "plugin.ini:8");
    assert_eq!(PluginFile::parse("plugin.ini", "").unwrap().place_of("app").to_string(), "plugin.ini");
}

#[test]
fn each_mistake_is_told_with_its_place_and_the_cure() {
    let named = "letters, digits, `_`, `@`, `+` and `-`, beginning with a letter, a digit or `_`, and not digits alone";
    bad_each(&[
        ("app = x", "plugin.ini:1: `app = x` stands before the first section; begin with a header such as `[plugin]`"),
        ("[plugn]", "plugin.ini:1: [plugn] is not a section of this file; did you mean `[plugin]`?"),
        ("[web]", "plugin.ini:1: [web] is not a section of this file; expected [plugin] or [env]"),
        ("[plugin]\n[plugin]", "plugin.ini:2: [plugin] is given already at plugin.ini:1; join the two"),
        (
            "[plugin]\nversion = 1\nVersion = 2",
            "plugin.ini:3: [plugin] Version: is given already at plugin.ini:2; keep one of the two",
        ),
        ("[plugin]\nname = a b", &format!("plugin.ini:2: [plugin] name: must be {named}, but is `a b`")),
        ("[plugin]\nname = 42", &format!("plugin.ini:2: [plugin] name: must be {named}, but is `42`")),
        (
            "[plugin]\nmandatory = a, b/c",
            "plugin.ini:2: [plugin] mandatory: must be names of plugins with commas between them, but is `b/c`",
        ),
        ("[plugin]\napp = ''", "plugin.ini:2: [plugin] app: names no program"),
        (
            "[plugin]\nstop_timeout = 0",
            "plugin.ini:2: [plugin] stop_timeout: must be a number of seconds from 0.1 to a year, for example 5, but is `0`",
        ),
        (
            "[plugin]\napp = x\n  subscribe = exit",
            "plugin.ini:3: [plugin] app: `subscribe = exit` is indented, so it would continue this key's value (which began in line 2) \
             and not set `subscribe`; remove its indentation, or move it up to the line above if it is meant as a part of the value",
        ),
    ]);
}

proptest! {
    #[test]
    fn no_text_confuses_it(text in "(\\[(plugin|env)\\]\n|(name|app|subscribe|mandatory) = .{0,10}\n|.{0,20}\n){0,8}") {
        let _either_way = PluginFile::parse("plugin.ini", &text);
    }
}
