//! Whether the first part of a WatchList is the state at its bookmark.

use super::super::context::Work;
use super::super::findings::Findings;
use super::super::snapshot::Snapshot;
use super::Piece;
use crate::trace::{Change, State, Trace};
use std::collections::HashMap;

pub(super) fn check(trace: &Trace, work: &Work, piece: &Piece, findings: &mut Findings) {
    let (Some(rev), true) = (piece.start, piece.initial_complete) else { return };
    let mut items = HashMap::new();
    for event in piece.initial {
        let state = State { rev: event.rev, uid: event.uid, val: event.val.unwrap_or(0) };
        let again = items.insert(event.key, state).is_some();
        if again || event.change != Change::Added {
            findings.found_in("initial-not-additions", [piece.call], || {
                let (asked, event) = (trace.describe_asked(piece.call), trace.event(event));
                format!("{asked}: {event} in the first part, which is of additions, one an object")
            });
        }
    }
    findings.figure("first parts", 1);
    let snapshot = Snapshot { call: piece.call, rev, selector: piece.selector, items };
    for mismatch in snapshot.mismatches(work) {
        let calls = mismatch.calls(work).into_iter().chain([piece.call]);
        findings.found_in(mismatch.kind, calls, || {
            let asked = trace.describe_asked(piece.call);
            format!("the first part of a watch at {rev}: {}: {asked}", mismatch.words)
        });
    }
}
