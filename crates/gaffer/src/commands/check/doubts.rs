//! What may not be meant in a line: variables that nothing sets, and programs that are not there.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
};

use gaffer_core::{
    backend::{MARK, PARENTS},
    procfile::{Application, Entry, Instance, Mistake, is_shells_own},
};

use crate::programs::{self, Found};

/// Variables that a shell, or gaffer, sets by itself.
const SET_BY_OTHERS: [&str; 20] = [
    MARK, PARENTS, "EUID", "HOME", "HOSTNAME", "IFS", "LINENO", "OLDPWD", "OPTARG", "OPTIND", "PATH", "PPID", "PS1",
    "PS2", "PS4", "PWD", "RANDOM", "SECONDS", "SHLVL", "UID",
];

/// What may not be meant in the line that this process runs.
pub(super) fn of(
    application: &Application,
    entry: &Entry,
    process: &Instance,
    environment: &BTreeMap<OsString, OsString>,
) -> Vec<Mistake> {
    let mut environment = environment.clone();
    let own = process.config.env().iter();
    environment.extend(own.map(|(key, value)| (key.into(), value.into())));
    let doubt = |problem| Mistake {
        place: Some(application.procfile().place(entry)),
        problem: format!("`{}`: {problem}", entry.name),
    };
    let mut doubts = Vec::new();
    for name in used(&entry.command) {
        let is_set = environment.contains_key(OsStr::new(&name)) || SET_BY_OTHERS.contains(&name.as_str());
        if !is_set {
            doubts.push(doubt(format!("nothing sets ${name}; set it in .env, or by `-e {name}=VALUE`")));
        }
    }
    let program = if process.config.spec().shell {
        program_of_line(&entry.command)
    } else {
        process.config.command().expand(&environment).ok().and_then(|words| words.into_iter().next())
    };
    if let Some(program) = program {
        match programs::find(&program, &environment, Some(application.root())) {
            Found::Usable => {}
            Found::Unusable => doubts.push(doubt(format!("{program} is not marked executable"))),
            Found::Nowhere if program.contains('/') => doubts.push(doubt(format!("there is no {program}"))),
            Found::Nowhere => doubts.push(doubt(format!("there is no program {program} on the PATH"))),
        }
    }
    doubts
}

/// The program that a shell begins a line with, as far as that is plain to see.
fn program_of_line(line: &str) -> Option<String> {
    let mut words = line.split_whitespace().skip_while(|word| assigned(word).is_some() && is_plain(word)).peekable();
    words.next_if_eq(&"exec");
    let word = words.next()?;
    // Behind it a list, a pipe or a group may begin at once.
    let word = word.trim_end_matches(';');
    (is_plain(word) && assigned(word).is_none() && !is_shells_own(word)).then(|| word.to_owned())
}

/// Whether a word means itself, and nothing else, for a shell.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "_-./+=:,@%".contains(c))
}

/// The variable that a word sets.
fn assigned(word: &str) -> Option<&str> {
    let (name, _) = word.split_once('=')?;
    let name = name.strip_suffix('+').unwrap_or(name);
    (!name.is_empty() && name_at(name).len() == name.len()).then_some(name)
}

/// The name of a variable that a text begins with; may be empty.
fn name_at(text: &str) -> &str {
    let begins = text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic());
    let end = text.find(|c: char| !(c == '_' || c.is_ascii_alphanumeric())).unwrap_or(text.len());
    if begins { &text[..end] } else { "" }
}

/// The variables that a line needs: without those that it sets by itself or has another value for.
fn used(line: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    let mut is_double_quoted = false;
    let mut rest = line;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            '\\' => rest = rest.char_indices().nth(1).map_or("", |(next, _)| &rest[next..]),
            '"' => is_double_quoted = !is_double_quoted,
            '\'' if !is_double_quoted => rest = rest.split_once('\'').map_or("", |(_, behind)| behind),
            '$' if rest.starts_with('$') => rest = &rest[1..],
            '$' => {
                let (in_braces, text) = match rest.strip_prefix('{') {
                    Some(text) => (true, text),
                    None => (false, rest),
                };
                let name = name_at(text);
                rest = &text[name.len()..];
                let has_other = in_braces && rest.trim_start_matches(':').starts_with(['-', '=', '+', '?']);
                if !name.is_empty() && !has_other {
                    used.insert(name.to_owned());
                }
            }
            _ => {}
        }
    }
    for name in set_by(line) {
        used.remove(name);
    }
    used
}

/// The variables that a line sets.
fn set_by(line: &str) -> impl Iterator<Item = &str> {
    let words = || line.split(|c: char| c.is_whitespace() || ";&|(){}`".contains(c)).filter(|word| !word.is_empty());
    // `read` may be followed by options and by several names.
    let behind = |keyword: &'static str, names: usize| {
        let positions = words().enumerate().filter(move |(_, word)| *word == keyword);
        positions.flat_map(move |(position, _)| words().skip(position + 1).take(names))
    };
    words().filter_map(assigned).chain(behind("for", 1)).chain(behind("read", 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_where_a_shell_would_replace_them() {
        for (line, names) in [
            ("./web -p $PORT ${HOST}x", "HOST PORT"),
            ("x '$A' \\$B \"$C\" \"'$D'\"", "C D"),
            ("x ${A:-1} ${B-1} ${C:=1} ${D:?no} ${E+1} ${F%x} ${#G}", "F"),
            ("x $$ $1 $? $# $@ $(echo $A) `echo $B`", "A B"),
            ("A=1 B=$C x $A; export D=2 && echo $D", "C"),
            ("for f in $FILES; do x $f; done", "FILES"),
            ("x | while read -r a b; do echo $a $b $c; done", "c"),
            ("x 'unclosed $A", ""),
            ("x é$A\\", "A"),
        ] {
            assert_eq!(used(line).into_iter().collect::<Vec<_>>().join(" "), names, "{line}");
        }
    }

    #[test]
    fn the_program_of_a_shell_s_line_is_looked_for_if_it_is_plain() {
        for (line, program) in [
            ("A=1 B=2 ./web | tee log", Some("./web")),
            ("exec bundle exec puma", Some("bundle")),
            ("sleep; ls", Some("sleep")),
            ("cd api && npm start", None),
            ("if true; then x; fi", None),
            ("A=$B ./web", None),
            ("\"$X\" y", None),
            ("(a; b)", None),
            ("$X", None),
            ("A=1", None),
            ("", None),
        ] {
            assert_eq!(program_of_line(line).as_deref(), program, "{line}");
        }
    }
}
