//! Hooks that are removed, and nodes that stop.

use std::time::Duration;

use gaffer_http::webhooks::WebhookOptions;

use super::{Receiver, Reply, World, options, receiver::nobody};
use crate::wire::DEADLINE;

#[tokio::test]
async fn a_hook_that_is_removed_is_sent_nothing_more() {
    let world = World::new(options()).await;
    let silent = Receiver::start(|_, _| Reply::Silence).await;
    let id = world.add("create", &silent.url()).await;
    world.rounds(&["a", "b", "c", "d", "e", "f"], 1).await;
    silent.until_got(4).await;
    tokio::time::timeout(DEADLINE, world.webhooks.remove(&id)).await.expect("it is removed").unwrap();
    silent.until_closed(4).await;
    world.rounds(&["a"], 1).await;
    assert_eq!(silent.got().len(), 4);
    assert_eq!(world.webhooks.get(&id), None);
    let error = world.webhooks.remove(&id).await.unwrap_err().to_string();
    assert_eq!(error, format!("there is no webhook `{id}`"));
    assert_eq!(world.manager.subscriptions(), 0);
    world.manager.stop().await;
}

#[tokio::test]
async fn what_waits_at_the_end_is_delivered() {
    let world = World::new(options()).await;
    let receiver =
        Receiver::start(|before, _| if before % 2 == 0 { Reply::Status(503) } else { Reply::Status(200) }).await;
    world.add("proc", &receiver.url()).await;
    world.rounds(&["a", "b"], 20).await;
    tokio::time::timeout(DEADLINE, world.manager.stop()).await.expect("it stops");
    assert_eq!(receiver.taken().len(), 80);
}

#[tokio::test]
async fn a_dead_hook_does_not_keep_the_node_from_ending() {
    let world = World::new(WebhookOptions { drain: Duration::from_millis(300), ..options() }).await;
    let (_held, address) = nobody();
    let silent = Receiver::start(|_, _| Reply::Silence).await;
    let dead = world.add("create", &format!("http://{address}/")).await;
    let mute = world.add("create", &silent.url()).await;
    world.rounds(&["a", "b"], 5).await;
    silent.until_got(1).await;
    tokio::time::timeout(DEADLINE, world.manager.stop()).await.expect("it stops");
    for id in [dead, mute] {
        let info = world.webhooks.get(&id).unwrap();
        assert_eq!((info.waiting, info.dropped), (0, 10), "{info:?}");
    }
    let error = world.webhooks.add(super::config("exit", &silent.url())).await.unwrap_err().to_string();
    assert_eq!(error, "the node is shutting down");
}

#[tokio::test]
async fn hooks_that_nobody_holds_any_more_end() {
    let World { manager, webhooks } = World::new(options()).await;
    let (other, receiver) = (World::new(options()).await, Receiver::good().await);
    other.add("create", &receiver.url()).await;
    assert_eq!(other.manager.subscriptions(), 1);
    other.manager.stop().await;
    let loose = gaffer_http::webhooks::Webhooks::open(options(), None).await.unwrap();
    loose.start(&manager).await;
    loose.add(super::config("create", &receiver.url())).await.unwrap();
    assert_eq!(manager.subscriptions(), 1);
    drop(loose);
    tokio::time::timeout(DEADLINE, async {
        while manager.subscriptions() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("its subscription ends");
    drop(webhooks);
    manager.stop().await;
}
