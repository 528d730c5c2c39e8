//! From the command line to the exit code.

use std::io;

use gaffer_client::{Cause, Client, Error};

use crate::{Exit, Failure, Output};

/// What a command works with.
#[derive(Debug)]
pub struct Context<'a> {
    /// The node.
    pub client: Client,
    /// Where results go.
    pub output: &'a mut Output,
}

/// Carries out a command, and tells its failure if it fails.
pub fn run(mut output: Output, command: impl AsyncFnOnce(&mut Output) -> Result<(), Failure>) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.say(format_args!("cannot start: {error}"));
            return Exit::Failed;
        }
    };
    match runtime.block_on(command(&mut output)) {
        Ok(()) => Exit::Done,
        Err(failure) => tell(&mut output, &failure),
    }
}

fn tell(output: &mut Output, failure: &Failure) -> Exit {
    if let Failure::Stdout(error) = failure
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        return Exit::Done; // Whoever read the results has seen enough.
    }
    if !matches!(failure, Failure::Told(_)) {
        output.tell(failure);
    }
    if let Failure::Call(Error::Unreachable { cause, .. }) = failure {
        match advice(cause) {
            Some(advice) => output.hint(advice),
            None => output.advise(),
        }
    }
    failure.exit()
}

/// What to do about a node that is there, but does not come to terms with us. `None` if nobody seems to be there.
fn advice(cause: &Cause) -> Option<&'static str> {
    if matches!(cause, Cause::Untrusted(_)) {
        Some("`--cacert FILE` names the authority that issued the node's certificate")
    } else if matches!(cause, Cause::CertificateRefused(_)) {
        Some("`--certfile FILE` (and `--keyfile FILE`) name the certificate to show")
    } else if matches!(cause, Cause::NoTls(_)) {
        Some("`--connect http://HOST:PORT` speaks without TLS")
    } else if cause.io_kind() == Some(io::ErrorKind::PermissionDenied) {
        Some("you may not use this socket; `mode` and `owner` of the endpoint in gafferd's configuration say who may")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_use_a_socket_is_not_asked_whether_gafferd_runs() {
        let of = |kind: io::ErrorKind| advice(&Cause::Transport(Box::new(io::Error::from(kind))));
        assert!(of(io::ErrorKind::PermissionDenied).is_some_and(|advice| advice.starts_with("you may not")));
        assert_eq!(of(io::ErrorKind::ConnectionRefused), None);
        assert_eq!(of(io::ErrorKind::NotFound), None);
        let text = || "why".into();
        assert!(advice(&Cause::Untrusted(text())).is_some_and(|advice| advice.contains("--cacert")));
        assert!(advice(&Cause::CertificateRefused(text())).is_some_and(|advice| advice.contains("--certfile")));
    }
}
