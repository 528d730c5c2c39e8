//! Users: who may log in.

use gaffer_core::{
    access::KeyId,
    api::access::{NewUser, UserInfo},
};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use crate::{Client, Error, transport::Call};

#[derive(Deserialize)]
struct Users {
    users: Vec<UserInfo>,
}

impl Client {
    /// Lists the users.
    ///
    /// # Errors
    /// As every call; also when the node requires no keys, or this client's key permits too little (403).
    pub async fn users(&self) -> Result<Vec<UserInfo>, Error> {
        let call = self.get(&["users"]).with(|request| request.query(&[("include_user", "true")]));
        Ok(call.json::<Users>().await?.users)
    }

    /// Asks about a user.
    ///
    /// # Errors
    /// As [`users`](Self::users); also when there is no such user (404).
    pub async fn user(&self, name: &str) -> Result<UserInfo, Error> {
        self.of_user(Method::GET, name, None)?.json().await
    }

    /// Makes a user.
    ///
    /// # Errors
    /// As [`users`](Self::users); also when there is a user of this name (409), or the node finds a mistake (400).
    pub async fn create_user(&self, user: &NewUser) -> Result<(), Error> {
        self.post(&["users"]).body(user).done().await
    }

    /// Replaces all that is known of the user of this name, and ends the user's log-ins.
    ///
    /// # Errors
    /// As [`user`](Self::user); also when the node finds a mistake (400).
    pub async fn update_user(&self, user: &NewUser) -> Result<(), Error> {
        self.of_user(Method::PUT, &user.username, None)?.body(user).done().await
    }

    /// Gives a user another password.
    ///
    /// # Errors
    /// As [`user`](Self::user).
    pub async fn set_password(&self, name: &str, password: &str) -> Result<(), Error> {
        self.of_user(Method::PUT, name, Some("password"))?.body(&json!({ "password": password })).done().await
    }

    /// Gives a user the rights of another key, or those of none.
    ///
    /// # Errors
    /// As [`user`](Self::user); also when there is no such key.
    pub async fn set_user_key(&self, name: &str, key: Option<&KeyId>) -> Result<(), Error> {
        self.of_user(Method::PUT, name, Some("key"))?.body(&json!({ "key": key })).done().await
    }

    /// Forgets a user, and makes the keys good for nothing that came from logging in.
    ///
    /// # Errors
    /// As [`user`](Self::user).
    pub async fn delete_user(&self, name: &str) -> Result<(), Error> {
        self.of_user(Method::DELETE, name, None)?.done().await
    }

    /// A call about one user.
    fn of_user(&self, method: Method, name: &str, what: Option<&str>) -> Result<Call, Error> {
        let mut path = vec!["users", name];
        path.extend(what);
        let call = self.call(method, &path);
        // Such a path would be that of something else.
        if ["", ".", ".."].contains(&name) {
            let problem = format!("no user is called `{name}`");
            return Err(Error::Unsendable { call: call.what().to_owned(), problem });
        }
        Ok(call)
    }
}
