use std::future::poll_fn;

use super::*;

/// What the client is told next, as it is written.
async fn next(seat: &mut Seat) -> String {
    let frame = poll_fn(|cx| seat.poll_frame(cx, ROOM));
    tokio::time::timeout(Duration::from_secs(3600), frame).await.expect("a frame").encode()
}

fn sit(conversation: &Arc<Conversation>) -> Seat {
    let Place::Free(seat) = conversation.sit(false) else { panic!("the place is not free") };
    seat
}

async fn recv(conversation: &Conversation) -> Option<String> {
    let message = poll_fn(|cx| conversation.poll_recv(cx));
    tokio::time::timeout(Duration::from_secs(3600), message).await.expect("a message, or the end")
}

fn is_ready(conversation: &Conversation) -> Poll<Result<(), SessionOver>> {
    conversation.poll_ready(&mut Context::from_waker(Waker::noop()))
}

fn go_away() -> Close {
    Close { code: 3000, reason: "Go away!".into() }
}

#[tokio::test(start_paused = true)]
async fn what_is_said_arrives_in_order_over_one_connection_after_the_other() {
    let conversation = Conversation::new(Extensions::new());
    let mut seat = sit(&conversation);
    assert_eq!(next(&mut seat).await, "o");
    conversation.push("a".into()).unwrap();
    conversation.push("b".into()).unwrap();
    assert_eq!(next(&mut seat).await, r#"a["a","b"]"#);
    seat.give_up();
    conversation.push("c".into()).unwrap();
    let mut seat = sit(&conversation);
    assert_eq!(next(&mut seat).await, r#"a["c"]"#);
    conversation.offer(vec!["x".into(), "y".into()]).await.unwrap();
    assert_eq!(recv(&conversation).await.as_deref(), Some("x"));
    assert_eq!(recv(&conversation).await.as_deref(), Some("y"));
    seat.give_up();
}

#[tokio::test(start_paused = true)]
async fn only_one_receives_at_a_time() {
    let conversation = Conversation::new(Extensions::new());
    let seat = sit(&conversation);
    assert!(matches!(conversation.sit(false), Place::Taken));
    seat.give_up();
    sit(&conversation).give_up();
}

#[tokio::test(start_paused = true)]
async fn a_close_comes_after_all_messages_and_as_often_as_it_is_asked_for() {
    let conversation = Conversation::new(Extensions::new());
    conversation.push("last words".into()).unwrap();
    conversation.close(go_away());
    assert_eq!(conversation.push("too late".into()), Err(SessionOver));
    assert_eq!(is_ready(&conversation), Poll::Ready(Err(SessionOver)));
    assert_eq!(conversation.offer(vec!["x".into()]).await, Err(SessionOver));
    let mut seat = sit(&conversation);
    for expected in ["o", r#"a["last words"]"#, r#"c[3000,"Go away!"]"#] {
        assert_eq!(next(&mut seat).await, expected);
    }
    // Also while somebody else still has the place.
    assert!(matches!(conversation.sit(false), Place::Over(close) if close == go_away()));
    seat.give_up();
    assert!(matches!(conversation.sit(false), Place::Over(close) if close == go_away()));
    conversation.close(Close::NORMAL);
    assert!(matches!(conversation.sit(false), Place::Over(close) if close == go_away()), "only the first end counts");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_ends_the_session() {
    let conversation = Conversation::new(Extensions::new());
    let mut seat = sit(&conversation);
    assert_eq!(next(&mut seat).await, "o");
    conversation.offer(vec!["said before".into()]).await.unwrap();
    conversation.push("on its way".into()).unwrap();
    drop(seat);
    assert_eq!(recv(&conversation).await.as_deref(), Some("said before"));
    assert_eq!(recv(&conversation).await, None);
    assert_eq!(is_ready(&conversation), Poll::Ready(Err(SessionOver)));
    assert!(matches!(conversation.sit(false), Place::Over(Close { code: 1002, .. })));
}

#[tokio::test(start_paused = true)]
async fn where_both_ways_are_one_what_was_said_before_the_end_is_still_heard() {
    let conversation = Conversation::new(Extensions::new());
    let Place::Free(seat) = conversation.sit(true) else { panic!("the place is not free") };
    drop(seat);
    assert_eq!(conversation.push("x".into()), Err(SessionOver));
    conversation.offer(vec!["a".into()]).await.unwrap();
    conversation.hang_up();
    assert_eq!(conversation.offer(vec!["b".into()]).await, Err(SessionOver));
    assert_eq!(recv(&conversation).await.as_deref(), Some("a"));
    assert_eq!(recv(&conversation).await, None);
}

#[tokio::test(start_paused = true)]
async fn who_says_more_than_there_is_room_for_waits() {
    let conversation = Conversation::new(Extensions::new());
    let large = "x".repeat(ROOM);
    assert_eq!(is_ready(&conversation), Poll::Ready(Ok(())));
    conversation.push(large.clone().into()).unwrap();
    assert_eq!(is_ready(&conversation), Poll::Pending);
    let waiting = tokio::spawn({
        let conversation = Arc::clone(&conversation);
        async move { poll_fn(|cx| conversation.poll_ready(cx)).await }
    });
    tokio::task::yield_now().await;
    let mut seat = sit(&conversation);
    assert_eq!(next(&mut seat).await, "o");
    assert!(!waiting.is_finished());
    assert_eq!(next(&mut seat).await.len(), ROOM + 5);
    assert_eq!(waiting.await.unwrap(), Ok(()));

    conversation.offer(vec![large.clone(), large]).await.unwrap();
    let waiting = tokio::spawn({
        let conversation = Arc::clone(&conversation);
        async move { conversation.offer(vec!["y".into()]).await }
    });
    tokio::task::yield_now().await;
    assert!(recv(&conversation).await.is_some());
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    assert!(recv(&conversation).await.is_some());
    assert_eq!(waiting.await.unwrap(), Ok(()));
    assert_eq!(recv(&conversation).await.as_deref(), Some("y"));
    seat.give_up();
}

#[tokio::test(start_paused = true)]
async fn a_frame_holds_no_more_than_is_asked_for_and_at_least_one_message() {
    let conversation = Conversation::new(Extensions::new());
    let mut seat = sit(&conversation);
    assert_eq!(next(&mut seat).await, "o");
    for message in ["", "", "abc", "d"] {
        conversation.push(message.into()).unwrap();
    }
    let take = async |seat: &mut Seat, most| poll_fn(|cx| seat.poll_frame(cx, most)).await.encode();
    assert_eq!(take(&mut seat, 0).await, r#"a[""]"#);
    assert_eq!(take(&mut seat, 3).await, r#"a["","abc"]"#);
    assert_eq!(take(&mut seat, 3).await, r#"a["d"]"#);
    seat.give_up();
}

#[tokio::test(start_paused = true)]
async fn a_session_lapses_when_nobody_receives_for_long_enough() {
    const DELAY: Duration = Duration::from_secs(5);
    let conversation = Conversation::new(Extensions::new());
    let begun = Instant::now();
    let lapsing = tokio::spawn({
        let conversation = Arc::clone(&conversation);
        async move { conversation.lapsed(DELAY).await }
    });
    tokio::time::advance(Duration::from_secs(4)).await;
    let seat = sit(&conversation);
    tokio::time::advance(Duration::from_secs(60)).await;
    tokio::task::yield_now().await;
    assert!(!lapsing.is_finished());
    seat.give_up();
    lapsing.await.unwrap();
    assert_eq!(begun.elapsed(), Duration::from_secs(69));
}
