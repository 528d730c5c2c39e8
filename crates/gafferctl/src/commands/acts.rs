//! The outcomes of one command for several targets.

use std::{collections::BTreeMap, fmt::Display};

use gaffer_cli::{Exit, Failure, Format, Output, Target, Targets};
use serde_json::{Map, Value, json};

/// Where an outcome stands among the others: the number of targets before it, and the number of words before it that mean none.
type Place = (usize, usize);

/// Tells the outcome for each target, and at the end how it all went.
///
/// As text, a success is told at once: bare if one plain name was given, else with the target's name before it. As
/// JSON it is one list at the end, with an object for each target. Failures go to stderr in either case.
#[derive(Debug)]
pub(super) struct Acts<'a> {
    output: &'a mut Output,
    several: bool,
    told: BTreeMap<Place, Value>,
    /// Where the next outcome stands, unless it is said.
    next: usize,
    exit: Exit,
}

impl<'a> Acts<'a> {
    /// Begins with what could not be found.
    pub(super) fn new<T>(output: &'a mut Output, targets: &Targets<T>) -> Self {
        let mut acts = Self { several: targets.several, ..Self::of_one(output) };
        for (count, (failure, (before, word))) in targets.failures.iter().zip(&targets.failed_words).enumerate() {
            acts.told.insert((*before, count), failed("name", word.as_str().into(), &failure.to_string()));
            acts.say(failure);
        }
        acts
    }

    /// Where there can be only one target, or each line is to stand bare.
    pub(super) fn of_one(output: &'a mut Output) -> Self {
        Self { output, several: false, told: BTreeMap::new(), next: 0, exit: Exit::Done }
    }

    /// Whether the targets may be several, so that each is named.
    pub(super) fn several(&self) -> bool {
        self.several
    }

    /// Where results go.
    pub(super) fn output(&mut self) -> &mut Output {
        self.output
    }

    /// Tells that it is done, or why not.
    pub(super) fn done<E: Into<Failure>>(
        &mut self,
        target: impl Into<Target>,
        outcome: Result<(), E>,
    ) -> Result<(), Failure> {
        self.done_at(self.next, target, outcome)
    }

    /// As [`done`](Self::done), where outcomes are not known in the order of the targets: JSON has them in that order.
    pub(super) fn done_at<E: Into<Failure>>(
        &mut self,
        position: usize,
        target: impl Into<Target>,
        outcome: Result<(), E>,
    ) -> Result<(), Failure> {
        let target = target.into();
        if self.outcome(position, &target, outcome)?.is_none() {
            return Ok(());
        }
        self.push(position, &target, "ok", true.into());
        if self.output.is_quiet() { Ok(()) } else { self.text(&target, "ok") }
    }

    /// Keeps in mind that the outcome is told later, or never, if the node goes away.
    pub(super) fn later(&mut self, position: usize, target: impl Into<Target>) {
        let (key, label) = labelled(&target.into());
        let error = "it was asked for; what came of it is not known";
        self.told.insert((position, usize::MAX), failed(key, label, error));
    }

    /// Tells the target itself, where that is the result, or why it is none.
    pub(super) fn name<E: Into<Failure>>(
        &mut self,
        target: impl Into<Target>,
        outcome: Result<(), E>,
    ) -> Result<(), Failure> {
        let (position, target) = (self.next, target.into());
        if self.outcome(position, &target, outcome)?.is_none() {
            return Ok(());
        }
        self.push(position, &target, "ok", true.into());
        self.text(&target, &target.to_string())
    }

    /// Tells a value, as text or under its key, or why there is none.
    pub(super) fn value<T: Display + Into<Value>, E: Into<Failure>>(
        &mut self,
        target: impl Into<Target>,
        key: &str,
        outcome: Result<T, E>,
    ) -> Result<(), Failure> {
        let (position, target) = (self.next, target.into());
        let Some(value) = self.outcome(position, &target, outcome)? else { return Ok(()) };
        let text = value.to_string();
        self.push(position, &target, key, value.into());
        self.text(&target, &text)
    }

    /// Tells several values, as text one a line, or in one line behind the target's name; or why there are none.
    pub(super) fn values<T: Display + Into<Value>, E: Into<Failure>>(
        &mut self,
        target: impl Into<Target>,
        key: &str,
        outcome: Result<Vec<T>, E>,
    ) -> Result<(), Failure> {
        let (position, target) = (self.next, target.into());
        let Some(values) = self.outcome(position, &target, outcome)? else { return Ok(()) };
        let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
        self.push(position, &target, key, values.into_iter().map(Into::into).collect());
        if self.several {
            self.text(&target, texts.join(" ").as_str())
        } else {
            texts.iter().try_for_each(|text| self.text(&target, text))
        }
    }

    /// The value; or none, once it is told why.
    pub(super) fn found<T, E: Into<Failure>>(&mut self, outcome: Result<T, E>) -> Result<Option<T>, Failure> {
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
        target: &Target,
        outcome: Result<T, E>,
    ) -> Result<Option<T>, Failure> {
        self.next = self.next.max(position + 1);
        let outcome = outcome.map_err(Into::into);
        if let Err(failure) = &outcome {
            let (key, label) = labelled(target);
            self.told.insert((position, usize::MAX), failed(key, label, &failure.to_string()));
        }
        match self.found(outcome) {
            Err(failure) => Err(self.abort(failure)),
            found => found,
        }
    }

    fn push(&mut self, position: usize, target: &Target, key: &str, value: Value) {
        let (name, label) = labelled(target);
        let entry = Map::from_iter([(name.to_owned(), label), (key.to_owned(), value)]);
        self.told.insert((position, usize::MAX), Value::Object(entry));
    }

    fn text(&mut self, target: &Target, text: &str) -> Result<(), Failure> {
        match (self.output.format(), self.several) {
            (Format::Json, _) => Ok(()),
            (Format::Text, false) => self.output.line(text),
            (Format::Text, true) => self.output.line(format_args!("{target}: {text}").to_string().trim_end()),
        }
    }

    /// Tells a failure that belongs to no outcome.
    pub(super) fn say(&mut self, failure: &Failure) {
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
    pub(super) fn abort(&mut self, failure: Failure) -> Failure {
        // That it cannot be written is no news beside this.
        let _: Result<(), Failure> = self.document();
        failure
    }

    /// Ends as it all went, after the list of all outcomes where JSON is wanted.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.document()?;
        self.end()
    }

    /// Ends as it all went.
    pub(super) fn end(self) -> Result<(), Failure> {
        if self.exit == Exit::Done { Ok(()) } else { Err(Failure::Told(self.exit)) }
    }
}

/// What a target is called in JSON, with the key that it stands under.
fn labelled(target: &Target) -> (&'static str, Value) {
    match target {
        Target::Job(name) => ("name", name.short().into()),
        Target::Process(pid) => ("pid", pid.get().into()),
    }
}

fn failed(key: &str, label: Value, error: &str) -> Value {
    json!({ key: label, "ok": false, "error": error })
}
