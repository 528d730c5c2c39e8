//! The gaffer node daemon: launches and supervises processes, and lets them be controlled over HTTP.

use std::process::ExitCode;

fn main() -> ExitCode {
    gafferd::main()
}
