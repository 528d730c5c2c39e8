use std::{
    collections::BTreeMap,
    ffi::OsString,
    os::unix::ffi::OsStringExt as _,
    process::{Command, Output, Stdio},
};

use proptest::prelude::*;

use super::*;
use crate::{config::CommandLine, test_scale::cases};

/// The variables of the tables below.
fn env() -> BTreeMap<String, String> {
    let pairs = [
        ("PORT", "5000"),
        ("HOST", "::1"),
        ("PS", "web.1"),
        ("EMPTY", ""),
        ("SPACED", "a b"),
        ("GLOB", "*.rs"),
        ("CD", "cd"),
        ("SLASHED", r"a\b"),
        ("PWD", "/nowhere"),
    ];
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

fn inherited() -> BTreeMap<OsString, OsString> {
    let odd = OsString::from_vec(vec![0xff]);
    BTreeMap::from([("HOME".into(), "/home/me".into()), ("ODD".into(), odd), ("PORT".into(), "1 2".into())])
}

fn form(line: &str) -> Form {
    Form::of(line, &env(), &inherited()).unwrap()
}

#[test]
fn lines_that_mean_the_same_without_a_shell_are_split_here() {
    let cases: &[(&str, &[&str])] = &[
        ("./server", &["./server"]),
        ("python -u dummy_basic.py", &["python", "-u", "dummy_basic.py"]),
        ("bundle  exec\tpuma -C config/puma.rb", &["bundle", "exec", "puma", "-C", "config/puma.rb"]),
        ("./server --port $PORT", &["./server", "--port", "${PORT}"]),
        ("./server --port=${PORT}", &["./server", "--port=${PORT}"]),
        ("./server -b ${HOST}:$PORT/x", &["./server", "-b", "${HOST}:${PORT}/x"]),
        ("./server -b $HOST$PORT", &["./server", "-b", "${HOST}${PORT}"]),
        ("./server \"$PORT\"é", &["./server", "${PORT}é"]),
        ("./server $PORTé", &["./server", "${PORT}é"]),
        ("./server ${PORT:-80}", &["./server", "${PORT:-80}"]),
        ("./server \"${PORT:-8 0}\"", &["./server", "${PORT:-8 0}"]),
        ("./server \"$SPACED\" \"$EMPTY\" \"$GLOB\"", &["./server", "${SPACED}", "${EMPTY}", "${GLOB}"]),
        ("./server \"$HOME/data\"", &["./server", "${HOME}/data"]),
        ("echoes 'a b' \"c d\" e\\ f", &["echoes", "a b", "c d", "e f"]),
        ("x 'a'\"b\"c\\d", &["x", "abcd"]),
        ("x '' \"\" a''", &["x", "", "", "a"]),
        ("x \"a\\\"b\\\\c\\`d\\e\"", &["x", "a\"b\\c`d\\e"]),
        (
            "x '*' \"?\" \\[ '|' \"&\" \\; '<' '#' \\~ '{a,b}'",
            &["x", "*", "?", "[", "|", "&", ";", "<", "#", "~", "{a,b}"],
        ),
        ("x a#b a~b ~'' c", &[]), // See below: a leading tilde.
        ("x a#b a~ b=c --d=~/e", &["x", "a#b", "a~", "b=c", "--d=~/e"]),
        ("x ! a ] % ^ @ + = ,", &["x", "!", "a", "]", "%", "^", "@", "+", "=", ","]),
        ("env A=b ./server", &["env", "A=b", "./server"]),
        ("'A'=b c", &["A=b", "c"]),
        ("A-B=c d", &["A-B=c", "d"]),
        ("'my server' x", &["my server", "x"]),
        ("test -e x", &["test", "-e", "x"]),
        ("printf hello", &["printf", "hello"]),
        ("true", &["true"]),
        ("x if cd exec", &["x", "if", "cd", "exec"]),
        ("./cd", &["./cd"]),
        ("$HOST x", &["${HOST}", "x"]),
        ("x é ü\u{a0}ö", &["x", "é", "ü\u{a0}ö"]),
        ("node -e 'console.log(1)'", &["node", "-e", "console.log(1)"]),
        (
            "java -Xmx512m -Dserver.port=$PORT -jar target/x.jar",
            &["java", "-Xmx512m", "-Dserver.port=${PORT}", "-jar", "target/x.jar"],
        ),
    ];
    for (line, words) in cases.iter().filter(|(_, words)| !words.is_empty()) {
        assert_eq!(form(line), Form::Words(words.iter().map(ToString::to_string).collect()), "{line}");
    }
}

#[test]
fn all_other_lines_go_to_the_shell() {
    for line in [
        // Operators and redirections.
        "a | b",
        "a|b",
        "a && b",
        "a || b",
        "a; b",
        "a &",
        "a > b",
        "a 2>&1",
        "a < b",
        "a << b",
        "(a)",
        "a\nb",
        // Patterns, braces, tildes, comments.
        "a *.rb",
        "a ?",
        "a [x]",
        "a {b,c}",
        "find . -exec x {} \\;",
        "a ~/x",
        "~/bin/a",
        "a ~",
        "a # b",
        "a ~'' c",
        // Assignments.
        "A=b c",
        "A= c",
        "A=",
        "_a1='x y' c",
        "A+=b c",
        "A=\"$PORT\" c",
        // Substitutions.
        "a $(b)",
        "a \"$(b)\"",
        "a `b`",
        "a \"`b`\"",
        "a $((1+1))",
        // The shell's own commands, however they are written.
        "exec a",
        "cd a",
        ". ./env",
        "source ./env",
        "export A",
        "ulimit -n 10",
        "set -e",
        "trap a INT",
        "eval a",
        "umask 0",
        "exit 1",
        ": a",
        "if a",
        "! a",
        "while a",
        "time a",
        "echo a",
        "read x",
        "wait",
        "'exec' a",
        "\\cd a",
        "c\"d\" a",
        "$CD a",
        "\"$CD\" a",
        // Special parameters, and dollar signs that are not meant.
        "a $1",
        "a ${1}",
        "a $?",
        "a $#",
        "a $@",
        "a \"$@\"",
        "a $*",
        "a $!",
        "a $-",
        "a $$",
        "a $",
        "a b$",
        "a \"$\"",
        "a '$PORT'",
        "a \\$PORT",
        "a \"\\$PORT\"",
        "a $'b'",
        "a $\"b\"",
        // Variables that a shell may split or drop, and what only it can replace.
        "java $JAVA_OPTS -jar x.jar",
        "a $EMPTY",
        "a $SPACED",
        "a $GLOB",
        "a $SLASHED",
        "a $HOME",
        "a \"$NOWHERE\"",
        "a \"$ODD\"",
        "a $PWD",
        "a \"$PWD\"",
        "a \"$_\" \"$IFS\" \"$BASH_VERSION\"",
        "a ${NOWHERE:-b}",
        "a \"${NOWHERE:-b}\"",
        "a \"${EMPTY:-b}\"",
        "a ${PORT-b}",
        "a ${PORT:=b}",
        "a ${PORT:+b}",
        "a ${PORT:?b}",
        "a ${#PORT}",
        "a ${PORT%0}",
        "a ${PORT##5}",
        "a ${PORT:-$HOST}",
        "a ${PORT:-'b'}",
        "a ${PORT:-b c}",
        "a ${PORT:-*}",
        "a ${PORT!}",
        "a ${}",
    ] {
        assert_eq!(form(line), Form::Shell(line.to_owned()), "{line}");
    }
}

#[test]
fn what_a_shell_would_take_otherwise_is_kept_from_it() {
    assert_eq!(form("-a | b"), Form::Shell("\\-a | b".to_owned()));
    assert_eq!(form("a b\\ "), Form::Words(vec!["a".to_owned(), "b ".to_owned()]));
    assert_eq!(form("a | b\\ "), Form::Shell("a | b\\  #".to_owned()));
}

/// Runs a line with the system's shell.
#[expect(clippy::disallowed_methods, reason = "the shell is what this is compared with")]
fn sh(options: &[&str], line: &str) -> Output {
    let mut command = Command::new("/bin/sh");
    command.args(options).arg(line).env_clear().envs(inherited()).envs(env()).stdin(Stdio::null());
    command.current_dir(std::env::temp_dir()).output().unwrap()
}

/// The words that a shell makes of a line.
fn words_of_shell(line: &str) -> Vec<String> {
    let output = sh(&["-c"], &format!("printf '%s\\0' {line}"));
    assert!(output.status.success(), "{line}: {output:?}");
    let mut words: Vec<String> =
        String::from_utf8(output.stdout).unwrap().split('\0').map(ToString::to_string).collect();
    assert_eq!(words.pop().as_deref(), Some(""));
    words
}

fn words_at_launch(words: Vec<String>) -> Vec<String> {
    let mut environment = inherited();
    environment.extend(env().into_iter().map(|(key, value)| (key.into(), value.into())));
    CommandLine::Words(words).expand(&environment).unwrap()
}

/// Lines made of what is special to a shell, and what is not.
fn line() -> impl Strategy<Value = String> {
    let words = |words: &[&'static str]| proptest::sample::select(words.to_vec()).prop_map(str::to_owned);
    let piece = prop_oneof![
        12 => words(&[
            "a", "bc", "-x", "--port=", "=", ":", "é", "\u{a0}", "#", "~", "!", "%", "^", "]", ",", "\u{b}", "λ", "\u{301}",
            " ", " ", " ", "\t", "  ", "\\ ", "\\a", "\\\\", "\\'", "\\\"", "\\#", "''", "'a b'", "'#'", "'\"'", "'\\'", "\"\"",
            "\"a b\"", "\"'\"", "\"\\\"\"", "\"\\a\"", "\"\\\\\"", "\"#\"", "\"~\"",
            "$PORT", "${PORT}", "$HOST", "\"$PORT\"", "\"$SPACED\"", "\"${GLOB}\"", "\"$EMPTY\"", "\"$SLASHED\"", "${PORT:-x}",
            "\"${PORT:-x y}\"", "\"$HOME\"", "\"a $PORT b\"", "'*'", "\\*", "\\;", "'|'", "'{'",
        ]),
        1 => words(&[
            "$EMPTY", "$SPACED", "$GLOB", "$NOWHERE", "*", "[a]", "|", ";", "&", "<", ">", "(", ")", "`", "'", "\"", "\\", "$", "${", "}",
            "$(", "'$PORT'", "\\$", "\"\\$x\"", "${EMPTY:-x}", "A=b ", "exec ", "cd ",
        ]),
        2 => "[ -~]{1,3}",
    ];
    proptest::collection::vec(piece, 1..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn words_come_out_as_a_shell_passes_them(line in line()) {
        // The first word is the program, which is told by the table above.
        let line = format!("x {line}");
        if let Ok(Form::Words(words)) = Form::of(&line, &env(), &inherited()) {
            prop_assert_eq!(words_at_launch(words), words_of_shell(&line));
        }
    }

    #[test]
    fn what_is_called_an_open_quote_is_one_for_the_shell(line in line()) {
        let checked = quoting::check(&line);
        let told = sh(&["-n", "-c"], &format!(" {line}"));
        let error = String::from_utf8_lossy(&told.stderr).into_owned();
        match checked {
            // A shell takes a lone backslash for itself: most people who write one mean to go on in the next line.
            Err(BrokenLine::Backslash) | Ok(()) => {}
            Err(BrokenLine::Open(..)) => prop_assert!(!told.status.success(), "{line:?}: {error}"),
        }
        if let Ok(Form::Words(_)) = Form::of(&line, &env(), &inherited()) {
            prop_assert!(told.status.success(), "{line:?}: {error}");
        }
    }

    #[test]
    fn no_text_makes_it_panic(line in any::<String>()) {
        drop(Form::of(&line, &env(), &inherited()));
    }
}

#[test]
fn a_line_that_breaks_off_is_refused() {
    for (line, problem) in [
        ("a 'b", "the single quote that opens at `'b` is not closed"),
        ("a \"b 'c'", "the double quote that opens at `\"b 'c'` is not closed"),
        ("a \\", "ends in a backslash, but lines cannot be continued; write the command on one line"),
        ("a 'b\\", "the single quote that opens at `'b\\` is not closed"),
        ("a $(b", "the parenthesis that opens at `$(b` is not closed"),
        ("a \"$(b", "the parenthesis that opens at `$(b` is not closed"),
        ("a $(b 'c)", "the single quote that opens at `'c)` is not closed"),
        ("a ${b", "the brace that opens at `${b` is not closed"),
        ("a | b \"c", "the double quote that opens at `\"c` is not closed"),
        ("it's", "the single quote that opens at `'s` is not closed"),
    ] {
        let error = Form::of(line, &env(), &inherited()).unwrap_err();
        assert_eq!(error.to_string(), problem, "{line}");
    }
}

#[test]
fn whole_lines_of_a_shell_are_not_called_broken() {
    for line in [
        "a # it's",
        "a | b # it's \\",
        "echo \"$(printf \"it's\")\"",
        "a $(b \"c)\" d) \"e\"",
        "a \"$(b ')')\"",
        "a $( (b) ; (c) )",
        "a ${B:-'}'}",
        "a \"${B:-it's}\"",
        "a \"${B:-\"c d\"}\"",
        "a $((1 << 2))",
        "a `b 'c'` d",
        "a $(case b in c) d;; esac)",
        "a \\' \\\"",
        "a \"\\\"\"",
        "a '\\'",
        "a $# b",
        "a $$'b'",
        "a $${b",
        "a)",
    ] {
        assert!(matches!(Form::of(line, &env(), &inherited()), Ok(Form::Shell(_) | Form::Words(_))), "{line}");
    }
}
