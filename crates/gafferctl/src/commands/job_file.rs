//! A file of jobs, read so that each mistake is told with its line and column.
//!
//! Each piece of JSON is borrowed from the text, and so knows its place in it.

use std::{collections::HashMap, fmt};

use gaffer_core::{
    JobConfig, JobName,
    config::{FieldError, InvalidConfig, JOB_KEYS, suggest},
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

/// What a file holds.
#[derive(Debug)]
pub(super) struct JobFile<'a> {
    /// Its jobs.
    pub(super) jobs: Vec<FileJob>,
    lines: Lines<'a>,
}

/// A job of the file.
#[derive(Debug)]
pub(super) struct FileJob {
    /// How it is called.
    pub(super) name: JobName,
    /// The object as it stands in the file, also with keys that only the node may know.
    pub(super) object: Map<String, Value>,
    /// Where each of its keys is.
    offsets: HashMap<String, usize>,
}

/// Something wrong, with its place: line and column in characters, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    line: usize,
    column: usize,
    text: String,
}

impl fmt::Display for Problem {
    /// `LINE:COLUMN: …`, to be put behind the file's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.text)
    }
}

impl<'a> JobFile<'a> {
    /// Reads a job, a list of jobs, or `{"jobs": [...]}`.
    ///
    /// # Errors
    /// All mistakes, in their order in the file; keys that no job is known to have are told among them, as one may be the
    /// cause.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Vec<Problem>> {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let before = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
                return Err(vec![Lines::new(&before).problem(before.len(), "this is no UTF-8".to_owned())]);
            }
        };
        // Some editors begin a file with this mark, and no JSON may.
        let lines = Lines::new(text.strip_prefix('\u{feff}').unwrap_or(text));
        let mut reader = Reader { lines: &lines, problems: Vec::new() };
        let jobs = reader.jobs();
        let mut problems = reader.problems;
        problems.sort();
        match jobs {
            Some(jobs) if problems.is_empty() => Ok(Self { jobs, lines }),
            Some(_) | None => Err(problems.into_iter().map(|(offset, text)| lines.problem(offset, text)).collect()),
        }
    }

    /// The warning that the node does not know a job's key, and left it out.
    pub(super) fn ignored(&self, job: &FileJob, key: &str) -> Problem {
        let text = if is_known(key) {
            format!("warning: {key} is not known to this node, and ignored")
        } else {
            format!("warning: {key} is no field of a job, and ignored{}", meant(key))
        };
        self.at(job, key, text)
    }

    /// What the node says against the name of a job.
    pub(super) fn taken(&self, job: &FileJob, reason: &str) -> Problem {
        self.at(job, "name", format!("name: {reason}"))
    }

    fn at(&self, job: &FileJob, key: &str, text: String) -> Problem {
        // The node names only keys of the object.
        self.lines.problem(job.offsets.get(key).copied().unwrap_or_default(), text)
    }
}

/// The text, and where its lines begin.
#[derive(Debug)]
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Self {
        let breaks = text.match_indices('\n').map(|(offset, _)| offset + 1);
        Self { text, starts: std::iter::once(0).chain(breaks).collect() }
    }

    /// The number of the line that holds a byte.
    fn line(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }

    fn problem(&self, offset: usize, text: String) -> Problem {
        let line = self.line(offset);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..self.text.floor_char_boundary(offset)).unwrap_or_default();
        Problem { line, column: before.chars().count() + 1, text }
    }

    /// Where a piece of the text begins.
    fn offset(&self, piece: &str) -> usize {
        piece.as_ptr().addr() - self.text.as_ptr().addr()
    }
}

/// A key, the offset of its quote, and its value.
type Entry<'a> = (String, usize, &'a RawValue);

struct Reader<'l, 'a> {
    lines: &'l Lines<'a>,
    /// With their offsets.
    problems: Vec<(usize, String)>,
}

