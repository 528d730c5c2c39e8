//! What has to be looked up before a launch: users, groups, and where the program is.
//!
//! Runs on the launcher's thread, as the user database may be on another machine.

use std::{
    ffi::{CString, OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::AtFlags,
    unistd::{AccessFlags, Gid, Group, Uid, User, faccessat, getegid, geteuid, getgid, getgrouplist, getuid},
};

use super::child::Credentials;
use crate::{
    backend::{LaunchPlan, SearchPath, SpawnError, SpawnStage},
    config::Owner,
};

/// Where a program without a slash is searched when the environment has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/bin:/usr/bin";

/// Works out whose rights a process takes on; `None` leaves it ours.
///
/// A user without a group gets its primary group, and the groups it is a member of. A number that the user database does
/// not know gets the group of the same number, if none is given, and no other: never ours.
pub(super) fn credentials(uid: Option<&Owner>, gid: Option<&Owner>) -> Result<Option<Credentials>, SpawnError> {
    if uid.is_none() && gid.is_none() {
        return Ok(None);
    }
    let user = match uid {
        None => User::from_uid(geteuid()).map_err(failed(SpawnStage::Uid))?,
        Some(Owner::Number(number)) => User::from_uid(Uid::from_raw(*number)).map_err(failed(SpawnStage::Uid))?,
        Some(Owner::Name(name)) => {
            let user = User::from_name(name).map_err(failed(SpawnStage::Uid))?;
            Some(user.ok_or_else(|| SpawnError::UnknownUser(name.clone()))?)
        }
    };
    let new_uid = match (uid, &user) {
        (Some(Owner::Number(number)), _) => Uid::from_raw(*number),
        (_, Some(user)) => user.uid,
        (_, None) => geteuid(),
    };
    let new_gid = match (gid, &user) {
        (Some(Owner::Number(number)), _) => Gid::from_raw(*number),
        (Some(Owner::Name(name)), _) => {
            let group = Group::from_name(name).map_err(failed(SpawnStage::Gid))?;
            group.ok_or_else(|| SpawnError::UnknownGroup(name.clone()))?.gid
        }
        (None, Some(user)) => user.gid,
        (None, None) => Gid::from_raw(new_uid.as_raw()),
    };

    // The kernel takes this number for "leave it as it is": such a process would keep our rights.
    const UNCHANGED: u32 = u32::MAX;
    if new_uid.as_raw() == UNCHANGED {
        return Err(SpawnError::UnknownUser(UNCHANGED.to_string()));
    }
    if new_gid.as_raw() == UNCHANGED {
        return Err(SpawnError::UnknownGroup(UNCHANGED.to_string()));
    }

    if !geteuid().is_root() {
        // To ask for what one is already is fine, and needs no rights.
        let same = new_uid == getuid() && new_uid == geteuid();
        let same = same && (gid.is_none() || (new_gid == getgid() && new_gid == getegid()));
        return if same { Ok(None) } else { Err(SpawnError::NotPrivileged) };
    }
    let groups = match user.and_then(|user| CString::new(user.name).ok()) {
        Some(name) => getgrouplist(&name, new_gid).map_err(failed(SpawnStage::Groups))?,
        None => vec![new_gid],
    };
    let groups = groups.into_iter().map(Gid::as_raw).collect();
    Ok(Some(Credentials { uid: new_uid.as_raw(), gid: new_gid.as_raw(), groups }))
}

fn failed(stage: SpawnStage) -> impl Fn(Errno) -> SpawnError {
    move |errno| SpawnError::Os { stage, errno: errno as i32 }
}

/// The files that may be the program, best first. Relative ones are meant from the working directory of the plan.
///
/// A name with a slash is taken as it is. With `other_user`, whether a file may be executed is left to the kernel, as our
/// own rights say nothing about it.
pub(super) fn programs(plan: &LaunchPlan, other_user: bool) -> Result<Vec<CString>, SpawnError> {
    let program = plan.argv.first().map_or("", String::as_str);
    if program.is_empty() {
        return Err(SpawnError::ProgramNotFound { program: plan.program.clone(), searched: None });
    }
    if program.contains('/') {
        return Ok(vec![c_string(program.into())?]);
    }

    let path = plan.env.get(OsStr::new("PATH")).cloned().unwrap_or_else(|| DEFAULT_PATH.into());
    let mut found = Vec::new();
    let mut unusable = false;
    for folder in path.as_bytes().split(|&byte| byte == b':') {
        let folder = if folder.is_empty() { b"." } else { folder }; // As ever: an empty entry is the current folder.
        let candidate = Path::new(OsStr::from_bytes(folder)).join(program);
        match usable(&from_cwd(plan, &candidate), other_user) {
            Some(true) => found.push(c_string(candidate.into_os_string())?),
            Some(false) => unusable = true,
            None => {}
        }
    }
    if !found.is_empty() {
        return Ok(found);
    }
    // Entries that start in a folder that cannot be entered find nothing: then that is the cause to tell.
    if let Some(cwd) = &plan.cwd
        && let Err(error) = std::fs::metadata(cwd)
    {
        return Err(SpawnError::BadCwd { cwd: cwd.clone(), errno: error.raw_os_error().unwrap_or(libc::ENOENT) });
    }
    let program = plan.program.clone();
    if unusable {
        return Err(SpawnError::NotExecutable { program });
    }
    let searched =
        if plan.is_path_of_job { SearchPath::OfJob } else { SearchPath::OfNode(path.to_string_lossy().into_owned()) };
    Err(SpawnError::ProgramNotFound { program, searched: Some(searched) })
}

/// Says why no candidate could be executed.
pub(super) fn exec_error(plan: &LaunchPlan, candidates: &[CString], errno: i32) -> SpawnError {
    let program = plan.program.clone();
    let exists = |candidate: &CString| from_cwd(plan, Path::new(OsStr::from_bytes(candidate.as_bytes()))).exists();
    match errno {
        // The kernel says the same for a script whose interpreter, or a program whose loader, is missing.
        libc::ENOENT if candidates.iter().any(exists) => SpawnError::InterpreterNotFound { program },
        libc::ENOENT | libc::ENOTDIR => SpawnError::ProgramNotFound { program, searched: None },
        libc::EACCES => SpawnError::NotExecutable { program },
        errno => SpawnError::Os { stage: SpawnStage::Exec, errno },
    }
}

/// A text for the kernel, which cannot take a NUL within it.
pub(super) fn c_string(text: OsString) -> Result<CString, SpawnError> {
    CString::new(text.into_vec()).map_err(|_| SpawnError::Os { stage: SpawnStage::Exec, errno: libc::EINVAL })
}

fn from_cwd(plan: &LaunchPlan, path: &Path) -> std::path::PathBuf {
    plan.cwd.as_deref().unwrap_or(Path::new("")).join(path)
}

/// Whether a file may be executed, as far as we can tell; `None` if it is not there.
fn usable(file: &Path, other_user: bool) -> Option<bool> {
    let metadata = std::fs::metadata(file).ok()?;
    if !metadata.is_file() {
        return None;
    }
    if other_user {
        return Some(metadata.permissions().mode() & 0o111 != 0);
    }
    Some(faccessat(nix::fcntl::AT_FDCWD, file, AccessFlags::X_OK, AtFlags::AT_EACCESS).is_ok())
}
