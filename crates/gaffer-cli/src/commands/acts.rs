//! The outcomes of one command for several targets.

use std::{collections::BTreeMap, fmt::Display};

use gaffer_client::Endpoint;
use gaffer_core::{JobName, ProcessId, SessionId, access::KeyId};
use serde_json::{Map, Value, json};

use crate::{Exit, Failure, Format, Output, Target, Targets};

/// Where an outcome stands among the others: the number of targets before it, and the number of words before it that mean none.
type Place = (usize, usize);

/// What an outcome is of, as JSON calls it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    key: &'static str,
    label: Value,
}

impl From<&Target> for Entry {
    fn from(target: &Target) -> Self {
        match target {
            Target::Job(name) => name.into(),
            Target::Process(pid) => (*pid).into(),
        }
    }
}

impl From<&JobName> for Entry {
    fn from(name: &JobName) -> Self {
        Self { key: "name", label: name.short().into() }
    }
}

impl From<ProcessId> for Entry {
    fn from(pid: ProcessId) -> Self {
        Self { key: "pid", label: pid.get().into() }
    }
}

impl From<&SessionId> for Entry {
    fn from(application: &SessionId) -> Self {
        Self { key: "app", label: application.as_str().into() }
    }
}

impl From<&KeyId> for Entry {
    fn from(key: &KeyId) -> Self {
        Self { key: "key", label: key.as_str().into() }
    }
}

impl From<&Endpoint> for Entry {
    fn from(node: &Endpoint) -> Self {
        Self { key: "node", label: node.to_string().into() }
    }
}

impl Entry {
    /// A user.
    pub fn user(name: &str) -> Self {
        Self { key: "user", label: name.into() }
    }

    /// A webhook.
    pub fn webhook(id: &str) -> Self {
        Self { key: "webhook", label: id.into() }
    }

    /// What a word was to mean, of which nothing is known.
    fn of_word(word: &str) -> Self {
        Self { key: "name", label: word.into() }
    }

    fn with(self, key: &str, value: Value) -> Value {
        let Self { key: name, label } = self;
        Value::Object(Map::from_iter([(name.to_owned(), label), (key.to_owned(), value)]))
    }

    fn failed(self, error: &str) -> Value {
        let Self { key, label } = self;
        json!({ key: label, "ok": false, "error": error })
    }
}

/// Tells the outcome for each target, and at the end how it all went.
///
/// As text, a success is told at once: bare if one plain name was given, else with the target's name before it. As
/// JSON it is one list at the end, with an object for each target. Failures go to stderr in either case.
#[derive(Debug)]
pub struct Acts<'a> {
    output: &'a mut Output,
    several: bool,
    told: BTreeMap<Place, Value>,
    /// Where the next outcome stands, unless it is said.
    next: usize,
    exit: Exit,
}

impl<'a> Acts<'a> {
    /// Begins with what could not be found.
    pub fn new<T>(output: &'a mut Output, targets: &Targets<T>) -> Self {
        let mut acts = Self { several: targets.several, ..Self::of_one(output) };
        for (count, (failure, (before, word))) in targets.failures.iter().zip(&targets.failed_words).enumerate() {
            acts.told.insert((*before, count), Entry::of_word(word).failed(&failure.to_string()));
            acts.say(failure);
        }
        acts
    }

    /// Where there can be only one target, or each line is to stand bare.
    pub fn of_one(output: &'a mut Output) -> Self {
        Self { output, several: false, told: BTreeMap::new(), next: 0, exit: Exit::Done }
    }

    /// Whether the targets may be several, so that each is named.
    pub fn several(&self) -> bool {
        self.several
    }

    /// Where results go.
    pub fn output(&mut self) -> &mut Output {
        self.output
    }

    /// Tells that it is done, or why not.
    ///
    /// # Errors
    /// When it cannot be told, or the node went away: then the others need not be tried.
    pub fn done<E: Into<Failure>>(&mut self, target: impl Into<Target>, outcome: Result<(), E>) -> Result<(), Failure> {
        self.done_at(self.next, target, outcome)
    }

