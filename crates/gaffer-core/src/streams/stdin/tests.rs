use std::{
    io,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

use proptest::prelude::*;
use tokio::{
    io::AsyncReadExt,
    task::{JoinSet, coop::unconstrained},
};

use super::*;

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Lets the task that writes run until it waits.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_is_written_arrives_and_then_the_end() {
    let (pipe, mut child) = tokio::io::duplex(64);
    let stdin = Stdin::new(pipe);
    stdin.write("one ".into()).await.unwrap();
    stdin.write(Bytes::new()).await.unwrap();
    stdin.writelines(["two\n", "", "three\n"].map(Bytes::from)).await.unwrap();
    stdin.writelines([]).await.unwrap();
    drop(stdin);
    let mut all = String::new();
    child.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "one two\nthree\n");
}

#[tokio::test]
async fn a_write_resolves_only_once_all_is_in_the_pipe() {
    let (pipe, mut child) = tokio::io::duplex(4);
    let stdin = Stdin::new(pipe);
    let mut write = Box::pin(stdin.write("12345678".into()));
    assert!(poll(&mut write).is_pending());
    settle().await;
    assert!(poll(&mut write).is_pending());
    child.read_exact(&mut [0; 4]).await.unwrap();
    settle().await;
    assert_eq!(poll(&mut write), Poll::Ready(Ok(())));
}

#[tokio::test]
async fn closing_lets_what_is_queued_through_and_nothing_after_it() {
    let (pipe, mut child) = tokio::io::duplex(4);
    let stdin = Stdin::new(pipe);
    let mut writes = ["first ", "second"].map(|text| Box::pin(stdin.write(text.into())));
    assert!(writes.iter_mut().all(|write| poll(write).is_pending()));
    stdin.close();
    stdin.close();
    assert!(stdin.is_closed());
    assert_eq!(stdin.write("third".into()).await, Err(StdinError::Closed));
    assert_eq!(stdin.write(Bytes::new()).await, Err(StdinError::Closed));
    let mut all = String::new();
    child.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "first second");
    for write in writes {
        assert_eq!(write.await, Ok(()));
    }
}

#[tokio::test]
async fn closing_refuses_who_waits_for_room() {
    let (pipe, mut child) = tokio::io::duplex(4);
    let stdin = Stdin::new(pipe);
    let mut large = Box::pin(stdin.write(vec![b'x'; MAX_BYTES as usize].into()));
    let mut waiting = Box::pin(stdin.write("y".into()));
    assert!(poll(&mut large).is_pending() && poll(&mut waiting).is_pending());
    stdin.close();
    assert_eq!(waiting.await, Err(StdinError::Closed));
    let mut all = Vec::new();
    let read = child.read_to_end(&mut all);
    let (read, large) = tokio::join!(read, large);
    assert_eq!((read.unwrap(), large), (MAX_BYTES as usize, Ok(())));
    assert!(all.iter().all(|&byte| byte == b'x'));
}

#[tokio::test]
async fn a_process_that_is_gone_fails_the_writers_in_the_queue_and_those_who_wait_for_it() {
    let (pipe, child) = tokio::io::duplex(4);
    let stdin = Stdin::new(pipe);
    let mut writers = JoinSet::new();
    for _ in 0..2 * MAX_MESSAGES {
        let stdin = stdin.clone();
        writers.spawn(async move { stdin.write(vec![b'x'; 1000].into()).await });
    }
    settle().await;
    drop(child);
    for result in writers.join_all().await {
        assert_eq!(result, Err(StdinError::Closed));
    }
    assert_eq!(stdin.write("x".into()).await, Err(StdinError::Closed));
    assert_eq!(stdin.write(Bytes::new()).await, Err(StdinError::Closed));
}

#[tokio::test]
async fn a_real_pipe_without_a_reader_fails_a_waiting_writer() {
    let (sender, receiver) = tokio::net::unix::pipe::pipe().unwrap();
    let stdin = Stdin::new(sender);
    let mut write = Box::pin(stdin.write(vec![0; 200_000].into()));
    assert!(poll(&mut write).is_pending());
    settle().await;
    drop(receiver);
    assert_eq!(write.await, Err(StdinError::Closed));
    assert_eq!(stdin.write("x".into()).await, Err(StdinError::Closed));
}

#[tokio::test]
async fn a_writer_that_gives_up_tears_no_message() {
    let (pipe, mut child) = tokio::io::duplex(4);
    let stdin = Stdin::new(pipe);
    let message = "accepted and written whole".to_owned();
    let mut accepted = Box::pin(stdin.write(message.clone().into()));
    assert!(poll(&mut accepted).is_pending());
    settle().await; // Part of it is in the pipe.
    drop(accepted);
    let large = Bytes::from(vec![b'x'; MAX_BYTES as usize]);
    let mut refused = Box::pin(stdin.write(large));
    assert!(poll(&mut refused).is_pending()); // There is no room for it.
    drop(refused);
    drop(stdin);
    let mut all = String::new();
    child.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, message);
}

