//! Everything through which one process is spoken to.

use std::sync::Arc;

use super::{Output, Stdin, Terminal};
use crate::names::StreamLabel;

/// An extra two-way pipe of a process.
#[derive(Clone, Debug)]
pub struct TwoWay {
    /// What the process writes there.
    pub output: Arc<Output>,
    /// The way in.
    pub input: Stdin,
}

/// The streams of one process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ProcessIo {
    /// stdout and stderr, as labelled by the job, in that order; merged ones once.
    pub outputs: Vec<Arc<Output>>,
    /// stdin, if the job redirects it.
    pub stdin: Option<Stdin>,
    /// Extra pipes.
    pub custom: Vec<TwoWay>,
    /// The terminal that the process has instead of pipes, if it has one.
    pub terminal: Option<Terminal>,
}

impl ProcessIo {
    /// Everything that can be read: stdout, stderr, and the readable sides of the extra pipes.
    pub fn all_outputs(&self) -> impl Iterator<Item = &Arc<Output>> {
        self.outputs.iter().chain(self.custom.iter().map(|pipe| &pipe.output))
    }

    /// Labels of everything that can be read.
    pub fn labels(&self) -> impl Iterator<Item = &StreamLabel> {
        self.all_outputs().map(|output| output.label())
    }

    /// The output, or the readable side of the extra pipe, of this label.
    pub fn output(&self, label: &str) -> Option<&Arc<Output>> {
        self.all_outputs().find(|output| output.label().as_str() == label)
    }

    /// Has writers told that nobody reads any more.
    pub(crate) fn close_inputs(&self) {
        self.inputs().for_each(Stdin::close);
    }

    /// Ends all writing at once, as nothing is left of the process.
    pub(crate) fn abandon_inputs(&self) {
        self.inputs().for_each(Stdin::abandon);
    }

    fn inputs(&self) -> impl Iterator<Item = &Stdin> {
        self.stdin.iter().chain(self.custom.iter().map(|pipe| &pipe.input))
    }

    /// The way in: stdin for `None`, else the extra pipe of this label.
    pub fn input(&self, label: Option<&StreamLabel>) -> Option<&Stdin> {
        match label {
            None => self.stdin.as_ref(),
            Some(label) => self.custom.iter().find(|pipe| pipe.output.label() == label).map(|pipe| &pipe.input),
        }
    }
}
