//! Whom a client trusts and what it shows.

use super::ClientError;
use super::kubeconfig::User;
use http::HeaderValue;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;

/// TLS and authentication; clones share it.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// With the authority's certificate and the client's.
    pub(super) tls: Arc<ClientConfig>,
    /// `Bearer …`
    pub(super) bearer: Option<HeaderValue>,
}

/// What credentials are made of.
#[derive(Clone, Debug, Default)]
pub struct Pem {
    /// The servers' authority.
    pub authority: Vec<u8>,
    /// A client certificate and its key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// A bearer token.
    pub token: Option<String>,
}

impl Credentials {
    /// Of an administrator's kubeconfig: those of its current context.
    ///
    /// # Errors
    /// [`ClientError::Credentials`]
    pub fn of_kubeconfig(path: &Path) -> Result<Credentials, ClientError> {
        Credentials::new(&User::read(path)?)
    }

    /// Of PEM texts.
    ///
    /// # Errors
    /// [`ClientError::Credentials`]
    pub fn new(pem: &Pem) -> Result<Credentials, ClientError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&pem.authority, "authority")? {
            roots.add(certificate).map_err(ClientError::credentials("authority"))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(ClientError::credentials("protocol versions"))?
            .with_root_certificates(roots);
        let mut tls = match &pem.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = PrivateKeyDer::from_pem_slice(key)
                    .map_err(ClientError::credentials("client key"))?;
                builder
                    .with_client_auth_cert(certificates(certificate, "client certificate")?, key)
                    .map_err(ClientError::credentials("client certificate"))?
            }
        };
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let bearer =
            pem.token.as_ref().map(|token| HeaderValue::try_from(format!("Bearer {token}")));
        let bearer = bearer.transpose().map_err(ClientError::credentials("token"))?;
        Ok(Credentials { tls: Arc::new(tls), bearer })
    }
}

fn certificates(pem: &[u8], what: &str) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    read.map_err(ClientError::credentials(what))
}
