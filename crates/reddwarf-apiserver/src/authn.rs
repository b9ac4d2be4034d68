//! Who sends a request.

use crate::request::UserInfo;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The identity of a connection, computed once from its client certificate and put into the
/// extensions of each request.
#[derive(Clone, Debug)]
pub struct PeerIdentity(pub Arc<UserInfo>);

/// The user of a request that brings no credentials.
pub fn anonymous() -> UserInfo {
    UserInfo::named("system:anonymous", vec!["system:unauthenticated".to_owned()])
}

/// The bearer token of a request; `None` when it brings none.
pub fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let mut words = given.split(' ');
    let scheme = words.next()?;
    let token = words.next().map(str::trim).filter(|token| !token.is_empty())?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

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
    Ok(UserInfo::named(name, groups))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn bearer_tokens() {
        let of = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(text));
            bearer_token(&headers).map(str::to_owned)
        };
        assert_eq!(of("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(of("bearer abc").as_deref(), Some("abc"));
        for none in ["Bearer ", "Bearer", "Basic eDp5", ""] {
            assert_eq!(of(none), None, "{none:?}");
        }
        assert_eq!(bearer_token(&HeaderMap::new()), None);
    }
}
