//! Strings the files of a configuration together.

use std::{
    collections::HashMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Place, Problem,
    error::Findings,
    kind::Kind,
    problem::shown,
    scanner::{self, Dialect, Entry, Section},
};

/// Most bytes of a configuration, all files together. Ten thousand jobs take about two million.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Most levels of files within files, and of folders within folders.
const MAX_DEPTH: usize = 16;
/// Most files of a configuration.
const MAX_FILES: usize = 10_000;

/// gafferd's own.
const DIALECT: Dialect =
    Dialect { example: "[gaffer]", is_header: |header| Kind::of(header).is_ok(), quotes: false, shown };

/// Everything that stands in a configuration's files, in the order of reading.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// The sections of all files.
    pub(super) sections: Vec<Section>,
    /// The files, the first one first.
    pub(super) files: Vec<PathBuf>,
    /// The files that an `include` names, as paths to open.
    pub(super) include: Vec<PathBuf>,
    /// The folders that an `include_dir` names, as paths to open.
    pub(super) include_dir: Vec<PathBuf>,
}

/// Reads a file and all that it includes. What cannot be read is noted, and the rest is read on.
pub(super) fn read(path: &Path, findings: &mut Findings) -> Source {
    let mut reader =
        Reader { source: Source::default(), findings, known: HashMap::new(), chain: Vec::new(), bytes_left: MAX_BYTES };
    let place = Place::new(path, 0);
    match fs::canonicalize(path).and_then(|real| reader.load(path).map(|bytes| (real, bytes))) {
        Ok((real, bytes)) => reader.take(path, real, bytes, place),
        Err(error) => reader.findings.error(&place, None, None, unreadable_file(&error)),
    }
    reader.source
}

/// Reads one file that includes nothing. What is wrong is noted.
pub(super) fn read_alone(path: &Path, dialect: &Dialect, findings: &mut Findings) -> Vec<Section> {
    let file: Arc<Path> = path.into();
    match load(path, MAX_BYTES) {
        Ok(bytes) => scan(&file, &bytes, dialect, findings),
        Err(error) => {
            findings.error(&Place { file, line: 0 }, None, None, unreadable_file(&error));
            Vec::new()
        }
    }
}

/// Reads a text that is in no file; its `include` leads nowhere.
pub(super) fn parse(name: &str, text: &str, findings: &mut Findings) -> Source {
    let file: Arc<Path> = Path::new(name).into();
    let mut source = Source::default();
    if text.len() as u64 > MAX_BYTES {
        findings.error(&Place { file, line: 0 }, None, None, Problem::TooLarge { limit: MAX_BYTES });
        return source;
    }
    source.sections = scan(&file, text.as_bytes(), &DIALECT, findings);
    for (section, entry, _) in includes(&source.sections) {
        if !entry.text().is_empty() {
            findings.error(&entry.place, Some(&section.header), Some(&entry.key), Problem::NoFolder);
        }
    }
    source
}

/// Decodes and scans one file.
pub(super) fn scan(file: &Arc<Path>, bytes: &[u8], dialect: &Dialect, findings: &mut Findings) -> Vec<Section> {
    match scanner::decode(bytes) {
        Ok(text) => scanner::scan(file, text, dialect, findings),
        Err((line, problem)) => {
            findings.error(&Place { file: Arc::clone(file), line }, None, None, problem);
            Vec::new()
        }
    }
}

/// What an entry includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Include {
    Files,
    Folders,
}

/// The keys of `[gaffer]` that name more files.
fn includes(sections: &[Section]) -> impl Iterator<Item = (&Section, &Entry, Include)> {
    let settings = sections.iter().filter(|section| Kind::of(&section.header) == Ok(Kind::Gaffer));
    settings.flat_map(|section| {
        section.entries.iter().filter_map(move |entry| match entry.key.to_lowercase().as_str() {
            "include" => Some((section, entry, Include::Files)),
            "include_dir" => Some((section, entry, Include::Folders)),
            _ => None,
        })
    })
}

/// The state of one reading.
struct Reader<'a> {
    source: Source,
    findings: &'a mut Findings,
    /// By its real path, each file read so far, and what led to it.
    known: HashMap<PathBuf, Place>,
    /// The files being read, outermost first: real path, and path as shown.
    chain: Vec<(PathBuf, PathBuf)>,
    bytes_left: u64,
}

