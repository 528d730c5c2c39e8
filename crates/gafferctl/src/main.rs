//! Administers a gaffer node, near or far.

use std::process::ExitCode;

fn main() -> ExitCode {
    gafferctl::main()
}
