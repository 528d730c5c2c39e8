use std::{collections::BTreeMap, sync::OnceLock, thread};

use proptest::prelude::*;

use super::*;

const KIB: usize = 1024;

fn output() -> Arc<Output> {
    Output::new("stdout".parse().unwrap())
}

/// The bytes `from..to` of an endless text that repeats itself after a prime number of bytes, so that no two places that a
/// mistake might exchange look the same.
fn text(from: u64, to: u64) -> Vec<u8> {
    static TABLE: OnceLock<Vec<u8>> = OnceLock::new();
    let table = TABLE.get_or_init(|| (0..1_000_003).map(byte_at).collect());
    let start = (from % table.len() as u64) as usize;
    let mut text = Vec::with_capacity((to - from) as usize);
    let mut rest = &table[start..];
    while text.len() < (to - from) as usize {
        let len = rest.len().min((to - from) as usize - text.len());
        text.extend_from_slice(&rest[..len]);
        rest = table;
    }
    text
}

fn byte_at(position: u64) -> u8 {
    let word = (position / 7).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    if position % 7 == 6 && word.is_multiple_of(3) { b'\n' } else { (word >> (position % 3)) as u8 | 0x20 }
}

fn push(output: &Output, len: usize) {
    let total = output.total();
    output.push(text(total, total + len as u64).into());
}

fn footprint(output: &Output) -> usize {
    lock(&output.shared.state).ring.footprint()
}

/// What a reader has seen, held against what was written.
#[derive(Debug, Default)]
struct Seen {
    position: u64,
    lost: u64,
}

impl Seen {
    fn take(&mut self, chunk: Chunk) {
        match chunk {
            Chunk::Data(data) => {
                assert!(!data.is_empty());
                let end = self.position + data.len() as u64;
                assert!(data == text(self.position, end), "wrong bytes at {}..{end}", self.position);
                self.position = end;
            }
            Chunk::Lagged(lost) => {
                assert_ne!(lost, 0);
                self.lost += lost;
                self.position += lost;
            }
        }
    }

    fn take_all(&mut self, subscription: &mut OutputSubscription) {
        while let Some(chunk) = subscription.try_recv() {
            self.take(chunk);
        }
    }
}

fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

fn data(text: &'static str) -> Option<Chunk> {
    Some(Chunk::Data(Bytes::from_static(text.as_bytes())))
}

#[tokio::test]
async fn a_subscriber_gets_what_is_written_and_then_the_end() {
    let output = output();
    output.push("before".into());
    let mut subscription = output.subscribe(Start::Now);
    let reader = tokio::spawn(async move {
        let all = [subscription.recv().await, subscription.recv().await, subscription.recv().await];
        (all, subscription.recv().await)
    });
    tokio::task::yield_now().await;
    for text in ["one", "two"] {
        output.push(text.into());
        tokio::task::yield_now().await;
    }
    output.close();
    output.push("ignored".into());
    assert_eq!(reader.await.unwrap(), ([data("one"), data("two"), None], None));
    assert_eq!(output.total(), 12);
}

#[test]
fn each_start_begins_where_it_says() {
    let output = output();
    output.push("one\ntwo\nthr".into());
    output.push("ee".into());
    for (start, expected) in [
        (Start::Now, None),
        (Start::Oldest, data("one\ntwo\nthree")),
        (Start::Lines(0), None),
        (Start::Lines(1), data("three")),
        (Start::Lines(2), data("two\nthree")),
        (Start::Lines(9), data("one\ntwo\nthree")),
    ] {
        let mut subscription = output.subscribe(start);
        assert_eq!(subscription.try_recv(), expected, "{start:?}");
        assert_eq!(subscription.try_recv(), None);
    }
}

#[test]
fn a_reader_goes_on_where_it_broke_off_and_is_told_what_is_gone() {
    let output = output();
    push(&output, 100);
    let mut first = output.subscribe(Start::Oldest);
    let mut seen = Seen::default();
    seen.take_all(&mut first);
    let position = first.position();
    drop(first);
    push(&output, 50);
    let mut again = output.subscribe_from(position);
    seen.take_all(&mut again);
    assert_eq!((seen.position, seen.lost), (150, 0));
    drop(again);

    for _ in 0..40 {
        push(&output, 4 * KIB);
    }
    seen.take_all(&mut output.subscribe_from(seen.position));
    assert_eq!(seen.position, output.total());
    assert!(seen.lost > 0);
    assert_eq!(output.subscribe_from(u64::MAX).position(), output.total());
}

