//! How an operation ended, as a reader sees it.

use crate::trace::{Call, Outcome, Trace};

/// Errors that are answers: the group was asked, and said why not.
const ANSWERS: &[&str] =
    &["exists", "not-found", "conflict", "held", "fenced", "expired", "rejected"];

/// An outcome, with refusals apart from what could not be served. From good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ending {
    Ok,
    /// It failed for a reason that is an answer.
    Refused,
    /// It failed, since nobody answered or the group was not ready.
    Failed,
    Unknown,
}

impl Ending {
    pub(super) const ALL: [Ending; 4] =
        [Ending::Ok, Ending::Refused, Ending::Failed, Ending::Unknown];

    pub(super) fn of(trace: &Trace, call: &Call) -> Ending {
        match call.outcome {
            Outcome::Ok => Ending::Ok,
            Outcome::Info => Ending::Unknown,
            Outcome::Fail => {
                let answered = call.error.is_some_and(|error| ANSWERS.contains(&trace.text(error)));
                if answered { Ending::Refused } else { Ending::Failed }
            }
        }
    }

    /// Its name, which is also its class in the page.
    pub(super) fn name(self) -> &'static str {
        match self {
            Ending::Ok => "ok",
            Ending::Refused => "refused",
            Ending::Failed => "failed",
            Ending::Unknown => "unknown",
        }
    }
}
