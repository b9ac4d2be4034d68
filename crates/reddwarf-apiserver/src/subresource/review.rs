//! Reviews that are only posted to.
//!
//! As long as roles are not served, [`authz`] decides for all users alike.

use super::reply::{bad_request, now};
use super::{Effect, Post};
use crate::authz;
use crate::request::UserInfo;
use crate::token::ISSUER;
use crate::validation::read::{items, text};
use crate::validation::{access_review, invalid};
use reddwarf_core::Status;
use serde_json::{Value, json};

const RIGHTS: &str = "authorization.k8s.io";

/// Answers a review; `None` for another kind.
pub fn review(request: &Post<'_>) -> Option<Result<Effect, Box<Status>>> {
    if let Err(refused) = check(request) {
        return Some(Err(refused));
    }
    let status = match (request.kind.group.as_ref(), request.kind.kind.as_ref()) {
        ("authentication.k8s.io", "SelfSubjectReview") => {
            json!({"userInfo": request.user.as_value()})
        }
        ("authentication.k8s.io", "TokenReview") => match token(request) {
            Ok(status) => status,
            Err(refused) => return Some(Err(refused)),
        },
        (RIGHTS, "SelfSubjectAccessReview") => verdict(request.user, &request.body["spec"]),
        (RIGHTS, "SubjectAccessReview" | "LocalSubjectAccessReview") => {
            let spec = &request.body["spec"];
            verdict(&UserInfo::named(text(spec, "user"), texts(spec, "groups")), spec)
        }
        (RIGHTS, "SelfSubjectRulesReview") => rules(request.user),
        _ => return None,
    };
    let mut reply = request.body.clone();
    reply["apiVersion"] = request.kind.api_version().into();
    reply["kind"] = request.kind.kind.as_ref().into();
    reply["status"] = status;
    if OF_THE_CALLER.contains(&request.kind.kind.as_ref()) {
        crate::object::set_meta(&mut reply, "managedFields", None);
    }
    if request.kind.kind == "SelfSubjectRulesReview" {
        reply["spec"] = json!({});
    }
    if request.kind.kind == "SelfSubjectReview" {
        crate::object::set_meta(&mut reply, "creationTimestamp", Some(now().into()));
    }
    Some(Ok(Effect::Reply(reply)))
}

/// Refuses a question that is none.
fn check(request: &Post<'_>) -> Result<(), Box<Status>> {
    if request.kind.group != RIGHTS {
        return Ok(());
    }
    if request.kind.kind == "SelfSubjectRulesReview" {
        let asked = text(&request.body["spec"], "namespace");
        return if asked.is_empty() { Err(bad_request("no namespace on request")) } else { Ok(()) };
    }
    let errors = access_review::review(&request.kind.kind, request.body);
    // Upstream does not say of which kind.
    if errors.is_empty() { Ok(()) } else { Err(Box::new(invalid(RIGHTS, "", "", &errors))) }
}

/// Who bears the token of a review, and for which of the asked audiences.
fn token(request: &Post<'_>) -> Result<Value, Box<Status>> {
    let spec = &request.body["spec"];
    let token = text(spec, "token");
    if token.is_empty() {
        return Err(bad_request("token is required for TokenReview in authentication"));
    }
    let mut audiences = texts(spec, "audiences");
    if audiences.is_empty() {
        audiences.push(ISSUER.to_owned());
    }
    Ok(match request.tokens.authenticate(token, &audiences, request.view) {
        Ok((user, shared)) => {
            json!({"authenticated": true, "user": user.as_value(), "audiences": shared})
        }
        Err(error) => json!({"user": {}, "error": error.to_string()}),
    })
}

/// Reviews whose answer upstream makes anew, so that nobody owns what was asked.
const OF_THE_CALLER: [&str; 2] = ["SelfSubjectReview", "SelfSubjectRulesReview"];

fn texts(object: &Value, field: &str) -> Vec<String> {
    items(object, field).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Whether a user may do what a review asks about.
fn verdict(user: &UserInfo, spec: &Value) -> Value {
    let (resource, other) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let allowed = match other.is_object() {
        true => authz::may_use(user, text(other, "verb"), text(other, "path")),
        false => {
            let part = |field: &str| text(resource, field);
            authz::allowed(user)
                || authz::may_ask(user, part("verb"), part("group"), part("resource"))
        }
    };
    json!({ "allowed": allowed })
}

/// All that a user may do.
fn rules(user: &UserInfo) -> Value {
    if authz::allowed(user) {
        return json!({
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": false,
        });
    }
    let about = |group: &str, plurals: &[&str]| json!({"verbs": ["create"], "apiGroups": [group], "resources": plurals});
    json!({
        "resourceRules": [
            about(RIGHTS, &["selfsubjectaccessreviews", "selfsubjectrulesreviews"]),
            about("authentication.k8s.io", &["selfsubjectreviews"]),
        ],
        "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": authz::readable_paths()}],
        "incomplete": false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reviews_say_of_rights() {
        let user = |group: &str| UserInfo::named("u", vec![group.to_owned()]);
        let (known, master) = (user("system:authenticated"), user("system:masters"));
        let pods = json!({"resourceAttributes": {"verb": "list", "resource": "pods"}});
        let oneself = json!({"resourceAttributes": {"verb": "create", "group": "authentication.k8s.io",
                "resource": "selfsubjectreviews"}});
        let path = |path: &str| json!({"nonResourceAttributes": {"verb": "get", "path": path}});
        let says = |user: &UserInfo, spec: &Value| verdict(user, spec)["allowed"] == true;
        assert!(says(&master, &pods) && !says(&known, &pods));
        assert!(says(&known, &oneself));
        assert!(says(&known, &path("/apis")) && !says(&known, &path("/metrics")));
        assert_eq!(rules(&master)["resourceRules"][0]["resources"], json!(["*"]));
        assert_eq!(rules(&known)["resourceRules"][1]["resources"], json!(["selfsubjectreviews"]));
    }
}
