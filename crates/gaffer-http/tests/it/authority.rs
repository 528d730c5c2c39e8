//! Certificates made for a test, in files as servers read them.

use std::{fs, path::PathBuf, sync::Arc};

use gaffer_http::serve::TlsFiles;
pub(crate) use gaffer_tests::Identity;
use rustls::ClientConfig;
use tempfile::TempDir;

/// An authority, and a folder for what it issues.
pub(crate) struct Authority {
    authority: gaffer_tests::Authority,
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        Self { authority: gaffer_tests::Authority::new("a test"), folder: tempfile::tempdir().unwrap() }
    }

    /// Issues a certificate for `localhost`.
    pub(crate) fn issue(&self) -> Identity {
        self.authority.issue()
    }

    /// Writes a file into the folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes the files of a server.
    pub(crate) fn files(&self, identity: &Identity) -> TlsFiles {
        let certfile = self.write("cert.pem", &identity.certificate);
        TlsFiles { certfile, keyfile: Some(self.write("key.pem", &identity.key)), cacert: None }
    }

    /// The same, with client certificates of an authority demanded.
    pub(crate) fn demanding(&self, identity: &Identity, clients: &Self) -> TlsFiles {
        TlsFiles { cacert: Some(self.write("ca.pem", &clients.authority.pem())), ..self.files(identity) }
    }

    /// A client that trusts this authority, shows an identity if it has one, and speaks these protocols.
    pub(crate) fn client(&self, identity: Option<&Identity>, alpn: &[&str]) -> Arc<ClientConfig> {
        let mut config = ClientConfig::clone(&self.authority.client(identity));
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}
