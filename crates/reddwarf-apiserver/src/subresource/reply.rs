//! Answers and refusals that several subresources share.

pub use crate::errors::{bad_request, unclassified};

use reddwarf_core::status::StatusDetails;
use reddwarf_core::{Reason, Status};
use serde_json::{Value, json};

/// The `Status` that answers a successful POST.
pub fn created() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})
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
