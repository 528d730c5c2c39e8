//! TLS, as options name it.

use std::path::PathBuf;

use gaffer_http::serve::TlsFiles;

/// An option that means nothing without a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyWithoutCertificate(&'static str);

impl std::fmt::Display for KeyWithoutCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} needs a --certfile: the certificate that the endpoint shows", self.0)
    }
}

impl std::error::Error for KeyWithoutCertificate {}

/// The files of an endpoint, by `--certfile`, `--keyfile` and `--cacert`; none if there is to be no TLS.
///
/// # Errors
/// When one is given that needs a certificate, and none is.
pub fn tls_files(
    certfile: Option<&PathBuf>,
    keyfile: Option<&PathBuf>,
    cacert: Option<&PathBuf>,
) -> Result<Option<TlsFiles>, KeyWithoutCertificate> {
    let Some(certfile) = certfile else {
        let lonely = [("--keyfile", keyfile), ("--cacert", cacert)].into_iter().find(|(_, file)| file.is_some());
        return lonely.map_or(Ok(None), |(option, _)| Err(KeyWithoutCertificate(option)));
    };
    Ok(Some(TlsFiles { certfile: certfile.clone(), keyfile: keyfile.cloned(), cacert: cacert.cloned() }))
}