impl<'a> Reader<'_, 'a> {
    /// All jobs; none if it could not be made out which there are.
    fn jobs(&mut self) -> Option<Vec<FileJob>> {
        let whole: &RawValue = self.parse(self.lines.text)?;
        let list = match whole.get().as_bytes().first() {
            Some(b'[') => whole,
            Some(b'{') => {
                let entries = self.entries(whole, "")?;
                let Some((_, _, list)) = entries.iter().find(|(key, _, _)| key == "jobs") else {
                    return self.job(whole, entries).map(|job| vec![job]);
                };
                for (key, offset, _) in entries.iter().filter(|(key, _, _)| key != "jobs") {
                    self.fail(*offset, format!("{key}: cannot stand beside `jobs`"));
                }
                if !list.get().starts_with('[') {
                    self.fail(self.lines.offset(list.get()), "jobs: must be a list of jobs".to_owned());
                    return None;
                }
                *list
            }
            Some(_) | None => {
                let text = "must be a job, a list of jobs, or {\"jobs\": [...]}";
                self.fail(self.lines.offset(whole.get()), text.to_owned());
                return None;
            }
        };
        let mut jobs: Vec<FileJob> = Vec::new();
        let mut names = HashMap::new();
        for item in self.parse::<Vec<&RawValue>>(list.get())? {
            if !item.get().starts_with('{') {
                self.fail(self.lines.offset(item.get()), "must be a job: an object with name and cmd".to_owned());
                continue;
            }
            let Some(job) = self.entries(item, "").and_then(|entries| self.job(item, entries)) else { continue };
            let offset = job.offsets.get("name").copied().unwrap_or_default();
            if let Some(first) = names.insert(job.name.clone(), offset) {
                let line = self.lines.line(first);
                self.fail(offset, format!("name: `{}` is in this file already, in line {line}", job.name.short()));
            }
            jobs.push(job);
        }
        Some(jobs)
    }

    fn job(&mut self, whole: &'a RawValue, entries: Vec<Entry<'a>>) -> Option<FileJob> {
        let mut object = Map::new();
        let mut offsets = HashMap::new();
        let mut values = HashMap::new();
        for (key, offset, value) in entries {
            offsets.insert(key.clone(), offset);
            values.insert(key.clone(), value);
            object.insert(key.clone(), self.parse(value.get())?);
            self.find_duplicates(value, &key);
        }
        match JobConfig::from_json(&object, None, None) {
            Ok(read) => Some(FileJob { name: read.config.name().clone(), object, offsets }),
            Err(InvalidConfig(errors)) => {
                let beginning = self.lines.offset(whole.get());
                for FieldError { field, problem } in errors {
                    let within = values.get(&field).and_then(|value| self.place_within(&field, &problem, value));
                    let offset = within.or_else(|| offsets.get(&field).copied()).unwrap_or(beginning);
                    self.fail(offset, format!("{field}: {problem}"));
                }
                for (key, offset) in offsets {
                    if !is_known(&key) {
                        self.fail(offset, format!("{key}: is no field of a job{}", meant(&key)));
                    }
                }
                None
            }
        }
    }

    /// Where the part of a field is that the problem is about, if it is about one.
    fn place_within(&self, field: &str, problem: &str, value: &'a RawValue) -> Option<usize> {
        let parts: RawEntries<'a> = serde_json::from_str(value.get()).ok()?;
        let (place, _) = parts.0.into_iter().find(|(key, value)| {
            let key = key.get().trim_matches('"');
            problem.contains(&format!("`{key}`"))
                || match field {
                    "flapping" => problem.starts_with(&format!("{key} ")),
                    "env" => value.get().starts_with(['[', '{', 'n']),
                    _ => false,
                }
        })?;
        Some(self.lines.offset(place.get()))
    }

    /// The entries of an object. A key that stands twice is a mistake, as nobody can say which of them is meant.
    fn entries(&mut self, object: &'a RawValue, path: &str) -> Option<Vec<Entry<'a>>> {
        let mut entries: Vec<Entry<'a>> = Vec::new();
        let mut seen = HashMap::new();
        for (key, value) in self.parse::<RawEntries<'a>>(object.get())?.0 {
            let (offset, key) = (self.lines.offset(key.get()), self.parse::<String>(key.get())?);
            if let Some(first) = seen.insert(key.clone(), offset) {
                let line = self.lines.line(first);
                self.fail(offset, format!("{path}{key}: is given twice, the first time in line {line}"));
            }
            entries.push((key, offset, value));
        }
        Some(entries)
    }

    fn find_duplicates(&mut self, value: &'a RawValue, path: &str) {
        if value.get().starts_with('{') {
            for (key, _, value) in self.entries(value, &format!("{path}.")).unwrap_or_default() {
                self.find_duplicates(value, &format!("{path}.{key}"));
            }
        }
    }

    /// Reads a piece of the text.
    fn parse<T: Deserialize<'a>>(&mut self, piece: &'a str) -> Option<T> {
        serde_json::from_str(piece).map_err(|error| self.syntax(&error, piece)).ok()
    }

    fn syntax(&mut self, error: &serde_json::Error, piece: &str) {
        let lines: usize = piece.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
        let within = if error.is_eof() { piece.len() } else { lines + error.column().saturating_sub(1) };
        let offset = self.lines.offset(piece) + within.min(piece.len());
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message);
        let cure = hint(self.lines.text, offset).map(|hint| format!(": {hint}")).unwrap_or_default();
        self.fail(offset, format!("{message}{cure}"));
    }

    fn fail(&mut self, offset: usize, text: String) {
        self.problems.push((offset, text));
    }
}

