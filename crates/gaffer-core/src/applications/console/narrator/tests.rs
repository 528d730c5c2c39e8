//! What is done about events that were lost.

use std::time::Duration;

use tokio::time::timeout;

use super::{
    super::tests::fixture::{DEADLINE, job, plain, stop},
    *,
};
use crate::{backend::RealBackend, manager::ManagerOptions};

/// Tells of a loss, and answers the lines that come of it: those that should, and for a moment those that should not.
async fn after_a_loss(narrator: &mut Narrator, texts: &mut mpsc::Receiver<Text>, count: usize) -> Vec<String> {
    let queue = narrator.queue.clone();
    narrator.hear(Delivery::Lagged(7)).await;
    while narrator.order.has_line() {
        narrator.show_line(queue.reserve().await.unwrap());
    }
    let mut lines = Vec::new();
    loop {
        let patience = if lines.len() < count { DEADLINE } else { Duration::from_millis(100) };
        let Ok(Some(text)) = timeout(patience, texts.recv()).await else { break };
        lines.push(String::from_utf8(text.bytes).unwrap()[8..].to_owned());
    }
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn after_lost_events_what_runs_is_followed_once_and_what_has_ended_is_forgotten() {
    let manager = Manager::start(ManagerOptions::default(), RealBackend::start).unwrap();
    let (queue, mut texts) = mpsc::channel(64);
    let mut narrator = Narrator::new(manager.clone(), plain(), false, queue);
    for name in ["here", "gone"] {
        manager.load(job(name, "echo hello; exec sleep 1000")).await.unwrap();
    }
    let all = [" gaffer | ... 7 events lost\n", " gone | hello\n", " here | hello\n"];
    assert_eq!(after_a_loss(&mut narrator, &mut texts, 3).await, all);
    let (here, gone) = {
        let pids = manager.pids(None).await.unwrap();
        (pids[0], pids[1])
    };
    manager.unload(&"gone".parse().unwrap()).await.unwrap();
    assert_eq!(timeout(DEADLINE, narrator.shown.1.recv()).await.unwrap(), Some(gone));
    narrator.order.shown(gone);
    while manager.process(gone).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(after_a_loss(&mut narrator, &mut texts, 1).await, all[..1]);
    assert!(narrator.order.follows(here) && !narrator.order.follows(gone));
    // Its spawn was not lost, but comes after the loss.
    assert!(narrator.follow(here, &Voice::called("here", None)).await.is_none());
    assert_eq!(after_a_loss(&mut narrator, &mut texts, 1).await, all[..1]);
    stop(&manager).await;
}
