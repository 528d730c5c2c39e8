//! Who speaks on the console: each job by a name, in a colour, behind a bar in its place.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::ConsoleSettings;
use crate::{
    names::JobName,
    voice::{Palette, Voice},
};

/// The names and colours of jobs.
#[derive(Debug)]
pub(super) struct Cast {
    labels: BTreeMap<JobName, String>,
    palette: Option<Palette>,
    width: Width,
}

impl Cast {
    pub(super) fn new(settings: &ConsoleSettings) -> Self {
        let cast = Self {
            labels: settings.labels.clone(),
            palette: settings.colorize.then(Palette::default),
            width: Width(settings.aligned.then(Arc::default)),
        };
        for label in cast.labels.values() {
            cast.width.make_room(label);
        }
        cast
    }

    /// What a job is called.
    pub(super) fn name(&self, job: &JobName) -> String {
        self.labels.get(job).cloned().unwrap_or_else(|| job.short())
    }

    /// The voice of a job.
    pub(super) fn voice(&mut self, job: &JobName) -> Voice {
        let name = self.name(job);
        self.width.make_room(&name);
        Voice::called(name, self.palette.as_mut().map(|palette| palette.of(job)))
    }

    /// A job was unloaded.
    pub(super) fn forget(&mut self, job: &JobName) {
        if let Some(palette) = &mut self.palette {
            palette.forget(job);
        }
    }

    /// How much room names take.
    pub(super) fn width(&self) -> &Width {
        &self.width
    }
}

/// The room for names, so that all bars stand in one column, if they are to. All clones are one.
#[derive(Clone, Debug, Default)]
pub(super) struct Width(Option<Arc<AtomicUsize>>);

impl Width {
    pub(super) fn get(&self) -> usize {
        self.0.as_ref().map_or(0, |width| width.load(Ordering::Relaxed))
    }

    fn make_room(&self, name: &str) {
        if let Some(width) = &self.0 {
            width.fetch_max(name.chars().count(), Ordering::Relaxed);
        }
    }
}
