//! How others learn to check the tokens (OpenID Connect discovery).

use super::ISSUER;
use serde_json::{Value, json};

/// `/.well-known/openid-configuration`; `address` is where the keys are read.
pub fn configuration(address: &str) -> Value {
    json!({
        "issuer": ISSUER,
        "jwks_uri": format!("https://{address}/openid/v1/jwks"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    })
}

/// `/openid/v1/jwks`
pub fn key_set(keys: Vec<Value>) -> Value {
    json!({ "keys": keys })
}