    /// As [`done`](Self::done), where outcomes are not known in the order of the targets: JSON has them in that order.
    ///
    /// # Errors
    /// As [`done`](Self::done).
    pub fn done_at<E: Into<Failure>>(
        &mut self,
        position: usize,
        target: impl Into<Target>,
        outcome: Result<(), E>,
    ) -> Result<(), Failure> {
        let target = target.into();
        if self.outcome(position, (&target).into(), outcome)?.is_none() {
            return Ok(());
        }
        self.push(position, &target, "ok", true.into());
        if self.output.is_quiet() { Ok(()) } else { self.text(&target, "ok") }
    }

    /// Keeps in mind that the outcome is told later, or never, if the node goes away.
    pub fn later(&mut self, position: usize, target: impl Into<Target>) {
        let error = "it was asked for; what came of it is not known";
        self.told.insert((position, usize::MAX), Entry::from(&target.into()).failed(error));
    }

    /// Tells the target itself, where that is the result, or why it is none.
    ///
    /// # Errors
    /// As [`done`](Self::done).
    pub fn name<E: Into<Failure>>(&mut self, target: impl Into<Target>, outcome: Result<(), E>) -> Result<(), Failure> {
        let (position, target) = (self.next, target.into());
        if self.outcome(position, (&target).into(), outcome)?.is_none() {
            return Ok(());
        }
        self.push(position, &target, "ok", true.into());
        self.text(&target, &target.to_string())
    }

    /// Tells a value, as text or under its key, or why there is none.
    ///
    /// # Errors
    /// As [`done`](Self::done).
    pub fn value<T: Display + Into<Value>, E: Into<Failure>>(
        &mut self,
        target: impl Into<Target>,
        key: &str,
        outcome: Result<T, E>,
    ) -> Result<(), Failure> {
        let (position, target) = (self.next, target.into());
        let Some(value) = self.outcome(position, (&target).into(), outcome)? else { return Ok(()) };
        let text = value.to_string();
        self.push(position, &target, key, value.into());
        self.text(&target, &text)
    }

    /// Tells several values, as text one a line, or in one line behind the target's name; or why there are none.
    ///
    /// # Errors
    /// As [`done`](Self::done).
    pub fn values<T: Display + Into<Value>, E: Into<Failure>>(
        &mut self,
        target: impl Into<Target>,
        key: &str,
        outcome: Result<Vec<T>, E>,
    ) -> Result<(), Failure> {
        let (position, target) = (self.next, target.into());
        let Some(values) = self.outcome(position, (&target).into(), outcome)? else { return Ok(()) };
        let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
        self.push(position, &target, key, values.into_iter().map(Into::into).collect());
        if self.several {
            self.text(&target, texts.join(" ").as_str())
        } else {
            texts.iter().try_for_each(|text| self.text(&target, text))
        }
    }

    /// Tells in these words that it is done, unless only results are wanted; or why not.
    ///
    /// # Errors
    /// As [`done`](Self::done).
    pub fn acknowledge<E: Into<Failure>>(
        &mut self,
        entry: impl Into<Entry>,
        outcome: Result<(), E>,
        words: impl Display,
    ) -> Result<(), Failure> {
        match self.keep(entry, "ok", outcome.map(|()| true))? {
            Some(_) => self.remark(words),
            None => Ok(()),
        }
    }

    /// Tells a value in words, or under its key; or why there is none.
    ///
    /// # Errors
    /// As [`done`](Self::done).
    pub fn result<T: Clone + Into<Value>, W: Display, E: Into<Failure>>(
        &mut self,
        entry: impl Into<Entry>,
        key: &str,
        outcome: Result<T, E>,
        words: impl FnOnce(&T) -> W,
    ) -> Result<(), Failure> {
        match (self.keep(entry, key, outcome)?, self.output.format()) {
            (Some(value), Format::Text) => self.output.line(words(&value)),
            (Some(_), Format::Json) | (None, _) => Ok(()),
        }
    }

