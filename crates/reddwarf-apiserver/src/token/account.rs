//! From claims to the user that they stand for.

use super::claims::{Bound, Claims, Named};
use super::{LEEWAY_SECONDS, TokenError};
use crate::request::UserInfo;
use jiff::Timestamp;
use reddwarf_core::{Collection, View};
use serde_json::Value;
use std::collections::BTreeMap;

const INVALIDATED: &str = "service account token has been invalidated";
const KEY_PREFIX: &str = "authentication.kubernetes.io";

/// The user of a token with these claims, and the audiences that both sides name.
///
/// # Errors
/// [`TokenError::Refused`]
pub fn user_of(
    claims: &Claims,
    audiences: &[String],
    view: &View,
    now: Timestamp,
) -> Result<(UserInfo, Vec<String>), TokenError> {
    let shared: Vec<String> =
        claims.aud.iter().filter(|audience| audiences.contains(audience)).cloned().collect();
    if shared.is_empty() {
        return Err(TokenError::refused(format!(
            "token audiences {} is invalid for the target audiences {}",
            listed(&claims.aud),
            listed(audiences)
        )));
    }
    check_times(claims, now.as_second())?;
    check_objects(&claims.bound, view, now)?;
    Ok((user(claims), shared))
}

/// A list of texts as Go's `%q` shows it.
fn listed(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", quoted.join(" "))
}

fn check_times(claims: &Claims, now: i64) -> Result<(), TokenError> {
    let why = match () {
        () if claims.nbf > now + LEEWAY_SECONDS => "service account token is not valid yet",
        () if claims.exp < now - LEEWAY_SECONDS => "service account token has expired",
        () if claims.iat > now + LEEWAY_SECONDS => "service account token is issued in the future",
        () => return Ok(()),
    };
    Err(TokenError::refused(why))
}

/// Whether all that a token names is there still, under the same uid.
fn check_objects(bound: &Bound, view: &View, now: Timestamp) -> Result<(), TokenError> {
    let namespace = bound.namespace.as_str();
    let account = stored(view, "serviceaccounts", namespace, &bound.account.name);
    let Some(account) = account else {
        let name = &bound.account.name;
        return Err(TokenError::by_state(format!("serviceaccounts {name:?} not found")));
    };
    let uid = crate::object::uid(&account);
    if uid != bound.account.uid {
        let claimed = &bound.account.uid;
        let why = format!("service account UID ({uid}) does not match claim ({claimed})");
        return Err(TokenError::by_state(why));
    }
    if is_gone(&account, now) {
        let name = &bound.account.name;
        let why = format!("service account {namespace}/{name} has been deleted");
        return Err(TokenError::by_state(why));
    }
    // The node of a pod is told, not checked.
    let node = bound.node.as_ref().filter(|_| bound.pod.is_none());
    for (plural, what, word, namespace, named) in [
        ("secrets", "secret", "Secret", namespace, bound.secret.as_ref()),
        ("pods", "pod", "Pod", namespace, bound.pod.as_ref()),
        ("nodes", "node", "Node", "", node),
    ] {
        let Some(named) = named else { continue };
        let object = stored(view, plural, namespace, &named.name)
            .ok_or_else(|| TokenError::by_state(INVALIDATED))?;
        check_bound(&object, named, what, word, now)?;
    }
    Ok(())
}

fn check_bound(
    object: &Value,
    named: &Named,
    what: &str,
    word: &str,
    now: Timestamp,
) -> Result<(), TokenError> {
    let uid = crate::object::uid(object);
    if uid != named.uid {
        let shown = if word == "Secret" { "secret" } else { word };
        let claimed = &named.uid;
        return Err(TokenError::by_state(format!(
            "{shown} UID ({uid}) does not match service account {what} ref claim ({claimed})"
        )));
    }
    match is_gone(object, now) {
        true => Err(TokenError::by_state(INVALIDATED)),
        false => Ok(()),
    }
}

fn stored(view: &View, plural: &str, namespace: &str, name: &str) -> Option<Value> {
    let key = Collection::new("", plural).key(namespace, name);
    serde_json::from_slice(&view.get(&key)?.bytes).ok()
}

/// Whether an object's time was up some time ago.
fn is_gone(object: &Value, now: Timestamp) -> bool {
    let ends = crate::object::meta(object, "deletionTimestamp").parse::<Timestamp>();
    ends.is_ok_and(|end| end.as_second() < now.as_second() - LEEWAY_SECONDS)
}

