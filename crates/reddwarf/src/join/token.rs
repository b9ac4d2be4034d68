//! Tokens by which machines join. A token is `ID.SECRET`; the group keeps, as a Secret in
//! `kube-system`, the hash of the whole, when it expires, and whether it may be used once only.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fmt;

/// Type of the Secrets that hold tokens.
pub const TYPE: &str = "bootstrap.reddwarf.dev/token";
/// Where those Secrets are.
pub const NAMESPACE_SECRETS: &str = "/api/v1/namespaces/kube-system/secrets";
/// Begins their names; the token's id follows.
const PREFIX: &str = "member-token-";
/// Characters of ids and secrets.
const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const ID_LENGTH: usize = 6;
/// 124 bits.
const SECRET_LENGTH: usize = 24;

/// Why a token does not let anybody in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It has not the form of one.
    #[error("the token is not of the form ID.SECRET")]
    Malformed,
    /// The group has no such token, or its secret is another one.
    #[error("the token is not one of this group: it was deleted, has been used up, or is misspelt")]
    Unknown,
    /// Its time is over.
    #[error("the token expired at {0}")]
    Expired(Timestamp),
    /// The Secret that holds it says something else.
    #[error("what the group keeps of the token does not make sense: {0}")]
    Unreadable(&'static str),
}

/// A token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    id: String,
    secret: String,
}

impl Token {
    /// A new one.
    pub fn create() -> Self {
        let draw = |length: usize| {
            let letter = || char::from(ALPHABET[rand::random_range(0..ALPHABET.len())]);
            std::iter::repeat_with(letter).take(length).collect()
        };
        Token { id: draw(ID_LENGTH), secret: draw(SECRET_LENGTH) }
    }

    /// Reads `ID.SECRET`.
    ///
    /// # Errors
    /// [`TokenError::Malformed`]
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let plain = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|byte| ALPHABET.contains(&byte))
        };
        match text.split_once('.') {
            Some((id, secret)) if plain(id, ID_LENGTH) && plain(secret, SECRET_LENGTH) => {
                Ok(Token { id: id.to_owned(), secret: secret.to_owned() })
            }
            _ => Err(TokenError::Malformed),
        }
    }

    /// Its id, which is no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `ID.SECRET`
    pub fn text(&self) -> String {
        format!("{}.{}", self.id, self.secret)
    }

    fn hash(&self) -> String {
        STANDARD.encode(Sha256::digest(self.text()))
    }

    /// The Secret that keeps what is needed to recognize the token.
    pub fn stored(&self, lasts: SignedDuration, single_use: bool, now: Timestamp) -> Value {
        let expires = now.saturating_add(lasts).unwrap_or(Timestamp::MAX);
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "type": TYPE,
            "metadata": {"name": Stored::name(&self.id)},
            "stringData": {
                "hash": self.hash(),
                // Whole seconds are enough.
                "expiration": format!("{:.0}", expires),
                "single-use": single_use.to_string(),
            },
        })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token {}", self.id)
    }
}

/// A token as the group keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its id.
    pub id: String,
    /// When it expires.
    pub expires: Timestamp,
    /// Whether it may be used once only.
    pub single_use: bool,
    hash: String,
}

impl Stored {
    /// Name of the Secret.
    pub fn name(id: &str) -> String {
        format!("{PREFIX}{id}")
    }

    /// Path of the Secret.
    pub fn path(id: &str) -> String {
        format!("{NAMESPACE_SECRETS}/{}", Stored::name(id))
    }

    /// Reads a Secret.
    ///
    /// # Errors
    /// [`TokenError::Unreadable`]
    pub fn read(secret: &Value) -> Result<Self, TokenError> {
        let name = secret["metadata"]["name"].as_str().unwrap_or_default();
        let id = name.strip_prefix(PREFIX).filter(|_| secret["type"] == TYPE);
        let id = id.ok_or(TokenError::Unreadable("its name or type"))?;
        let text = |field: &'static str| {
            let bytes = secret["data"][field].as_str().and_then(|data| STANDARD.decode(data).ok());
            bytes.and_then(|b| String::from_utf8(b).ok()).ok_or(TokenError::Unreadable(field))
        };
        let expires = text("expiration")?.parse();
        Ok(Stored {
            id: id.to_owned(),
            expires: expires.map_err(|_| TokenError::Unreadable("expiration"))?,
            single_use: text("single-use")? == "true",
            hash: text("hash")?,
        })
    }

    /// Whether `token` is the one that is meant, and its time is not over.
    ///
    /// # Errors
    /// [`TokenError::Unknown`], [`TokenError::Expired`]
    pub fn check(&self, token: &Token, now: Timestamp) -> Result<(), TokenError> {
        // Hashes are compared, so that the time it takes tells nothing of the secret.
        if token.id != self.id || token.hash() != self.hash {
            return Err(TokenError::Unknown);
        }
        if now >= self.expires {
            return Err(TokenError::Expired(self.expires));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The Secret as the API answers it.
    fn answered(mut secret: Value) -> Value {
        let data = secret["stringData"].take();
        let fields = data.as_object().expect("data").iter();
        let encoded =
            |text: &Value| -> Value { STANDARD.encode(text.as_str().expect("text")).into() };
        secret["data"] = fields.map(|(name, text)| (name.clone(), encoded(text))).collect();
        secret
    }

    #[test]
    fn a_token_is_recognized_until_it_expires() {
        let (token, now) = (Token::create(), Timestamp::now());
        let secret = answered(token.stored(SignedDuration::from_hours(1), true, now));
        assert!(!secret.to_string().contains(&token.secret), "only its hash is kept");
        let stored = Stored::read(&secret).expect("readable");
        assert!(stored.single_use && stored.id == token.id());
        assert_eq!(Token::parse(&token.text()), Ok(token.clone()));
        stored.check(&token, now).expect("recognized");
        let late = now.saturating_add(SignedDuration::from_hours(2)).expect("in time");
        assert_eq!(stored.check(&token, late), Err(TokenError::Expired(stored.expires)));
        let other = Token { secret: Token::create().secret, ..token };
        assert_eq!(stored.check(&other, now), Err(TokenError::Unknown));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", "abcdef", "abcdef.", "abcdef.short", "ABCDEF.aaaaaaaaaaaaaaaaaaaaaaaa"] {
            assert_eq!(Token::parse(text), Err(TokenError::Malformed), "{text}");
        }
        let mut secret =
            answered(Token::create().stored(SignedDuration::ZERO, false, Timestamp::now()));
        secret["type"] = "Opaque".into();
        Stored::read(&secret).expect_err("another type");
    }
}
