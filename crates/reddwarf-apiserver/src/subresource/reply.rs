//! Answers and refusals that several subresources share.

use reddwarf_core::status::StatusDetails;
use reddwarf_core::{Reason, Status};
use serde_json::{Value, json};

/// The `Status` that answers a successful POST.
pub fn created() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})
}

/// A 400 without details.
pub fn bad_request(message: impl Into<String>) -> Box<Status> {
    Box::new(Status::failure(Reason::BadRequest, message))
}

/// A 500 without a reason, as upstream answers where it does not classify its own error.
pub fn unclassified(message: impl Into<String>) -> Box<Status> {
    let mut status = Status::failure(Reason::InternalError, message);
    status.reason = None;
    Box::new(status)
}

/// The 409 `Operation cannot be fulfilled on {resource} "{name}": {why}`.
pub fn conflict(resource: &str, name: &str, why: &str) -> Box<Status> {
    let message = format!("Operation cannot be fulfilled on {resource} {name:?}: {why}");
    Box::new(Status::failure(Reason::Conflict, message).with_details(StatusDetails {
        name: name.into(),
        kind: resource.into(),
        ..Default::default()
    }))
}

/// Now, as a timestamp of an object.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
