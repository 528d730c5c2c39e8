//! Who may do what.

mod attacks;
mod feeds;
mod keys;
mod routes;
mod sockets;
mod users;

use std::time::Duration;

use gaffer_core::{access::Permissions, api::access::NewKey};
use gaffer_http::api;
use gaffer_state::{Access, Author, BadKey, StateFile};
use serde_json::{Value, json};

use crate::{fixture::Node, wire::DEADLINE};

/// Keys of a node that requires them.
struct Keys {
    access: Access,
    /// Permits everything.
    admin: String,
}

impl Keys {
    async fn new() -> Self {
        let access = Access::open(StateFile::in_memory().unwrap()).await.unwrap();
        let admin = access.create_admin("root", "secret".to_owned()).await.unwrap().as_str().to_owned();
        Self { access, admin }
    }

    async fn by_admin(&self) -> Author {
        self.by(&self.admin).await
    }

    /// Whoever has this key.
    async fn by(&self, key: &str) -> Author {
        Author { key: self.access.key(key).await.unwrap(), source: String::new() }
    }

    /// Makes a key that permits this.
    async fn make(&self, permissions: Value) -> String {
        self.make_for(permissions, None).await
    }

    /// Makes one that is good for so many seconds.
    async fn make_for(&self, permissions: Value, expires_in: Option<u64>) -> String {
        let Value::Object(object) = permissions else { panic!("no permissions: {permissions}") };
        let permissions = Permissions::from_json(&object).unwrap();
        let new = NewKey { permissions, expires_in, ..NewKey::default() };
        self.access.create_key(&self.by_admin().await, new).await.unwrap().as_str().to_owned()
    }

    /// Makes one whose time is over.
    async fn expired(&self, permissions: Value) -> String {
        let key = self.make_for(permissions, Some(1)).await;
        let expired = async {
            while self.access.key(&key).await.err() != Some(BadKey::Expired) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(DEADLINE, expired).await.expect("its time passes");
        key
    }

    async fn revoke(&self, key: &str) {
        let by = self.by_admin().await;
        self.access.revoke_key(&by, gaffer_core::access::KeyId::of(key).unwrap()).await.unwrap();
    }

    fn options(&self) -> api::Options {
        api::Options { access: Some(self.access.clone()), ..api::Options::default() }
    }

    fn node(&self) -> Node {
        Node::with_options(self.options())
    }
}

/// A job that reads what is written to it, and says it; its variable is nobody's business.
fn job(name: &str) -> Value {
    json!({"name": name, "cmd": "cat", "args": ["-u"], "redirect_output": ["out", "err"], "redirect_input": true,
        "env": {"SECRET": "sesame"}})
}
