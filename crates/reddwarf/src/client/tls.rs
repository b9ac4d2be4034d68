//! TLS as a client of the API.

use super::ClientError;
use crate::kubeconfig::Kubeconfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// A configuration that trusts the kubeconfig's authority and shows its certificate, for
/// HTTP/2.
///
/// # Errors
/// [`ClientError::Certificates`]
pub fn client_config(kubeconfig: &Kubeconfig) -> Result<Arc<ClientConfig>, ClientError> {
    let bad =
        |what: &str, e: &dyn std::fmt::Display| ClientError::Certificates(format!("{what}: {e}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(kubeconfig.authority.as_bytes()) {
        let certificate = certificate.map_err(|e| bad("authority", &e))?;
        roots.add(certificate).map_err(|e| bad("authority", &e))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| bad("protocol versions", &e))?
        .with_root_certificates(roots);
    let mut config = if kubeconfig.certificate.is_empty() {
        builder.with_no_client_auth()
    } else {
        let chain = CertificateDer::pem_slice_iter(kubeconfig.certificate.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| bad("client certificate", &e))?;
        let key = PrivateKeyDer::from_pem_slice(kubeconfig.key.as_bytes())
            .map_err(|e| bad("client key", &e))?;
        builder.with_client_auth_cert(chain, key).map_err(|e| bad("client certificate", &e))?
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}
