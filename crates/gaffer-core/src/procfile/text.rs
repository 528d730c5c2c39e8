//! Files as text.

use std::{
    fs,
    io::{self, Read as _},
    path::Path,
};

use super::Mistake;
use crate::ini::{self, Place};

/// Most bytes of a Procfile, or of a file of variables.
const MAX_BYTES: u64 = 1024 * 1024;

/// The bytes of a file.
pub(super) fn load(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// The mistake of a file that cannot be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Mistake {
    let problem = if error.kind() == io::ErrorKind::FileTooLarge {
        format!("is larger than {MAX_BYTES} bytes; is it the right file?")
    } else {
        format!("cannot be read: {error}")
    };
    Mistake::at(Place::new(path, 0), problem)
}

/// Text whose lines end with bare line feeds, also where the file has CRLF, and without a byte order mark.
pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<String, Mistake> {
    match ini::decode(bytes) {
        Ok(text) => Ok(text.replace("\r\n", "\n")),
        Err((line, problem)) => Err(Mistake::at(Place::new(path, line), problem.to_string())),
    }
}
