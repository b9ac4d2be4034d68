//! Requests in another user's name (`Impersonate-User` and its kin).

use crate::errors::bad_request;
use crate::request::UserInfo;
use http::{HeaderMap, HeaderValue};
use percent_encoding::percent_decode_str;
use reddwarf_core::Status;

const USER: &str = "impersonate-user";
const GROUP: &str = "impersonate-group";
const UID: &str = "impersonate-uid";
const EXTRA: &str = "impersonate-extra-";
const ACCOUNT: &str = "system:serviceaccount:";
const NODE: &str = "system:node:";
const ANONYMOUS: &str = "system:anonymous";
const KNOWN: &str = "system:authenticated";
const UNKNOWN: &str = "system:unauthenticated";

/// The user in whose name a request is sent; `None` when its sender speaks for itself.
///
/// # Errors
/// 400 for a user without a name.
pub fn named(headers: &HeaderMap) -> Result<Option<UserInfo>, Box<Status>> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let first = |name: &str| headers.get(name).map(text).unwrap_or_default();
    let mut user = UserInfo::named(first(USER), headers.get_all(GROUP).iter().map(text).collect());
    user.uid = first(UID);
    for (name, value) in headers {
        if let Some(key) = name.as_str().strip_prefix(EXTRA) {
            let key = percent_decode_str(key).decode_utf8_lossy().into_owned();
            user.extra.entry(key).or_default().push(text(value));
        }
    }
    if user == UserInfo::default() {
        return Ok(None);
    }
    if user.name.is_empty() {
        let shown = in_go(&user);
        return Err(bad_request(format!("requested {shown} without impersonating a user name")));
    }
    complete(&mut user);
    Ok(Some(user))
}

/// What one must be allowed to do to use `verb` in that user's name.
pub fn verb(user: &UserInfo, verb: &str) -> String {
    let what = match () {
        () if namespace_of(&user.name).is_some() => "serviceaccount",
        () if user.name.starts_with(NODE) => "arbitrary-node",
        () => "user-info",
    };
    format!("impersonate-on:{what}:{verb}")
}

/// The namespace of a service account's name.
fn namespace_of(name: &str) -> Option<&str> {
    let (namespace, name) = name.strip_prefix(ACCOUNT)?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty()).then_some(namespace)
}

/// The groups that nobody has to name.
fn complete(user: &mut UserInfo) {
    if user.groups.is_empty()
        && let Some(namespace) = namespace_of(&user.name)
    {
        let of_namespace = format!("system:serviceaccounts:{namespace}");
        user.groups = vec!["system:serviceaccounts".to_owned(), of_namespace];
    }
    let has = |group: &str| user.groups.iter().any(|own| own == group);
    let missing = match user.name == ANONYMOUS {
        true => Some(UNKNOWN).filter(|group| !has(group)),
        false => Some(KNOWN).filter(|group| !has(group) && !has(UNKNOWN)),
    };
    user.groups.extend(missing.map(str::to_owned));
}

/// The user as Go prints it, which upstream's message shows.
fn in_go(user: &UserInfo) -> String {
    let quoted = |texts: &[String]| {
        let texts: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
        format!("[]string{{{}}}", texts.join(", "))
    };
    let groups = match user.groups.is_empty() {
        true => "[]string(nil)".to_owned(),
        false => quoted(&user.groups),
    };
    let entries: Vec<String> =
        user.extra.iter().map(|(key, values)| format!("{key:?}:{}", quoted(values))).collect();
    let extra = match entries.is_empty() {
        true => "map[string][]string(nil)".to_owned(),
        false => format!("map[string][]string{{{}}}", entries.join(", ")),
    };
    let (name, uid) = (&user.name, &user.uid);
    format!("&user.DefaultInfo{{Name:{name:?}, UID:{uid:?}, Groups:{groups}, Extra:{extra}}}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn of(given: &[(&'static str, &'static str)]) -> Result<Option<UserInfo>, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        named(&headers).map_err(|status| status.message)
    }

    #[test]
    fn users() {
        assert_eq!(of(&[("accept", "*/*")]), Ok(None));
        let user = of(&[
            (USER, "u"),
            (GROUP, "g"),
            (UID, "1"),
            ("impersonate-extra-example.com%2fkey", "b"),
            ("impersonate-extra-scopes", "a"),
        ]);
        let user = user.expect("named").expect("a user");
        assert_eq!((user.name.as_str(), user.uid.as_str()), ("u", "1"));
        assert_eq!(user.groups, ["g", KNOWN]);
        assert_eq!(user.extra["example.com/key"], ["b"]);
        let groups =
            |name: &'static str| of(&[(USER, name)]).expect("named").expect("a user").groups;
        assert_eq!(groups(ANONYMOUS), [UNKNOWN]);
        assert_eq!(
            groups("system:serviceaccount:n:a"),
            ["system:serviceaccounts", "system:serviceaccounts:n", KNOWN]
        );
    }

    #[test]
    fn a_user_has_a_name() {
        let why = of(&[("impersonate-extra-x", "g")]).expect_err("refused");
        assert_eq!(
            why,
            "requested &user.DefaultInfo{Name:\"\", UID:\"\", Groups:[]string(nil), Extra:map[string][]string{\"x\":[]string{\"g\"}}} without impersonating a user name"
        );
        assert!(of(&[(GROUP, "g")]).expect_err("refused").contains("Groups:[]string{\"g\"}"));
    }

    #[test]
    fn verbs() {
        let verb_of = |name: &str| verb(&UserInfo::named(name, Vec::new()), "list");
        assert_eq!(verb_of("u"), "impersonate-on:user-info:list");
        assert_eq!(verb_of("system:serviceaccount:n:a"), "impersonate-on:serviceaccount:list");
    }
}
