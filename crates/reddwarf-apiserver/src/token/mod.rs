//! Tokens of service accounts: signed claims (JWT, ES256) that say which account a bearer is.
//!
//! The key that signs is a secret of the group's state, so every member signs with it and knows
//! the others' tokens, and none is configured. A token is good as long as what it names is
//! there: the account, and the pod, secret or node to which it is bound.

mod account;
mod claims;
mod discovery;
mod jwt;
mod key;
mod keyring;

pub use account::user_of;
pub use claims::{Bound, Claims, Named};
pub use discovery::{configuration, key_set};
pub use key::{KeyError, SigningKey};
pub use keyring::{KEY_NAME, KEY_NAMESPACE, Keyring, key_secret};

/// Who issues the tokens, and the audience of a token that names none: the API itself.
pub const ISSUER: &str = "https://kubernetes.default.svc";

/// Seconds by which clocks may differ, and for which what is being deleted still counts.
pub const LEEWAY_SECONDS: i64 = 60;

/// Why a token is not accepted. The texts are upstream's, as a review shows them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no token of this group.
    #[error("invalid bearer token")]
    Foreign,
    /// It is one of this group, but not good here and now.
    #[error("[invalid bearer token, {why}]")]
    Refused {
        /// The reason.
        why: String,
        /// Whether a newer state could decide otherwise.
        by_state: bool,
    },
}

impl TokenError {
    fn refused(why: impl Into<String>) -> Self {
        TokenError::Refused { why: why.into(), by_state: false }
    }

    fn by_state(why: impl Into<String>) -> Self {
        TokenError::Refused { why: why.into(), by_state: true }
    }

    /// Whether a newer state could decide otherwise.
    pub fn is_by_state(&self) -> bool {
        matches!(self, TokenError::Refused { by_state: true, .. })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reddwarf_core::{Collection, ObjectIndex, Revision, StoredObject, View};
    use serde_json::Value;
    use std::sync::Arc;

    /// A state that holds these objects of the core group: plural, namespace, object.
    pub fn state(revision: u64, objects: &[(&str, &str, Value)]) -> View {
        let mut view = View::default();
        for (plural, namespace, object) in objects {
            let name = crate::object::name(object);
            let key = Collection::new("", plural).key(namespace, name);
            let bytes = Bytes::from(object.to_string());
            let stored = StoredObject {
                key: key.clone(),
                revision: Revision(revision),
                created: Revision(revision),
                bytes,
                content: Default::default(),
                version_at: (0, 0),
                index: ObjectIndex::default(),
                salt: None,
            };
            view.objects.insert(key, Arc::new(stored));
        }
        view
    }
}