impl Reader<'_> {
    /// The bytes of a file, if they are within what is left of [`MAX_BYTES`].
    fn load(&mut self, path: &Path) -> std::io::Result<Vec<u8>> {
        let bytes = load(path, self.bytes_left)?;
        self.bytes_left -= bytes.len() as u64;
        Ok(bytes)
    }

    /// Scans one file, then what it includes.
    fn take(&mut self, path: &Path, real: PathBuf, bytes: Vec<u8>, led_by: Place) {
        let file: Arc<Path> = path.into();
        self.known.insert(real.clone(), led_by);
        self.chain.push((real, path.to_owned()));
        self.source.files.push(path.to_owned());
        let sections = scan(&file, &bytes, &DIALECT, self.findings);
        drop(bytes); // Before going deeper: only one file's text is held at a time.
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let found: Vec<(String, Entry, Include)> =
            includes(&sections).map(|(section, entry, what)| (section.header.clone(), entry.clone(), what)).collect();
        self.source.sections.extend(sections);
        for (header, entry, what) in found {
            let words = match entry.words() {
                Ok(words) => words,
                Err(problem) => {
                    self.findings.error(&entry.place, Some(&header), Some(&entry.key), problem);
                    continue;
                }
            };
            for word in words {
                if self.findings.is_full() {
                    return;
                }
                let path = folder.join(word);
                let result = match what {
                    Include::Files => {
                        self.source.include.push(path.clone());
                        self.include(&path, &entry.place)
                    }
                    Include::Folders => {
                        self.source.include_dir.push(path.clone());
                        self.include_folder(&path, &entry.place, 0)
                    }
                };
                if let Err(problem) = result {
                    self.findings.error(&entry.place, Some(&header), Some(&entry.key), problem);
                }
            }
        }
        self.chain.pop();
    }

    /// Follows one path of an `include`.
    fn include(&mut self, path: &Path, place: &Place) -> Result<(), Problem> {
        let unreadable = |error| unreadable(path, error);
        let real = fs::canonicalize(path).map_err(unreadable)?;
        if let Some(start) = self.chain.iter().position(|(open, _)| *open == real) {
            let files = self.chain[start..].iter().map(|(_, shown)| shown.as_path()).chain([path]);
            let chain: Vec<String> = files.map(|file| file.display().to_string()).collect();
            return Err(Problem::IncludeCycle { chain: chain.join(" -> ") });
        }
        if let Some(first) = self.known.get(&real) {
            return Err(Problem::IncludedTwice { path: path.to_owned(), first: first.clone() });
        }
        if self.chain.len() >= MAX_DEPTH {
            return Err(Problem::TooDeep { limit: MAX_DEPTH });
        }
        if self.source.files.len() >= MAX_FILES {
            return Err(Problem::TooManyFiles { limit: MAX_FILES });
        }
        // Only a regular file: opening a named pipe would wait for its writer.
        let kind = fs::metadata(&real).map_err(unreadable)?;
        if !kind.is_file() {
            let cause = if kind.is_dir() { "it is a folder; name it in `include_dir`" } else { "it is not a file" };
            return Err(Problem::UnreadableInclude { path: path.to_owned(), cause: cause.to_owned() });
        }
        let bytes = self.load(path).map_err(unreadable)?;
        self.take(path, real, bytes, place.clone());
        Ok(())
    }

    /// Follows one path of an `include_dir`.
    fn include_folder(&mut self, folder: &Path, place: &Place, depth: usize) -> Result<(), Problem> {
        let unreadable = |error| unreadable(folder, error);
        if depth >= MAX_DEPTH {
            return Err(Problem::TooDeep { limit: MAX_DEPTH });
        }
        let mut paths = Vec::new();
        for found in fs::read_dir(folder).map_err(unreadable)? {
            let found = found.map_err(unreadable)?;
            // Hidden files are what editors and package managers leave behind, and never what one meant to configure.
            if !found.file_name().as_encoded_bytes().starts_with(b".") {
                paths.push(found.path());
            }
            if paths.len() > MAX_FILES {
                return Err(Problem::TooManyFiles { limit: MAX_FILES });
            }
        }
        paths.sort();
        for path in paths {
            if path.is_dir() {
                self.include_folder(&path, place, depth + 1)?;
            } else if path.extension().is_some_and(|extension| extension == "ini") {
                // A folder may hold the file that names it, or one that an `include` named: those are read already.
                let real = fs::canonicalize(&path).map_err(|error| self::unreadable(&path, error))?;
                if !self.known.contains_key(&real) {
                    self.include(&path, place)?;
                }
            }
        }
        Ok(())
    }
}

/// The bytes of a file, if they are no more than that.
fn load(path: &Path, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most { Err(std::io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
}

/// The problem of a file that was named and cannot be read.
fn unreadable_file(error: &std::io::Error) -> Problem {
    match too_large(error) {
        true => Problem::TooLarge { limit: MAX_BYTES },
        false => Problem::Unreadable { kind: error.kind(), cause: error.to_string() },
    }
}

/// The problem of an included path that cannot be read.
fn unreadable(path: &Path, error: std::io::Error) -> Problem {
    let cause = match too_large(&error) {
        true => format!("with it the configuration is larger than {MAX_BYTES} bytes"),
        false => error.to_string(),
    };
    Problem::UnreadableInclude { path: path.to_owned(), cause }
}

/// Whether reading stopped because of [`MAX_BYTES`].
fn too_large(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::FileTooLarge
}
