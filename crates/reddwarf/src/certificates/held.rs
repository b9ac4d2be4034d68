//! The certificate that is shown now.

use crate::config::TlsFiles;
use crate::pki::{Credentials, Leaf};
use arc_swap::ArcSwap;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

/// Why a certificate and a key are of no use together.
#[derive(Debug, thiserror::Error)]
pub enum PairError {
    /// A file is missing, or does not hold what it should.
    #[error("{} cannot be used: {why}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// They do not fit together.
    #[error("the certificate and its key cannot be used")]
    Mismatch(#[source] rustls::Error),
}

/// A certificate with its chain and its key.
#[derive(Clone, Debug)]
pub struct Pair {
    certified: Arc<CertifiedKey>,
    /// What it says.
    pub leaf: Leaf,
}

impl Pair {
    /// Reads the files.
    ///
    /// # Errors
    /// [`PairError`]
    pub fn read(files: &TlsFiles) -> Result<Pair, PairError> {
        let text = |path: &PathBuf| {
            let read = fs::read_to_string(path);
            read.map_err(|error| PairError::File { path: path.clone(), why: error.to_string() })
        };
        let credentials =
            Credentials { certificate: text(&files.cert_file)?, key: text(&files.key_file)? };
        Pair::of(&credentials, files)
    }

    /// Of PEM texts that stand, or will stand, in these files.
    ///
    /// # Errors
    /// [`PairError`]
    pub fn of(credentials: &Credentials, files: &TlsFiles) -> Result<Pair, PairError> {
        let in_certificate = |why: String| PairError::File { path: files.cert_file.clone(), why };
        let chain = CertificateDer::pem_slice_iter(credentials.certificate.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| in_certificate(error.to_string()))?;
        let first =
            chain.first().ok_or_else(|| in_certificate("it holds no certificate".into()))?;
        let leaf = Leaf::of(first).map_err(in_certificate)?;
        let key = PrivateKeyDer::from_pem_slice(credentials.key.as_bytes()).map_err(|error| {
            PairError::File { path: files.key_file.clone(), why: error.to_string() }
        })?;
        let certified = CertifiedKey::from_der(chain, key, &default_provider());
        Ok(Pair { certified: Arc::new(certified.map_err(PairError::Mismatch)?), leaf })
    }

    /// The certificate, and after it what leads to the authority.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }
}

/// The certificate that is shown at each handshake from now on, as a server and as a client.
#[derive(Debug)]
pub struct Held(ArcSwap<Pair>);

impl Held {
    /// Begins with this one.
    pub fn new(pair: Pair) -> Arc<Self> {
        Arc::new(Held(ArcSwap::from_pointee(pair)))
    }

    /// What it says.
    pub fn leaf(&self) -> Leaf {
        self.0.load().leaf.clone()
    }

    /// Shows another one from now on.
    pub fn show(&self, pair: Pair) {
        self.0.store(Arc::new(pair));
    }
}

impl ResolvesServerCert for Held {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().certified.clone())
    }
}

impl ResolvesClientCert for Held {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load().certified.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
