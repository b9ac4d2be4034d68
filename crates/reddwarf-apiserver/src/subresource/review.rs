//! Reviews that are only posted to.
//!
//! As long as nobody but members of `system:masters` is let in, that group decides; the
//! authorizer will take its place.

use super::reply::bad_request;
use super::{Effect, Post};
use crate::validation::read::{items, text};
use reddwarf_core::Status;
use serde_json::{Value, json};

/// Answers a review; `None` for another kind.
pub fn review(request: &Post<'_>) -> Option<Result<Effect, Box<Status>>> {
    let status = match (request.kind.group.as_ref(), request.kind.kind.as_ref()) {
        ("authentication.k8s.io", "SelfSubjectReview") => {
            json!({"userInfo": {"username": request.user.name, "groups": request.user.groups}})
        }
        ("authentication.k8s.io", "TokenReview") => match text(&request.body["spec"], "token") {
            "" => {
                return Some(Err(bad_request(
                    "token is required for TokenReview in authentication",
                )));
            }
            // No tokens are issued, so none is valid.
            _ => json!({"user": {}, "error": "invalid bearer token"}),
        },
        ("authorization.k8s.io", "SelfSubjectAccessReview") => {
            allowed(request.user.groups.iter().any(|g| g == "system:masters"))
        }
        ("authorization.k8s.io", "SubjectAccessReview" | "LocalSubjectAccessReview") => {
            let groups = items(&request.body["spec"], "groups");
            allowed(groups.iter().any(|g| g == "system:masters"))
        }
        ("authorization.k8s.io", "SelfSubjectRulesReview") => json!({
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": false,
        }),
        _ => return None,
    };
    let mut reply = request.body.clone();
    reply["apiVersion"] = request.kind.api_version().into();
    reply["kind"] = request.kind.kind.as_ref().into();
    reply["status"] = status;
    if OF_THE_CALLER.contains(&request.kind.kind.as_ref()) {
        crate::object::set_meta(&mut reply, "managedFields", None);
    }
    Some(Ok(Effect::Reply(reply)))
}

/// Reviews whose answer upstream makes anew, so that nobody owns what was asked.
const OF_THE_CALLER: [&str; 2] = ["SelfSubjectReview", "SelfSubjectRulesReview"];

fn allowed(allowed: bool) -> Value {
    json!({ "allowed": allowed })
}
