//! The line of `/proc/<pid>/stat`.

/// Longest line worth reading, in bytes. The fields needed end within 64 bytes of name and 24 numbers of 20 digits.
pub(super) const LINE_LENGTH: usize = 1024;

/// One reading of `/proc/<pid>/stat`, in the kernel's units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat<'a> {
    /// Name of the program: at most 15 bytes of the process's own choice, `)` and newlines included.
    pub(super) comm: &'a [u8],
    /// `R`, `S`, `D`, `Z`, ...
    pub(super) state: u8,
    /// The parent's number; 0 for one outside of this pid namespace.
    pub(super) parent: i32,
    /// Processor time of the process and its past threads, user and system, in clock ticks.
    pub(super) ticks: u64,
    /// From -20 to 19.
    pub(super) nice: i32,
    /// Threads that are left.
    pub(super) threads: u64,
    /// When it started, in clock ticks since the boot. With the number it names a process for good.
    pub(super) start_time: u64,
    /// Address space in bytes.
    pub(super) virtual_bytes: u64,
    /// Resident pages.
    pub(super) resident_pages: u64,
}

impl<'a> Stat<'a> {
    /// Reads one line; `None` if it is cut short or is no such line.
    ///
    /// The name may hold anything, so what follows it is found from the **last** `)`: nothing behind the name can hold one.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let open = line.iter().position(|&byte| byte == b'(')?;
        let close = line.iter().rposition(|&byte| byte == b')')?;
        let comm = line.get(open + 1..close)?;
        let mut fields = line.get(close + 1..)?.strip_prefix(b" ")?.split(|&byte| byte == b' ');

        // The numbers in the comments are those of proc_pid_stat(5).
        let &[state] = fields.next()? else { return None }; // 3
        let parent = number(fields.next()?)?; // 4
        let user = number::<u64>(fields.nth(9)?)?; // 14
        let system = number::<u64>(fields.next()?)?; // 15
        let nice = number(fields.nth(3)?)?; // 19
        let threads = number(fields.next()?)?; // 20
        let start_time = number(fields.nth(1)?)?; // 22
        let virtual_bytes = number(fields.next()?)?; // 23
        let resident: i64 = number(fields.next()?)?; // 24, signed: the counter may dip below zero.
        fields.next()?; // Without a field behind it the last number may have lost digits.
        Some(Self {
            comm,
            state,
            parent,
            ticks: user.saturating_add(system),
            nice,
            threads,
            start_time,
            virtual_bytes,
            resident_pages: u64::try_from(resident).unwrap_or(0),
        })
    }

    /// Whether the process has ended and only waits to be reaped.
    ///
    /// A first thread that ended before the others is a zombie too, while its process lives on.
    pub(super) fn is_dead(&self) -> bool {
        match self.state {
            b'X' | b'x' => true,
            b'Z' => self.threads <= 1,
            _ => false,
        }
    }
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the kernel writes behind the name.
    const REST: &str =
        " S 7 42 42 0 -1 4194560 120 0 0 0 150 50 9 9 20 -5 3 0 98765 1048576 25 18446744073709551615 1 2 3\n";

    fn line(comm: &str) -> Vec<u8> {
        format!("42 ({comm}){REST}").into_bytes()
    }

    #[test]
    fn a_name_may_hold_whatever_it_likes() {
        for comm in ["sleep", "", "a) R (b", "a b", "((", "))", ") Z 1 1 1", "new\nline", "42 (x) R 1", "é"] {
            let line = line(comm);
            let expected = Stat {
                comm: comm.as_bytes(),
                state: b'S',
                parent: 7,
                ticks: 200,
                nice: -5,
                threads: 3,
                start_time: 98765,
                virtual_bytes: 1_048_576,
                resident_pages: 25,
            };
            assert_eq!(Stat::parse(&line), Some(expected), "{comm:?}");
        }
    }

    #[test]
    fn a_line_that_is_cut_short_is_refused_and_never_misread() {
        let whole = line("a) R (b");
        let parsed = Stat::parse(&whole);
        for length in 0..whole.len() {
            let cut = Stat::parse(&whole[..length]);
            assert!(cut.is_none() || cut == parsed, "{length}: {cut:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for (field, wrong) in
            [(" 150 ", " x "), (" 150 ", " -1 "), (" -5 ", "  "), (" 98765 ", " 99999999999999999999 ")]
        {
            let text = String::from_utf8(line("sh")).unwrap().replacen(field, wrong, 1);
            assert_eq!(Stat::parse(text.as_bytes()), None, "{text}");
        }
        for garbage in ["", ")", "(", ")(", "1 (a)", "1 (a) ", "1 (a)  S", "no parentheses at all"] {
            assert_eq!(Stat::parse(garbage.as_bytes()), None, "{garbage:?}");
        }
    }

    #[test]
    fn a_process_is_dead_once_no_thread_is_left() {
        let with = |state, threads| Stat {
            state,
            threads,
            ..Stat::parse(b"1 (a) S 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 1 0 0 0 0 0").unwrap()
        };
        assert!(with(b'Z', 1).is_dead() && with(b'Z', 0).is_dead() && with(b'X', 5).is_dead());
        assert!(!with(b'Z', 2).is_dead() && !with(b'S', 1).is_dead());
    }

    #[test]
    fn the_kernel_writes_what_is_parsed_here() {
        let line = std::fs::read("/proc/self/stat").unwrap();
        let stat = Stat::parse(&line).unwrap();
        assert_eq!(stat.parent, nix::unistd::getppid().as_raw());
        assert!(stat.resident_pages > 0 && stat.start_time > 0 && line.len() < LINE_LENGTH, "{stat:?}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Stat::parse(&bytes); // Only that it returns is asked.
        }

        #[test]
        fn no_line_alike_makes_the_parser_panic(text in "[0-9]{0,3} ?\\([a-z() \n]{0,9}\\)?( [SRZ]?)( -?[0-9]{0,22}){0,30}") {
            let _ = Stat::parse(text.as_bytes()); // As above.
        }

        #[test]
        fn any_name_is_given_back_whole(comm in proptest::collection::vec(any::<u8>(), 0..64)) {
            let whole = [b"42 (".as_slice(), &comm, b")", REST.as_bytes()].concat();
            prop_assert_eq!(Stat::parse(&whole).map(|stat| stat.comm), Some(comm.as_slice()));
        }
    }
}
