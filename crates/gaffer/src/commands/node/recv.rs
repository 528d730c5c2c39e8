//! `recv`: what a process writes, byte by byte.

use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use gaffer_cli::{Context, Failure};
use gaffer_client::{Error, Mode, SocketOptions, Stdio};
use gaffer_core::names::StreamLabel;

use super::app::missing_process;
use crate::args::Listened;

/// Prints it until the process has ended.
pub(super) async fn run(
    context: &mut Context<'_>,
    Listened { pid, label }: Listened,
    stream: Option<StreamLabel>,
) -> Result<(), Failure> {
    let info = context.client.process(pid).await.map_err(|error| missing_process(pid, error))?;
    let labels = match stream.or(label) {
        Some(label) if info.redirect_output.contains(&label) || info.custom_streams.contains(&label) => vec![label],
        Some(label) => return Err(Failure::Failed(format!("can't read on '{label}'"))),
        None => info.redirect_output,
    };
    if labels.is_empty() {
        return Err(Failure::Failed(format!(
            "can't read on process '{pid}': nothing of what it writes is redirected; give the job `redirect_output = out, err`"
        )));
    }
    let mut sockets = Vec::new();
    for label in labels {
        let options = SocketOptions { stream: Some(label), mode: Mode::Read, history: 0 };
        sockets.push(context.client.stdio(pid, &options).await.map_err(|error| missing_process(pid, error))?);
    }
    let mut pieces = stream::select_all(sockets.into_iter().map(pieces));
    while let Some(piece) = pieces.try_next().await? {
        context.output.bytes(&piece)?;
    }
    Ok(())
}

/// What comes through a websocket, until its end.
fn pieces(socket: Stdio) -> BoxStream<'static, Result<Vec<u8>, Error>> {
    stream::try_unfold(socket, async |mut socket| {
        let piece = socket.recv().await?;
        Ok(piece.map(|piece| (piece.to_vec(), socket)))
    })
    .boxed()
}
