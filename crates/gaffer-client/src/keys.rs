//! Keys: who may do what.

use gaffer_core::{
    access::KeyId,
    api::access::{KeyInfo, MadeKey, NewKey},
};
use reqwest::Method;
use serde::Deserialize;

use crate::{Client, Error};

#[derive(Deserialize)]
struct Keys {
    keys: Vec<KeyInfo>,
}

impl Client {
    /// Lists the keys of which this client's may know.
    ///
    /// # Errors
    /// As every call; also when the node requires no keys, or this client's key permits too little (403).
    pub async fn keys(&self) -> Result<Vec<KeyInfo>, Error> {
        let call = self.get(&["keys"]).with(|request| request.query(&[("include_keys", "true")]));
        Ok(call.json::<Keys>().await?.keys)
    }

    /// Asks about a key. It is named by its id only: what stands in paths is written to logs on the way.
    ///
    /// # Errors
    /// As [`keys`](Self::keys); also when there is no such key (404).
    pub async fn key(&self, id: &KeyId) -> Result<KeyInfo, Error> {
        self.get(&["keys", id.as_str()]).json().await
    }

    /// Makes a key. This is the only time that it is shown.
    ///
    /// # Errors
    /// As [`keys`](Self::keys); also when it would permit more than this client's (403).
    pub async fn create_key(&self, key: &NewKey) -> Result<MadeKey, Error> {
        self.post(&["keys"]).body(key).json().await
    }

    /// Makes a key good for nothing, and with it all that go with it.
    ///
    /// # Errors
    /// As [`key`](Self::key).
    pub async fn revoke_key(&self, id: &KeyId) -> Result<(), Error> {
        self.call(Method::DELETE, &["keys", id.as_str()]).done().await
    }
}