#[test]
fn without_readers_only_the_history_is_kept() {
    let output = output();
    for len in [1, 100, 4 * KIB, 64 * KIB, 300 * KIB] {
        for _ in 0..(2 << 20) / len {
            push(&output, len);
        }
        let oldest = output.subscribe(Start::Oldest).position();
        let kept = output.total() - oldest;
        assert!((Output::HISTORY..=Output::HISTORY + 64 * 1024).contains(&kept), "{kept} kept of pushes of {len}");
    }
    assert_eq!(output.lost(), 0);
}

#[test]
fn a_slow_reader_loses_the_oldest_is_told_and_counted_at_once() {
    let output = output();
    let mut slow = output.subscribe(Start::Now);
    let mut fast = output.subscribe(Start::Now);
    let (mut slow_seen, mut fast_seen) = (Seen::default(), Seen::default());
    for _ in 0..100 {
        push(&output, 32 * KIB);
        fast_seen.take_all(&mut fast);
    }
    let lost = output.lost();
    assert!(lost >= output.total() - Output::MAX);
    slow_seen.take_all(&mut slow);
    assert_eq!((slow_seen.position, slow_seen.lost), (output.total(), lost));
    assert_eq!((fast_seen.position, fast_seen.lost), (output.total(), 0));
    assert_eq!(output.lost(), lost);

    // Once it has caught up, only the history is kept. The loss of one that never came back stays counted.
    assert!(footprint(&output) < 200 * KIB);
    for _ in 0..64 {
        push(&output, 32 * KIB);
    }
    let lost = output.lost();
    assert!(lost > slow_seen.lost);
    drop((slow, fast));
    assert_eq!(output.lost(), lost);
    assert!(footprint(&output) < 200 * KIB);
}

#[test]
fn many_tiny_writes_cost_little_more_than_their_bytes() {
    let output = output();
    let _stalled = output.subscribe(Start::Now);
    let mut fast = output.subscribe(Start::Now);
    let mut seen = Seen::default();
    for number in 0..3 << 19 {
        push(&output, 1);
        if number % 8 == 0 {
            seen.take_all(&mut fast);
        }
    }
    let held = footprint(&output);
    assert!(held < (Output::MAX as usize) * 5 / 4, "{held} bytes held");
}

#[test]
fn alternating_small_and_large_writes_stay_bounded_too() {
    let output = output();
    let _stalled = output.subscribe(Start::Now);
    for _ in 0..4000 {
        push(&output, 1);
        push(&output, KIB + 1);
    }
    let held = footprint(&output);
    assert!(held < (Output::MAX as usize) * 3 / 2, "{held} bytes held");
}

#[tokio::test]
async fn a_sink_holds_the_writer_and_loses_nothing() {
    let output = output();
    let mut sink = output.attach_sink().unwrap();
    assert!(output.attach_sink().is_none());
    let writer = {
        let output = Arc::clone(&output);
        tokio::spawn(async move {
            for _ in 0..1000 {
                output.writable().await;
                push(&output, 10 * KIB);
            }
            output.close();
        })
    };
    let mut seen = Seen::default();
    let mut most = 0;
    while let Some(chunk) = sink.recv().await {
        most = most.max(output.total() - seen.position);
        seen.take(chunk);
        tokio::task::yield_now().await;
    }
    writer.await.unwrap();
    assert_eq!((seen.position, seen.lost), (1000 * 10 * 1024, 0));
    assert!((Output::SINK_BACKLOG..Output::SINK_BACKLOG + 10 * 1024).contains(&most), "{most} at most");
}

#[tokio::test]
async fn a_writer_is_released_when_the_sink_reads_or_goes_or_the_output_closes() {
    let releases: [fn(&Output, &mut Option<OutputSubscription>); 3] = [
        |_, sink| assert!(sink.as_mut().unwrap().try_recv().is_some()),
        |_, sink| *sink = None,
        |output, _| output.close(),
    ];
    for release in releases {
        let output = output();
        let mut sink = output.attach_sink();
        push(&output, Output::SINK_BACKLOG as usize);
        let mut writable = Box::pin(output.writable());
        assert!(is_pending(&mut writable));
        release(&output, &mut sink);
        writable.await;
    }
}

