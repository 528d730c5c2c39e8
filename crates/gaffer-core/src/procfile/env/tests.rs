use proptest::prelude::*;

use super::*;

fn read_text(text: &[u8]) -> Result<BTreeMap<String, String>, Mistakes> {
    let mut mistakes = Gathered::default();
    let mut variables = Variables::new();
    parse(Path::new(".env"), text, &mut variables, &mut mistakes);
    mistakes.or(variables.into_iter().map(|(key, variable)| (key, variable.value)).collect())
}

fn variables(text: &str) -> BTreeMap<String, String> {
    read_text(text.as_bytes()).unwrap()
}

#[test]
fn each_line_is_a_variable() {
    for (text, key, value) in [
        ("A=b", "A", "b"),
        ("A=", "A", ""),
        ("A= ", "A", ""),
        ("A=b=c", "A", "b=c"),
        ("  A = b c  ", "A", "b c"),
        ("\tA\t=\tb\t", "A", "b"),
        ("export A=b", "A", "b"),
        ("export\tA = b", "A", "b"),
        ("export=b", "export", "b"),
        ("export =b", "export", "b"),
        ("exported=b", "exported", "b"),
        ("lower_case9=b", "lower_case9", "b"),
        ("_=b", "_", "b"),
        ("spring.main-class=b", "spring.main-class", "b"),
        ("\u{feff}A=b", "A", "b"),
        ("A=b\r\n", "A", "b"),
        ("A=b\rc=d\r\n", "A", "b\rc=d"),
        ("A=b # c", "A", "b"),
        ("A=b\t#c", "A", "b"),
        ("A=b#c", "A", "b#c"),
        ("A=#c", "A", "#c"),
        ("A= #c", "A", ""),
        ("A=b # c # d", "A", "b"),
        ("A=$B ${C} $(d) `e` \\n", "A", "$B ${C} $(d) `e` \\n"),
        ("A=b\"c\"'d", "A", "b\"c\"'d"),
        ("A=é λ", "A", "é λ"),
        ("A=''", "A", ""),
        ("A=' b '", "A", " b "),
        ("A='b \\n \\' # c", "A", "b \\n \\"),
        ("A='\"# $B'", "A", "\"# $B"),
        ("A=\"\"", "A", ""),
        ("A=\" b # 'c' \" # d", "A", " b # 'c' "),
        ("A=\"b\"#c", "A", "b"),
        ("A = \"b\" ", "A", "b"),
        ("A=\"\\n\\t\\r\\\"\\\\\\$\\'\\a\\é\"", "A", "\n\t\r\"\\$\\'\\a\\é"),
        ("A=\"b\nc\n\nd\"", "A", "b\nc\n\nd"),
        ("A='b\r\n# c\r\n'", "A", "b\n# c\n"),
        ("export A=\"b\\\nc\" # d", "A", "b\\\nc"),
        ("A={\"b\": [1, 2]}", "A", "{\"b\": [1, 2]}"),
        ("A=postgres://u:p@h/d?x=1&y=2", "A", "postgres://u:p@h/d?x=1&y=2"),
    ] {
        assert_eq!(variables(text), BTreeMap::from([(key.to_owned(), value.to_owned())]), "{text}");
    }
}

#[test]
fn lines_without_a_variable_are_passed_over() {
    let text = "\n# A=b\n  # it's \"\n\nexport A\n export B C \n\r\n\t\nD=e\n";
    assert_eq!(variables(text), BTreeMap::from([("D".to_owned(), "e".to_owned())]));
    assert_eq!(variables(""), BTreeMap::new());
}

#[test]
fn reading_goes_on_behind_a_value_of_many_lines() {
    let text = "A=\"b\n C=d\n\" # e\nF='g\nh'\nF=i";
    assert_eq!(variables(text), [("A", "b\n C=d\n"), ("F", "i")].map(|(key, value)| (key.into(), value.into())).into());
}

