//! Who listens on an address: for the one error message that everybody gets to see some day.

use std::{fmt, fs, net::SocketAddr, path::Path};

/// A process that listens on an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortUser {
    /// The kernel's number.
    pub os_pid: u32,
    /// The program's short name.
    pub command: String,
}

impl fmt::Display for PortUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (os_pid {})", self.command, self.os_pid)
    }
}

impl PortUser {
    /// Looks for the process that keeps `wanted` from being listened on.
    ///
    /// `None` when it has gone meanwhile, or when its descriptors may not be looked at because it is another user's. Reads the
    /// descriptors of all processes: for error paths only.
    pub fn find(wanted: SocketAddr) -> Option<Self> {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
        let inode = tables.iter().find_map(|table| listening_inode(&fs::read_to_string(table).ok()?, wanted))?;
        let link = format!("socket:[{inode}]");
        let processes = fs::read_dir("/proc").ok()?.flatten();
        processes.into_iter().find_map(|process| {
            let os_pid = process.file_name().to_str()?.parse().ok()?;
            let holds = fs::read_dir(process.path().join("fd"))
                .ok()?
                .flatten()
                .any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|target| target == Path::new(&link)));
            if holds { Self::of(os_pid) } else { None }
        })
    }

    /// The process with this number; `None` when it has gone.
    pub(super) fn of(os_pid: u32) -> Option<Self> {
        let command = fs::read_to_string(format!("/proc/{os_pid}/comm")).ok()?.trim().to_owned();
        Some(Self { os_pid, command })
    }

    /// ` by …`, if it is known.
    pub(super) fn by(user: Option<&Self>) -> String {
        user.map(|user| format!(" by {user}")).unwrap_or_default()
    }
}

/// Finds a socket that listens at `wanted`, or at all addresses of its port, in a table of the kernel's.
fn listening_inode(table: &str, wanted: SocketAddr) -> Option<u64> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        // sl local_address rem_address st tx_queue:rx_queue tr:when retrnsmt uid timeout inode ...
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (host, port) = fields.get(1)?.split_once(':')?;
        let same_port = u16::from_str_radix(port, 16) == Ok(wanted.port());
        let all = |host: &str| host.bytes().all(|digit| digit == b'0');
        let same_host = all(host) || wanted.ip().is_unspecified() || host == kernel_form(wanted);
        (same_port && same_host && fields.get(3) == Some(&LISTEN)).then(|| fields.get(9)?.parse().ok())?
    })
}

/// An address as the kernel's tables have it: words of 32 bits in its own byte order.
fn kernel_form(address: SocketAddr) -> String {
    let octets = match address {
        SocketAddr::V4(address) => address.ip().octets().to_vec(),
        SocketAddr::V6(address) => address.ip().octets().to_vec(),
    };
    let word = |bytes: &[u8]| bytes.try_into().map(u32::from_ne_bytes).map(|word| format!("{word:08X}"));
    octets.chunks_exact(4).filter_map(|bytes| word(bytes).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    #[test]
    fn the_kernels_table_is_read() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 0100007F:1388 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0000 100\n   \
                     1: 00000000:1389 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0000 100\n   \
                     2: 0100007F:138A 0100007F:1388 01 00000000:00000000 00:00000000 00000000     0        0 4713 1 0000 100\n";
        let find = |address: &str| listening_inode(table, address.parse().unwrap());
        assert_eq!(find("127.0.0.1:5000"), Some(4711));
        assert_eq!(find("127.0.0.2:5000"), None);
        assert_eq!(find("0.0.0.0:5000"), Some(4711));
        assert_eq!(find("127.0.0.1:5001"), Some(4712));
        assert_eq!(find("127.0.0.1:5002"), None, "a connection does not listen");
    }

    #[test]
    fn we_find_ourselves() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let user = PortUser::find(listener.local_addr().unwrap()).expect("this process listens");
        assert_eq!(user.os_pid, std::process::id());
        assert!(!user.command.is_empty());
    }
}
