//! Every call of the API, by every kind of caller.

use std::collections::BTreeSet;

use serde_json::json;

use gaffer_core::{config::WebhookConfig, events::Pattern};
use gaffer_http::{
    api,
    webhooks::{WebhookOptions, Webhooks},
};

use super::{Keys, job};
use crate::fixture::Node;

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// No key.
    Nothing,
    /// Any key. What it tells is sifted.
    Key,
    /// `read` of the job `s.web`, or more.
    Read,
    /// `read` everything.
    ReadEverything,
    /// `write` to it, or more.
    Write,
    /// `manage` it, or more.
    Manage,
    /// `manage` its session, or more.
    ManageSession,
    /// `create_key`; also of itself only.
    CreateKey,
    CreateUser,
    /// `manage` everything, or more.
    Admin,
    /// A name and a password instead of a key.
    Password,
    /// The key of a log-in.
    LogIn,
    /// It becomes a websocket, which says what it needs.
    Websocket,
}
use Need::{
    Admin, CreateKey, CreateUser, Key, LogIn, Manage, ManageSession, Nothing, Password, Read, ReadEverything,
    Websocket, Write,
};

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    None,
    Wrong,
    Expired,
    Nobody,
    Read,
    Write,
    ManageOther,
    ManageJob,
    ManageSession,
    CreateKey,
    CreateUser,
    Admin,
}

const CALLERS: [Caller; 12] = [
    Caller::None,
    Caller::Wrong,
    Caller::Expired,
    Caller::Nobody,
    Caller::Read,
    Caller::Write,
    Caller::ManageOther,
    Caller::ManageJob,
    Caller::ManageSession,
    Caller::CreateKey,
    Caller::CreateUser,
    Caller::Admin,
];

/// Whether a caller has what a call needs.
fn has(caller: Caller, need: Need) -> bool {
    use Caller as C;
    match need {
        Nothing | Password | Websocket => true,
        Key => !matches!(caller, C::None | C::Wrong | C::Expired),
        Read => matches!(caller, C::Read | C::Write | C::ManageJob | C::ManageSession | C::Admin),
        ReadEverything => matches!(caller, C::Admin),
        Write => matches!(caller, C::Write | C::ManageJob | C::ManageSession | C::Admin),
        Manage => matches!(caller, C::ManageJob | C::ManageSession | C::Admin),
        ManageSession => matches!(caller, C::ManageSession | C::Admin),
        CreateKey => matches!(caller, C::CreateKey | C::Admin),
        CreateUser => matches!(caller, C::CreateUser | C::Admin),
        Admin => matches!(caller, C::Admin),
        LogIn => false,
    }
}

/// What is answered, if the call would be granted with this status.
fn expected(caller: Caller, need: Need, granted: u16) -> u16 {
    if has(caller, need) {
        granted
    } else if matches!(caller, Caller::None | Caller::Expired) {
        401
    } else {
        403
    }
}

/// A call: its method, its path in the description, a path to call, a body, what it needs, and the status if that is there.
type Row = (&'static str, &'static str, &'static str, &'static str, Need, u16);

