//! The lookup server. See the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    gaffer_lookupd::main()
}
