//! What a token claims.

use super::ISSUER;
use serde::{Deserialize, Serialize};

/// The claims of a service account's token, in the names of RFC 7519.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// For whom the token is.
    pub aud: Vec<String>,
    /// Until when, seconds since the Unix epoch.
    pub exp: i64,
    /// When it was issued.
    pub iat: i64,
    /// Who issued it.
    pub iss: String,
    /// Its own name.
    pub jti: String,
    /// Of which account, and bound to what.
    #[serde(rename = "kubernetes.io")]
    pub bound: Bound,
    /// From when.
    pub nbf: i64,
    /// The user name.
    pub sub: String,
}

/// The objects that a token names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// Namespace of the account, and of a pod or secret.
    pub namespace: String,
    /// A node, by itself or as that of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Named>,
    /// A pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<Named>,
    /// A secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Named>,
    /// The account.
    #[serde(rename = "serviceaccount")]
    pub account: Named,
    /// After when its bearer should have asked for another one, seconds since the Unix epoch.
    #[serde(rename = "warnafter", skip_serializing_if = "Option::is_none")]
    pub warn_after: Option<i64>,
}

/// An object by its name and uid.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Its uid; that of a pod's node may not be known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

impl Claims {
    /// Claims that begin at `now` and last so many seconds.
    pub fn new(bound: Bound, audiences: Vec<String>, now: i64, seconds: i64) -> Self {
        let (namespace, name) = (&bound.namespace, &bound.account.name);
        Claims {
            sub: format!("system:serviceaccount:{namespace}:{name}"),
            aud: audiences,
            exp: now.saturating_add(seconds),
            iat: now,
            iss: ISSUER.to_owned(),
            jti: uuid::Uuid::new_v4().to_string(),
            nbf: now,
            bound,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;

    /// Claims of the account `a` in `n`.
    pub fn claims() -> Claims {
        let account = Named { name: "a".into(), uid: "uid-a".into() };
        let bound = Bound { namespace: "n".into(), account, ..Bound::default() };
        Claims::new(bound, vec![ISSUER.to_owned()], 1_000, 600)
    }

    #[test]
    fn as_upstream_writes_them() {
        let mut claims = claims();
        claims.jti = "j".to_owned();
        claims.bound.node = Some(Named { name: "w".into(), uid: String::new() });
        assert_eq!(
            json!(claims),
            json!({
                "aud": [ISSUER], "exp": 1600, "iat": 1000, "iss": ISSUER, "jti": "j",
                "kubernetes.io": {"namespace": "n", "node": {"name": "w"},
                    "serviceaccount": {"name": "a", "uid": "uid-a"}},
                "nbf": 1000, "sub": "system:serviceaccount:n:a",
            })
        );
    }
}