#[test]
fn a_sink_that_is_dropped_makes_place_for_another() {
    let output = output();
    output.push("a".into());
    drop(output.attach_sink());
    assert_eq!(output.attach_sink().unwrap().try_recv(), data("a"));
}

#[test]
fn a_sink_that_is_never_waited_for_still_loses_nothing() {
    let output = output();
    let mut sink = output.attach_sink().unwrap();
    let mut lossy = output.subscribe(Start::Now);
    for _ in 0..64 {
        push(&output, 64 * KIB);
    }
    let mut seen = [Seen::default(), Seen::default()];
    seen[0].take_all(&mut sink);
    seen[1].take_all(&mut lossy);
    assert_eq!((seen[0].position, seen[0].lost, seen[1].position), (4 << 20, 0, 4 << 20));
    assert!(footprint(&output) < 200 * KIB);
}

#[test]
fn an_expected_sink_begins_with_the_first_byte_however_late_it_comes() {
    for close in [false, true] {
        let output = Output::expecting_sink("stdout".parse().unwrap());
        // Far more than is ever kept otherwise, and readers that come and go do not change it.
        for _ in 0..64 {
            push(&output, 64 * KIB);
            let mut passer_by = output.subscribe(Start::Oldest);
            assert_eq!(passer_by.position(), 0);
            while passer_by.try_recv().is_some() {}
        }
        if close {
            output.close();
        }
        assert!(output.expects_sink());
        let mut sink = output.attach_sink().unwrap();
        assert!(!output.expects_sink());
        assert!(output.attach_sink().is_none());
        let mut seen = Seen::default();
        seen.take_all(&mut sink);
        assert_eq!((seen.position, seen.lost), (4 << 20, 0));
        drop(sink);
        assert!(footprint(&output) < 200 * KIB);
        assert!(!output.expects_sink(), "another one is not waited for");
    }
}

#[tokio::test]
async fn a_writer_waits_for_an_expected_sink_until_it_comes_or_the_output_closes() {
    type Release = fn(&Arc<Output>) -> Option<OutputSubscription>;
    let releases: [Release; 3] = [
        |output| {
            let mut sink = output.attach_sink();
            assert!(is_pending(&mut Box::pin(output.writable())), "it has read nothing yet");
            assert!(sink.as_mut().unwrap().try_recv().is_some());
            sink
        },
        |output| {
            drop(output.attach_sink());
            None
        },
        |output| {
            output.close();
            None
        },
    ];
    for release in releases {
        let output = Output::expecting_sink("stdout".parse().unwrap());
        push(&output, Output::SINK_BACKLOG as usize - 1);
        output.writable().await;
        push(&output, 1);
        let mut writable = Box::pin(output.writable());
        assert!(is_pending(&mut writable));
        drop(output.subscribe(Start::Oldest));
        assert!(is_pending(&mut writable), "any other reader is no sink");
        let _sink = release(&output);
        writable.await;
    }
}

#[tokio::test]
async fn an_output_that_nobody_can_write_to_any_more_has_ended() {
    let output = output();
    output.push("rest".into());
    let mut subscription = output.subscribe(Start::Oldest);
    drop(output);
    assert_eq!(subscription.recv().await, data("rest"));
    assert_eq!(subscription.recv().await, None);
}

#[test]
fn a_receive_that_is_given_up_loses_nothing() {
    let output = output();
    let mut subscription = output.subscribe(Start::Now);
    let mut seen = Seen::default();
    for _ in 0..100 {
        assert!(is_pending(&mut Box::pin(subscription.recv())));
        push(&output, 10);
        seen.take_all(&mut subscription);
    }
    assert_eq!((seen.position, seen.lost), (1000, 0));
}

#[test]
fn a_subscription_that_is_dropped_frees_its_seat() {
    let output = output();
    for _ in 0..100 {
        let (mut one, _two) = (output.subscribe(Start::Now), output.attach_sink());
        assert!(is_pending(&mut Box::pin(one.recv())));
    }
    let state = lock(&output.shared.state);
    assert_eq!(state.readers.len(), 0);
}

