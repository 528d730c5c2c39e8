//! Webhooks over real sockets, to receivers good and bad.

mod api;
mod configured;
mod endings;
mod receiver;
mod retries;

use std::{sync::Arc, time::Duration};

use gaffer_core::{
    JobSpec, Manager, ManagerOptions,
    api::webhooks::WebhookInfo,
    backend::RealBackend,
    config::{SecretSource, WebhookConfig},
    events::{Delivery, Notification, Pattern, Subscription},
};
use gaffer_http::webhooks::{RetryPolicy, WebhookOptions, Webhooks};
use gaffer_tests::Authority;
use sha2::{Digest, Sha256};

use self::receiver::{Receiver, Reply};
use crate::wire::DEADLINE;

/// Patient enough for a loaded machine, and quick enough for a test.
fn options() -> WebhookOptions {
    let retry = RetryPolicy {
        first: Duration::from_millis(1),
        longest: Duration::from_millis(20),
        attempts: 1000,
        age: Duration::from_secs(600),
    };
    WebhookOptions { retry, ..WebhookOptions::default() }
}

/// The same, but that an event is given up after so many attempts.
fn impatient(attempts: u32) -> WebhookOptions {
    WebhookOptions { retry: RetryPolicy { attempts, ..options().retry }, ..options() }
}

/// A manager with webhooks.
struct World {
    manager: Manager,
    webhooks: Webhooks,
}

impl World {
    async fn new(options: WebhookOptions) -> Self {
        let manager = Manager::start(ManagerOptions::default(), RealBackend::start).unwrap();
        let webhooks = Webhooks::open(options, None).await.unwrap();
        webhooks.start(&manager).await;
        manager.start_applications(vec![Box::new(webhooks.clone())]).await.unwrap();
        Self { manager, webhooks }
    }

    /// Hears what a hook of this pattern is told.
    fn witness(&self, pattern: &str) -> Witness {
        Witness(self.manager.subscribe(&pattern.parse().unwrap()))
    }

    async fn add(&self, pattern: &str, url: &str) -> String {
        self.webhooks.add(config(pattern, url)).await.unwrap().id
    }

    /// Loads and unloads jobs, as often as is said: each round is two events of each, `create` and `delete`.
    async fn rounds(&self, jobs: &[&str], rounds: usize) {
        for _ in 0..rounds {
            for job in jobs {
                let mut spec = JobSpec::new(job.parse().unwrap(), "true");
                spec.start = false;
                self.manager.load(spec.check().unwrap()).await.unwrap();
            }
            for job in jobs {
                self.manager.unload(&job.parse().unwrap()).await.unwrap();
            }
        }
    }

