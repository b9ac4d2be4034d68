//! No acknowledged write is lost, none is applied twice, a failed one is never seen, and what
//! nobody knew the outcome of is there or not, but not first there and then never again.
//!
//! Contradictions of single answers are the ledger's; what is left is the last look at each object.

use super::context::{Context, Work};
use super::findings::Findings;
use super::ledger::{Effect, Version};
use crate::trace::{Call, Input, Output, Selector};
use std::collections::HashMap;

pub(super) fn check(context: &Context, findings: &mut Findings) {
    for work in context.with_objects() {
        work.ledger.report("durability", findings);
        findings.figure("versions", work.ledger.versions.len() as u64);
        let looks = Looks::of(work);
        let mut keys: Vec<u64> = work.ledger.by_key.keys().copied().collect();
        keys.sort_unstable();
        for key in keys {
            if let Some(look) = looks.at(key) {
                findings.figure("last looks", 1);
                compare(context, work, key, look, findings);
            }
        }
    }
}

/// The last linearizable look at each object.
struct Looks<'a> {
    reads: HashMap<u64, &'a Call>,
    list: Option<&'a Call>,
}

impl<'a> Looks<'a> {
    fn of(work: &Work<'a>) -> Looks<'a> {
        let mut looks = Looks { reads: HashMap::new(), list: None };
        for call in work.calls.iter().filter(|call| call.is_ok()) {
            match (&call.input, &call.output) {
                (Input::Read { key, at_least: None }, Output::State(_)) => {
                    looks.reads.insert(*key, call);
                }
                (Input::List { selector: Selector::All, at_least: None }, Output::Items { .. }) => {
                    looks.list = Some(call);
                }
                _ => {}
            }
        }
        looks
    }

    fn at(&self, key: u64) -> Option<&'a Call> {
        let both = [self.reads.get(&key).copied(), self.list];
        both.into_iter().flatten().max_by_key(|call| call.invoked.index)
    }
}

/// The revision at which a look found an object.
fn found(look: &Call, key: u64) -> Option<u64> {
    match &look.output {
        Output::State(state) => state.map(|state| state.rev),
        Output::Items { items, .. } => {
            items.iter().find(|(one, _)| *one == key).map(|(_, state)| state.rev)
        }
        _ => None,
    }
}

fn compare(context: &Context, work: &Work, key: u64, look: &Call, findings: &mut Findings) {
    let mut known = work.ledger.of_key(key).rev();
    let Some(last) = known.find(|version| version.proved < look.invoked.index) else { return };
    let lost = match found(look, key) {
        Some(rev) => rev < last.rev,
        None => last.effect != Effect::Deleted && !may_be_deleted(work, last, look),
    };
    if !lost {
        return;
    }
    let kind = if last.acked { "lost-write" } else { "seen-then-lost" };
    let calls = [Some(last.witness), last.writer].into_iter().flatten();
    let calls = calls.map(|place| work.calls[place]).chain([look]);
    findings.found_in(kind, calls, || {
        format!(
            "object {key}: revision {} was known, and the last look does not have it: {}; {}",
            last.rev,
            context.trace.describe(work.calls[last.witness]),
            context.trace.describe(look)
        )
    });
}

/// Whether a deletion, known or not, may explain that an object is not there.
fn may_be_deleted(work: &Work, last: &Version, look: &Call) -> bool {
    let mut later = work.ledger.of_key(last.key).rev().take_while(|one| one.rev > last.rev);
    let hidden = work.ledger.hidden.get(&last.key).map_or(&[][..], |hidden| hidden);
    later.any(|version| version.effect == Effect::Deleted)
        || hidden.iter().map(|place| work.calls[*place]).any(|call| {
            matches!(call.input, Input::Delete { .. }) && call.invoked.index < look.returned()
        })
}
