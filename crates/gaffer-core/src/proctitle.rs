//! The name under which `ps`, `top` and `pgrep` show a process.

use std::{ffi::CString, io};

/// Longest name the kernel keeps, in bytes; it cuts what is longer, wherever that falls.
const MAX_BYTES: usize = 15;

/// Gives the process a name, as `/proc/<pid>/comm` shows it. The command line stays as it is.
///
/// The kernel names threads, and shows the first thread's name as that of the process: call this from `main`, before
/// the runtime starts. Threads made later inherit the name. It is cut after the last whole character that fits in 15
/// bytes, and before a NUL.
///
/// # Errors
/// When the kernel refuses, which it has no reason to.
pub fn set_process_title(title: &str) -> io::Result<()> {
    let name = CString::new(fitting(title))?;
    Ok(nix::sys::prctl::set_name(&name)?)
}

fn fitting(title: &str) -> &str {
    let title = title.split('\0').next().unwrap_or_default();
    &title[..title.floor_char_boundary(MAX_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_cut_at_a_whole_character() {
        for (title, shown) in [
            ("gafferd", "gafferd"),
            ("", ""),
            ("gafferd: shop node", "gafferd: shop n"),
            ("exactly15bytes!", "exactly15bytes!"),
            ("fourteen bytesé", "fourteen bytes"),
            ("nul\0hidden", "nul"),
        ] {
            assert_eq!(fitting(title), shown, "{title:?}");
        }
    }

    #[test]
    fn the_kernel_shows_the_title_of_the_calling_thread() {
        let shown = std::thread::spawn(|| {
            set_process_title("gaffer (a) test").unwrap();
            std::fs::read_to_string("/proc/thread-self/comm").unwrap()
        });
        assert_eq!(shown.join().unwrap(), "gaffer (a) test\n");
    }
}
