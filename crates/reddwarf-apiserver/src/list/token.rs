//! Continue tokens, in upstream's form: unpadded URL-safe base64 of
//! `{"v":"meta.k8s.io/v1","rv":N,"start":"namespace/name\u0000"}`.

use crate::errors::bad_request;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reddwarf_core::Status;
use serde::{Deserialize, Serialize};

const VERSION: &str = "meta.k8s.io/v1";

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(default)]
    v: String,
    #[serde(default)]
    rv: i64,
    #[serde(default)]
    start: String,
}

/// Where the next page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The state of which pages are read; `None` reads the newest (an inconsistent list).
    pub revision: Option<u64>,
    /// `namespace/name` (`/name` at the cluster scope) of the last item of the page before.
    pub after: String,
}

impl Token {
    /// The token as text.
    pub fn encode(&self) -> String {
        let rv = self.revision.map_or(-1, |r| r as i64);
        let wire = Wire { v: VERSION.into(), rv, start: format!("{}\0", self.after) };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&wire).unwrap_or_default())
    }

    /// Reads a token.
    ///
    /// # Errors
    /// 400 in upstream's words.
    pub fn decode(text: &str) -> Result<Token, Box<Status>> {
        let bad = |why: String| {
            bad_request(format!("invalid continue token: continue key is not valid: {why}"))
        };
        let bytes =
            URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|e| bad(e.to_string()))?;
        let wire: Wire = serde_json::from_slice(&bytes).map_err(|e| bad(e.to_string()))?;
        if wire.v != VERSION {
            return Err(bad(format!("server does not recognize this encoded version {}", wire.v)));
        }
        if wire.rv == 0 {
            return Err(bad(
                "incorrect encoded start resourceVersion (version meta.k8s.io/v1)".into()
            ));
        }
        let after = wire.start.trim_end_matches('\0').to_owned();
        if after.is_empty() {
            return Err(bad("encoded start key empty (version meta.k8s.io/v1)".into()));
        }
        Ok(Token { revision: u64::try_from(wire.rv).ok(), after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip() {
        for revision in [Some(7), None] {
            let token = Token { revision, after: "shop/web".into() };
            assert_eq!(Token::decode(&token.encode()).expect("decodes"), token);
        }
        let message = |text| Token::decode(text).expect_err("no token").message;
        assert!(message("eyJhIjoxfQ").ends_with("server does not recognize this encoded version "));
        assert!(message("garbage").starts_with("invalid continue token: "));
    }
}
