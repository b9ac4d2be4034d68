//! A key that never leaves its machine, and the request to certify it.

use super::PkiError;
use rcgen::{CertificateParams, DnType, KeyPair};

/// A key and its certificate signing request, both PEM.
pub struct CertificateRequest {
    /// The key (PKCS #8).
    pub key: String,
    /// The request (PKCS #10).
    pub request: String,
}

impl CertificateRequest {
    /// Makes a key for `name`.
    ///
    /// # Errors
    /// [`PkiError::Issue`]
    pub fn create(name: &str) -> Result<Self, PkiError> {
        let make = || {
            let mut params = CertificateParams::default();
            params.distinguished_name.remove(DnType::CommonName);
            params.distinguished_name.push(DnType::CommonName, name);
            let pair = KeyPair::generate()?;
            let request = params.serialize_request(&pair)?.pem()?;
            Ok(CertificateRequest { key: pair.serialize_pem(), request })
        };
        make().map_err(|source| PkiError::Issue { name: name.to_owned(), source })
    }
}
