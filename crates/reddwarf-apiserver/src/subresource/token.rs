//! `serviceaccounts/token`: a token of an account, perhaps bound to an object.

use super::reply::{bad_request, conflict};
use super::{Effect, Post};
use crate::admission::refusal::not_found;
use crate::defaults::fill::fill;
use crate::errors::internal;
use crate::object;
use crate::token::{Bound, Claims, ISSUER, Named};
use crate::validation::read::{has, int, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, invalid};
use jiff::Timestamp;
use reddwarf_core::gvk::parse_api_version;
use reddwarf_core::{Collection, Reason, Status, status::StatusDetails};
use serde_json::Value;

const GROUP: &str = "authentication.k8s.io";
const SECONDS_DEFAULT: i64 = 3_600;
const SECONDS_MIN: i64 = 600;
const SECONDS_MAX: i64 = 1 << 32;
/// What kubelets ask for; they may be slow to ask again, so that such a token of a pod lasts
/// [`EXTENDED_SECONDS`], and says when it should have been replaced.
const PROJECTED_SECONDS: i64 = 3_607;
const EXTENDED_SECONDS: i64 = 365 * 24 * 60 * 60;

/// How long a token lasts whose request does not say.
pub fn defaults(form: &mut Value) {
    fill(form, "spec.expirationSeconds", SECONDS_DEFAULT);
}

/// Issues a token.
pub fn issue(request: &Post<'_>) -> Result<Effect, Box<Status>> {
    let form = request.body;
    let named = object::name(form);
    if !named.is_empty() && named != request.name {
        let at = FieldPath::new("metadata").child("name");
        let detail = "must match the service account name if specified";
        let errors = [FieldError::invalid(at, named, detail)];
        return Err(Box::new(invalid(GROUP, "TokenRequest", request.name, &errors)));
    }
    let account = request.current.ok_or_else(|| not_found("", "serviceaccounts", request.name))?;
    let seconds = int(&form["spec"], "expirationSeconds").unwrap_or_default();
    let errors = lifetime(seconds);
    if !errors.is_empty() {
        return Err(Box::new(invalid(GROUP, "TokenRequest", "", &errors)));
    }
    let mut audiences: Vec<String> = items(&form["spec"], "audiences")
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    if audiences.is_empty() {
        audiences.push(ISSUER.to_owned());
    }
    let mut bound = Bound {
        namespace: request.namespace.to_owned(),
        account: reference(account),
        ..Bound::default()
    };
    if has(&form["spec"], "boundObjectRef") {
        bind(request, &form["spec"]["boundObjectRef"], &mut bound)?;
    }
    let now = Timestamp::now().as_second();
    let (lasts, warn_after) = extended(seconds, &bound, &audiences);
    bound.warn_after = warn_after.map(|after| now + after);
    let claims = Claims::new(bound, audiences, now, lasts);
    let token = request.tokens.issue(&claims, request.view).ok_or_else(no_key)?;
    let token = token.map_err(internal)?;
    Ok(Effect::Reply(answer(form, account, &claims, now, seconds, token)))
}

fn lifetime(seconds: i64) -> ErrorList {
    let why = match seconds {
        ..SECONDS_MIN => "may not specify a duration less than 10 minutes",
        SECONDS_MIN..=SECONDS_MAX => return ErrorList::new(),
        _ => "may not specify a duration larger than 2^32 seconds",
    };
    vec![FieldError::invalid(FieldPath::new("spec").child("expirationSeconds"), seconds, why)]
}

fn reference(object: &Value) -> Named {
    Named { name: object::name(object).to_owned(), uid: object::uid(object).to_owned() }
}

