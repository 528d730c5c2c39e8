//! Where jobs are read from: a file, or stdin.

use std::{
    fs::File,
    io::{self, Read},
};

use gaffer_core::SessionId;

use super::JobFile;
use crate::{Exit, Failure, Output};

/// Most bytes that are read.
const LIMIT: u64 = 16 * 1024 * 1024;

/// The text of a file of jobs.
#[derive(Debug)]
pub struct JobText {
    name: String,
    bytes: Vec<u8>,
}

impl JobText {
    /// Reads a file, or stdin for `-`. Blocks meanwhile.
    ///
    /// # Errors
    /// When it cannot be read, is too large, or holds nothing.
    pub fn open(file: &str) -> Result<Self, Failure> {
        let (name, bytes) = match file {
            "-" => ("<stdin>", read(io::stdin().lock())),
            path => (path, File::open(path).and_then(read)),
        };
        let bytes = bytes.map_err(|error| Failure::Failed(format!("cannot read `{name}`: {error}")))?;
        if bytes.len() as u64 > LIMIT {
            return Err(Failure::Failed(format!("`{name}` is too large; at most {LIMIT} bytes are read")));
        }
        if bytes.trim_ascii().is_empty() {
            return Err(Failure::Placed(format!(
                "{name}: is empty; give a job, a list of jobs, or {{\"jobs\": [...]}}"
            )));
        }
        Ok(Self { name: name.to_owned(), bytes })
    }

    /// What it is called: the file's name, or `<stdin>`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its jobs. A name without a session is one of this session; of `default`, if it is none.
    ///
    /// # Errors
    /// When there are mistakes in it, once all are told.
    pub fn jobs(&self, session: Option<&SessionId>, output: &mut Output) -> Result<JobFile<'_>, Failure> {
        let Self { name, bytes } = self;
        let file = JobFile::read(name, bytes, session).map_err(|problems| {
            for problem in problems {
                output.say_placed(format_args!("{name}:{problem}"));
            }
            Failure::Told(Exit::Failed)
        })?;
        if file.jobs().is_empty() {
            output.say_placed(format_args!("{name}: warning: it holds no job"));
        }
        Ok(file)
    }
}

fn read(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(LIMIT + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
