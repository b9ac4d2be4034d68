//! Who sends a request.

use crate::request::UserInfo;
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The identity of a connection, computed once from its client certificate and put into the
/// extensions of each request.
#[derive(Clone, Debug)]
pub struct PeerIdentity(pub Arc<UserInfo>);

/// Why a certificate names no user.
#[derive(Debug, thiserror::Error)]
pub enum AuthnError {
    /// It does not parse.
    #[error("the client certificate does not parse: {0}")]
    Malformed(String),
    /// It has no common name.
    #[error("the client certificate has no common name")]
    NoName,
}

/// The user of a client certificate (DER): the subject's common name; its organizations are
/// the groups. The certificate's chain and dates were verified by the TLS layer.
///
/// # Errors
/// See [`AuthnError`].
pub fn user_from_certificate(der: &[u8]) -> Result<UserInfo, AuthnError> {
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|e| AuthnError::Malformed(e.to_string()))?;
    let subject = certificate.subject();
    let name = subject
        .iter_common_name()
        .find_map(|n| n.as_str().ok())
        .filter(|n| !n.is_empty())
        .ok_or(AuthnError::NoName)?
        .to_owned();
    let mut groups: Vec<String> =
        subject.iter_organization().filter_map(|o| Some(o.as_str().ok()?.to_owned())).collect();
    groups.push("system:authenticated".to_owned());
    Ok(UserInfo { name, groups })
}
