//! Watches: ordered, unique, complete, exact, bookmark-sound and resumable.
//!
//! | property | where | how it breaks |
//! |---|---|---|
//! | revisions strictly increase, none comes twice, none is behind a bookmark or the start | [`order`] | `reordered-event`, `duplicate-event`, `event-behind-bookmark`, `replayed-event`, `bookmark-back` |
//! | every change between start and end that is known from anybody is there, told as the selector has it; nothing else is | [`complete`] | `missed-event`, `filter-not-exact`, `wrong-event`, `phantom-event` |
//! | the first part of a WatchList is the state at its bookmark | [`initial`] | as a list's |
//! | without faults an event is not late | [`silence`] | `silent-watch` |
//!
//! That all watchers agree is the ledger's to tell (`revision-clash`), since it knows one content
//! for each revision. Resuming needs no check of its own: each piece is complete from where it
//! began, so that pieces whose starts are where the last one ended are one range.

mod complete;
mod initial;
mod order;
mod piece;
mod silence;

pub(super) use piece::Piece;

use super::context::{Context, Work};
use super::findings::Findings;
use crate::trace::{Call, Input, Mode, Output};
use std::collections::HashMap;

/// Workloads whose watchers are looked at.
const WATCHING: [&str; 4] = ["watch", "schedule", "merge", "revert"];

pub(super) fn check(context: &Context, findings: &mut Findings) {
    for work in WATCHING.iter().flat_map(|name| context.named(name)) {
        let mut seen: HashMap<Option<u64>, u64> = HashMap::new();
        for call in &work.calls {
            let Some(piece) = Piece::of(call) else {
                note_list(&mut seen, call);
                continue;
            };
            findings.figure("pieces", 1);
            findings.figure("events", piece.events.len() as u64);
            resumed(context, &seen, &piece, findings);
            let last = seen.entry(call.process).or_default();
            *last = piece.last.max(*last);
            order::check(context.trace, &piece, findings);
            if work.name == "watch" {
                check_content(context, work, &piece, findings);
            }
        }
    }
}

/// Pods are changed by the scheduler as well, and families are `whole`'s, so that only the watch
/// workload knows every change.
fn check_content(context: &Context, work: &Work, piece: &Piece, findings: &mut Findings) {
    initial::check(context.trace, work, piece, findings);
    complete::check(context.trace, work, piece, findings);
    silence::check(context, work, piece, findings);
}

fn note_list(seen: &mut HashMap<Option<u64>, u64>, call: &Call) {
    if let Output::Items { rev, .. } = &call.output {
        let last = seen.entry(call.process).or_default();
        *last = (*last).max(*rev);
    }
}

/// A process that resumes beyond what it saw leaves a gap that nobody looks into.
fn resumed(
    context: &Context,
    seen: &HashMap<Option<u64>, u64>,
    piece: &Piece,
    findings: &mut Findings,
) {
    let Input::Watch { from: Some(from), mode: Mode::Resume, .. } = piece.call.input else {
        return;
    };
    let last = seen.get(&piece.call.process).copied().unwrap_or(0);
    if last > 0 && from > last {
        findings.unknown(format!("{} had seen {last} only", context.trace.describe(piece.call)));
    }
}
