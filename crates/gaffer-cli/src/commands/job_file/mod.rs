//! A file of jobs, read so that each mistake is told with its line and column.
//!
//! Each piece of JSON is borrowed from the text, and so knows its place in it.

mod lines;
mod reader;
mod text;

use std::collections::HashMap;

use gaffer_client::{Client, Error};
use gaffer_core::{JobName, SessionId};
use serde_json::{Map, Value};

use self::{
    lines::Lines,
    reader::{Reader, is_known, meant},
};
pub use self::{lines::Problem, text::JobText};
use crate::{Failure, Output};

/// Whether a job could not be loaded because one of its name is loaded already.
pub fn is_taken(error: &Error) -> bool {
    const CONFLICT: u16 = 409;
    error.refusal().is_some_and(|refusal| refusal.status == CONFLICT)
}

/// What a file holds.
#[derive(Debug)]
pub struct JobFile<'a> {
    /// What the file is called.
    name: &'a str,
    jobs: Vec<FileJob>,
    lines: Lines<'a>,
}

/// A job of the file.
#[derive(Debug)]
pub struct FileJob {
    name: JobName,
    /// The object as it stands in the file, also with keys that only the node may know; but with the full name.
    object: Map<String, Value>,
    /// Where each of its keys is.
    offsets: HashMap<String, usize>,
}

impl FileJob {
    /// How it is called.
    pub fn name(&self) -> &JobName {
        &self.name
    }

    /// Whether the file says that it is started or not.
    pub fn start(&self) -> Option<bool> {
        self.object.get("start")?.as_bool()
    }
}

impl<'a> JobFile<'a> {
    /// Reads a job, a list of jobs, or `{"jobs": [...]}`. A name without a session is one of this session; of `default`, if it is none.
    ///
    /// # Errors
    /// All mistakes, in their order in the file; keys that no job is known to have are told among them, as one may be the
    /// cause.
    pub fn read(name: &'a str, bytes: &'a [u8], session: Option<&SessionId>) -> Result<Self, Vec<Problem>> {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let before = String::from_utf8_lossy(bytes.get(..error.valid_up_to()).unwrap_or_default());
                return Err(vec![Lines::new(&before).problem(before.len(), "this is no UTF-8".to_owned())]);
            }
        };
        // Some editors begin a file with this mark, and no JSON may.
        let lines = Lines::new(text.strip_prefix('\u{feff}').unwrap_or(text));
        let mut reader = Reader { lines: &lines, session, problems: Vec::new() };
        let jobs = reader.jobs();
        let mut problems = reader.problems;
        problems.sort();
        match jobs {
            Some(jobs) if problems.is_empty() => Ok(Self { name, jobs, lines }),
            Some(_) | None => Err(problems.into_iter().map(|(offset, text)| lines.problem(offset, text)).collect()),
        }
    }

    /// Its jobs.
    pub fn jobs(&self) -> &[FileJob] {
        &self.jobs
    }

    /// Loads one of its jobs into a node, started or not. Keys that the node does not know are told as warnings, each with its place.
    ///
    /// # Errors
    /// As [`Client::load`]; [`failure`](Self::failure) has it with its place.
    pub async fn load(&self, client: &Client, output: &mut Output, job: &FileJob, start: bool) -> Result<(), Error> {
        let mut object = job.object.clone();
        object.insert("start".to_owned(), start.into());
        let ignored = client.load(&object).await?;
        for key in ignored {
            output.say_placed(format_args!("{}:{}", self.name, self.ignored(job, &key)));
        }
        Ok(())
    }

    /// Why one of its jobs could not be loaded: that its name is taken with the place of that.
    pub fn failure(&self, job: &FileJob, error: Error) -> Failure {
        match error.refusal() {
            Some(refusal) if is_taken(&error) => {
                Failure::Placed(format!("{}:{}", self.name, self.taken(job, &refusal.reason)))
            }
            Some(_) | None => Failure::Call(error),
        }
    }

    /// The warning that the node does not know a job's key, and left it out.
    fn ignored(&self, job: &FileJob, key: &str) -> Problem {
        let text = if is_known(key) {
            format!("warning: {key} is not known to this node, and ignored")
        } else {
            format!("warning: {key} is no field of a job, and ignored{}", meant(key))
        };
        self.at(job, key, text)
    }

    /// What the node says against the name of a job.
    fn taken(&self, job: &FileJob, reason: &str) -> Problem {
        self.at(job, "name", format!("name: {reason}"))
    }

    fn at(&self, job: &FileJob, key: &str, text: String) -> Problem {
        // The node names only keys of the object.
        self.lines.problem(job.offsets.get(key).copied().unwrap_or_default(), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        JobFile::read("x.json", text.as_bytes(), None).unwrap_err().iter().map(ToString::to_string).collect()
    }

    fn names(text: &str) -> Vec<String> {
        JobFile::read("x.json", text.as_bytes(), None).unwrap().jobs.iter().map(|job| job.name.short()).collect()
    }

    #[test]
    fn a_job_a_list_and_an_object_with_a_list_are_read() {
        assert_eq!(names(r#"{"name": "web", "cmd": "true"}"#), ["web"]);
        assert_eq!(names(r#"[{"name": "a", "cmd": "true"}, {"name": "shop.b", "cmd": "true"}]"#), ["a", "shop.b"]);
        assert_eq!(names("\u{feff} {\"jobs\": [{\"name\": \"a\", \"cmd\": \"true\"}]}\n"), ["a"]);
        assert!(names("[]").is_empty());
    }

    #[test]
    fn a_name_without_a_session_is_one_of_the_session_that_is_given() {
        let text = r#"[{"name": "web", "cmd": "true"}, {"name": "default.web", "cmd": "true"}, {"name": "a/b", "cmd": "true"}]"#;
        let file = JobFile::read("x.json", text.as_bytes(), Some(&"shop".parse().unwrap())).unwrap();
        let names: Vec<String> = file.jobs().iter().map(|job| job.name().to_string()).collect();
        assert_eq!(names, ["shop.web", "default.web", "a.b"]);
        assert_eq!(file.jobs()[0].object["name"], "shop.web");
        let text = "{\"name\": \"a b\",\n\"cmd\": \"true\"}";
        let problems = JobFile::read("x.json", text.as_bytes(), Some(&"shop".parse().unwrap())).unwrap_err();
        assert!(problems[0].to_string().starts_with("1:2: name: `a b`: ' ' cannot stand"), "{problems:?}");
    }

    #[test]
    fn keys_that_are_not_known_here_are_kept_and_know_their_place() {
        let file =
            JobFile::read("x.json", b"{\"name\": \"web\", \"cmd\": \"true\",\n  \"cdw\": {\"x\": [1, 2.5]}}", None)
                .unwrap();
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
        assert_eq!(
            JobFile::read("x.json", b"{\n \"a\xff\": 1}", None).unwrap_err()[0].to_string(),
            "2:4: this is no UTF-8"
        );
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
