//! A node, and the key with which it is called.

use std::fmt;

use gaffer_client::{Client, Endpoint, TlsOptions};

use crate::{Failure, user_file::Place};

/// A node, and the key with which it is called.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) endpoint: Endpoint,
    pub(crate) tls: TlsOptions,
    /// The key that option or environment give: it is used, whatever is kept.
    pub(crate) given: Option<String>,
    /// The key that is kept in the user file.
    pub(crate) kept: Option<String>,
    /// Where the user file is.
    pub(crate) place: Option<Place>,
    /// The URL in the header of the node's section there, or that it is to have.
    pub(crate) section: String,
}

impl Account {
    /// The key with which the node is called.
    pub(crate) fn key(&self) -> Option<&str> {
        self.given.as_deref().or(self.kept.as_deref())
    }

    /// Whether that is the one of the user file.
    pub(crate) fn uses_kept(&self) -> bool {
        self.given.is_none() && self.kept.is_some()
    }

    /// A client of the node that shows this key.
    ///
    /// Blocks while it reads files of TLS.
    pub(crate) fn client(&self, key: Option<&str>) -> Result<Client, Failure> {
        let mut builder = Client::builder(&self.endpoint).tls(self.tls.clone());
        if let Some(key) = key {
            builder = builder.api_key(key);
        }
        Ok(builder.build()?)
    }

    /// Where the key is kept.
    pub(crate) fn place(&self) -> Result<&Place, Failure> {
        let nowhere = || Failure::Failed("there is no place for a key; GAFFER_CONFIG=FILE names one".to_owned());
        self.place.as_ref().ok_or_else(nowhere)
    }

    /// Keeps this key, or none, for later calls.
    pub(crate) fn keep(&self, key: Option<&str>) -> Result<(), Failure> {
        self.place()?.set_key(&self.section, key)
    }
}

impl fmt::Debug for Account {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("endpoint", &self.endpoint).field("place", &self.place).finish_non_exhaustive()
    }
}