#[tokio::test]
async fn a_reader_that_is_never_out_of_bytes_lets_others_run() {
    let output = output();
    let mut subscription = output.subscribe(Start::Now);
    (0..500).for_each(|_| push(&output, 2 * KIB));
    output.close();
    let busy = tokio::spawn(async move { while subscription.recv().await.is_some() {} });
    tokio::task::yield_now().await;
    tokio::task::yield_now().await;
    assert!(!busy.is_finished());
    busy.await.unwrap();
}

#[test]
fn no_wake_up_is_lost_between_threads() {
    const PUSHES: usize = 20_000;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let output = output();
    let mut readers = (0..6).map(|_| output.subscribe(Start::Now)).collect::<Vec<_>>();
    readers.push(output.attach_sink().unwrap());
    let readers = readers.into_iter().map(|mut subscription| {
        runtime.spawn(async move {
            let mut seen = Seen::default();
            while let Some(chunk) = subscription.recv().await {
                seen.take(chunk);
            }
            seen
        })
    });
    let readers = readers.collect::<Vec<_>>();
    let writer = {
        let output = Arc::clone(&output);
        runtime.spawn(async move {
            for number in 0..PUSHES {
                output.writable().await;
                push(&output, if number % 8 == 0 { 3000 } else { number % 50 });
            }
            output.close();
        })
    };
    // Meanwhile others come and go.
    let passers_by = {
        let output = Arc::clone(&output);
        thread::spawn(move || {
            for number in 0..1000 {
                let mut subscription = output.subscribe(Start::Lines(number));
                let position = subscription.position();
                if let Some(Chunk::Lagged(_)) = subscription.try_recv() {
                    // Only if this thread was not run for so long that everything since then no longer fits.
                    assert!(output.total() - position > Output::MAX - Output::MAX_CHUNK as u64);
                }
            }
        })
    };
    runtime.block_on(writer).unwrap();
    passers_by.join().unwrap();
    let mut lost = 0;
    for reader in readers {
        let seen = runtime.block_on(reader).unwrap();
        assert_eq!(seen.position, output.total());
        lost += seen.lost;
    }
    assert!(lost <= output.lost()); // Those who passed by may have lost something, too.
}

#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    Subscribe(Start),
    SubscribeFrom(prop::sample::Index),
    AttachSink,
    Receive(prop::sample::Index, usize),
    Drop(prop::sample::Index),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    use prop::sample::Index;
    let start = prop_oneof![
        Just(Start::Now),
        Just(Start::Oldest),
        (0..2000_usize).prop_map(Start::Lines),
        Just(Start::Lines(usize::MAX)),
    ];
    let len = prop_oneof![3 => 0..20_usize, 2 => 0..3000_usize, 4 => 3000..100_000_usize, 1 => Just(400_000)];
    prop_oneof![
        300 => len.prop_map(Step::Push),
        60 => start.prop_map(Step::Subscribe),
        20 => any::<Index>().prop_map(Step::SubscribeFrom),
        30 => Just(Step::AttachSink),
        200 => (any::<Index>(), 1..40_usize).prop_map(|(index, chunks)| Step::Receive(index, chunks)),
        30 => any::<Index>().prop_map(Step::Drop),
        1 => Just(Step::Close),
    ]
}

/// A reader, and what it must have been given.
struct Reader {
    subscription: OutputSubscription,
    sink: bool,
    seen: Seen,
}

