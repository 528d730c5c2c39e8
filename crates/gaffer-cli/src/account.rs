//! A node, and the key with which it is called.

use std::fmt;

use gaffer_client::{Client, Endpoint, TlsOptions};

use crate::{Failure, user_file::Place};

/// A node, and the key with which it is called.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) endpoint: Endpoint,
    pub(crate) tls: TlsOptions,
    /// The key that option, environment or user file give.
    pub(crate) key: Option<String>,
    /// Whether it is the file that does.
    pub(crate) is_key_of_file: bool,
    /// Where the user file is.
    pub(crate) place: Option<Place>,
    /// The URL in the header of the node's section there, or that it is to have.
    pub(crate) section: String,
}

impl Account {
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
