//! Everything that is answered as a failure, in upstream's words; and how the store's errors
//! become a `Status`.

use crate::custom::conversion::ConversionError;
use crate::registry::Kind;
use crate::validation::field_error::{FieldError, invalid};
use reddwarf_core::status::{StatusCause, StatusDetails};
use reddwarf_core::{
    BranchProblem, HistoryError, ProposeError, ReadError, Reason, Rejection, Revision, Status,
};

/// 400 with a message.
pub fn bad_request(message: impl Into<String>) -> Box<Status> {
    Box::new(Status::failure(Reason::BadRequest, message))
}

/// 500 as upstream answers an error that it does not classify: no reason, no details.
pub fn unclassified(message: impl Into<String>) -> Box<Status> {
    let mut status = Status::failure(Reason::InternalError, message);
    status.reason = None;
    Box::new(status)
}

/// 500 for a defect of this server.
pub fn internal(message: impl std::fmt::Display) -> Box<Status> {
    let message = format!("Internal error occurred: {message}");
    Box::new(Status::failure(Reason::InternalError, message))
}

/// 500 for objects that were not converted; upstream does not classify it.
pub fn conversion_failed(error: ConversionError) -> Box<Status> {
    unclassified(error.to_string())
}

/// The same as a watch ends with it; there upstream does classify it.
pub fn watch_conversion_failed(error: ConversionError) -> Box<Status> {
    Box::new(Status::failure(Reason::InternalError, error.to_string()))
}

/// 413.
pub fn too_large(bytes_max: usize) -> Box<Status> {
    let message = format!("Request entity too large: limit is {bytes_max}");
    Box::new(Status::failure(Reason::RequestEntityTooLarge, message))
}

/// 404 for a path below a known group that names nothing.
pub fn no_such_resource() -> Box<Status> {
    generic(Reason::NotFound, "the server could not find the requested resource")
}

/// 405.
pub fn method_not_allowed() -> Box<Status> {
    let message = "the server does not allow this method on the requested resource";
    generic(Reason::MethodNotAllowed, message)
}

/// 415 of a body.
pub fn unknown_format() -> Box<Status> {
    let message = "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf";
    Box::new(Status::failure(Reason::UnsupportedMediaType, message))
}

/// 415 of a patch.
pub fn unknown_patch() -> Box<Status> {
    generic(Reason::UnsupportedMediaType, "415: Unsupported Media Type")
}

/// 415 of a patch of a custom object.
pub fn unknown_custom_patch() -> Box<Status> {
    let message = "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
    Box::new(Status::failure(Reason::UnsupportedMediaType, message))
}

fn generic(reason: Reason, message: &str) -> Box<Status> {
    Box::new(Status::failure(reason, message).with_details(StatusDetails::default()))
}

fn about(kind: &Kind, name: &str) -> StatusDetails {
    StatusDetails {
        name: name.to_owned(),
        group: kind.group.to_string(),
        kind: kind.plural.to_string(),
        ..Default::default()
    }
}

/// 404 of an object.
pub fn not_found(kind: &Kind, name: &str) -> Box<Status> {
    if kind.kind == "ComponentStatus" {
        // Upstream names the kind here, not the resource.
        let message = format!("componentstatus {name:?} not found");
        let details = StatusDetails { kind: "componentstatus".to_owned(), ..about(kind, name) };
        return Box::new(Status::failure(Reason::NotFound, message).with_details(details));
    }
    let message = format!("{} {name:?} not found", kind.group_resource());
    Box::new(Status::failure(Reason::NotFound, message).with_details(about(kind, name)))
}

/// 409 of a creation.
pub fn already_exists(kind: &Kind, name: &str, terminating: bool) -> Box<Status> {
    let prefix = if terminating { "object is being deleted: " } else { "" };
    let message = format!("{prefix}{} {name:?} already exists", kind.group_resource());
    Box::new(Status::failure(Reason::AlreadyExists, message).with_details(about(kind, name)))
}

/// 409 of an update.
pub fn conflict(kind: &Kind, name: &str, cause: &str) -> Box<Status> {
    let message =
        format!("Operation cannot be fulfilled on {} {name:?}: {cause}", kind.group_resource());
    Box::new(Status::failure(Reason::Conflict, message).with_details(about(kind, name)))
}

/// The cause of most conflicts.
pub const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

/// 409 of a deletion whose precondition does not hold; upstream names the kind here.
pub fn delete_conflict(kind: &Kind, name: &str, cause: &str) -> Box<Status> {
    let group = if kind.group.is_empty() { String::new() } else { format!(".{}", kind.group) };
    let message =
        format!("Operation cannot be fulfilled on {}{group} {name:?}: {cause}", kind.kind);
    let details = StatusDetails { kind: kind.kind.to_string(), ..about(kind, name) };
    Box::new(Status::failure(Reason::Conflict, message).with_details(details))
}

/// 422 of an object.
pub fn invalid_object(kind: &Kind, name: &str, errors: &[FieldError]) -> Box<Status> {
    // Events of both groups are one kind to upstream.
    let group = if kind.kind == "Event" { "" } else { &kind.group };
    Box::new(invalid(group, &kind.kind, name, errors))
}

/// 422 of request options (`ListOptions`, `DeleteOptions`, …).
pub fn invalid_options(options: &str, errors: &[FieldError]) -> Box<Status> {
    Box::new(invalid("meta.k8s.io", options, "", errors))
}

