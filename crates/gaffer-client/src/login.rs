//! Logging in and out: a name and a password for a key.

use gaffer_core::api::access::MadeKey;
use reqwest::Method;
use serde::Deserialize;

use crate::{Client, Error};

/// What a node answers to who logs in.
#[derive(Deserialize)]
struct Answer {
    api_key: Option<String>,
}

impl Client {
    /// Logs in: asks for a key of the user's, which is good for some days. `None` if the user has none to get the rights of.
    ///
    /// Name and password go with this call and no other; and with them the key of this client, if it has one, which nodes do not look at.
    ///
    /// # Errors
    /// As every call; also when name or password is wrong (401), was so too often (429), or the node requires no keys (404).
    /// [`Error::Unsendable`] if the name has a `:`, which would end it.
    pub async fn login(&self, user: &str, password: &str) -> Result<Option<MadeKey>, Error> {
        let call = self.get(&["auth"]);
        if user.contains(':') {
            let problem = "a user's name has no `:` in it".to_owned();
            return Err(Error::Unsendable { call: call.what().to_owned(), problem });
        }
        let what = call.what().to_owned();
        let answer: Answer = call.with(|request| request.basic_auth(user, Some(password))).json().await?;
        // It is going to be written to a file, and to be sent.
        match answer.api_key {
            Some(key) if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) => {
                Err(self.protocol(&what, "the key has other characters than visible ones of ASCII".to_owned()))
            }
            key => Ok(key.map(|api_key| MadeKey { api_key })),
        }
    }

    /// Logs out: the key of this client, which must come from [`login`](Self::login), is good for nothing from then on.
    ///
    /// # Errors
    /// As every call; also when the key is none that comes from logging in, or the node requires no keys (404).
    pub async fn logout(&self) -> Result<(), Error> {
        self.call(Method::DELETE, &["auth"]).done().await
    }
}
