//! The group's signing key as this member knows it.

use super::claims::Claims;
use super::jwt;
use super::key::{KeyError, SigningKey};
use super::{TokenError, user_of};
use crate::request::UserInfo;
use arc_swap::ArcSwapOption;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use parking_lot::Mutex;
use reddwarf_core::{Collection, ObjectKey, Revision, View};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// Where the secret lives that holds the key.
pub const KEY_NAMESPACE: &str = "kube-system";
/// Its name.
pub const KEY_NAME: &str = "reddwarf-service-account-key";
/// Its type.
const KEY_TYPE: &str = "reddwarf.dev/service-account-key";
/// The entry that holds the key, PKCS #8 in DER.
const KEY_ENTRY: &str = "key.der";
/// Tokens whose signature need not be checked again.
const KNOWN_TOKENS_MAX: usize = 4_096;

static KEY: LazyLock<ObjectKey> =
    LazyLock::new(|| Collection::new("", "secrets").key(KEY_NAMESPACE, KEY_NAME));

/// The secret with a new key, for a group that has none.
///
/// # Errors
/// [`KeyError::Random`]
pub fn key_secret() -> Result<Value, KeyError> {
    let key = STANDARD.encode(SigningKey::generate()?);
    Ok(json!({
        "apiVersion": "v1", "kind": "Secret", "type": KEY_TYPE, "immutable": true,
        "metadata": {"name": KEY_NAME}, "data": {KEY_ENTRY: key},
    }))
}

/// A key, and the claims of tokens that it is known to have signed, by the tokens' hashes.
struct Known {
    revision: Revision,
    key: SigningKey,
    tokens: Mutex<HashMap<[u8; 32], Arc<Claims>>>,
}

impl Known {
    fn read(revision: Revision, secret: &[u8]) -> Option<Self> {
        let secret: Value = serde_json::from_slice(secret).ok()?;
        let bytes = STANDARD.decode(secret["data"][KEY_ENTRY].as_str()?).ok()?;
        let key = SigningKey::read(&bytes)
            .inspect_err(|error| tracing::error!(%error, secret = KEY_NAME, "no tokens"))
            .ok()?;
        Some(Known { revision, key, tokens: Mutex::default() })
    }

    /// The claims of a token that the key signed.
    fn claims(&self, token: &str) -> Option<Arc<Claims>> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        if let Some(claims) = self.tokens.lock().get(&hash) {
            return Some(claims.clone());
        }
        let claims = Arc::new(jwt::verify(token, &self.key)?);
        let mut tokens = self.tokens.lock();
        if tokens.len() >= KNOWN_TOKENS_MAX {
            tokens.clear();
        }
        tokens.insert(hash, claims.clone());
        Some(claims)
    }
}

/// Signs and checks tokens with the key that the state holds.
#[derive(Default)]
pub struct Keyring {
    known: ArcSwapOption<Known>,
}

impl Keyring {
    /// The key of a state; `None` while it has none.
    fn of(&self, view: &View) -> Option<Arc<Known>> {
        let stored = view.get(&KEY)?;
        let known = self.known.load_full();
        if let Some(known) = known.filter(|known| known.revision == stored.revision) {
            return Some(known);
        }
        let read = Arc::new(Known::read(stored.revision, &stored.bytes)?);
        self.known.store(Some(read.clone()));
        Some(read)
    }

    /// A token of these claims; `None` while the state has no key.
    pub fn issue(&self, claims: &Claims, view: &View) -> Option<Result<String, KeyError>> {
        self.of(view).map(|known| jwt::sign(claims, &known.key))
    }

    /// Who bears a token that is meant for one of these audiences, and for which of them.
    ///
    /// # Errors
    /// [`TokenError`]
    pub fn authenticate(
        &self,
        token: &str,
        audiences: &[String],
        view: &View,
    ) -> Result<(UserInfo, Vec<String>), TokenError> {
        let claims = self.of(view).and_then(|known| known.claims(token));
        let claims = claims.ok_or(TokenError::Foreign)?;
        user_of(&claims, audiences, view, Timestamp::now())
    }

    /// The public keys, as JSON web keys.
    pub fn public(&self, view: &View) -> Vec<Value> {
        self.of(view).map(|known| known.key.public()).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::claims::tests::claims;
    use crate::token::tests::state;

    fn with_key(revision: u64, secret: &Value) -> View {
        state(revision, &[("secrets", KEY_NAMESPACE, secret.clone())])
    }

    #[test]
    fn members_know_each_others_tokens() {
        let secret = key_secret().expect("made");
        let view = with_key(1, &secret);
        let (one, two) = (Keyring::default(), Keyring::default());
        let token = one.issue(&claims(), &view).expect("a key").expect("signed");
        let known = two.of(&view).expect("a key");
        assert_eq!(known.claims(&token).as_deref(), Some(&claims_of(&token, &known)));
        assert!(known.claims(&token).is_some(), "and again, from memory");
        assert_eq!(two.public(&view)[0]["kid"], one.public(&view)[0]["kid"]);
    }

    fn claims_of(token: &str, known: &Known) -> Claims {
        jwt::verify(token, &known.key).expect("signed")
    }

    #[test]
    fn a_new_key_makes_old_tokens_foreign() {
        let ring = Keyring::default();
        let old = with_key(1, &key_secret().expect("made"));
        let token = ring.issue(&claims(), &old).expect("a key").expect("signed");
        let new = with_key(2, &key_secret().expect("made"));
        let refused = ring.authenticate(&token, &[], &new).expect_err("another key");
        assert_eq!(refused, TokenError::Foreign);
        assert_ne!(ring.authenticate(&token, &[], &old).expect_err("no audience"), refused);
        let none = View::default();
        assert!(ring.issue(&claims(), &none).is_none() && ring.public(&none).is_empty());
    }
}
