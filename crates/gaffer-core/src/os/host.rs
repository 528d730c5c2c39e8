//! What this host is called.

use std::{
    ffi::{CStr, CString},
    ptr,
};

/// The host's full name (`node1.example.org`), as the resolver has it; else its bare name; `None` if it has none.
///
/// Blocks while the resolver looks for it, which may ask others.
pub fn host_name() -> Option<String> {
    let name = nix::unistd::gethostname().ok()?.into_string().ok().filter(|name| !name.is_empty())?;
    if name.contains('.') {
        return Some(name);
    }
    // An alias of this machine's own address is no name by which others know it.
    let full = canonical(&name).filter(|full| full.contains('.') && !full.starts_with("localhost"));
    Some(full.unwrap_or(name))
}

/// The canonical name of a host.
fn canonical(name: &str) -> Option<String> {
    let name = CString::new(name).ok()?;
    // SAFETY: all fields of it may be zero, or null.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_flags = libc::AI_CANONNAME;
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut found: *mut libc::addrinfo = ptr::null_mut();
    // SAFETY: the name ends in a NUL, there is no service, and both others are valid during the call.
    let outcome = unsafe { libc::getaddrinfo(name.as_ptr(), ptr::null(), &raw const hints, &raw mut found) };
    if outcome != 0 || found.is_null() {
        return None;
    }
    // SAFETY: it succeeded, so the first result is there; its name ends in a NUL if it has one.
    let full = unsafe {
        let full = (*found).ai_canonname;
        (!full.is_null()).then(|| CStr::from_ptr(full).to_string_lossy().into_owned())
    };
    // SAFETY: it is what the call above has made, and nothing refers to it any more.
    unsafe { libc::freeaddrinfo(found) };
    full
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_a_name_and_one_that_is_none_has_no_canonical_one() {
        assert!(host_name().is_some_and(|name| !name.is_empty()));
        assert_eq!(canonical("no such host"), None);
        assert_eq!(canonical("nul\0"), None);
    }
}