/// A pipe that nobody reads.
struct Stuck;

impl AsyncWrite for Stuck {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_process_that_does_not_read_makes_writers_wait_within_the_bounds() {
    const CAP: usize = MAX_BYTES as usize;
    // The one that is being written has left the queue, but still counts for its bytes.
    for (len, taken_in) in [(1, MAX_MESSAGES + 1), (100_000, CAP / 100_000), (CAP, 1), (2 * CAP, 1)] {
        let stdin = Stdin::new(Stuck);
        let data = Bytes::from(vec![0; len]);
        let mut writes = Vec::new();
        for _ in 0..MAX_MESSAGES + 100 {
            let mut write = Box::pin(unconstrained(stdin.write(data.clone())));
            assert!(poll(&mut write).is_pending());
            writes.push(write);
            settle().await;
        }
        let bytes = CAP - stdin.gate.room.available_permits();
        assert_eq!(bytes / len.min(CAP), taken_in, "messages of {len} bytes");
    }
}

#[tokio::test]
async fn a_message_larger_than_the_queue_is_written_whole() {
    let (pipe, mut child) = tokio::io::duplex(64 * 1024);
    let stdin = Stdin::new(pipe);
    let large = Bytes::from((0..3 * MAX_BYTES).map(|number| number as u8).collect::<Vec<_>>());
    let writer = {
        let (stdin, large) = (stdin.clone(), large.clone());
        tokio::spawn(async move { stdin.write(large).await })
    };
    settle().await;
    let after = tokio::spawn(async move { stdin.write("!".into()).await });
    let mut all = Vec::new();
    child.read_to_end(&mut all).await.unwrap();
    assert_eq!((writer.await.unwrap(), after.await.unwrap()), (Ok(()), Ok(())));
    assert!(all[..large.len()] == large && all[large.len()..] == *b"!");
}

/// Ends with an error that is no broken pipe.
struct Broken;

impl AsyncWrite for Broken {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::Error::other("no such terminal")))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn any_failure_of_the_pipe_closes_stdin() {
    let stdin = Stdin::new(Broken);
    assert_eq!(stdin.write("x".into()).await, Err(StdinError::Closed));
    assert!(stdin.is_closed());
}

/// A message that says whose it is, which, and how long.
fn message(writer: u16, number: u16, len: usize) -> Bytes {
    let mut message = Vec::new();
    message.extend(writer.to_be_bytes());
    message.extend(number.to_be_bytes());
    message.extend((len as u32).to_be_bytes());
    message.resize(8 + len, writer as u8);
    message.into()
}

/// Reads messages to the end; returns the numbers of each writer's. Panics if one is torn.
async fn read_messages(mut child: impl tokio::io::AsyncRead + Unpin, writers: usize) -> Vec<Vec<u16>> {
    let mut received = vec![Vec::new(); writers];
    let mut all = Vec::new();
    child.read_to_end(&mut all).await.unwrap();
    let mut rest = &all[..];
    while let Some((header, after)) = rest.split_first_chunk::<8>() {
        let writer = u16::from_be_bytes([header[0], header[1]]);
        let number = u16::from_be_bytes([header[2], header[3]]);
        let len = u32::from_be_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let (body, after) = after.split_at(len);
        assert!(body.iter().all(|&byte| byte == writer as u8), "message {number} of writer {writer} is torn");
        received[usize::from(writer)].push(number);
        rest = after;
    }
    assert!(rest.is_empty());
    received
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn messages_of_many_writers_never_mix_and_keep_their_order() {
    const WRITERS: u16 = 50;
    const MESSAGES: u16 = 40;
    let (sender, receiver) = tokio::net::unix::pipe::pipe().unwrap();
    let stdin = Stdin::new(sender);
    let reader = tokio::spawn(read_messages(receiver, usize::from(WRITERS)));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let stdin = stdin.clone();
        writers.spawn(async move {
            for number in 0..MESSAGES {
                let len = usize::from(writer) * usize::from(number) * 37 % 20_000;
                stdin.write(message(writer, number, len)).await.unwrap();
            }
        });
    }
    drop(stdin);
    writers.join_all().await;
    let expected = vec![(0..MESSAGES).collect::<Vec<_>>(); usize::from(WRITERS)];
    assert_eq!(tokio::time::timeout(Duration::from_secs(60), reader).await.unwrap().unwrap(), expected);
}

