//! The certificate of the server, and its exchange while the server runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read the certificate of server.tls_cert, {path}")]
    Certificate { path: PathBuf, source: pem::Error },
    #[error("server.tls_cert, {path}, holds no certificate: use a PEM file with CERTIFICATE parts")]
    NoCertificate { path: PathBuf },
    #[error("cannot read the private key of server.tls_key, {path}")]
    Key { path: PathBuf, source: pem::Error },
    #[error("the certificate {cert} and the private key {key} cannot be used together")]
    Pair { cert: PathBuf, key: PathBuf, source: rustls::Error },
    #[error("TLS cannot be set up")]
    Protocol(#[from] rustls::Error),
}

/// Speaks TLS with the certificate of two files.
pub struct Tls {
    pub acceptor: TlsAcceptor,
    certificate: Arc<Certificate>,
}

#[derive(Debug)]
struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
    /// What the files looked like when they were last read.
    seen: Mutex<Stamp>,
}

/// Of each file the time of its last change and its length, if it is there.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl Tls {
    /// # Errors
    /// [`TlsError`] if the files are not a certificate and its key.
    pub fn open(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let seen = Mutex::new([stamp(cert), stamp(key)]);
        let current = RwLock::new(Arc::new(read(cert, key, &provider)?));
        let certificate = Arc::new(Certificate {
            cert: cert.into(),
            key: key.into(),
            provider: Arc::clone(&provider),
            current,
            seen,
        });
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificate) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { acceptor: Arc::new(config).into(), certificate })
    }

    /// Reads the files again if they have changed. Reads files: not for an async thread.
    pub fn reload_if_changed(&self) {
        let certificate = &*self.certificate;
        let stamp = [stamp(&certificate.cert), stamp(&certificate.key)];
        let mut seen = certificate.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen != stamp {
            *seen = stamp;
            self.reload();
        }
    }

    /// Reads the files again. If they are not good, the old certificate stays.
    pub fn reload(&self) {
        let Certificate { cert, key, provider, current, .. } = &*self.certificate;
        match read(cert, key, provider) {
            Ok(new) => {
                *current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
                tracing::info!(cert = %cert.display(), "took up the certificate");
            }
            Err(error) => tracing::error!(
                error = &error as &dyn std::error::Error,
                "kept the old certificate, as the new one cannot be used"
            ),
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(cert: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| TlsError::Certificate { path: cert.into(), source })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: cert.into() });
    }
    let private_key = PrivateKeyDer::from_pem_file(key)
        .map_err(|source| TlsError::Key { path: key.into(), source })?;
    CertifiedKey::from_der(chain, private_key, provider).map_err(|source| TlsError::Pair {
        cert: cert.into(),
        key: key.into(),
        source,
    })
}

fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let look = || -> io::Result<_> {
        let metadata = std::fs::metadata(path)?;
        Ok((metadata.modified()?, metadata.len()))
    };
    look().ok()
}
