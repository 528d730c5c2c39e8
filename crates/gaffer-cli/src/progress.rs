//! A line that says how far something is.

use std::{
    io::{self, IsTerminal, Write},
    ops::ControlFlow,
};

use gaffer_core::os;

use crate::{Failure, unless_signalled};

/// A line on the terminal that is written over and over, and wiped at the end. Where stderr is no terminal nothing is shown.
#[derive(Debug)]
pub struct Progress {
    shown: Option<String>,
    active: bool,
}

impl Progress {
    /// Shows if a person looks, unless only results are wanted.
    pub fn new(quiet: bool) -> Self {
        Self { shown: None, active: !quiet && io::stderr().is_terminal() }
    }

    /// Replaces the line, if it says something else.
    pub fn show(&mut self, text: &str) {
        if self.active && self.shown.as_deref() != Some(text) {
            self.shown = Some(text.to_owned());
            // Cut by the terminal at its edge, rather than spilling over into lines that are not wiped.
            write(&format!("\r\x1b[K\x1b[?7l{text}\x1b[?7h"));
        }
    }

    /// Wipes the line.
    pub fn clear(&mut self) {
        if self.shown.take().is_some() {
            write("\r\x1b[K");
        }
    }

    /// Does what may show a line. At a signal that ends programs the line is wiped, and then it ends this one.
    ///
    /// # Errors
    /// When signals cannot be listened to.
    pub async fn wiped_at_signals<T>(task: impl Future<Output = T>) -> Result<T, Failure> {
        if !io::stderr().is_terminal() {
            return Ok(task.await);
        }
        match unless_signalled(task).await? {
            ControlFlow::Continue(done) => Ok(done),
            // With the task its line is gone.
            ControlFlow::Break(signal) => os::die_of(signal),
        }
    }
}

fn write(text: &str) {
    // With nobody to see it there is nobody to tell.
    let _: io::Result<()> = io::stderr().write_all(text.as_bytes()).and_then(|()| io::stderr().flush());
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
