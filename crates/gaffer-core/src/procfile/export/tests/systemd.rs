//! Units, read by the rules of systemd.syntax(7), systemd.exec(5) and systemd.service(5).

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::Write as _,
    iter::Peekable,
    process::{Command, Output, Stdio},
    str::Chars,
};

use proptest::prelude::*;

use super::{Shop, arguments, borrowed, concurrency, root, shop, variables};
use crate::{
    procfile::{Concurrency, Source, export, export::ExportedFile},
    test_scale::cases,
};

/// The sections of a unit: keys and values in their order.
type Unit = Vec<(String, Vec<(String, String)>)>;

/// Reads a unit, and refuses what systemd does not know.
fn unit(text: &str) -> Unit {
    let mut unit = Unit::new();
    assert!(!text.contains(['\r', '\0']) && text.ends_with('\n'), "{text:?}");
    for line in text.lines() {
        assert!(!line.ends_with('\\'), "a line goes on: {line:?}");
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            unit.push((section.to_owned(), Vec::new()));
            continue;
        }
        let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("no assignment: {line:?}"));
        let (section, entries) = unit.last_mut().unwrap_or_else(|| panic!("no section yet: {line:?}"));
        let known: &[&str] = match section.as_str() {
            "Unit" => &["Description", "After", "PartOf", "Wants", "StartLimitIntervalSec"],
            "Service" => &[
                "WorkingDirectory",
                "User",
                "Environment",
                "ExecStart",
                "Restart",
                "RestartSec",
                "TimeoutStopSec",
                "KillMode",
                "StandardInput",
                "SyslogIdentifier",
            ],
            "Install" => &["WantedBy"],
            _ => &[],
        };
        assert!(known.contains(&key), "[{section}] {key}");
        entries.push((key.to_owned(), value.trim_start().to_owned()));
    }
    unit
}

fn values<'a>(unit: &'a Unit, section: &str, key: &str) -> Vec<&'a str> {
    let entries = unit.iter().filter(|(name, _)| name == section).flat_map(|(_, entries)| entries);
    entries.filter(|(name, _)| name == key).map(|(_, value)| value.as_str()).collect()
}

fn value<'a>(unit: &'a Unit, section: &str, key: &str) -> &'a str {
    let values = values(unit, section, key);
    assert_eq!(values.len(), 1, "{key}");
    values[0]
}

/// Splits a value into words: quotes, and escapes as in C.
fn split(value: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = value.chars().peekable();
    while let Some(character) = rest.next() {
        match (quote, character) {
            (None, ' ' | '\t' | '\n' | '\r') => words.extend(word.take()),
            (None, '"' | '\'') => {
                word.get_or_insert_default();
                quote = Some(character);
            }
            (Some(open), _) if open == character => quote = None,
            (_, '\\') => word.get_or_insert_default().push(escape(&mut rest)),
            _ => word.get_or_insert_default().push(character),
        }
    }
    assert_eq!(quote, None, "a quote is open: {value}");
    words.extend(word);
    words
}

fn escape(rest: &mut Peekable<Chars<'_>>) -> char {
    match rest.next() {
        Some('a') => '\u{7}',
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('v') => '\u{b}',
        Some('s') => ' ',
        Some(same @ ('\\' | '"' | '\'')) => same,
        Some('x') => {
            let digits: String = rest.by_ref().take(2).collect();
            let byte = u8::from_str_radix(&digits, 16).unwrap();
            assert!(byte.is_ascii() && byte != 0, "\\x{digits}");
            char::from(byte)
        }
        other => panic!("no escape: \\{other:?}"),
    }
}

/// Replaces specifiers, of which only `%%` is expected.
fn specifiers(text: &str) -> String {
    let mut replaced = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        replaced.push(character);
        if character == '%' {
            assert_eq!(rest.next(), Some('%'), "a specifier: {text}");
        }
    }
    replaced
}

/// Replaces variables of a command, of which only `$$` is expected.
fn dollars(text: &str) -> String {
    let mut replaced = String::new();
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        replaced.push(character);
        if character == '$' {
            assert_eq!(rest.next(), Some('$'), "a variable: {text}");
        }
    }
    replaced
}

/// What a service is run with.
#[derive(Debug)]
struct Started {
    argv: Vec<String>,
    env: BTreeMap<String, String>,
    folder: String,
}

