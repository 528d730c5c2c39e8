//! Certificates: read, checked, and read anew while connections live on.

use std::{
    fmt,
    fs::OpenOptions,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use nix::fcntl::OFlag;
use rustls::{
    Error, InconsistentKeys, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    server::{VerifierBuilderError, WebPkiClientVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::sync::Mutex;

use super::Listener;

/// The protocol that is spoken when both sides know it.
pub(super) const HTTP2: &[u8] = b"h2";

/// What makes an endpoint one of TLS. All files are PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain to show, the endpoint's own certificate first.
    pub certfile: PathBuf,
    /// The certificate's key; `None` if it stands in `certfile`.
    pub keyfile: Option<PathBuf>,
    /// The authorities of which a client must show a certificate; `None` if it need not show any.
    pub cacert: Option<PathBuf>,
}

/// What is wrong with one of the files of TLS.
#[derive(Debug, thiserror::Error)]
#[error("{key} {}: {problem}", file.display())]
pub struct TlsError {
    /// Its key in the configuration.
    pub key: &'static str,
    /// Which file.
    pub file: PathBuf,
    /// What is wrong.
    pub problem: TlsProblem,
}

/// What can be wrong with a file of TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsProblem {
    /// It cannot be read.
    #[error("{0}")]
    Read(io::Error),
    /// It is a folder, a pipe or a device.
    #[error("it is not a regular file")]
    NotAFile,
    /// It is no PEM file.
    #[error("it is not valid PEM: {0}")]
    Pem(String),
    /// It is DER.
    #[error("it is DER, not PEM; convert it: `openssl {command} -inform der -in {} -out {}.pem`", file.display(), file.display())]
    Der {
        /// What of openssl converts it.
        command: &'static str,
        /// The file.
        file: PathBuf,
    },
    /// Its key needs a password, and nobody is there to give it.
    #[error("its private key is encrypted; decrypt it: `openssl pkey -in {} -out {}.plain`", file.display(), file.display())]
    Encrypted {
        /// The file.
        file: PathBuf,
    },
    /// It holds no certificate.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// It holds no key.
    #[error("there is no private key in it{}", if *.same_file { "; name the file that has it in `keyfile`" } else { "" })]
    NoKey {
        /// Whether it was looked for in the file of the certificates, as no other was given.
        same_file: bool,
    },
    /// The key is of no use.
    #[error("the private key cannot be used: {0}")]
    Key(Error),
    /// The key is another certificate's.
    #[error("the private key does not belong to the certificate in {}", .certfile.display())]
    Mismatch {
        /// The file of the certificate.
        certfile: PathBuf,
    },
    /// The certificate is of no use.
    #[error("the certificate cannot be used: {0}")]
    Certificate(String),
}

impl TlsFiles {
    /// Reads and checks all of them. Blocks.
    pub(super) fn load(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let identity = self.identity(&provider)?;
        let verifier = self.cacert.as_deref().map(|file| {
            let wrong = |problem| TlsError { key: "cacert", file: file.to_owned(), problem };
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file).map_err(wrong)? {
                let added = roots.add(certificate);
                added.map_err(|error| wrong(TlsProblem::Certificate(error.to_string())))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
            verifier.map_err(|error: VerifierBuilderError| wrong(TlsProblem::Certificate(error.to_string())))
        });
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| self.in_certfile(TlsProblem::Certificate(error.to_string())))?;
        let config = match verifier.transpose()? {
            Some(verifier) => config.with_client_cert_verifier(verifier),
            None => config.with_no_client_auth(),
        };
        let mut config = config.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
        config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn in_certfile(&self, problem: TlsProblem) -> TlsError {
        TlsError { key: "certfile", file: self.certfile.clone(), problem }
    }

    /// The certificate chain with its key.
    fn identity(&self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let chain = certificates(&self.certfile).map_err(|problem| self.in_certfile(problem))?;
        let (key, file) = match &self.keyfile {
            Some(file) => ("keyfile", file),
            None => ("certfile", &self.certfile),
        };
        let wrong = |problem| TlsError { key, file: file.clone(), problem };
        let private = private_key(file, self.keyfile.is_none()).map_err(wrong)?;
        let private = provider.key_provider.load_private_key(private);
        let identity = CertifiedKey::new(chain, private.map_err(|error| wrong(TlsProblem::Key(error)))?);
        match identity.keys_match() {
            // A key that does not tell its public half is taken at its word.
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(identity),
            Err(Error::InconsistentKeys(_)) => Err(wrong(TlsProblem::Mismatch { certfile: self.certfile.clone() })),
            Err(error) => Err(self.in_certfile(TlsProblem::Certificate(error.to_string()))),
        }
    }
}

pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsProblem> {
    let text = read(file)?;
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) if is_der(&text) => Err(TlsProblem::Der { command: "x509", file: file.to_owned() }),
        Ok(_) => Err(TlsProblem::NoCertificate),
        // Its key may stand in the same file.
        Err(_) if is_encrypted(&text) => Err(TlsProblem::Encrypted { file: file.to_owned() }),
        Err(error) => Err(TlsProblem::Pem(error.to_string())),
    }
}