/// Counts what is alive of a message.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn messages_are_dropped_once_written_or_refused() {
    let alive = Arc::new(AtomicUsize::new(0));
    let counted = |len| {
        alive.fetch_add(1, Ordering::SeqCst);
        Bytes::from_owner(Counted(vec![0; len], Arc::clone(&alive)))
    };
    let (pipe, mut child) = tokio::io::duplex(10);
    let stdin = Stdin::new(pipe);
    stdin.write(counted(10)).await.unwrap();
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    child.read_exact(&mut [0; 10]).await.unwrap();
    let mut writes = (0..5).map(|_| Box::pin(stdin.write(counted(100)))).collect::<Vec<_>>();
    assert!(writes.iter_mut().all(|write| poll(write).is_pending()));
    drop(child);
    for write in writes {
        assert_eq!(write.await, Err(StdinError::Closed));
    }
    settle().await;
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[derive(Clone, Debug)]
enum Step {
    /// A writer begins to write.
    Write(usize, usize),
    /// A writer gives up.
    Cancel(usize),
    /// The child reads.
    Read(usize),
    /// Others run.
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![4 => 0..100_usize, 2 => 0..100_000_usize, 1 => Just(1_500_000)];
    prop_oneof![
        4 => (0..8_usize, len).prop_map(|(writer, len)| Step::Write(writer, len)),
        2 => (0..8_usize).prop_map(Step::Cancel),
        3 => (1..200_000_usize).prop_map(Step::Read),
        2 => Just(Step::Settle),
    ]
}

proptest! {
    #![proptest_config(crate::test_scale::cases(48))]

    /// What arrives is a row of whole messages, each at most once, in each writer's order; with all that were acknowledged.
    #[test]
    fn any_history_of_writers_that_come_and_give_up_arrives_in_whole_messages(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (pipe, mut child) = tokio::io::duplex(1000);
            let stdin = Stdin::new(pipe);
            let mut received = Vec::new();
            let mut acknowledged = vec![Vec::new(); 8];
            let mut next = [0; 8];
            type Write<'a> = Pin<Box<dyn Future<Output = Result<(), StdinError>> + 'a>>;
            let mut writes: [Option<(u16, Write<'_>)>; 8] = std::array::from_fn(|_| None);
            for step in steps {
                match step {
                    Step::Write(writer, len) if writes[writer].is_none() => {
                        let number = next[writer];
                        next[writer] += 1;
                        writes[writer] = Some((number, Box::pin(stdin.write(message(writer as u16, number, len)))));
                    }
                    Step::Write(..) | Step::Settle => settle().await,
                    Step::Cancel(writer) => writes[writer] = None,
                    Step::Read(mut len) => {
                        while len > 0 {
                            let mut chunk = vec![0; len.min(1000)];
                            settle().await;
                            let mut read = Box::pin(child.read(&mut chunk));
                            let Poll::Ready(count) = poll(&mut read) else { break };
                            let count = count.unwrap();
                            drop(read);
                            received.extend_from_slice(&chunk[..count]);
                            len -= count;
                        }
                    }
                }
                for (writer, slot) in writes.iter_mut().enumerate() {
                    if let Some((number, write)) = slot
                        && let Poll::Ready(result) = poll(write)
                    {
                        assert_eq!(result, Ok(()));
                        acknowledged[writer].push(*number);
                        *slot = None;
                    }
                }
            }
            drop(writes);
            drop(stdin);
            child.read_to_end(&mut received).await.unwrap();
            let received = read_messages(&received[..], 8).await;
            for (writer, (received, acknowledged)) in received.iter().zip(&acknowledged).enumerate() {
                assert!(received.is_sorted_by(|a, b| a < b), "writer {writer}: {received:?}");
                assert!(acknowledged.iter().all(|number| received.contains(number)), "writer {writer}");
            }
        });
    }
}

#[tokio::test]
async fn an_abandoned_pipe_holds_up_nobody_though_its_other_end_is_open() {
    let (pipe, mut outsider) = tokio::io::duplex(4);
    let stdin = Stdin::new(pipe);
    let mut writes = ["too long", "queued"].map(|text| Box::pin(stdin.write(text.into())));
    assert!(writes.iter_mut().all(|write| poll(write).is_pending()));
    settle().await;
    stdin.close();
    settle().await;
    assert!(writes.iter_mut().all(|write| poll(write).is_pending()), "what is queued at a close is still written");
    stdin.abandon();
    for write in writes {
        assert_eq!(write.await, Err(StdinError::Closed));
    }
    assert_eq!(stdin.write("late".into()).await, Err(StdinError::Closed));
    let mut all = String::new();
    outsider.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "too ");
}