/// Every call that is described. `{key}` and `{made}` in a path or body stand for the id of a key that is there, `{hook}` for that of a webhook.
const ROUTES: &[Row] = &[
    ("get", "/", "/", "", Nothing, 200),
    ("get", "/ping", "/ping", "", Nothing, 200),
    ("get", "/version", "/version", "", Nothing, 200),
    ("get", "/openapi.json", "/openapi.json", "", Nothing, 200),
    ("get", "/_reload", "/_reload", "", Admin, 409),
    ("post", "/_reload", "/_reload", "", Admin, 409),
    ("get", "/plugins", "/plugins", "", ReadEverything, 200),
    ("get", "/_plugin/{plugin}/{path}", "/_plugin/web/x", "", Nothing, 404),
    ("get", "/channel", "/channel", "", Nothing, 200),
    ("get", "/channel/info", "/channel/info", "", Nothing, 200),
    ("get", "/channel/websocket", "/channel/websocket", "", Websocket, 400),
    ("get", "/processes", "/processes", "", Key, 200),
    ("post", "/processes", "/processes", r#"{"name": "s.new", "cmd": "sleep 9"}"#, ManageSession, 200),
    ("get", "/processes/{name_or_pid}", "/processes/s.web", "", Read, 200),
    ("put", "/processes/{name_or_pid}", "/processes/s.web", r#"{"cmd": "sleep 9"}"#, Manage, 200),
    ("post", "/processes/{name_or_pid}", "/processes/s.web", r#"{"cmd": "sleep 9"}"#, Manage, 200),
    ("delete", "/processes/{name_or_pid}", "/processes/s.web", "", Manage, 200),
    ("get", "/processes/{name_or_pid}/_pids", "/processes/s.web/_pids", "", Read, 200),
    ("post", "/processes/{name_or_pid}/_start", "/processes/s.web/_start", "", Manage, 200),
    ("post", "/processes/{name_or_pid}/_stop", "/processes/s.web/_stop", "", Manage, 200),
    ("post", "/processes/{name_or_pid}/_restart", "/processes/s.web/_restart", "", Manage, 200),
    ("post", "/processes/{name_or_pid}/_add", "/processes/s.web/_add", "", Manage, 200),
    ("post", "/processes/{name_or_pid}/_add/{number}", "/processes/s.web/_add/1", "", Manage, 200),
    ("post", "/processes/{name_or_pid}/_sub", "/processes/s.web/_sub", "", Manage, 200),
    ("post", "/processes/{name_or_pid}/_sub/{number}", "/processes/s.web/_sub/1", "", Manage, 200),
    ("post", "/processes/{name_or_pid}/_signal/{signal}", "/processes/1/_signal/CONT", "", Manage, 200),
    ("get", "/status", "/status", "", Key, 200),
    ("get", "/status/{name}", "/status/s.web", "", Read, 200),
    ("get", "/stats", "/stats", "", Key, 200),
    ("get", "/stats/{name}", "/stats/s.web", "", Read, 200),
    ("get", "/stats/{name}/{pid}", "/stats/s.web/1", "", Read, 200),
    ("get", "/streams/{pid}/{label}", "/streams/1/out?feed=eventsource", "", Read, 200),
    ("post", "/streams/{pid}/{label}", "/streams/1/stdin", "hello", Write, 200),
    ("get", "/watch", "/watch?feed=eventsource", "", Key, 200),
    ("get", "/watch/{p1}", "/watch/spawn?feed=eventsource", "", Key, 200),
    ("get", "/watch/{p1}/{p2}", "/watch/proc/s.web?feed=eventsource", "", Read, 200),
    ("get", "/watch/{p1}/{p2}/{p3}", "/watch/proc/1/exit?feed=eventsource", "", Read, 200),
    ("get", "/wstreams/{pid}", "/wstreams/1", "", Websocket, 400),
    ("get", "/groups", "/groups", "", Key, 200),
    ("get", "/groups/{group}", "/groups/s", "", Read, 200),
    ("delete", "/groups/{group}", "/groups/s", "", ManageSession, 200),
    ("post", "/groups/{group}/_start", "/groups/s/_start", "", ManageSession, 200),
    ("post", "/groups/{group}/_stop", "/groups/s/_stop", "", ManageSession, 200),
    ("post", "/groups/{group}/_restart", "/groups/s/_restart", "", ManageSession, 200),
    ("get", "/sessions", "/sessions", "", Key, 200),
    ("get", "/jobs", "/jobs", "", Key, 200),
    ("get", "/jobs/{session}", "/jobs/s", "", Read, 200),
    ("post", "/jobs/{session}", "/jobs/s", r#"{"name": "new", "cmd": "sleep 9"}"#, ManageSession, 200),
    ("head", "/jobs/{session}/{name}", "/jobs/s/web", "", Read, 200),
    ("get", "/jobs/{session}/{name}", "/jobs/s/web", "", Read, 200),
    ("put", "/jobs/{session}/{name}", "/jobs/s/web", r#"{"cmd": "sleep 9"}"#, Manage, 201),
    ("delete", "/jobs/{session}/{name}", "/jobs/s/web", "", Manage, 200),
    ("get", "/jobs/{session}/{name}/stats", "/jobs/s/web/stats", "", Read, 200),
    ("get", "/jobs/{session}/{name}/numprocesses", "/jobs/s/web/numprocesses", "", Read, 200),
    ("post", "/jobs/{session}/{name}/numprocesses", "/jobs/s/web/numprocesses", r#"{"scale": 1}"#, Manage, 200),
    ("get", "/jobs/{session}/{name}/pids", "/jobs/s/web/pids", "", Read, 200),
    ("post", "/jobs/{session}/{name}/signal", "/jobs/s/web/signal", r#"{"signal": "CONT"}"#, Manage, 202),
    ("get", "/jobs/{session}/{name}/state", "/jobs/s/web/state", "", Read, 200),
    ("post", "/jobs/{session}/{name}/state", "/jobs/s/web/state", "1", Manage, 202),
    ("post", "/jobs/{session}/{name}/commit", "/jobs/s/web/commit", "{}", ManageSession, 200),
    ("get", "/pids", "/pids", "", Key, 200),
    ("get", "/{pid}", "/1", "", Read, 200),
    ("delete", "/{pid}", "/1", "", Manage, 202),
    ("get", "/{pid}/stats", "/1/stats", "", Read, 200),
    ("post", "/{pid}/signal", "/1/signal", r#"{"signal": "CONT"}"#, Manage, 202),
    ("get", "/{pid}/channel", "/1/channel", "", Websocket, 400),
    ("get", "/{pid}/channel/{stream}", "/1/channel/out", "", Websocket, 400),
    ("get", "/auth", "/auth", "", Password, 401),
    ("delete", "/auth", "/auth", "", LogIn, 403),
    ("get", "/keys", "/keys", "", CreateKey, 200),
    ("post", "/keys", "/keys", r#"{"permissions": {}}"#, CreateKey, 200),
    ("get", "/keys/{key}", "/keys/{made}", "", CreateKey, 200),
    ("delete", "/keys/{key}", "/keys/{made}", "", CreateKey, 200),
    ("get", "/users", "/users", "", CreateUser, 200),
    ("post", "/users", "/users", r#"{"username": "ann", "password": "p"}"#, CreateUser, 200),
    ("get", "/users/{user}", "/users/bob", "", CreateUser, 200),
    ("put", "/users/{user}", "/users/bob", r#"{"password": "q"}"#, CreateUser, 200),
    ("delete", "/users/{user}", "/users/bob", "", CreateUser, 200),
    ("put", "/users/{user}/password", "/users/bob/password", r#"{"password": "q"}"#, CreateUser, 200),
    ("put", "/users/{user}/key", "/users/bob/key", r#"{"key": null}"#, CreateUser, 200),
    ("get", "/webhooks", "/webhooks", "", Admin, 200),
    ("post", "/webhooks", "/webhooks", r#"{"event": "exit", "url": "http://127.0.0.1:1"}"#, Admin, 201),
    ("get", "/webhooks/{id}", "/webhooks/{hook}", "", Admin, 200),
    ("delete", "/webhooks/{id}", "/webhooks/{hook}", "", Admin, 200),
];

/// The keys of all kinds of callers, on one node.
struct World {
    keys: Keys,
    node: Node,
    shown: Vec<Option<String>>,
    /// A key that was made with that of [`Caller::CreateKey`].
    made: String,
    /// A webhook.
    hook: String,
}

impl World {
    async fn new(with_expired: bool) -> Self {
        let keys = Keys::new().await;
        let creator = keys.make(json!({"create_key": true})).await;
        let user_maker = keys.make(json!({"create_user": true})).await;
        let mut shown = Vec::new();
        for caller in CALLERS {
            shown.push(match caller {
                Caller::None => None,
                Caller::Wrong => Some(format!("{}{}", &keys.admin[..12], "0".repeat(52))),
                Caller::Expired if with_expired => Some(keys.expired(json!({"admin": true})).await),
                Caller::Expired => None,
                Caller::Nobody => Some(keys.make(json!({})).await),
                Caller::Read => Some(keys.make(json!({"read": ["s.web"]})).await),
                Caller::Write => Some(keys.make(json!({"write": ["s.web"]})).await),
                Caller::ManageOther => Some(keys.make(json!({"manage": ["t", "web"]})).await),
                Caller::ManageJob => Some(keys.make(json!({"manage": ["s.web"]})).await),
                Caller::ManageSession => Some(keys.make(json!({"manage": ["s"]})).await),
                Caller::CreateKey => Some(creator.clone()),
                Caller::CreateUser => Some(user_maker.clone()),
                Caller::Admin => Some(keys.admin.clone()),
            });
        }
        let by = keys.by(&creator).await;
        let made = keys.access.create_key(&by, Default::default()).await.unwrap().id().to_string();
        let by = keys.by_admin().await;
        keys.access.create_user(&by, gaffer_core::api::access::NewUser::new("bob", "secret")).await.unwrap();
        let webhooks = Webhooks::open(WebhookOptions::default(), None).await.unwrap();
        // It is never started, and so sends nothing.
        let hook = WebhookConfig::new(vec![Pattern::All], "http://127.0.0.1:1".parse().unwrap());
        let hook = webhooks.add(hook).await.unwrap().id;
        let node = Node::with_options(api::Options { webhooks: Some(webhooks), ..keys.options() });
        let world = Self { keys, node, shown, made, hook };
        let answer = world.node.call_as(Some(&world.keys.admin), "POST", "/processes", job("s.web").to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        world
    }

    async fn status(&self, caller: Caller, row: &Row) -> u16 {
        let at = CALLERS.iter().position(|known| *known == caller).unwrap();
        let (method, _, path, body, ..) = row;
        let path = path.replace("{made}", &self.made).replace("{hook}", &self.hook);
        self.node.status_as(self.shown[at].as_deref(), &method.to_uppercase(), &path, body).await.as_u16()
    }
}

#[tokio::test]
async fn every_call_answers_every_kind_of_caller_as_the_table_says() {
    let world = World::new(true).await;
    for row in ROUTES {
        let (method, template, _, _, need, granted) = *row;
        // Those who are refused change nothing, so that they may ask one node.
        for caller in CALLERS.into_iter().filter(|caller| !has(*caller, need)) {
            let status = world.status(caller, row).await;
            assert_eq!(status, expected(caller, need, granted), "{method} {template} by {caller:?}");
        }
        for caller in CALLERS.into_iter().filter(|caller| has(*caller, need)) {
            let reads = matches!(method, "get" | "head");
            let status = if reads {
                world.status(caller, row).await
            } else {
                let fresh = World::new(false).await;
                let status = fresh.status(caller, row).await;
                fresh.node.stop().await;
                status
            };
            assert_eq!(status, granted, "{method} {template} by {caller:?}");
        }
    }
    world.node.stop().await;
}

#[tokio::test]
async fn every_call_is_in_the_table() {
    let node = Node::start();
    let document = node.get("/openapi.json").await.json();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        described.extend(item.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())));
    }
    let told: BTreeSet<(String, String)> =
        ROUTES.iter().map(|(method, path, ..)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(described, told, "who may call it? Say so in the table");
    node.stop().await;
}

#[tokio::test]
async fn where_no_keys_are_required_there_are_none_to_handle() {
    let node = Node::start();
    for (method, _, path, body, need, _) in ROUTES {
        let answer = async || node.call(&method.to_uppercase(), path, *body).await;
        if *need == Password {
            answer().await.refused(404, "not_found");
        } else if matches!(need, CreateKey | CreateUser | LogIn) {
            let reason = answer().await.refused(403, "forbidden");
            assert!(reason.contains("--require-key"), "{reason}");
        }
    }
    node.stop().await;
}
