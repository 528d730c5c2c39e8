use proptest::prelude::*;

use super::*;

fn names(text: &str) -> Vec<(String, usize, String)> {
    let procfile = Procfile::parse("Procfile", text).unwrap();
    procfile.entries().iter().map(|entry| (entry.name.clone(), entry.line, entry.command.clone())).collect()
}

fn mistakes(text: &str) -> String {
    Procfile::parse("app/Procfile", text).unwrap_err().to_string()
}

#[test]
fn types_are_read_with_their_lines() {
    let text = "\u{feff}# The shop.\r\n\r\nweb: ./web -p $PORT  \r\n  sidekiq-1:bundle exec sidekiq\n\t_x2 : y\n";
    let text = text.replace(" : y", ":\ty # z");
    let expected = [("web", 3, "./web -p $PORT"), ("sidekiq-1", 4, "bundle exec sidekiq"), ("_x2", 5, "y # z")];
    assert_eq!(names(&text), expected.map(|(name, line, command)| (name.to_owned(), line, command.to_owned())));
}

#[test]
fn lines_may_end_as_on_any_system() {
    for text in ["a: b\nc: d", "a: b\r\nc: d\r\n", "a: b\r\nc: d"] {
        assert_eq!(names(text), [("a".to_owned(), 1, "b".to_owned()), ("c".to_owned(), 2, "d".to_owned())], "{text:?}");
    }
}

#[test]
fn commands_may_hold_anything() {
    assert_eq!(names("a: b: c :d # e | f")[0].2, "b: c :d # e | f");
    assert_eq!(names("a:\u{a0}b\u{3000}")[0].2, "b");
    assert_eq!(names("a: b\\ ")[0].2, "b\\ ");
    assert_eq!(names("a: b\\\\ ")[0].2, "b\\\\");
}

#[test]
fn of_one_name_the_last_counts_and_a_warning_names_both_lines() {
    let procfile = Procfile::parse("Procfile", "web: a\nworker: b\nweb: c\nweb: d").unwrap();
    let commands: Vec<_> =
        procfile.entries().iter().map(|entry| (entry.name.as_str(), entry.command.as_str())).collect();
    assert_eq!(commands, [("web", "d"), ("worker", "b")]);
    assert_eq!(procfile.get("web").map(|entry| entry.line), Some(4));
    let warnings: Vec<_> = procfile.warnings().iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "Procfile:3: `web` stands in line 1 already; this line replaces that one",
            "Procfile:4: `web` stands in line 3 already; this line replaces that one"
        ]
    );
}

#[test]
fn each_mistake_has_its_line_and_its_cure() {
    for (line, problem) in [
        ("web", "`web` is no process type; write `name: command`"),
        ("./web --port 80", "`./web --port 80` is no process type; write `name: command`"),
        ("curl http://x", "`curl http://x` is no process type; write `name: command`"),
        (": x", "`: x` is no process type; write `name: command`"),
        ("web : x", "blanks stand between `web` and its `:`; remove them"),
        ("web:", "`web` has no command; write `web: command`"),
        ("web:  \t", "`web` has no command; write `web: command`"),
        ("we.b: x", "`we.b`: '.' cannot stand in the name of a process type; use letters, digits, `_` and `-`"),
        ("wéb: x", "`wéb`: 'é' cannot stand in the name of a process type; use letters, digits, `_` and `-`"),
        ("-web: x", "`-web` begins with `-`; begin the name with a letter, a digit or `_`"),
        ("42: x", "`42`: a job name cannot be all digits, because digits alone are a pid; add a letter"),
        ("web: x 'y", "`web`: the single quote that opens at `'y` is not closed"),
        ("web: x \\", "`web`: ends in a backslash, but lines cannot be continued; write the command on one line"),
    ] {
        assert_eq!(mistakes(&format!("a: b\n{line}\n")), format!("app/Procfile:2: {problem}"), "{line}");
    }
    let long = "x".repeat(300);
    assert_eq!(
        mistakes(&format!("{long}: x")),
        "app/Procfile:1: a job name of 300 bytes is too long; at most 255 are allowed"
    );
}

#[test]
fn all_mistakes_are_told_at_once_up_to_a_hundred() {
    assert_eq!(mistakes("a\nb: c\nd:\n").lines().count(), 2);
    let many = mistakes(&"x\n".repeat(150));
    assert_eq!(many.lines().count(), 101);
    assert!(many.ends_with("\nand 50 more"), "{many}");
}

#[test]
fn a_file_without_types_is_a_mistake() {
    for text in ["", "\n\n", "# a: b\n"] {
        assert_eq!(mistakes(text), "app/Procfile: has no process types; add one, for example `web: ./server`");
    }
}

#[test]
fn what_is_no_text_is_told_with_its_line() {
    let told = |bytes: &[u8]| Procfile::from_bytes("Procfile", bytes).unwrap_err().to_string();
    assert_eq!(told(b"a: b\nc: \xff"), "Procfile:2: holds the byte 0xff, which is not UTF-8; save the file as UTF-8");
    assert_eq!(told(b"a: b\r\n\r\nc: \0"), "Procfile:3: holds a NUL character; is it a text file?");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Procfile");
    let told = || Procfile::read(&path).unwrap_err().to_string();
    assert!(told().starts_with(&format!("{}: cannot be read: ", path.display())), "{}", told());
    std::fs::write(&path, vec![b'#'; 1024 * 1024 + 1]).unwrap();
    assert_eq!(told(), format!("{}: is larger than 1048576 bytes; is it the right file?", path.display()));
    std::fs::write(&path, "a: b").unwrap();
    assert_eq!(Procfile::read(&path).unwrap().entries().len(), 1);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
        drop(Procfile::from_bytes("Procfile", &bytes));
    }

    #[test]
    fn every_line_is_a_type_a_mistake_a_comment_or_blank(text in "([a-z0-9:#\\\\'\"_. $-]{0,8}\n){0,20}") {
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#')).count();
        match Procfile::parse("Procfile", &text) {
            Ok(procfile) => prop_assert_eq!(procfile.entries().len() + procfile.warnings().len(), lines),
            Err(Mistakes(mistakes)) => {
                prop_assert!(!mistakes.is_empty() && mistakes.len() <= lines.max(1));
                prop_assert!(mistakes.iter().all(|mistake| mistake.place.is_some()));
            }
        }
    }

    #[test]
    fn what_is_written_reads_back(
        types in proptest::collection::btree_map("[a-z_][a-zA-Z0-9_-]{0,8}", "[a-z$./#;|&*~]{1,3}( [a-z*|;:#=~-]{1,4}){0,4}", 1..8)
    ) {
        let text: String = types.iter().map(|(name, command)| format!(" {name}: {command}\n\n#\n")).collect();
        let procfile = Procfile::parse("Procfile", &text).unwrap();
        let read: std::collections::BTreeMap<_, _> =
            procfile.entries().iter().map(|entry| (entry.name.clone(), entry.command.clone())).collect();
        prop_assert_eq!(read, types);
    }
}
