//! Webhooks: to whom the node sends its events.

use gaffer_core::api::webhooks::{NewWebhook, WebhookInfo, WebhookList};
use reqwest::Method;

use crate::{Client, Error, transport::Call};

impl Client {
    /// Lists the webhooks, with what has become of their events: those of the configuration, then those of the API.
    ///
    /// # Errors
    /// As every call; also when this client's key does not permit to manage everything (403).
    pub async fn webhooks(&self) -> Result<Vec<WebhookInfo>, Error> {
        Ok(self.get(&["webhooks"]).json::<WebhookList>().await?.webhooks)
    }

    /// Asks about a webhook.
    ///
    /// # Errors
    /// As [`webhooks`](Self::webhooks); also when there is none of this id (404).
    pub async fn webhook(&self, id: &str) -> Result<WebhookInfo, Error> {
        self.of_webhook(Method::GET, id)?.json().await
    }

    /// Has events sent to a URL, from now on.
    ///
    /// # Errors
    /// As [`webhooks`](Self::webhooks); also when these events are sent there already, or there are too many hooks (409), and when the
    /// node finds a mistake (400).
    pub async fn add_webhook(&self, webhook: &NewWebhook) -> Result<WebhookInfo, Error> {
        self.post(&["webhooks"]).body(webhook).json().await
    }

    /// Has nothing more sent to a webhook. What waits for it is dropped.
    ///
    /// # Errors
    /// As [`webhook`](Self::webhook); also when it is one of the node's configuration (409).
    pub async fn remove_webhook(&self, id: &str) -> Result<(), Error> {
        self.of_webhook(Method::DELETE, id)?.done().await
    }

    /// A call about one webhook.
    fn of_webhook(&self, method: Method, id: &str) -> Result<Call, Error> {
        let call = self.call(method, &["webhooks", id]);
        // Such a path would be that of something else.
        if ["", ".", ".."].contains(&id) {
            let problem = format!("no webhook is called `{id}`");
            return Err(Error::Unsendable { call: call.what().to_owned(), problem });
        }
        Ok(call)
    }
}