fn is_known(key: &str) -> bool {
    key == "group" || JOB_KEYS.contains(&key)
}

/// The end of a sentence about a key that nobody knows.
fn meant(key: &str) -> String {
    suggest(key, JOB_KEYS).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default()
}

/// What to do about a mistake that people make who know other languages better.
fn hint(text: &str, offset: usize) -> Option<&'static str> {
    let rest = text.get(text.floor_char_boundary(offset)..)?;
    let before = text.get(..text.floor_char_boundary(offset))?.trim_end();
    let word = rest.split(|c: char| !c.is_alphanumeric()).next()?;
    match (word, rest.chars().next()?) {
        ("False", _) => Some("write `false`"),
        ("True", _) => Some("write `true`"),
        ("None", _) => Some("write `null`"),
        (_, '\'') => Some("texts stand in double quotes"),
        (_, '}' | ']') if before.ends_with(',') => Some("leave out the comma before it"),
        (_, '#' | '/') => Some("there are no comments in JSON"),
        _ => None,
    }
}

/// Keys and values of an object, each borrowed from the text, in their order and with those that stand twice.
struct RawEntries<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for RawEntries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = RawEntries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(RawEntries(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        JobFile::read(text.as_bytes()).unwrap_err().iter().map(ToString::to_string).collect()
    }

    fn names(text: &str) -> Vec<String> {
        JobFile::read(text.as_bytes()).unwrap().jobs.iter().map(|job| job.name.short()).collect()
    }

    #[test]
    fn a_job_a_list_and_an_object_with_a_list_are_read() {
        assert_eq!(names(r#"{"name": "web", "cmd": "true"}"#), ["web"]);
        assert_eq!(names(r#"[{"name": "a", "cmd": "true"}, {"name": "shop.b", "cmd": "true"}]"#), ["a", "shop.b"]);
        assert_eq!(names("\u{feff} {\"jobs\": [{\"name\": \"a\", \"cmd\": \"true\"}]}\n"), ["a"]);
        assert!(names("[]").is_empty());
    }

    #[test]
    fn keys_that_are_not_known_here_are_kept_and_know_their_place() {
        let file = JobFile::read(b"{\"name\": \"web\", \"cmd\": \"true\",\n  \"cdw\": {\"x\": [1, 2.5]}}").unwrap();
        assert_eq!(file.jobs[0].object["cdw"], serde_json::json!({"x": [1, 2.5]}));
        assert_eq!(
            file.ignored(&file.jobs[0], "cdw").to_string(),
            "2:3: warning: cdw is no field of a job, and ignored; did you mean `cwd`?"
        );
        assert_eq!(
            file.ignored(&file.jobs[0], "cmd").to_string(),
            "1:17: warning: cmd is not known to this node, and ignored"
        );
        assert_eq!(file.taken(&file.jobs[0], "taken").to_string(), "1:2: name: taken");
    }

    #[test]
    fn all_mistakes_are_told_in_their_order_with_line_column_and_field() {
        let text = r#"{"jobs": [
  {"name": "web", "cmd": "true", "numprocesses": -1,
   "start": "yes", "cwdd": 1},
  {"näme": 1, "cmd": "x 'y"},
  7
]}"#;
        assert_eq!(
            problems(text),
            [
                "2:34: numprocesses: must be a whole number of 0 or more, but is -1",
                "3:4: start: must be true or false, but is \"yes\"",
                "3:20: cwdd: is no field of a job; did you mean `cwd`?",
                "4:3: name: is missing; every job needs one",
                "4:4: näme: is no field of a job; did you mean `name`?",
                "4:15: cmd: has an open quote or a trailing backslash: `x 'y`",
                "5:3: must be a job: an object with name and cmd",
            ]
        );
    }

    #[test]
    fn a_mistake_in_a_part_of_a_field_is_told_with_the_place_of_the_part() {
        for (field, place) in [
            ("\"env\": {\"A\": \"1\",\n \"B\": [1]}", "2:2: env: must be an object of strings"),
            ("\"env\": {\"A\": \"1\",\n \"B\": \"\\u0000\"}", "2:2: env: the value of `B` holds a NUL"),
            ("\"flapping\": {\"attempts\": 1,\n \"window\": \"x\"}", "2:2: flapping: window must be a number"),
            ("\"flapping\": {\"attempts\": 1,\n \"windo\": 1}", "2:2: flapping: has no part `windo`"),
            ("\n\"flapping\": 7", "2:1: flapping: "),
            ("\n\"env\": 7", "2:1: env: "),
        ] {
            let told = problems(&format!("{{\"name\": \"web\", \"cmd\": \"true\", {field}}}"));
            assert!(told[0].starts_with(place), "{told:?}");
        }
    }

    #[test]
    fn what_stands_twice_is_a_mistake() {
        let text = "{\"name\": \"web\", \"cmd\": \"true\",\n\"cmd\": \"false\", \"env\": {\"A\": 1,\n \"A\": 2}}";
        assert_eq!(
            problems(text),
            [
                "2:1: cmd: is given twice, the first time in line 1",
                "3:2: env.A: is given twice, the first time in line 2",
            ]
        );
        let text = "[{\"name\": \"web\", \"cmd\": \"true\"},\n{\"cmd\": \"true\", \"name\": \"default.web\"}]";
        assert_eq!(problems(text), ["2:17: name: `web` is in this file already, in line 1"]);
    }

    #[test]
    fn syntax_errors_have_line_column_and_where_it_is_known_the_cure() {
        for (text, problem) in [
            ("{\n  \"start\": False\n}", "2:12: expected value: write `false`"),
            ("{\"start\": [True]}", "1:12: expected value: write `true`"),
            ("{\"uid\": None}", "1:9: expected value: write `null`"),
            ("{'name': 1}", "1:2: key must be a string: texts stand in double quotes"),
            ("{\"name\": 'ä'}", "1:10: expected value: texts stand in double quotes"),
            ("{\"ä\": 1,\n}", "2:1: key must be a string: leave out the comma before it"),
            ("[1, 2, ]", "1:8: expected value: leave out the comma before it"),
            ("{ # a job\n}", "1:3: key must be a string: there are no comments in JSON"),
            ("{\"ä\": \"b\" \"c\": 1}", "1:11: expected `,` or `}`"),
            ("{\"name\": \"web\",\n", "2:1: EOF while parsing an object"),
            ("[{\"name\": \"\\ud800\"}]", "1:18: unexpected end of hex escape"),
            ("7", "1:1: must be a job, a list of jobs, or {\"jobs\": [...]}"),
            ("{\"jobs\": {}, \"x\": 1}", "1:10: jobs: must be a list of jobs"),
        ] {
            assert_eq!(problems(text)[0], problem, "{text}");
        }
        assert_eq!(JobFile::read(b"{\n \"a\xff\": 1}").unwrap_err()[0].to_string(), "2:4: this is no UTF-8");
    }

    #[test]
    fn no_text_makes_it_fail_otherwise_than_by_a_mistake_with_a_place() {
        let deep = "[".repeat(100_000);
        let nested = format!("{{\"name\": \"web\", \"cmd\": {}1{}}}", "[".repeat(1_000), "]".repeat(1_000));
        for text in [deep.as_str(), nested.as_str(), "{\"\\u0000\": 1}", "\u{feff}", "\n\n{\"jobs\"", "[null]"] {
            assert!(!problems(text).is_empty(), "{text}");
        }
    }
}
