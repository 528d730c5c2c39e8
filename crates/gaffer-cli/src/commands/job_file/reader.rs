//! From a text of JSON to jobs, with the place of each mistake.

use std::{collections::HashMap, fmt};

use gaffer_core::{
    JobConfig, JobName, SessionId,
    config::{FieldError, InvalidConfig, JOB_KEYS, suggest},
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

use super::{FileJob, lines::Lines};

/// A key, the offset of its quote, and its value.
type Entry<'a> = (String, usize, &'a RawValue);

/// Reads a text.
pub(super) struct Reader<'l, 'a> {
    pub(super) lines: &'l Lines<'a>,
    /// Where jobs are whose names say no session; `default`, if it is none.
    pub(super) session: Option<&'l SessionId>,
    /// With their offsets.
    pub(super) problems: Vec<(usize, String)>,
}

impl<'a> Reader<'_, 'a> {
    /// All jobs; none if it could not be made out which there are.
    pub(super) fn jobs(&mut self) -> Option<Vec<FileJob>> {
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
        match JobConfig::from_json(&object, self.full_name(&object), None) {
            Ok(read) => {
                let name = read.config.name().clone();
                object.insert("name".to_owned(), Value::String(name.to_string()));
                Some(FileJob { name, object, offsets })
            }
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

    /// The name of a job that says no session, in the session where such are.
    fn full_name(&self, object: &Map<String, Value>) -> Option<JobName> {
        let name = object.get("name")?.as_str()?;
        // One that holds a separator is no name without a session.
        JobName::new(self.session?.clone(), name).ok()
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

/// Whether it is a field of a job.
pub(super) fn is_known(key: &str) -> bool {
    key == "group" || JOB_KEYS.contains(&key)
}

/// The end of a sentence about a key that nobody knows.
pub(super) fn meant(key: &str) -> String {
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
