//! One answer to a watch.

use crate::trace::{Call, Change, Event, Input, Mode, Output, Selector};
use std::collections::HashSet;

/// One connection's events.
pub(in crate::checker) struct Piece<'a> {
    pub call: &'a Call,
    pub selector: Selector,
    pub events: &'a [Event],
    /// The state at the start, told as additions.
    pub initial: &'a [Event],
    /// Whether the end of that part was told.
    pub initial_complete: bool,
    /// What came after it.
    pub rest: &'a [Event],
    /// The revision after which every change must be there, if it is known.
    pub start: Option<u64>,
    /// The revision up to which every change must be there.
    pub last: u64,
}

impl<'a> Piece<'a> {
    /// None if it is not a watch that was answered.
    pub(in crate::checker) fn of(call: &'a Call) -> Option<Piece<'a>> {
        let Input::Watch { from, mode, selector } = call.input else { return None };
        let Output::Events { events, .. } = &call.output else { return None };
        let from = from.filter(|from| *from > 0);
        let end = events.iter().position(|event| event.change == Change::InitialEnd);
        let (initial, rest, start) = match (end, from) {
            (Some(end), _) => (&events[..end], &events[end + 1..], Some(events[end].rev)),
            // It was cut before its first part had ended.
            (None, _) if mode == Mode::WatchList => (&events[..], &events[..0], None),
            (None, Some(from)) => (&events[..0], &events[..], Some(from)),
            (None, None) => {
                let (initial, rest) = events.split_at(unmarked_initial(events));
                (initial, rest, rest.first().map(before))
            }
        };
        let told = rest.iter().map(|event| event.rev).max();
        let last = told.max(start).unwrap_or(0);
        let initial_complete = end.is_some();
        Some(Piece { call, selector, events, initial, initial_complete, rest, start, last })
    }
}

/// The revision after which a stream is whole that begins with this event and does not say where:
/// what was deleted earlier may lie in the state that came first.
fn before(first: &Event) -> u64 {
    if first.change.is_bookmark() { first.rev } else { first.rev.saturating_sub(1) }
}

/// The length of a first part whose end is never told: it is of additions of different objects, in
/// no order of revisions. What was added right after it cannot be told from it.
fn unmarked_initial(events: &[Event]) -> usize {
    let mut keys = HashSet::new();
    let additions =
        events.iter().take_while(|event| event.change == Change::Added && keys.insert(event.key));
    additions.count()
}
