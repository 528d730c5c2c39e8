//! From the command line to the exit code.

use std::io;

use gaffer_client::{
    Cause, Client, Error,
    lookup::{NoServer, Silent},
};

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
    attempt(&mut output, command).err().unwrap_or(Exit::Done)
}

/// The same, for who goes on if it does not fail.
///
/// # Errors
/// How the program ends. Why was told.
pub fn attempt<T>(
    output: &mut Output,
    command: impl AsyncFnOnce(&mut Output) -> Result<T, Failure>,
) -> Result<T, Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        output.say(format_args!("cannot start: {error}"));
        Exit::Failed
    })?;
    runtime.block_on(command(output)).map_err(|failure| tell(output, &failure))
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
        match advice(cause, output.node_option()) {
            Some(advice) => output.hint(advice),
            None => output.advise(),
        }
    }
    if let Failure::NoServer(NoServer(silent)) = failure {
        let of_silent = |silent: &Silent| {
            if let Error::Unreachable { cause, .. } = &silent.error { advice(cause, "--lookupd") } else { None }
        };
        let advice = silent.iter().find_map(of_silent);
        if let Some(advice) = advice.or_else(|| output.take_advice()) {
            output.hint(advice);
        }
    }
    failure.exit()
}

/// What to do about a node that is there, but does not come to terms with us. `None` if nobody seems to be there.
fn advice(cause: &Cause, node_option: &str) -> Option<String> {
    let text = if matches!(cause, Cause::Untrusted(_)) {
        "`--cacert FILE` names the authority that issued the node's certificate"
    } else if matches!(cause, Cause::CertificateRefused(_)) {
        "`--certfile FILE` (and `--keyfile FILE`) name the certificate to show"
    } else if matches!(cause, Cause::NoTls(_)) {
        return Some(format!("`{node_option} http://HOST:PORT` speaks without TLS"));
    } else if cause.io_kind() == Some(io::ErrorKind::PermissionDenied) {
        "you may not use this socket; `mode` and `owner` of the endpoint in gafferd's configuration say who may"
    } else {
        return None;
    };
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn who_may_not_use_a_socket_is_not_asked_whether_gafferd_runs() {
        let of = |kind: io::ErrorKind| advice(&Cause::Transport(Arc::new(io::Error::from(kind))), "--connect");
        assert!(of(io::ErrorKind::PermissionDenied).is_some_and(|advice| advice.starts_with("you may not")));
        assert_eq!(of(io::ErrorKind::ConnectionRefused), None);
        assert_eq!(of(io::ErrorKind::NotFound), None);
        let text = || Arc::new(io::Error::other("why"));
        assert!(advice(&Cause::Untrusted(text()), "--connect").is_some_and(|advice| advice.contains("--cacert")));
        assert!(
            advice(&Cause::CertificateRefused(text()), "--connect").is_some_and(|advice| advice.contains("--certfile"))
        );
    }
}
