//! `export`: the application in the form of others.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
};

use gaffer_cli::{Failure, Output};
use gaffer_core::procfile::{
    Application, Concurrency, Source,
    export::{self, ExportedFile},
};

use crate::args::ExportFormat;

/// What is exported, and where to.
pub(super) struct Export {
    pub(super) source: Source,
    pub(super) concurrency: Concurrency,
    pub(super) format: ExportFormat,
    pub(super) out: Option<PathBuf>,
    pub(super) user: Option<String>,
    /// Only this type.
    pub(super) name: Option<String>,
}

pub(super) fn run(what: &Export, output: &mut Output) -> Result<(), Failure> {
    let Export { source, concurrency, format, out, user, name } = what;
    if user.is_some() && *format != ExportFormat::Systemd {
        return Err(Failure::Usage("`--user` is for `--format systemd`: gafferd's jobs have `uid`".to_owned()));
    }
    let environment: BTreeMap<OsString, OsString> = env::vars_os().collect();
    let application = Application::read(source, &environment)?;
    for warning in application.warnings() {
        output.say_placed(warning);
    }
    let name = name.as_deref();
    let out = out.as_ref().filter(|out| out.as_os_str() != "-");
    let text = match format {
        ExportFormat::Ini => export::ini(&application, concurrency, name)?,
        ExportFormat::Json => export::json(&application, concurrency, name)?,
        ExportFormat::Systemd => {
            let units = export::systemd(&application, concurrency, name, user.as_deref())?;
            return match out {
                Some(folder) => write_all(folder, &units, output),
                None => output.bytes(one_after_the_other(&units).as_bytes()),
            };
        }
    };
    match out {
        Some(file) => write(file, &text, output),
        None => output.bytes(text.as_bytes()),
    }
}

/// Several files as one text, each behind its name.
fn one_after_the_other(files: &[ExportedFile]) -> String {
    let parts: Vec<String> = files.iter().map(|ExportedFile { name, text }| format!("# {name}\n{text}")).collect();
    parts.join("\n")
}

fn write_all(folder: &Path, files: &[ExportedFile], output: &mut Output) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| Failure::Placed(format!("{}: {error}", folder.display())))?;
    files.iter().try_for_each(|ExportedFile { name, text }| write(&folder.join(name), text, output))
}

fn write(path: &Path, text: &str, output: &mut Output) -> Result<(), Failure> {
    replace(path, text).map_err(|error| Failure::Placed(format!("{}: cannot be written: {error}", path.display())))?;
    output.hint(format_args!("wrote {}", path.display()));
    Ok(())
}

/// Writes a file as a whole or not at all: whoever reads it meanwhile finds the old text or the new one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    // A link is followed: it is there so that the file can lie elsewhere.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        return fs::write(&path, text); // A pipe, or a terminal.
    }
    let name = path.file_name().unwrap_or(OsStr::new("export"));
    let mut beside = OsString::from(".");
    beside.push(name);
    beside.push(format!(".{}.tmp", process::id()));
    let beside = path.with_file_name(beside);
    let written = File::create_new(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        // What may read the old file may read the new one.
        if let Ok(old) = fs::metadata(&path) {
            file.set_permissions(old.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&beside, &path)
    });
    if written.is_err() {
        // It may not have been made at all.
        let _none: io::Result<()> = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("real.ini"), folder.path().join("link.ini"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        replace(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(link.is_symlink());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_cannot_be_replaced_stays_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let taken = folder.path().join("taken");
        fs::create_dir_all(taken.join("by something")).unwrap();
        assert!(replace(&taken, "new").is_err());
        assert!(replace(&folder.path().join("missing/file"), "new").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_file_is_written_into() {
        replace(Path::new("/dev/null"), "new").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn each_unit_stands_behind_its_name() {
        let file = |name: &str, text: &str| ExportedFile { name: name.to_owned(), text: text.to_owned() };
        let text = one_after_the_other(&[file("a.target", "[Unit]\n"), file("a-web.service", "[Service]\n")]);
        assert_eq!(text, "# a.target\n[Unit]\n\n# a-web.service\n[Service]\n");
    }
}