proptest! {
    #![proptest_config(crate::test_scale::cases(48))]

    /// The naive output is the text itself: all of it is at hand, so that only what is kept needs a model.
    #[test]
    fn any_history_delivers_the_text_with_gaps_as_told(
        mut expecting in any::<bool>(),
        steps in prop::collection::vec(step(), 0..150),
    ) {
        let label = "stdout".parse().unwrap();
        let output = if expecting { Output::expecting_sink(label) } else { Output::new(label) };
        let mut readers: BTreeMap<usize, Reader> = BTreeMap::new();
        let mut closed = false;
        let mut total = 0_u64;
        let mut told_by_the_gone = 0;
        for (number, step) in steps.into_iter().enumerate() {
            // Where a new reader of all that is kept begins.
            let head = output.subscribe(Start::Oldest).position();
            prop_assert!(head <= total.saturating_sub(Output::HISTORY));
            prop_assert!(head == 0 || !expecting);
            match step {
                Step::Push(len) => {
                    let sink = readers.values().find(|reader| reader.sink).map(|sink| sink.seen.position);
                    let sink_backlog = sink.or(expecting.then_some(0)).map(|position| total - position);
                    let writable = !is_pending(&mut Box::pin(output.writable()));
                    let expected = closed || sink_backlog.is_none_or(|backlog| backlog < Output::SINK_BACKLOG);
                    prop_assert_eq!(writable, expected);
                    if writable {
                        push(&output, len);
                        total += if closed { 0 } else { len as u64 };
                    }
                }
                Step::Subscribe(start) => {
                    let subscription = output.subscribe(start);
                    let position = subscription.position();
                    match start {
                        Start::Now => prop_assert_eq!(position, total),
                        Start::Oldest => prop_assert_eq!(position, head),
                        Start::Lines(lines) => {
                            let kept = text(head, total);
                            let begin = kept.split_inclusive(|&byte| byte == b'\n').rev().take(lines).map(<[u8]>::len).sum::<usize>();
                            prop_assert_eq!(position, total - begin as u64);
                        }
                    }
                    readers.insert(number, Reader { subscription, sink: false, seen: Seen { position, lost: 0 } });
                }
                Step::SubscribeFrom(index) => {
                    let position = index.index(total as usize + 1) as u64;
                    let mut subscription = output.subscribe_from(position);
                    prop_assert_eq!(subscription.position(), position);
                    let mut seen = Seen { position, lost: 0 };
                    if position < head {
                        seen.take(subscription.try_recv().unwrap());
                        prop_assert_eq!(seen.lost, head - position);
                    }
                    readers.insert(number, Reader { subscription, sink: false, seen });
                }
                Step::AttachSink => {
                    let taken = readers.values().any(|reader| reader.sink);
                    let sink = output.attach_sink();
                    prop_assert_eq!(sink.is_none(), taken);
                    if let Some(subscription) = sink {
                        prop_assert_eq!(subscription.position(), head);
                        expecting = false;
                        readers.insert(number, Reader { subscription, sink: true, seen: Seen { position: head, lost: 0 } });
                    }
                }
                Step::Receive(index, chunks) if !readers.is_empty() => {
                    let index = index.index(readers.len());
                    let reader = readers.values_mut().nth(index).unwrap();
                    for _ in 0..chunks {
                        let behind = reader.seen.position < total;
                        match reader.subscription.poll_recv(&mut Context::from_waker(Waker::noop())) {
                            Poll::Ready(Some(chunk)) => {
                                if let Chunk::Lagged(_) = chunk {
                                    prop_assert!(!reader.sink);
                                }
                                reader.seen.take(chunk);
                            }
                            Poll::Ready(None) => prop_assert!(closed && !behind),
                            Poll::Pending => prop_assert!(!closed && !behind),
                        }
                    }
                }
                Step::Drop(index) if !readers.is_empty() => {
                    let key = *readers.keys().nth(index.index(readers.len())).unwrap();
                    let reader = readers.remove(&key).unwrap();
                    told_by_the_gone += reader.seen.lost + head.saturating_sub(reader.seen.position);
                }
                Step::Receive(..) | Step::Drop(_) => {}
                Step::Close => {
                    output.close();
                    closed = true;
                }
            }

            prop_assert_eq!((output.total(), output.is_closed()), (total, closed));
            let head = output.subscribe(Start::Oldest).position();
            let slowest = readers.values().map(|reader| reader.seen.position).min().unwrap_or(total);
            let slowest = if expecting { 0 } else { slowest };
            prop_assert_eq!(output.expects_sink(), expecting);
            let (kept, chunk) = (total - head, Output::MAX_CHUNK as u64);
            prop_assert!(kept <= Output::MAX);
            prop_assert!(kept <= Output::HISTORY.max(total - slowest) + chunk, "{} kept", kept);
            prop_assert!(footprint(&output) <= kept as usize * 5 / 4 + 64 * KIB);
            // Nobody loses what there was room for: less than a chunk stands in the way of keeping all.
            prop_assert!(slowest >= head || kept + chunk > Output::MAX);
            let lost = readers.values().map(|reader| reader.seen.lost + head.saturating_sub(reader.seen.position)).sum::<u64>();
            prop_assert_eq!(output.lost(), lost + told_by_the_gone);
        }

        output.close();
        for Reader { mut subscription, sink, mut seen } in readers.into_values() {
            seen.take_all(&mut subscription);
            prop_assert_eq!(seen.position, total);
            prop_assert!(!sink || seen.lost == 0);
        }
    }
}
