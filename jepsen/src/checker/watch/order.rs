//! Whether a stream's revisions go up.

use super::super::findings::Findings;
use super::Piece;
use crate::trace::{Event, Trace};

pub(super) fn check(trace: &Trace, piece: &Piece, findings: &mut Findings) {
    let mut before: Option<&Event> = None;
    for event in piece.rest {
        let replayed = piece.start.is_some_and(|start| behind(event, start));
        let wrong = match before {
            _ if replayed => Some("replayed-event"),
            Some(last) if event.rev <= last.rev => between(last, event),
            _ => None,
        };
        if let Some(kind) = wrong {
            findings.found_in(kind, [piece.call], || {
                let last = match before {
                    Some(last) if !replayed => trace.event(last),
                    _ => format!("the start at {}", piece.start.unwrap_or(0)),
                };
                let (asked, event) = (trace.describe_asked(piece.call), trace.event(event));
                format!("{asked}: {event} came after {last}")
            });
        }
        if before.is_none_or(|last| event.rev >= last.rev) {
            before = Some(event);
        }
    }
}

/// A bookmark may repeat the start; an event may not.
fn behind(event: &Event, start: u64) -> bool {
    if event.change.is_bookmark() { event.rev < start } else { event.rev <= start }
}

/// What is wrong with two that do not go up.
fn between(last: &Event, event: &Event) -> Option<&'static str> {
    match (last.change.is_bookmark(), event.change.is_bookmark()) {
        (true, false) => Some("event-behind-bookmark"),
        (_, true) if event.rev < last.rev => Some("bookmark-back"),
        (_, true) => None,
        (false, false) if event.rev == last.rev => Some("duplicate-event"),
        (false, false) => Some("reordered-event"),
    }
}
