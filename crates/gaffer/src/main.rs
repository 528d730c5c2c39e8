//! Runs Procfile applications in the foreground, or loads, scales and watches them on a node.

use std::process::ExitCode;

fn main() -> ExitCode {
    gaffer::main()
}
