//! Why a set was refused, and which file that is about.

use super::files::Origin;
use crate::client::Answer;
use miette::Diagnostic;
use reddwarf_core::{Reason, Status, StatusCause};
use serde_json::Value;

/// A set that was refused.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{place}{message}")]
#[diagnostic(code(reddwarf::apply::refused))]
pub(super) struct Refused {
    /// The file of the object that it is about, where it is about one.
    place: String,
    message: String,
    #[help]
    help: String,
}

/// The answer to a set that was not refused.
///
/// # Errors
/// [`Refused`]
pub(super) fn check(answer: &Answer, origins: &[Origin]) -> Result<Value, Refused> {
    if answer.status.is_success()
        && let Ok(answer) = serde_json::from_slice(&answer.body)
    {
        return Ok(answer);
    }
    let status: Status = serde_json::from_slice(&answer.body).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(&answer.body);
        Status::failure(Reason::Unknown, format!("{}: {text}", answer.status))
    });
    let place = origin(&status, origins).map(|origin| format!("{origin}: "));
    let help = match status.reason {
        Some(Reason::Timeout) => "it is unknown whether it was carried out: `reddwarf log` tells",
        _ if is_conflict(&status) => "take a side with --ours PATH or --theirs PATH",
        _ => "nothing was changed",
    };
    let place = place.unwrap_or_default();
    let message = format!("{}{}", status.message, conflicts(&status));
    Err(Refused { place, message, help: help.to_owned() })
}

fn causes(status: &Status) -> impl Iterator<Item = &StatusCause> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.filter(|cause| cause.reason == "MergeConflict")
}

fn is_conflict(status: &Status) -> bool {
    causes(status).next().is_some()
}

/// A line a conflict.
fn conflicts(status: &Status) -> String {
    causes(status).map(|cause| format!("\n{}: {}", cause.field, cause.message)).collect()
}

/// Where the object was found that a failure is about.
fn origin<'o>(status: &Status, origins: &'o [Origin]) -> Option<&'o Origin> {
    let field = &status.details.as_ref()?.causes.first()?.field;
    let (place, _) = field.strip_prefix("spec.objects[")?.split_once(']')?;
    origins.get(place.parse::<usize>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::super::files::read;
    use super::*;
    use http::StatusCode;
    use serde_json::json;

    fn refused(code: u16, body: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a.yaml");
        std::fs::write(&file, "kind: A\n---\nkind: B\n").expect("written");
        let found = read(&[file]).expect("read");
        let status = StatusCode::from_u16(code).expect("a code");
        let answer = Answer { status, body: body.to_owned().into() };
        let refused = check(&answer, &found.origins).expect_err("refused");
        let text = format!("{refused} ({})", refused.help);
        text.replace(&folder.path().display().to_string(), "DIR")
    }

    #[test]
    fn a_refusal_names_the_file() {
        let status = |reason: &str, causes: Value| {
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "no", "reason": reason, "details": {"causes": causes}, "code": 422})
            .to_string()
        };
        let cause = json!([{"field": "spec.objects[1].data.k", "message": "no"}]);
        assert_eq!(
            refused(422, &status("Invalid", cause)),
            "DIR/a.yaml, object 2: no (nothing was changed)"
        );
        assert_eq!(refused(409, &status("Conflict", json!([]))), "no (nothing was changed)");
        assert!(refused(504, &status("Timeout", json!([]))).contains("unknown"));
        assert!(refused(502, "a proxy").starts_with("502 Bad Gateway: a proxy"));
    }
}
