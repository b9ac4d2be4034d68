//! Whether a stream has every change, and each as its selector has it.

use super::super::context::Work;
use super::super::findings::Findings;
use super::super::ledger::{Effect, Version};
use super::Piece;
use crate::trace::{Call, Change, Event, Selector, Trace};
use std::collections::HashMap;

/// What a stream must tell of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// This, and nothing else.
    Told(Change),
    /// That the object is there; whether it was before nobody knows.
    Present,
    /// That it is gone, if it was there before, which nobody knows.
    MaybeGone,
    /// Nothing: neither before nor after is it selected.
    Nothing,
}

pub(super) fn check(trace: &Trace, work: &Work, piece: &Piece, findings: &mut Findings) {
    let Some(start) = piece.start else { return };
    let events = piece.rest.iter().filter(|event| !event.change.is_bookmark());
    let mut got: HashMap<u64, &Event> = events.map(|event| (event.rev, event)).collect();
    let whole = start + 1..=piece.last.max(start + 1);
    for (rev, version) in work.ledger.versions.range(whole).filter(|(rev, _)| **rev <= piece.last) {
        let expected = expect(work, version, piece.selector);
        let event = got.remove(rev);
        findings.figure("changes", 1);
        if let Some(kind) = differs(expected, event, piece.selector) {
            tell(trace, work, piece, findings, (kind, expected, version, event));
        } else if let Some(event) = event {
            content(trace, work, piece, findings, (version, event));
        }
    }
    let mut rest: Vec<&Event> = got.into_values().filter(|event| event.rev > start).collect();
    rest.sort_unstable_by_key(|event| event.rev);
    for event in rest.into_iter().filter(|event| !explained(work, piece, event)) {
        findings.found_in("phantom-event", [piece.call], || {
            let (asked, event) = (trace.describe_asked(piece.call), trace.event(event));
            format!("{asked}: {event}, and nobody made such a change")
        });
    }
}

/// What a stream must tell of a change.
pub(super) fn expect(work: &Work, version: &Version, selector: Selector) -> Expected {
    let selects = |version: &Version| {
        version.effect != Effect::Deleted && version.val.is_none_or(|val| selector.matches(val))
    };
    let before = version.rev.checked_sub(1).and_then(|rev| work.ledger.at(version.key, rev));
    let after = before.map_or(0, |before| before.rev);
    let (was, is) = (before.is_some_and(selects), selects(version));
    if selector == Selector::All {
        return Expected::Told(match version.effect {
            Effect::Created => Change::Added,
            Effect::Modified => Change::Modified,
            Effect::Deleted => Change::Deleted,
        });
    }
    let certain = work.certain(version.key, after, version.rev, version.proved);
    match (was, is) {
        (_, true) if version.effect == Effect::Created => Expected::Told(Change::Added),
        (_, true) if !certain => Expected::Present,
        (_, false) if !certain => Expected::MaybeGone,
        (false, true) => Expected::Told(Change::Added),
        (true, true) => Expected::Told(Change::Modified),
        (true, false) => Expected::Told(Change::Deleted),
        (false, false) => Expected::Nothing,
    }
}

/// The kind of anomaly, if what came is not what must.
fn differs(expected: Expected, event: Option<&Event>, selector: Selector) -> Option<&'static str> {
    let wrong = if selector == Selector::All { "wrong-event" } else { "filter-not-exact" };
    match (expected, event.map(|event| event.change)) {
        (Expected::Told(_) | Expected::Present, None) => Some("missed-event"),
        (Expected::Told(change), Some(got)) if got != change => Some(wrong),
        (Expected::Present, Some(Change::Deleted)) | (Expected::Nothing, Some(_)) => Some(wrong),
        (Expected::MaybeGone, Some(Change::Added | Change::Modified)) => Some(wrong),
        _ => None,
    }
}

fn tell(
    trace: &Trace,
    work: &Work,
    piece: &Piece,
    findings: &mut Findings,
    (kind, expected, version, event): (&'static str, Expected, &Version, Option<&Event>),
) {
    findings.found_in(kind, shown_by(work, piece, version), || {
        let must = match expected {
            Expected::Told(change) => format!("must be told as {change:?}").to_lowercase(),
            Expected::Present => "must be told".to_owned(),
            Expected::MaybeGone => "may be told as deleted only".to_owned(),
            Expected::Nothing => "must not be told".to_owned(),
        };
        let got = event.map_or("nothing came".to_owned(), |event| trace.event(event));
        let witness = trace.describe(work.calls[version.witness]);
        format!(
            "{}, whole up to {}: the change of object {} at {} {must}, but: {got}; it is known \
             from: {witness}",
            trace.describe_asked(piece.call),
            piece.last,
            version.key,
            version.rev
        )
    });
}

/// A deletion tells the object as it was.
fn content(
    trace: &Trace,
    work: &Work,
    piece: &Piece,
    findings: &mut Findings,
    (version, event): (&Version, &Event),
) {
    let before = version.rev.checked_sub(1).and_then(|rev| work.ledger.at(version.key, rev));
    let (Some(before), Some(val), Change::Deleted) = (before, event.val, event.change) else {
        return;
    };
    let certain = work.certain(version.key, before.rev, version.rev, version.proved);
    if certain && before.val.is_some_and(|was| was != val) {
        findings.found_in("wrong-content", shown_by(work, piece, version), || {
            let (asked, event) = (trace.describe_asked(piece.call), trace.event(event));
            format!("{asked}: {event}, but the object was last {}", before.val.unwrap_or(0))
        });
    }
}

fn shown_by<'a>(work: &Work<'a>, piece: &Piece<'a>, version: &Version) -> Vec<&'a Call> {
    let places = [Some(version.witness), version.writer].into_iter().flatten();
    places.map(|place| work.calls[place]).chain([piece.call]).collect()
}

/// A change out of the selection, or a deletion, may be one that nobody else saw.
fn explained(work: &Work, piece: &Piece, event: &Event) -> bool {
    let hidden = work.ledger.hidden_before(event.key, piece.call.returned(), &work.calls);
    event.change == Change::Deleted && piece.selector != Selector::All && hidden
}
