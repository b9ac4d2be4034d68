//! Revisions never go back: a write that is invoked after a revision was known gets a greater one,
//! and a list without a version is not of an earlier one.
//!
//! An object's own version may well be older than the store's, so that reads of one object are
//! `linear`'s; and a list with a version is `session`'s.

use super::context::Context;
use super::findings::Findings;
use crate::trace::{Call, Input, NEVER, Output};

pub(super) fn check(context: &Context, findings: &mut Findings) {
    let calls: Vec<&Call> = context.trace.calls.iter().collect();
    let mut returns: Vec<(u64, u64, usize)> = Vec::new();
    for (place, call) in calls.iter().enumerate() {
        let returned = call.returned();
        if let (Some(rev), true) = (greatest(&call.output), returned != NEVER) {
            returns.push((returned, rev, place));
        }
    }
    returns.sort_unstable();
    let mut known: Option<(u64, usize)> = None;
    let mut returns = returns.into_iter().peekable();
    for call in &calls {
        while let Some((_, rev, place)) = returns.next_if(|one| one.0 < call.invoked.index) {
            if known.is_none_or(|(greatest, _)| rev > greatest) {
                known = Some((rev, place));
            }
        }
        let (Some((rev, by)), Some(got)) = (known, bound(call)) else { continue };
        findings.figure("compared", 1);
        let back = if call.input.is_write() { got <= rev } else { got < rev };
        if back {
            findings.found_in("revision-back", [*call, calls[by]], || {
                format!(
                    "{}, although revision {rev} was known before it was invoked: {}",
                    context.trace.describe(call),
                    context.trace.describe(calls[by])
                )
            });
        }
    }
}

/// The revision that an answer must be greater by than what was known.
fn bound(call: &Call) -> Option<u64> {
    match (&call.input, &call.output) {
        (
            Input::List { at_least: None, .. },
            Output::Elements { rev, .. } | Output::Items { rev, .. },
        )
        | (Input::Look { local: false, .. }, Output::Family { rev, .. }) => Some(*rev),
        (input, output) if input.is_write() => greatest(output),
        _ => None,
    }
}

/// The greatest revision that an answer tells.
fn greatest(output: &Output) -> Option<u64> {
    match output {
        // The bytes may be an object's, or of long ago.
        Output::None | Output::State(None) | Output::Txn { .. } | Output::Bytes { .. } => None,
        Output::State(Some(state)) => Some(state.rev),
        Output::Version { rev, .. } | Output::Lease { rev, .. } => *rev,
        Output::Range { revs } => revs.map(|(_, last)| last),
        Output::Elements { rev, .. }
        | Output::Items { rev, .. }
        | Output::Family { rev, .. }
        | Output::Pods { rev, .. } => Some(*rev),
        Output::Events { events, .. } => events.iter().map(|event| event.rev).max(),
    }
}
