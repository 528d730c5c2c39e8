//! What tells one version of a file from another.

use std::{
    fs::Metadata,
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::MetadataExt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The last second that can be written as a date, 9999-12-31T23:59:59Z, counted from the epoch.
const LAST: u64 = 253_402_300_799;

/// The validators of a file as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Validators {
    /// The value of `ETag`, quotes included. It is a strong one.
    pub(super) tag: String,
    /// The value of `Last-Modified`, whole seconds; none for a time that is not over yet, or that cannot be written.
    pub(super) modified: Option<SystemTime>,
}

impl Validators {
    pub(super) fn of(metadata: &Metadata, now: SystemTime) -> Self {
        // Without a random key: the tag of a file outlives this process.
        let mut hasher = DefaultHasher::new();
        (metadata.dev(), metadata.ino(), metadata.size()).hash(&mut hasher);
        (metadata.mtime(), metadata.mtime_nsec()).hash(&mut hasher);
        // Tells what was written over and had its old time put back.
        (metadata.ctime(), metadata.ctime_nsec()).hash(&mut hasher);
        let modified = u64::try_from(metadata.mtime()).ok().filter(|seconds| *seconds <= LAST);
        let modified = modified.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds)).filter(|time| *time <= now);
        Self { tag: format!("\"{:016x}\"", hasher.finish()), modified }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn another_version_has_another_tag() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        fs::write(&path, "one").unwrap();
        let of = |path| Validators::of(&fs::metadata(path).unwrap(), SystemTime::now());
        let first = of(&path);
        assert_eq!(of(&path), first);
        let time = fs::metadata(&path).unwrap().modified().unwrap();

        // Another file of the same size and time.
        fs::write(dir.path().join("y"), "two").unwrap();
        File::options().write(true).open(dir.path().join("y")).unwrap().set_modified(time).unwrap();
        fs::rename(dir.path().join("y"), &path).unwrap();
        assert_ne!(of(&path).tag, first.tag);
        assert_eq!(of(&path).modified, first.modified);
    }

    #[test]
    fn times_that_are_no_dates_are_not_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::create(dir.path().join("x")).unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let modified = |time| {
            file.set_modified(time).unwrap();
            Validators::of(&file.metadata().unwrap(), now).modified
        };
        assert_eq!(modified(now + Duration::from_secs(2)), None);
        assert_eq!(modified(UNIX_EPOCH - Duration::from_secs(2)), None);
        let whole = now - Duration::from_secs(2);
        assert_eq!(modified(whole + Duration::from_millis(1500)), Some(whole + Duration::from_secs(1)));
    }
}
