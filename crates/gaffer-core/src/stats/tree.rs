//! A process and its descendants.

use super::{
    descriptors::Descriptors,
    figures::Usage,
    process::{Lost, Process},
    sample::Stat,
};
use crate::names::OsPid;

/// Generations that are looked at. A chain of forks can be as long as the kernel has numbers; following and writing it
/// must not take a stack as deep. As JSON each is two levels more, and many readers take no more than 128.
pub(super) const GENERATIONS: usize = 60;

/// A process and those of its descendants that lived at the last reading.
#[derive(Debug)]
pub(super) struct Tree {
    process: Process,
    children: Vec<Tree>,
}

impl Tree {
    /// Finds a process; see [`Process::open`]. Its descendants are found by the first reading.
    pub(super) fn open(
        os_pid: OsPid,
        descriptors: &Descriptors,
        is_meant: impl FnOnce(&Stat<'_>) -> bool,
    ) -> Result<Self, Lost> {
        Ok(Self { process: Process::open(os_pid, descriptors, is_meant)?, children: Vec::new() })
    }

    /// Reads the process alone.
    pub(super) fn read_alone(&mut self, descriptors: &Descriptors) -> Result<Usage, Lost> {
        self.process.read(descriptors)
    }

    /// Reads the process and all below it. What of it comes and goes meanwhile is there or not; only the process itself
    /// decides whether there is a reading.
    pub(super) fn read(&mut self, descriptors: &Descriptors, starved: &mut bool) -> Result<Usage, Lost> {
        self.read_generations(descriptors, starved, GENERATIONS)
    }

    fn read_generations(&mut self, descriptors: &Descriptors, starved: &mut bool, left: usize) -> Result<Usage, Lost> {
        let mut usage = self.process.read(descriptors)?;
        if left == 0 {
            return Ok(usage);
        }
        let mut numbers = Vec::new(); // Allocates nothing as long as there are no children, as for most.
        self.process.list_children(&mut numbers);
        numbers.sort_unstable();
        numbers.dedup(); // A child whose parent's thread ended may have moved from one list to the next.
        // Both are in order of the numbers, so that they are matched in one walk however many there are.
        let mut known = std::mem::take(&mut self.children).into_iter().peekable();
        for number in numbers {
            while known.next_if(|child| child.process.os_pid() < number).is_some() {} // Gone, and closed by this.
            let child = known.next_if(|child| child.process.os_pid() == number);
            match self.read_child(number, child, descriptors, starved, left - 1) {
                Ok((child, figures)) => {
                    self.children.push(child);
                    usage.children.push(figures);
                }
                Err(Lost::Gone) => {}
                Err(lost) => {
                    *starved |= lost == Lost::Starved;
                    usage.children.push(Usage::unknown(number));
                }
            }
        }
        Ok(usage)
    }

    fn read_child(
        &self,
        number: OsPid,
        known: Option<Self>,
        descriptors: &Descriptors,
        starved: &mut bool,
        left: usize,
    ) -> Result<(Self, Usage), Lost> {
        if let Some(mut child) = known {
            match child.read_generations(descriptors, starved, left) {
                // The number was on the list a moment ago: it may be that of a new child by now.
                Err(Lost::Gone) => {}
                Err(lost) => return Err(lost),
                Ok(figures) => return Ok((child, figures)),
            }
        }
        // If the child ended since it was listed, a stranger may have its number; but not its parent.
        let parent = self.process.os_pid().as_raw();
        let mut child = Self::open(number, descriptors, |stat| stat.parent == parent)?;
        let figures = child.read_generations(descriptors, starved, left)?;
        Ok((child, figures))
    }

    /// Closes what is kept open; from now on files are opened for each reading.
    pub(super) fn close(&mut self) {
        self.process.close();
        self.children.iter_mut().for_each(Self::close);
    }
}