pub(crate) fn private_key(file: &Path, same_file: bool) -> Result<PrivateKeyDer<'static>, TlsProblem> {
    let text = read(file)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        if is_encrypted(&text) {
            TlsProblem::Encrypted { file: file.to_owned() }
        } else if !matches!(error, pem::Error::NoItemsFound) {
            TlsProblem::Pem(error.to_string())
        } else if is_der(&text) {
            TlsProblem::Der { command: "pkey", file: file.to_owned() }
        } else {
            TlsProblem::NoKey { same_file }
        }
    })
}

/// Reads a regular file. What may never end, such as a pipe, would be waited for in vain.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>, TlsProblem> {
    // Otherwise a pipe without a writer would keep it from being opened.
    let flags = OFlag::O_NONBLOCK.bits();
    let mut opened = OpenOptions::new().read(true).custom_flags(flags).open(file).map_err(TlsProblem::Read)?;
    if !opened.metadata().map_err(TlsProblem::Read)?.is_file() {
        return Err(TlsProblem::NotAFile);
    }
    let mut text = Vec::new();
    opened.read_to_end(&mut text).map_err(TlsProblem::Read)?;
    Ok(text)
}

/// Whether text that holds no PEM looks like DER: certificates and keys are sequences, with an integer early on.
fn is_der(text: &[u8]) -> bool {
    const SEQUENCE: u8 = 0x30;
    const INTEGER: u8 = 0x02;
    text.first() == Some(&SEQUENCE) && text.iter().take(64).any(|byte| *byte == INTEGER)
}

/// Whether there is an encrypted key in PEM, of today's form or of OpenSSL's old one.
fn is_encrypted(text: &[u8]) -> bool {
    let marks: [&[u8]; 2] = [b"-----BEGIN ENCRYPTED PRIVATE KEY-----", b"Proc-Type: 4,ENCRYPTED"];
    text.split(|byte| *byte == b'\n').any(|line| marks.contains(&line.trim_ascii()))
}

/// The TLS of one endpoint, as new connections find it.
#[derive(Debug)]
pub(super) struct Tls {
    files: TlsFiles,
    config: ArcSwap<ServerConfig>,
}

impl Tls {
    pub(super) async fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let config = load(files.clone()).await?;
        Ok(Self { files, config: ArcSwap::new(config) })
    }

    /// What holds for a connection that is made now, and as long as that lives.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }
}

/// Off the runtime's threads: a disk may be slow.
async fn load(files: TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let unfinished = |_| TlsError {
        key: "certfile",
        file: PathBuf::new(),
        problem: TlsProblem::Read(io::Error::other("reading was given up, as the program ends")),
    };
    tokio::task::spawn_blocking(move || files.load()).await.map_err(unfinished)?
}

/// The certificates of a server's endpoints, to be read anew. A clone is of the same server.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    endpoints: Arc<[(String, Arc<Tls>)]>,
    /// Of two reloads, the later one has the last word.
    reloading: Arc<Mutex<()>>,
}

/// Certificates that could not be read anew, by the names of their endpoints.
#[derive(Debug)]
pub struct ReloadError(pub Vec<(String, TlsError)>);

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, (endpoint, error)) in self.0.iter().enumerate() {
            let separator = if position > 0 { "; " } else { "" };
            write!(f, "{separator}endpoint `{endpoint}`: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ReloadError {}

impl Certificates {
    /// Those of all listeners that speak TLS.
    pub fn of<'a>(listeners: impl IntoIterator<Item = &'a Listener>) -> Self {
        let of_one = |listener: &Listener| Some((listener.listening().endpoint.clone(), listener.tls()?.clone()));
        Self { endpoints: listeners.into_iter().filter_map(of_one).collect(), reloading: Arc::default() }
    }

    /// Whether no endpoint has any.
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// How many endpoints have some.
    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// Reads all files anew, for connections that are made from now on. Those that are open live on as they are.
    ///
    /// # Errors
    /// Every endpoint whose files are wrong; then all endpoints keep what they had.
    ///
    /// # Cancel safety
    /// When the future is dropped, either all endpoints have the new certificates or none has.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        let _turn = self.reloading.lock().await;
        let mut fresh = Vec::with_capacity(self.endpoints.len());
        let mut wrong = Vec::new();
        for (endpoint, tls) in &*self.endpoints {
            match load(tls.files.clone()).await {
                Ok(config) => fresh.push((tls, config)),
                Err(error) => wrong.push((endpoint.clone(), error)),
            }
        }
        if !wrong.is_empty() {
            return Err(ReloadError(wrong));
        }
        for (tls, config) in fresh {
            tls.config.store(config);
        }
        Ok(())
    }
}
