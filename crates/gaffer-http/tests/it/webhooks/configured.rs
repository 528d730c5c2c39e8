//! Hooks of the configuration, and those that outlive the node.

use std::time::Duration;

use gaffer_core::{
    Manager, ManagerOptions,
    api::webhooks::WebhookOrigin,
    backend::RealBackend,
    config::{SecretSource, WebhookConfig},
};
use gaffer_http::webhooks::{WebhookError, Webhooks};
use gaffer_state::{Change, StateFile, WebhookRecord};

use super::{Receiver, Reply, World, config, hmac, options};

fn named(name: &str, pattern: &str, url: &str) -> WebhookConfig {
    let mut hook = config(pattern, url);
    hook.name = Some(name.to_owned());
    hook
}

#[tokio::test]
async fn a_configuration_that_is_read_again_touches_no_hook_that_is_as_it_was() {
    let world = World::new(options()).await;
    let silent = Receiver::start(|_, _| Reply::Silence).await;
    let good = Receiver::good().await;
    let added = world.add("create", &format!("{}/added", good.url())).await;
    let (kept, gone) = (config("create", &silent.url()), config("delete", &silent.url()));
    let changed = named("it", "create", &format!("{}/before", good.url()));
    world.webhooks.set_configured(vec![kept.clone(), gone, changed.clone()]).await.unwrap();
    let list = world.webhooks.list();
    let origins = list.iter().map(|hook| hook.origin).collect::<Vec<_>>();
    let configured = WebhookOrigin::Configuration;
    assert_eq!(origins, [configured, configured, configured, WebhookOrigin::Api]);
    let [kept_id, gone_id, it_id] = [0, 1, 2].map(|position| list[position].id.clone());
    world.rounds(&["web"], 1).await;
    silent.until_got(2).await;
    world.until_settled(&it_id, 1).await;

    let mut after = changed.clone();
    after.url = format!("{}/after", good.url()).parse().unwrap();
    let new = config("exit", &good.url());
    world.webhooks.set_configured(vec![new, kept.clone(), after, kept]).await.unwrap();
    let list = world.webhooks.list();
    assert_eq!(list.len(), 4, "what is there twice is one: {list:?}");
    assert_eq!((&list[1].id, list[1].waiting), (&kept_id, 1), "it still waits");
    assert_eq!((&list[2].id, list[2].delivered), (&it_id, 0), "it keeps its id, and is another");
    assert_eq!(list[3].id, added);
    assert!(world.webhooks.get(&gone_id).is_none());
    silent.until_closed(1).await;
    world.rounds(&["web"], 1).await;
    world.until_settled(&it_id, 1).await;
    world.until_settled(&added, 2).await;
    let paths: Vec<String> =
        good.got().into_iter().map(|got| got.path).filter(|path| !path.contains("added")).collect();
    assert_eq!(paths, ["/hook/before", "/hook/after"]);
    world.manager.stop().await;
}

#[tokio::test]
async fn a_configuration_with_a_hook_of_no_use_changes_nothing() {
    let world = World::new(options()).await;
    let good = Receiver::good().await;
    world.webhooks.set_configured(vec![config("create", &good.url())]).await.unwrap();
    let before = world.webhooks.list();
    let mut bad = named("pager", "exit", "https://localhost:1/");
    bad.cacert = Some("/no/where".into());
    let error = world.webhooks.set_configured(vec![config("exit", &good.url()), bad]).await.unwrap_err();
    assert!(matches!(error, WebhookError::Unusable { .. }), "{error:?}");
    assert_eq!(error.to_string(), "[webhook:pager] cacert /no/where: No such file or directory (os error 2)");
    let mut bad = named("pager", "exit", "https://localhost:1/");
    bad.secret = Some(SecretSource::File("/dev/null".into()));
    let error = world.webhooks.set_configured(vec![bad]).await.unwrap_err();
    assert_eq!(error.to_string(), "[webhook:pager] secret_file /dev/null: it is not a regular file");
    assert_eq!(world.webhooks.list(), before);
    let error = world.webhooks.remove(&before[0].id).await.unwrap_err().to_string();
    assert!(error.ends_with("is one of the configuration; take it out of `[webhooks]` in the file"), "{error}");
    world.manager.stop().await;
}

#[tokio::test]
async fn a_secret_in_a_file_counts_and_its_change_too() {
    let world = World::new(options()).await;
    let good = Receiver::good().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let mut hook = named("it", "create", &good.url());
    hook.secret = Some(SecretSource::File(file.clone()));
    for (secret, round) in [("one\n", 0), ("two", 1)] {
        std::fs::write(&file, secret).unwrap();
        for _again in 0..2 {
            world.webhooks.set_configured(vec![hook.clone()]).await.unwrap();
        }
        let id = world.webhooks.list()[0].id.clone();
        world.rounds(&["web"], 1).await;
        world.until_settled(&id, 1).await;
        let got = &good.got()[round];
        assert_eq!(got.header("x-gaffer-signature"), hmac(secret.trim(), &got.body));
    }
    world.manager.stop().await;
}

#[tokio::test]
async fn hooks_of_the_api_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let good = Receiver::good().await;
    let mut hook = config("proc.shop.web.exit", &good.url());
    hook.secret = Some(SecretSource::Text("open sesame".parse().unwrap()));
    hook.timeout = Duration::from_millis(2500);
    let open = async || {
        let file = StateFile::open(&path).unwrap();
        (Webhooks::open(options(), Some(file.clone())).await.unwrap(), file)
    };
    let (webhooks, file) = open().await;
    let first = webhooks.add(hook).await.unwrap();
    let second = webhooks.add(config("create", &good.url())).await.unwrap();
    let third = webhooks.add(config("delete", &good.url())).await.unwrap();
    webhooks.remove(&third.id).await.unwrap();
    let error = webhooks.add(config("create", &good.url())).await.unwrap_err().to_string();
    assert_eq!(error, format!("the webhook `{}` sends these events there already", second.id));
    // What another version has written, say.
    let (id, events, url) = ("odd".to_owned(), vec!["wonder".to_owned()], "http://a".to_owned());
    let odd = WebhookRecord { id, events, url, secret: None, timeout: Duration::from_secs(1), cacert: None };
    file.write(vec![Change::PutWebhook(odd)]).await.unwrap();
    drop(webhooks);
    file.close().await;

    let (webhooks, file) = open().await;
    assert_eq!(webhooks.list(), [first, second.clone()]);
    let manager = Manager::start(ManagerOptions::default(), RealBackend::start).unwrap();
    webhooks.start(&manager).await;
    manager.start_applications(vec![Box::new(webhooks.clone())]).await.unwrap();
    let world = World { manager, webhooks };
    world.rounds(&["web"], 1).await;
    world.until_settled(&second.id, 1).await;
    assert_eq!(file.read().await.unwrap().webhooks.len(), 3, "nothing that is kept is lost");
    world.manager.stop().await;
}

#[tokio::test]
async fn a_hook_that_could_not_be_kept_as_it_is_is_refused() {
    let webhooks = Webhooks::open(options(), None).await.unwrap();
    let mut hook = config("exit", "https://localhost:1/");
    hook.secret = Some(SecretSource::File("/etc/hostname".into()));
    assert!(matches!(webhooks.add(hook).await, Err(WebhookError::Unkept)));
    for number in 0..gaffer_http::webhooks::MAX_ADDED {
        webhooks.add(config("exit", &format!("http://localhost:1/{number}"))).await.unwrap();
    }
    assert!(matches!(webhooks.add(config("exit", "http://localhost:1/")).await, Err(WebhookError::TooMany)));
}
