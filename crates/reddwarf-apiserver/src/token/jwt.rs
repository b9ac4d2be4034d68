//! The compact form of tokens (RFC 7515): header, claims and signature, joined by dots.

use super::claims::Claims;
use super::key::{KeyError, SigningKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::json;

/// Bytes beyond which a token is not looked at.
const BYTES_MAX: usize = 16 * 1024;

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
}

/// A token of these claims.
///
/// # Errors
/// [`KeyError::Random`]
pub(super) fn sign(claims: &Claims, key: &SigningKey) -> Result<String, KeyError> {
    let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = encode(json!({"alg": "ES256", "kid": key.id()}));
    let signed = format!("{header}.{}", encode(json!(claims)));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes())?);
    Ok(format!("{signed}.{signature}"))
}

/// The claims of a token that `key` signed; `None` for any other text.
pub(super) fn verify(token: &str, key: &SigningKey) -> Option<Claims> {
    if token.len() > BYTES_MAX {
        return None;
    }
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
    let header: Header = serde_json::from_slice(&decode(header)?).ok()?;
    // The algorithm is the key's, never the token's to choose.
    let mine = header.alg == "ES256" && header.kid.is_none_or(|kid| kid == key.id());
    if !mine || !key.verifies(signed.as_bytes(), &decode(signature)?) {
        return None;
    }
    serde_json::from_slice(&decode(claims)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::claims::tests::claims;

    #[test]
    fn only_what_was_signed_is_believed() {
        let key = SigningKey::read(&SigningKey::generate().expect("made")).expect("read");
        let mine = claims();
        let token = sign(&mine, &key).expect("signed");
        assert_eq!(verify(&token, &key), Some(mine));
        let parts: Vec<&str> = token.split('.').collect();
        let none = URL_SAFE_NO_PAD.encode("{\"alg\":\"none\"}");
        let mut other = claims();
        other.sub = "system:serviceaccount:kube-system:admin".to_owned();
        let forged = URL_SAFE_NO_PAD.encode(json!(other).to_string());
        for bad in [
            String::new(),
            "nonsense".to_owned(),
            format!("{none}.{}.", parts[1]),
            format!("{}.{}.{}", none, parts[1], parts[2]),
            format!("{}.{forged}.{}", parts[0], parts[2]),
            format!("{}.{}", parts[0], parts[1]),
            format!("{token}x"),
        ] {
            assert_eq!(verify(&bad, &key), None, "{bad}");
        }
        let another = SigningKey::read(&SigningKey::generate().expect("made")).expect("read");
        assert_eq!(verify(&token, &another), None);
    }
}
