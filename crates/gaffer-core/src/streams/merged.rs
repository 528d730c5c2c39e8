//! All outputs of a process at once.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;

use super::{Chunk, Output, OutputSubscription, ProcessIo, Start};
use crate::names::StreamLabel;

/// Reads all outputs and extra pipes of a process; the manual's stream with the empty name.
///
/// Streams take turns, so that one that never pauses does not hide the others. Within a stream the order is kept;
/// between streams it is only roughly that of the writes, as the kernel does not tell. It is a [`Stream`] as well.
#[derive(Debug)]
pub struct MergedSubscription {
    /// Those that have not ended.
    sources: Vec<(StreamLabel, OutputSubscription)>,
    /// Whose turn it is.
    turn: usize,
}

impl MergedSubscription {
    /// Subscribes to every stream of a process. With [`Start::Lines`] each begins with so many of its own lines.
    pub fn of_process(io: &ProcessIo, start: Start) -> Self {
        Self::from_sources(io.all_outputs().map(|output| (output.label().clone(), output.subscribe(start))))
    }

    /// Subscribes to one output alone.
    pub fn of_output(output: &Arc<Output>, start: Start) -> Self {
        Self::from_sources([(output.label().clone(), output.subscribe(start))])
    }

    /// Merges subscriptions.
    pub fn from_sources(sources: impl IntoIterator<Item = (StreamLabel, OutputSubscription)>) -> Self {
        Self { sources: sources.into_iter().collect(), turn: 0 }
    }

    /// The next chunk of any stream; `None` once all are closed and all was read. [`Chunk::Lagged`] concerns the
    /// stream it comes with.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if this is dropped before it resolves.
    pub async fn recv(&mut self) -> Option<(StreamLabel, Chunk)> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<(StreamLabel, Chunk)>> {
        let mut pending = 0;
        while pending < self.sources.len() {
            if self.turn >= self.sources.len() {
                self.turn = 0;
            }
            let (label, source) = &mut self.sources[self.turn];
            match source.poll_recv(cx) {
                Poll::Ready(Some(chunk)) => {
                    self.turn += 1;
                    return Poll::Ready(Some((label.clone(), chunk)));
                }
                Poll::Ready(None) => {
                    self.sources.remove(self.turn); // The next one moves up, and has its turn.
                }
                Poll::Pending => {
                    self.turn += 1;
                    pending += 1;
                }
            }
        }
        if self.sources.is_empty() { Poll::Ready(None) } else { Poll::Pending }
    }
}

impl Stream for MergedSubscription {
    type Item = (StreamLabel, Chunk);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::streams::{Stdin, TwoWay};

    fn output(label: &str) -> Arc<Output> {
        Output::new(label.parse().unwrap())
    }

    async fn next(subscription: &mut MergedSubscription) -> Option<(String, Chunk)> {
        subscription.recv().await.map(|(label, chunk)| (label.to_string(), chunk))
    }

    #[tokio::test]
    async fn all_outputs_and_extra_pipes_are_heard_until_the_last_one_ends() {
        let [out, err, extra] = ["stdout", "stderr", "extra"].map(output);
        let custom = vec![TwoWay { output: Arc::clone(&extra), input: Stdin::new(tokio::io::sink()) }];
        let io = ProcessIo { outputs: vec![Arc::clone(&out), Arc::clone(&err)], stdin: None, custom, terminal: None };
        out.push("old".into());
        let mut merged = MergedSubscription::of_process(&io, Start::Oldest);
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            while let Some(next) = next(&mut merged).await {
                all.push(next);
            }
            all
        });
        tokio::task::yield_now().await;
        for output in [&extra, &out, &err] {
            output.push("new".into());
            output.close();
            tokio::task::yield_now().await;
        }
        let expected = [("stdout", "old"), ("extra", "new"), ("stdout", "new"), ("stderr", "new")];
        let expected = expected.map(|(label, text)| (label.to_owned(), Chunk::Data(Bytes::from(text))));
        assert_eq!(reader.await.unwrap(), expected);
    }

    #[tokio::test]
    async fn a_stream_that_never_pauses_does_not_hide_the_others() {
        let [busy, quiet] = ["busy", "quiet"].map(output);
        let sources = [&busy, &quiet].map(|output| (output.label().clone(), output.subscribe(Start::Now)));
        let mut merged = MergedSubscription::from_sources(sources);
        let mut heard = Vec::new();
        for _ in 0..4 {
            for output in [&busy, &busy, &quiet] {
                output.push(Bytes::from(vec![b'.'; 2000]));
            }
        }
        for _ in 0..8 {
            heard.push(next(&mut merged).await.unwrap().0);
        }
        assert_eq!(heard, ["busy", "quiet"].repeat(4));
    }

    #[tokio::test]
    async fn a_process_without_streams_has_nothing_to_say() {
        assert_eq!(MergedSubscription::of_process(&ProcessIo::default(), Start::Now).recv().await, None);
    }
}