#[test]
fn each_mistake_has_its_line_and_shows_no_value() {
    for (text, told) in [
        ("secret", ".env:1: has no `=`; write KEY=value, or begin the line with `#` if it is a comment"),
        ("\nA: secret", ".env:2: has no `=`; write KEY=value, or begin the line with `#` if it is a comment"),
        ("export A-secret!", ".env:1: has no `=`; write KEY=value, or begin the line with `#` if it is a comment"),
        ("=secret", ".env:1: has nothing before its `=`; write KEY=value"),
        ("export  =secret", ""),
        (
            "1A=secret",
            ".env:1: `1A` cannot name a variable; use letters, digits and `_`, and begin with a letter or `_`",
        ),
        (
            "A B=secret",
            ".env:1: `A B` cannot name a variable; use letters, digits and `_`, and begin with a letter or `_`",
        ),
        (
            "set A=secret",
            ".env:1: `set A` cannot name a variable; use letters, digits and `_`, and begin with a letter or `_`",
        ),
        ("A='secret", ".env:1: the single quote of `A` is not closed"),
        ("A=\"secret\\\"", ".env:1: the double quote of `A` is not closed"),
        ("A=\"secret\\", ".env:1: the double quote of `A` is not closed"),
        (
            "A=\"secret\"secret",
            ".env:1: text stands behind the closing double quote of `A`; close the quote at the end of the value, or write `\\\"` \
             for a quote within double ones",
        ),
        (
            "A=\"secret\nB=\"secret\"",
            ".env:2: text stands behind the closing double quote of `A`, which began in line 1; close the quote at the end of the \
             value, or write `\\\"` for a quote within double ones",
        ),
    ] {
        match read_text(text.as_bytes()) {
            Ok(variables) => assert_eq!((told, variables.len()), ("", 1), "{text}"),
            Err(error) => assert_eq!(error.to_string(), told, "{text}"),
        }
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let told = read_text(b"A='b\nc\nD=\"e\"f\ng\nH=i\n").unwrap_err().to_string();
    let lines: Vec<&str> = told.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(lines, [".env:1:", ".env:2:", ".env:3:", ".env:4:"], "{told}");
    let many = read_text(&b"x\n".repeat(170)).unwrap_err();
    assert_eq!((many.0.len(), many.0[100].to_string()), (101, "and 70 more".to_owned()));
}

#[test]
fn what_is_no_text_is_told_with_its_line() {
    let told = |bytes: &[u8]| read_text(bytes).unwrap_err().to_string();
    assert_eq!(told(b"A=b\nC=\xc3"), ".env:2: holds the byte 0xc3, which is not UTF-8; save the file as UTF-8");
    assert_eq!(told(b"A=\0"), ".env:1: holds a NUL character; is it a text file?");
}

#[test]
fn of_several_files_the_later_one_wins() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let files = [file("a", "A=1\nB=1\nA=2"), file("b", "B=2\nC=2")];
    assert_eq!(
        get_env(&files).unwrap(),
        [("A", "2"), ("B", "2"), ("C", "2")].map(|(key, value)| (key.into(), value.into())).into()
    );
    let files = [folder.path().join("none"), file("c", "x"), file("d", "y")];
    let told = get_env(&files).unwrap_err();
    assert_eq!(told.0.len(), 3, "{told}");
    assert!(told.0[0].problem.starts_with("cannot be read: "), "{told}");
}

#[test]
fn an_option_is_a_variable_if_it_begins_with_a_name() {
    let source = |text: &str| text.parse::<EnvSource>().unwrap();
    let pair = |key: &str, value: &str| EnvSource::Pair(key.to_owned(), value.to_owned());
    assert_eq!(source("A=b=c"), pair("A", "b=c"));
    assert_eq!(source("A="), pair("A", ""));
    assert_eq!(source("A= 'b' "), pair("A", " 'b' "));
    assert_eq!(source("a.b-c=d"), pair("a.b-c", "d"));
    for file in [".env", ".env.local", "a", "./A=b", "=b", "1=b", "A B=c", ""] {
        assert_eq!(source(file), EnvSource::File(file.into()), "{file}");
    }
}

/// Writes a value so that it reads back.
fn double_quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\r', "\\r")
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in any::<Vec<u8>>()) {
        drop(read_text(&bytes));
    }

    #[test]
    fn no_text_makes_it_panic(text in "([A-Ba-z=\"'\\\\# \t\n$.é-]|export |A=|\r){0,60}") {
        if let Err(mistakes) = read_text(text.as_bytes()) {
            let lines = text.split('\n').count();
            for mistake in mistakes.0 {
                let line = mistake.place.map_or(0, |place| place.line);
                prop_assert!((1..=lines).contains(&line), "line {line} of {lines}");
            }
        }
    }

    #[test]
    fn every_value_can_be_written(values in proptest::collection::btree_map("[a-zA-Z_][a-zA-Z0-9_.-]{0,6}", "[^\0]*", 0..6)) {
        let text: String = values.iter().map(|(key, value)| format!("{key} = \"{}\" # x\n", double_quoted(value))).collect();
        prop_assert_eq!(variables(&text), values);
    }
}
