//! Reads that ask for no older than a revision get no older: on any member, a process reads its
//! own writes and never reads backwards.

use super::context::{Context, Work};
use super::findings::Findings;
use super::ledger::{Effect, Version};
use crate::trace::{Call, Input, Output};
use std::collections::HashMap;

pub(super) fn check(context: &Context, findings: &mut Findings) {
    for work in context.with_objects() {
        let mut seen = Seen::default();
        for call in work.calls.iter().filter(|call| call.is_ok()) {
            match (&call.input, &call.output) {
                (Input::Read { key, at_least: Some(rev) }, Output::State(_)) => {
                    findings.figure("reads", 1);
                    read(context, work, call, (*key, *rev), &seen, findings);
                }
                (Input::List { at_least: Some(least), .. }, Output::Items { rev, .. }) => {
                    findings.figure("lists", 1);
                    if rev < least {
                        findings.found_in("at-least", [*call], || {
                            format!("{}: the list is older", context.trace.describe(call))
                        });
                    }
                }
                _ => {}
            }
            seen.note(call);
        }
    }
}

/// A revision, and the call that showed it.
type Sight<'a> = (u64, Option<&'a Call>);

/// What each process last saw of each object.
#[derive(Default)]
struct Seen<'a> {
    last: HashMap<(Option<u64>, u64), Sight<'a>>,
}

impl<'a> Seen<'a> {
    fn note(&mut self, call: &'a Call) {
        if let (Some(key), Some(state)) = (call.key(), call.state()) {
            let last = self.last.entry((call.process, key)).or_default();
            if state.rev > last.0 {
                *last = (state.rev, Some(call));
            }
        }
    }
}

fn read(
    context: &Context,
    work: &Work,
    call: &Call,
    (key, least): (u64, u64),
    seen: &Seen,
    findings: &mut Findings,
) {
    let Some(version) = work.ledger.at(key, least) else { return };
    let old = match call.state() {
        Some(state) => state.rev < version.rev,
        None => version.effect != Effect::Deleted && !deleted_after(work, version, call),
    };
    if !old {
        return;
    }
    let writer = version.writer.map(|writer| work.calls[writer]);
    let (last, by) = seen.last.get(&(call.process, key)).copied().unwrap_or_default();
    let kind = match () {
        () if writer.is_some_and(|writer| writer.process == call.process) => "read-your-writes",
        () if last >= version.rev => "monotonic-reads",
        () => "at-least",
    };
    let calls = [Some(call), Some(work.calls[version.witness]), writer, by];
    findings.found_in(kind, calls.into_iter().flatten(), || {
        format!(
            "{}, although the object was at revision {} by then: {}",
            context.trace.describe(call),
            version.rev,
            context.trace.describe(work.calls[version.witness])
        )
    });
}

fn deleted_after(work: &Work, version: &Version, call: &Call) -> bool {
    let mut later = work.ledger.of_key(version.key).rev().take_while(|one| one.rev > version.rev);
    later.any(|one| one.effect == Effect::Deleted)
        || work.ledger.hidden_before(version.key, call.returned(), &work.calls)
}