fn user(claims: &Claims) -> UserInfo {
    let bound = &claims.bound;
    let mut extra = BTreeMap::new();
    let mut say = |key: &str, value: &str| {
        if !value.is_empty() {
            extra.insert(format!("{KEY_PREFIX}/{key}"), vec![value.to_owned()]);
        }
    };
    say("credential-id", &format!("JTI={}", claims.jti));
    for (name, uid, named) in
        [("pod-name", "pod-uid", &bound.pod), ("node-name", "node-uid", &bound.node)]
    {
        if let Some(named) = named {
            say(name, &named.name);
            say(uid, &named.uid);
        }
    }
    UserInfo {
        name: claims.sub.clone(),
        uid: bound.account.uid.clone(),
        groups: vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{}", bound.namespace),
            "system:authenticated".to_owned(),
        ],
        extra,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::ISSUER;
    use crate::token::claims::tests::claims;
    use crate::token::tests::state;
    use serde_json::json;

    fn view(objects: &[(&str, &str, Value)]) -> View {
        state(1, objects)
    }

    fn account() -> (&'static str, &'static str, Value) {
        ("serviceaccounts", "n", json!({"metadata": {"name": "a", "uid": "uid-a"}}))
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    fn outcome(claims: &Claims, view: &View, now: i64) -> Result<UserInfo, String> {
        let audiences = [ISSUER.to_owned()];
        let user = user_of(claims, &audiences, view, at(now));
        user.map(|(user, _)| user).map_err(|error| error.to_string())
    }

    #[test]
    fn who_a_token_is() {
        let mut bound = claims();
        bound.bound.pod = Some(Named { name: "p".into(), uid: "uid-p".into() });
        bound.bound.node = Some(Named { name: "w".into(), uid: String::new() });
        let pod = ("pods", "n", json!({"metadata": {"name": "p", "uid": "uid-p"}}));
        let user = outcome(&bound, &view(&[account(), pod]), 1_100).expect("accepted");
        assert_eq!(user.name, "system:serviceaccount:n:a");
        assert_eq!(user.uid, "uid-a");
        assert_eq!(user.groups[1], "system:serviceaccounts:n");
        let keys: Vec<&str> = user.extra.keys().filter_map(|k| k.split('/').nth(1)).collect();
        assert_eq!(keys, ["credential-id", "node-name", "pod-name", "pod-uid"]);
    }

    #[test]
    fn times_count_with_some_leeway() {
        let all = view(&[account()]);
        assert!(outcome(&claims(), &all, 1_000 - LEEWAY_SECONDS).is_ok());
        assert!(outcome(&claims(), &all, 1_600 + LEEWAY_SECONDS).is_ok());
        let expired = outcome(&claims(), &all, 1_601 + LEEWAY_SECONDS).expect_err("expired");
        assert_eq!(expired, "[invalid bearer token, service account token has expired]");
        assert!(outcome(&claims(), &all, 999 - LEEWAY_SECONDS).is_err());
    }

    #[test]
    fn what_a_token_names_must_be_there() {
        let why = |claims: &Claims, objects: &[(&str, &str, Value)]| {
            outcome(claims, &view(objects), 1_100).err().unwrap_or_default()
        };
        assert_eq!(why(&claims(), &[]), "[invalid bearer token, serviceaccounts \"a\" not found]");
        let other = ("serviceaccounts", "n", json!({"metadata": {"name": "a", "uid": "new"}}));
        assert!(why(&claims(), &[other]).contains("UID (new) does not match claim (uid-a)"));
        let mut bound = claims();
        bound.bound.secret = Some(Named { name: "s".into(), uid: "uid-s".into() });
        assert_eq!(why(&bound, &[account()]), format!("[invalid bearer token, {INVALIDATED}]"));
        let leaving = json!({"metadata": {"name": "s", "uid": "uid-s",
            "deletionTimestamp": at(1_000).to_string()}});
        assert!(
            outcome(&bound, &view(&[account(), ("secrets", "n", leaving.clone())]), 1_050).is_ok()
        );
        assert!(outcome(&bound, &view(&[account(), ("secrets", "n", leaving)]), 1_061).is_err());
    }

    #[test]
    fn audiences_must_meet() {
        let all = view(&[account()]);
        let mut token = claims();
        token.aud = vec!["vault".into(), "b".into()];
        let ask = |audiences: &[&str]| {
            let audiences: Vec<String> = audiences.iter().map(|a| (*a).to_owned()).collect();
            user_of(&token, &audiences, &all, at(1_100))
        };
        assert_eq!(ask(&["other", "vault"]).expect("accepted").1, ["vault"]);
        assert_eq!(
            ask(&["x"]).expect_err("refused").to_string(),
            "[invalid bearer token, token audiences [\"vault\" \"b\"] is invalid for the target audiences [\"x\"]]"
        );
    }
}