/// 422 of an update that must name a resourceVersion; upstream names the resource here.
pub fn version_required(kind: &Kind, name: &str) -> Box<Status> {
    let field = crate::validation::FieldPath::new("metadata").child("resourceVersion");
    let error = FieldError::invalid(field, 0, "must be specified for an update");
    Box::new(invalid(&kind.group, &kind.plural, name, &[error]))
}

/// 504 for a request that took longer than it may; a write may be done or not.
pub fn request_timeout() -> Box<Status> {
    generic(Reason::Timeout, "Timeout: request did not complete within the allotted timeout")
}

/// 504 for a version that this member has not reached.
pub fn version_too_large(asked: u64, current: Revision) -> Box<Status> {
    let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
    let cause = StatusCause {
        reason: "ResourceVersionTooLarge".into(),
        message: "Too large resource version".into(),
        field: String::new(),
    };
    let details =
        StatusDetails { causes: vec![cause], retry_after_seconds: 1, ..Default::default() };
    Box::new(Status::failure(Reason::Timeout, message).with_details(details))
}

/// 410 of a watch that starts below the floor.
pub fn watch_too_old(asked: u64, floor: Revision) -> Box<Status> {
    let message = format!("too old resource version: {asked} ({floor})");
    Box::new(Status::failure(Reason::Expired, message))
}

/// 410 of a list at an exact version.
pub fn list_too_old() -> Box<Status> {
    let message = "The resourceVersion for the provided list is too old.";
    Box::new(Status::failure(Reason::Expired, message))
}

/// 410 of a paged list; `fresh` is a token that goes on inconsistently.
pub fn continue_too_old(fresh: String) -> Box<Status> {
    let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.";
    let mut status = Status::failure(Reason::Expired, message);
    status.metadata.continue_token = Some(fresh);
    Box::new(status)
}

/// A read that the store could not serve.
pub fn read_error(error: ReadError) -> Box<Status> {
    match error {
        ReadError::Unavailable(why) => unavailable(&why),
        ReadError::Gone { .. } => list_too_old(),
        ReadError::Future { asked, current } => version_too_large(asked.0, current),
    }
}

/// A read of the past that could not be served.
pub fn history_error(error: HistoryError) -> Box<Status> {
    let reason = match error {
        HistoryError::Gone { .. } | HistoryError::BeforeFirst { .. } | HistoryError::Excised(_) => {
            Reason::Expired
        }
        HistoryError::Future { asked, current } => return version_too_large(asked.0, current),
        HistoryError::Ambiguous { .. } => Reason::BadRequest,
        HistoryError::NoBranch(_) => Reason::NotFound,
        HistoryError::TooMany { .. } => Reason::RequestEntityTooLarge,
        HistoryError::Behind { .. } | HistoryError::Unavailable(_) => {
            return unavailable(&error.to_string());
        }
        HistoryError::Unreadable(source) => return internal(format!("reading history: {source}")),
    };
    Box::new(Status::failure(reason, error.to_string()))
}

/// A write that was not acknowledged.
///
/// A rejected precondition is the caller's to judge (it knows what the precondition meant);
/// here it has become a conflict without a name.
pub fn propose_error(error: ProposeError) -> Box<Status> {
    match error {
        ProposeError::Unavailable(why) => unavailable(&why),
        ProposeError::Unknown(why) => {
            let message = format!("Timeout: the outcome of the write is unknown: {why}");
            let details = StatusDetails { retry_after_seconds: 1, ..Default::default() };
            Box::new(Status::failure(Reason::Timeout, message).with_details(details))
        }
        // It is of no use to try again before the members are upgraded.
        ProposeError::NotYet(why) => Box::new(Status::failure(Reason::MethodNotAllowed, why)),
        ProposeError::TooLarge(why) => {
            let message = format!("Request entity too large: {why}");
            Box::new(Status::failure(Reason::RequestEntityTooLarge, message))
        }
        ProposeError::Rejected(rejection) => rejected(rejection),
    }
}

fn rejected(rejection: Rejection) -> Box<Status> {
    match rejection {
        Rejection::Precondition { key, .. } => {
            let message = format!(
                "Operation cannot be fulfilled on {} {:?}: {MODIFIED}",
                key.resource(),
                key.name()
            );
            Box::new(Status::failure(Reason::Conflict, message))
        }
        Rejection::Expired => unavailable("the proposal expired before it was applied"),
        Rejection::Fenced { .. } => {
            Box::new(Status::failure(Reason::Conflict, rejection.to_string()))
        }
        Rejection::Malformed(why) => internal(why),
        Rejection::Branch(BranchProblem::Gone) => {
            Box::new(Status::failure(Reason::NotFound, rejection.to_string()))
        }
        Rejection::Branch(BranchProblem::NotHere) => bad_request(rejection.to_string()),
        Rejection::Branch(BranchProblem::Moved(_)) => {
            Box::new(Status::failure(Reason::Conflict, rejection.to_string()))
        }
    }
}

/// 503.
pub fn unavailable(why: &str) -> Box<Status> {
    let message = format!("the server is currently unable to handle the request: {why}");
    let details = StatusDetails { retry_after_seconds: 1, ..Default::default() };
    Box::new(Status::failure(Reason::ServiceUnavailable, message).with_details(details))
}