/// Binds the token to the object that the request names.
fn bind(request: &Post<'_>, to: &Value, bound: &mut Bound) -> Result<(), Box<Status>> {
    let (kind, name) = (text(to, "kind"), text(to, "name"));
    let (group, version) = parse_api_version(text(to, "apiVersion")).unwrap_or_default();
    let found = |plural: &str, namespace: &str| {
        let object = stored(request, plural, namespace, name);
        object.ok_or_else(|| not_found("", plural, name))
    };
    let object = match (group, kind) {
        ("", "Pod") => {
            let pod = found("pods", request.namespace)?;
            if text(&pod["spec"], "serviceAccountName") != request.name {
                return Err(bad_request(format!(
                    "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name.",
                    request.name
                )));
            }
            bound.pod = Some(reference(&pod));
            bound.node = node_of(request, &pod);
            pod
        }
        ("", "Node") => {
            let node = found("nodes", "")?;
            bound.node = Some(reference(&node));
            node
        }
        ("", "Secret") => {
            let secret = found("secrets", request.namespace)?;
            bound.secret = Some(reference(&secret));
            secret
        }
        _ => {
            let kind = format!("{group}/{version}, Kind={kind}");
            return Err(bad_request(format!("cannot bind token to object of type {kind}")));
        }
    };
    let asked = text(to, "uid");
    if !asked.is_empty() && asked != object::uid(&object) {
        let why = format!(
            "the UID in the bound object reference ({asked}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        return Err(conflict(kind, name, &why));
    }
    Ok(())
}

fn stored(request: &Post<'_>, plural: &str, namespace: &str, name: &str) -> Option<Value> {
    let key = Collection::new("", plural).key(namespace, name);
    serde_json::from_slice(&request.view.get(&key)?.bytes).ok()
}

/// The node of a pod, by its name alone when it is not there.
fn node_of(request: &Post<'_>, pod: &Value) -> Option<Named> {
    let name = text(&pod["spec"], "nodeName");
    if name.is_empty() {
        return None;
    }
    let node = stored(request, "nodes", "", name);
    Some(node.map_or(Named { name: name.to_owned(), uid: String::new() }, |n| reference(&n)))
}

/// How long a token lasts, and after how long it should have been replaced when that is less.
fn extended(seconds: i64, bound: &Bound, audiences: &[String]) -> (i64, Option<i64>) {
    let for_the_api = audiences.iter().all(|audience| audience == ISSUER);
    match bound.pod.is_some() && seconds == PROJECTED_SECONDS && for_the_api {
        true => (EXTENDED_SECONDS, Some(seconds)),
        false => (seconds, None),
    }
}

fn no_key() -> Box<Status> {
    let message = "the key that signs tokens is not there yet";
    let details = StatusDetails { retry_after_seconds: 1, ..StatusDetails::default() };
    Box::new(Status::failure(Reason::ServiceUnavailable, message).with_details(details))
}

fn answer(
    form: &Value,
    account: &Value,
    claims: &Claims,
    now: i64,
    seconds: i64,
    token: String,
) -> Value {
    let time = |seconds: i64| Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX).to_string();
    let mut reply = form.clone();
    reply["kind"] = "TokenRequest".into();
    reply["apiVersion"] = format!("{GROUP}/v1").into();
    for field in ["name", "namespace", "uid"] {
        reply["metadata"][field] = account["metadata"][field].clone();
    }
    reply["metadata"]["creationTimestamp"] = time(now).into();
    reply["spec"]["audiences"] = claims.aud.clone().into();
    reply["status"]["token"] = token.into();
    reply["status"]["expirationTimestamp"] = time(now.saturating_add(seconds)).into();
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes() {
        assert_eq!((lifetime(599).len(), lifetime(600).len()), (1, 0));
        assert_eq!((lifetime(SECONDS_MAX).len(), lifetime(SECONDS_MAX + 1).len()), (0, 1));
    }

    #[test]
    fn tokens_of_pods_outlast_what_kubelets_ask_for() {
        let mut bound = Bound::default();
        let api = [ISSUER.to_owned()];
        assert_eq!(extended(3_607, &bound, &api), (3_607, None));
        bound.pod = Some(Named::default());
        assert_eq!(extended(3_607, &bound, &api), (EXTENDED_SECONDS, Some(3_607)));
        assert_eq!(extended(3_608, &bound, &api), (3_608, None));
        assert_eq!(extended(3_607, &bound, &["vault".to_owned()]), (3_607, None));
    }
}