    /// Keeps a value for JSON, and leaves it to the caller to say it in words; or tells why there is none.
    ///
    /// # Errors
    /// As [`done`](Self::done).
    pub fn keep<T: Clone + Into<Value>, E: Into<Failure>>(
        &mut self,
        entry: impl Into<Entry>,
        key: &str,
        outcome: Result<T, E>,
    ) -> Result<Option<T>, Failure> {
        let (position, entry) = (self.next, entry.into());
        let Some(value) = self.outcome(position, entry.clone(), outcome)? else { return Ok(None) };
        self.push(position, entry, key, value.clone().into());
        Ok(Some(value))
    }

    /// Says something that JSON does not have, unless only results are wanted.
    ///
    /// # Errors
    /// As [`done`](Self::done).
    pub fn remark(&mut self, words: impl Display) -> Result<(), Failure> {
        match self.output.format() {
            Format::Json => Ok(()),
            Format::Text => self.output.acknowledge(words),
        }
    }

    /// The value; or none, once it is told why.
    ///
    /// # Errors
    /// When the node went away.
    pub fn found<T, E: Into<Failure>>(&mut self, outcome: Result<T, E>) -> Result<Option<T>, Failure> {
        match outcome.map_err(Into::into) {
            Ok(value) => Ok(Some(value)),
            // The others would fail likewise, after as long a time.
            Err(failure) if failure.exit() == Exit::Unreachable => Err(failure),
            Err(failure) => {
                self.say(&failure);
                Ok(None)
            }
        }
    }

    fn outcome<T, E: Into<Failure>>(
        &mut self,
        position: usize,
        entry: Entry,
        outcome: Result<T, E>,
    ) -> Result<Option<T>, Failure> {
        self.next = self.next.max(position + 1);
        let outcome = outcome.map_err(Into::into);
        if let Err(failure) = &outcome {
            self.told.insert((position, usize::MAX), entry.failed(&failure.to_string()));
        }
        match self.found(outcome) {
            Err(failure) => Err(self.abort(failure)),
            found => found,
        }
    }

    fn push(&mut self, position: usize, entry: impl Into<Entry>, key: &str, value: Value) {
        self.told.insert((position, usize::MAX), entry.into().with(key, value));
    }

    fn text(&mut self, target: &Target, text: &str) -> Result<(), Failure> {
        match (self.output.format(), self.several) {
            (Format::Json, _) => Ok(()),
            (Format::Text, false) => self.output.line(text),
            (Format::Text, true) => self.output.line(format_args!("{target}: {text}").to_string().trim_end()),
        }
    }

    /// Tells a failure that belongs to no outcome.
    pub fn say(&mut self, failure: &Failure) {
        self.output.tell(failure);
        self.exit = self.exit.and(failure.exit());
    }

    /// Prints the list of all outcomes where JSON is wanted.
    fn document(&mut self) -> Result<(), Failure> {
        match self.output.format() {
            Format::Json => self.output.json(&self.told.values().collect::<Vec<_>>()),
            Format::Text => Ok(()),
        }
    }

    /// Ends early with this, after the list of the outcomes so far where JSON is wanted.
    pub fn abort(&mut self, failure: Failure) -> Failure {
        // That it cannot be written is no news beside this.
        let _: Result<(), Failure> = self.document();
        failure
    }

    /// Ends as it all went, after the list of all outcomes where JSON is wanted.
    ///
    /// # Errors
    /// As it all went, if anything failed.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.document()?;
        self.end()
    }

    /// Ends as it all went.
    ///
    /// # Errors
    /// As it all went, if anything failed.
    pub fn end(self) -> Result<(), Failure> {
        if self.exit == Exit::Done { Ok(()) } else { Err(Failure::Told(self.exit)) }
    }
}

/// Tells what failed while the rest was done; how that ends, if anything did.
///
/// # Errors
/// As it all went, if anything failed.
pub fn failed(output: &mut Output, failures: &[Failure]) -> Result<(), Failure> {
    let mut acts = Acts::of_one(output);
    failures.iter().for_each(|failure| acts.say(failure));
    acts.end()
}
