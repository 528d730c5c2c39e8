//! Whom a client trusts, and what it shows of itself.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName, UnixTime,
        pem::{self, PemObject},
    },
};
use rustls_platform_verifier::BuilderVerifierExt;

/// How a client proves and checks identities on `https` endpoints. Other endpoints do not look at it.
///
/// ```no_run
/// use gaffer_client::{Client, TlsOptions};
///
/// # fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = TlsOptions {
///     cacert: Some("/etc/gaffer/authority.pem".into()),
///     certfile: Some("/home/me/me.pem".into()),
///     ..TlsOptions::default()
/// };
/// let client = Client::builder(&"https://node1.example.org:5443".parse()?).tls(tls).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// Authorities that the node's certificate must be issued by, PEM. Default: those that the system trusts.
    pub cacert: Option<PathBuf>,
    /// The client's certificate chain, PEM.
    pub certfile: Option<PathBuf>,
    /// The key of that certificate, PEM. Default: in the same file.
    pub keyfile: Option<PathBuf>,
    /// Accepts any certificate, which lets anybody in between read and change everything. Default: no.
    pub insecure: bool,
}

/// TLS that cannot be set up as asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file that cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: Arc<io::Error>,
    },
    /// A file without what it should hold.
    #[error("`{}` holds no {what} in PEM", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// A file that does not hold what it says.
    #[error("`{}` is damaged: {problem}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A key and a certificate that do not belong together.
    #[error("the key `{}` is not that of the certificate `{}`", keyfile.display(), certfile.display())]
    Mismatch {
        /// The certificate's file.
        certfile: PathBuf,
        /// The key's file.
        keyfile: PathBuf,
    },
    /// A key without the certificate it belongs to.
    #[error("the key `{}` needs its certificate, too", .0.display())]
    KeyAlone(PathBuf),
    /// What was read does not serve.
    #[error("cannot set up TLS: {0}")]
    Unusable(#[from] rustls::Error),
}

impl TlsOptions {
    /// Blocks while it reads the files.
    pub(crate) fn config(&self) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
        let builder = match &self.cacert {
            _ if self.insecure => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))),
            None => builder.with_platform_verifier()?,
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|error| damaged(path, error))?;
                }
                builder.with_root_certificates(roots)
            }
        };
        match (&self.certfile, &self.keyfile) {
            (None, None) => Ok(builder.with_no_client_auth()),
            (None, Some(key)) => Err(TlsError::KeyAlone(key.clone())),
            (Some(certificate), key) => {
                let keyfile = key.as_ref().unwrap_or(certificate);
                let config = builder.with_client_auth_cert(certificates(certificate)?, private_key(keyfile)?);
                config.map_err(|error| {
                    if matches!(error, rustls::Error::InconsistentKeys(_)) {
                        TlsError::Mismatch { certfile: certificate.clone(), keyfile: keyfile.clone() }
                    } else {
                        error.into()
                    }
                })
            }
        }
    }

    /// For endpoints that speak no TLS: trusts nobody, and reads no file.
    pub(crate) fn unused() -> Result<ClientConfig, TlsError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions()?;
        Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source: Arc::new(source) })
}

fn damaged(path: &Path, problem: impl ToString) -> TlsError {
    TlsError::Damaged { path: path.to_owned(), problem: problem.to_string() }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    let certificates = certificates.map_err(|error| damaged(path, error))?;
    if certificates.is_empty() {
        return Err(TlsError::Missing { path: path.to_owned(), what: "certificate" });
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read(path)?).map_err(|error| {
        if matches!(error, pem::Error::NoItemsFound) {
            TlsError::Missing { path: path.to_owned(), what: "private key" }
        } else {
            damaged(path, error)
        }
    })
}

/// Believes that everybody is who they say. Signatures are still checked, so that what is wrong with the connection
/// itself shows.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