    /// Waits until what is known of a hook is as it should be.
    async fn until(&self, id: &str, what: &str, is: impl Fn(&WebhookInfo) -> bool) -> WebhookInfo {
        let begun = tokio::time::Instant::now();
        loop {
            let info = self.webhooks.get(id).unwrap();
            if is(&info) {
                return info;
            }
            assert!(begun.elapsed() < 3 * DEADLINE, "waited until {what}; seen last: {info:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until nothing waits for a hook that was told so many events.
    async fn until_settled(&self, id: &str, events: u64) -> WebhookInfo {
        self.until(id, &format!("{events} events have come to an end"), |info| {
            info.waiting == 0 && info.delivered + info.failed + info.dropped == events
        })
        .await
    }
}

/// What a hook of some pattern must be told.
struct Witness(Subscription<Arc<Notification>>);

impl Witness {
    fn all(&mut self) -> Vec<Arc<Notification>> {
        let mut heard = Vec::new();
        while let Some(delivery) = self.0.try_recv() {
            match delivery {
                Delivery::Item(notification) => heard.push(notification),
                Delivery::Lagged(lost) => panic!("the witness lost {lost}"),
            }
        }
        heard
    }
}

fn config(pattern: &str, url: &str) -> WebhookConfig {
    WebhookConfig::new(vec![pattern.parse::<Pattern>().unwrap()], url.parse().unwrap())
}

/// HMAC-SHA256 by its definition, which ours is not made by.
fn hmac(secret: &str, body: &str) -> String {
    let mut key = [0; 64];
    key[..secret.len()].copy_from_slice(secret.as_bytes());
    let pad = |byte: u8| key.map(|of_key| of_key ^ byte);
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(body).finalize();
    let outer = Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize();
    let digits: String = outer.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

#[tokio::test]
async fn each_event_is_posted_as_it_is_with_what_there_is_to_know_in_the_head() {
    let world = World::new(options()).await;
    let receiver = Receiver::good().await;
    let mut witness = world.witness(".");
    let mut hook = config(".", &format!("{}?token=1", receiver.url()));
    hook.secret = Some(SecretSource::Text("open sesame".parse().unwrap()));
    let hook = world.webhooks.add(hook).await.unwrap();
    assert!(hook.signed && hook.last_success.is_none());
    world.rounds(&["web", "shop.api"], 1).await;
    let expected = witness.all();
    assert_eq!(expected.len(), 8, "each under its name, and under its job's");
    let info = world.until_settled(&hook.id, 8).await;
    assert_eq!((info.delivered, info.retried, info.last_error, info.last_status), (8, 0, None, Some(200)));
    assert!(info.last_success.is_some());

    let mut got = receiver.got();
    let number = |delivery: &str| delivery.rsplit_once('-').unwrap().1.parse::<u64>().unwrap();
    got.sort_by_key(|got| number(got.header("x-gaffer-delivery")));
    for (got, expected) in got.iter().zip(&expected) {
        assert_eq!(got.body.as_bytes(), &expected.json()[..]);
        assert_eq!(got.path, "/hook?token=1");
        assert_eq!(got.header("content-type"), "application/json");
        assert_eq!(got.header("user-agent"), concat!("gafferd/", env!("CARGO_PKG_VERSION")));
        assert_eq!(got.header("x-gaffer-event"), got.json()["event"]);
        assert_eq!(got.header("x-gaffer-delivery"), format!("{}-{}", world.manager.node(), expected.id()));
        assert_eq!(got.header("x-gaffer-signature"), hmac("open sesame", &got.body));
    }
    world.manager.stop().await;
}

#[tokio::test]
async fn a_hook_hears_what_its_patterns_say_each_event_once_and_in_order() {
    let world = World::new(options()).await;
    let receiver = Receiver::good().await;
    let patterns = ["proc.web", "create", "delete", "proc.web.delete", "job.default"];
    let mut hook = config(".", &receiver.url());
    hook.events = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
    let hook = world.webhooks.add(hook).await.unwrap();
    world.rounds(&["web"], 50).await;
    world.rounds(&["shop.api"], 1).await;
    world.until_settled(&hook.id, 50 * 4 + 2).await;
    let got = receiver.taken();
    let of_web: Vec<String> =
        got.iter().map(|got| got.event()).filter(|(_, name)| name == "web").map(|(event, _)| event).collect();
    let round = ["create", "proc.web.create", "delete", "proc.web.delete"];
    assert_eq!(of_web, round.iter().cycle().take(200).copied().collect::<Vec<_>>());
    let others: Vec<_> = got.iter().map(|got| got.event()).filter(|(_, name)| name == "shop.api").collect();
    assert_eq!(others.iter().map(|(event, _)| event.as_str()).collect::<Vec<_>>(), ["create", "delete"]);
    world.manager.stop().await;
}

#[tokio::test]
async fn a_receiver_with_tls_must_have_a_certificate_of_whom_is_trusted() {
    let world = World::new(impatient(2)).await;
    let (authority, other) = (Authority::new("ours"), Authority::new("another"));
    let receiver = Receiver::tls(&authority.issue(), |_, _| Reply::Status(204)).await;
    let folder = tempfile::tempdir().unwrap();
    let trusting = |name: &str, pem: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, pem).unwrap();
        let mut hook = config("create", &format!("https://localhost:{}/{name}", receiver.address.port()));
        hook.cacert = Some(file);
        hook
    };
    let good = world.webhooks.add(trusting("good", &authority.pem())).await.unwrap();
    let bad = world.webhooks.add(trusting("bad", &other.pem())).await.unwrap();
    let system = config("create", &format!("https://localhost:{}/system", receiver.address.port()));
    let system = world.webhooks.add(system).await.unwrap();
    world.rounds(&["web"], 1).await;
    assert_eq!(world.until_settled(&good.id, 1).await.delivered, 1);
    for hook in [bad, system] {
        let info = world.until_settled(&hook.id, 1).await;
        assert_eq!((info.failed, info.retried), (1, 1));
        assert!(info.last_error.as_ref().unwrap().contains("certificate"), "{info:?}");
        assert!(!info.last_error.unwrap().contains("/bad"), "a path may be secret");
    }
    let paths: Vec<String> = receiver.got().into_iter().map(|got| got.path).collect();
    assert_eq!(paths, ["/good"]);
    world.manager.stop().await;
}