fn started(file: &ExportedFile) -> Started {
    let unit = unit(&file.text);
    let env = values(&unit, "Service", "Environment").into_iter().flat_map(split).map(|word| {
        let word = specifiers(&word);
        let (key, value) = word.split_once('=').unwrap();
        assert!(!key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{key}");
        assert!(!value.contains(|c: char| c.is_ascii_control() && c != '\t' && c != '\n'), "{value:?}");
        (key.to_owned(), value.to_owned())
    });
    let argv: Vec<String> = split(value(&unit, "Service", "ExecStart")).iter().map(|word| specifiers(word)).collect();
    Started {
        env: env.collect(),
        argv: argv.iter().map(|word| dollars(word)).collect(),
        folder: specifiers(value(&unit, "Service", "WorkingDirectory")),
    }
}

#[test]
fn units_of_all_types() {
    let shop = shop();
    let files = export::systemd(&shop.application, &concurrency(), None, Some("www-data")).unwrap();
    let text: String = files.iter().map(|file| format!("# {}\n{}\n", file.name, file.text)).collect();
    insta::assert_snapshot!(shop.plain(&text));
}

#[test]
fn the_target_wants_the_services_which_are_part_of_it() {
    let shop = shop();
    for (name, count) in [(None, 4), (Some("web"), 2)] {
        let files = export::systemd(&shop.application, &concurrency(), name, None).unwrap();
        let (target, services) = files.split_first().unwrap();
        assert_eq!((target.name.as_str(), services.len()), ("shop.target", count));
        let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
        assert_eq!(values(&unit(&target.text), "Unit", "Wants"), names);
        for service in services {
            let unit = unit(&service.text);
            assert_eq!(value(&unit, "Unit", "PartOf"), "shop.target");
            assert_eq!(value(&unit, "Install", "WantedBy"), "shop.target");
            assert_eq!(values(&unit, "Service", "User"), Vec::<&str>::new());
        }
    }
}

#[test]
fn each_process_has_its_own_port_and_name() {
    let shop = shop();
    let files = export::systemd(&shop.application, &concurrency(), None, None).unwrap();
    let env = |name: &str| {
        let file = files.iter().find(|file| file.name == name).unwrap();
        let env = started(file).env;
        (env["PORT"].clone(), env["PS"].clone())
    };
    assert_eq!(env("shop-web-2.service"), ("5001".to_owned(), "web.2".to_owned()));
    assert_eq!(env("shop-worker-1.service"), ("5100".to_owned(), "worker.1".to_owned()));
}

#[test]
fn what_is_only_words_takes_the_place_of_the_shell() {
    let script = |line: &str| {
        let shop = Shop::new("shop", &format!("web: {line}"), &[]).unwrap();
        let files = export::systemd(&shop.application, &Concurrency::default(), None, None).unwrap();
        started(&files[1]).argv
    };
    let sh = |line: &str| ["/bin/sh", "-c", line].map(str::to_owned);
    assert_eq!(script("./web $PORT 'a b'"), sh("exec ./web $PORT 'a b'"));
    assert_eq!(script("./web b\\ "), sh("exec ./web b\\ "));
    assert_eq!(script("./web | log"), sh("./web | log"));
    // For the shell and its `exec` these would be options.
    assert_eq!(script("-web x"), sh("\\-web x"));
    assert_eq!(script("'-web' x"), sh("'-web' x"));
}

#[test]
fn names_are_escaped_where_units_cannot_have_them() {
    let shop = shop();
    let source = |name: &str| Source {
        directory: Some(shop.application.root().to_owned()),
        name: Some(name.to_owned()),
        ..Source::default()
    };
    let export = |name: &str| {
        let application = crate::procfile::Application::read(&source(name), &BTreeMap::new()).unwrap();
        export::systemd(&application, &Concurrency::default(), Some("web"), None)
    };
    let names: Vec<String> = export("a@b+c.d").unwrap().into_iter().map(|file| file.name).collect();
    assert_eq!(names, ["a\\x40b\\x2bc.d.target", "a\\x40b\\x2bc.d-web-1.service"]);
    let told = export(&"a".repeat(242)).unwrap_err().to_string();
    assert!(
        told.ends_with("-web-1.service` is too long for the name of a unit; give a shorter one with --app"),
        "{told}"
    );
    assert_eq!(export(&"a".repeat(241)).unwrap()[1].name.len(), 255);
}

#[test]
fn what_a_unit_cannot_hold_is_told() {
    let told = |root: &str, env: &[(&str, &str)], user: Option<&str>| {
        let shop = Shop::new(root, "web: ./web\nworker: ./work", env).unwrap();
        let told = export::systemd(&shop.application, &Concurrency::default(), None, user).unwrap_err();
        shop.plain(&told.to_string())
    };
    let name = "systemd knows no variables with `.` or `-` in their names; rename it";
    assert_eq!(told("shop", &[("a.b", "x"), ("a-b", "x")], None), format!("`a-b`: {name}\n`a.b`: {name}"));
    let control = "systemd knows no variables with control characters other than tabs and line feeds; remove them";
    assert_eq!(told("shop", &[("A", "\r"), ("B", "\u{7f}")], None), format!("`A`: {control}\n`B`: {control}"));
    assert_eq!(told("sh\nop", &[], None), "the folder `/sh\\nop`: a unit cannot hold its name; rename it");
    for user in ["", "a b", "a/b", "a%u", "-a", "a\n[Service]"] {
        let told = told("shop", &[], Some(user));
        assert!(told.starts_with("--user: `") && told.ends_with("` cannot be the name of a user in a unit"), "{told}");
    }
}

/// Runs a program in an environment of its own.
#[expect(clippy::disallowed_methods, reason = "what systemd would run is compared with what gaffer runs")]
fn run(argv: &[String], env: impl IntoIterator<Item = (OsString, OsString)>) -> Output {
    let mut command = Command::new(&argv[0]);
    command.args(&argv[1..]).env_clear().envs(env).stdin(Stdio::null());
    command.current_dir(std::env::temp_dir()).output().unwrap()
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_process_of_a_unit_is_that_of_gaffer(root in root(), arguments in arguments(), variables in variables()) {
        if arguments.contains("$$") {
            return Ok(()); // The shell's own pid is never the same.
        }
        let path = BTreeMap::from([("PATH".to_owned(), std::env::var("PATH").unwrap_or_default())]);
        let variables: BTreeMap<_, _> = variables.into_iter().chain(path).collect();
        let Ok(shop) = Shop::new(&root, &format!("web: printf '%s\\n' {arguments}\n"), &borrowed(&variables)) else {
            return Ok(()); // A line that breaks off.
        };
        let instances = shop.application.instances(&Concurrency::default(), &[]).unwrap();
        let config = &instances[0].config;
        let files = match export::systemd(&shop.application, &Concurrency::default(), None, None) {
            Ok(files) => files,
            Err(told) => {
                let is_plain = |value: &String| !value.contains(|c: char| c.is_ascii_control() && !"\t\n".contains(c));
                prop_assert!(!variables.values().all(is_plain), "{told}");
                return Ok(());
            }
        };
        let started = started(&files[1]);
        prop_assert_eq!(&started.env, config.env());
        prop_assert_eq!(Some(started.folder.trim_end_matches('/')), shop.application.root().to_str());
        let env: BTreeMap<OsString, OsString> = config.env().iter().map(|(key, value)| (key.into(), value.into())).collect();
        let there = run(&started.argv, env.clone());
        let here = run(&config.command().expand(&env).unwrap(), env);
        prop_assert_eq!(there.status.code(), here.status.code());
        prop_assert_eq!(String::from_utf8_lossy(&there.stdout), String::from_utf8_lossy(&here.stdout));
    }
}

#[test]
fn systemd_accepts_the_units() {
    let procfile = "web: ./web --port $PORT 'a\"b' 100% \\\\ \u{1}\n\
                    worker: cd lib && exec ./work \"$SPACED\" '$x' %n | tee -a log; x=`date`\n\
                    clock: \"a $NL b\" ;\n";
    let env = [("SPACED", "a  'b' \"c\" %n $x \\n"), ("NL", "a\n[Service]\n\tb"), ("EMPTY", "")];
    let shop = Shop::new("my % sh\"op\\", procfile, &env).unwrap();
    let files = export::systemd(&shop.application, &concurrency(), None, Some("root")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let plain = write("plain.service", "[Service]\nExecStart=/bin/sh\n");
    match verify(&[plain]) {
        Ok(output) if output.status.success() => {}
        Ok(output) => return skip(&format!("systemd-analyze cannot verify here: {output:?}")),
        Err(error) => return skip(&format!("systemd-analyze: {error}")),
    }
    let units: Vec<String> = files.iter().map(|file| write(&file.name, &file.text)).collect();
    let complaints = || {
        let output = verify(&units).unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        told.lines().filter(|line| line.contains("shop")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complaints(), Vec::<String>::new());
    // It does tell of what is wrong.
    write(&files[1].name, &files[1].text.replace("KillMode=mixed", "KillMode=mixd"));
    assert_ne!(complaints(), Vec::<String>::new());
}

#[expect(clippy::disallowed_methods, reason = "the judge of units is a program")]
fn verify(units: &[String]) -> std::io::Result<Output> {
    Command::new("systemd-analyze").args(["verify", "--man=no"]).args(units).stdin(Stdio::null()).output()
}

/// Says that a test could not be run, past the harness, which keeps to itself what a passing test prints.
fn skip(why: &str) {
    drop(writeln!(std::io::stderr(), "SKIPPED: {why}"));
}
