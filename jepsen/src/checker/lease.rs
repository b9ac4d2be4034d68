//! The lease: a fence belongs to one holder, a new holder's is greater, and writes under a fence
//! never go back to a lower one.
//!
//! Whether two clients believed at one moment to hold the lease depends on their clocks; what a
//! lease with fences promises is that the older holder's acts are told apart. Hence by fence.

use super::context::Context;
use super::findings::Findings;
use crate::trace::{Call, Input, LeaseVerb, Name, Output, Trace};
use std::collections::HashMap;

pub(super) fn check(context: &Context, findings: &mut Findings) {
    for work in context.named("lease") {
        let holds: Vec<Held> = work.calls.iter().filter_map(|call| Held::of(call, false)).collect();
        let writes: Vec<Held> = work.calls.iter().filter_map(|call| Held::of(call, true)).collect();
        findings.figure("acquired and renewed", holds.len() as u64);
        findings.figure("fenced writes", writes.len() as u64);
        one_holder_a_fence(context.trace, &holds, findings);
        let raised =
            ("fence-not-raised", "a holder's fence is not greater than that of another before it");
        never_back(context.trace, &holds, raised, findings);
        let back = (
            "fenced-write-back",
            "a write under a lower fence was accepted after one under a greater",
        );
        never_back(context.trace, &writes, back, findings);
    }
}

/// A success under a fence.
#[derive(Clone, Copy)]
struct Held<'a> {
    call: &'a Call,
    fence: u64,
    rev: Option<u64>,
    holder: Option<Name>,
}

impl<'a> Held<'a> {
    /// A success at holding, or at a write under the fence.
    fn of(call: &&'a Call, writes: bool) -> Option<Held<'a>> {
        let call = *call;
        let Output::Lease { fence, rev } = call.output else { return None };
        let holder = match call.input {
            Input::Lease { verb: LeaseVerb::Acquire | LeaseVerb::Renew, holder } if !writes => {
                Some(holder)
            }
            Input::Fenced { .. } if writes => None,
            _ => return None,
        };
        Some(Held { call, fence, rev, holder })
    }

    /// Whether this must not come after `other`.
    fn lower_than(&self, other: &Held) -> bool {
        let given_on = self.holder != other.holder && self.fence == other.fence;
        self.fence < other.fence || given_on
    }
}

fn one_holder_a_fence(trace: &Trace, holds: &[Held], findings: &mut Findings) {
    let mut holders: HashMap<u64, &Held> = HashMap::new();
    for held in holds {
        let first = holders.entry(held.fence).or_insert(held);
        if first.holder != held.holder {
            findings.found_in("two-holders", [first.call, held.call], || {
                format!(
                    "two held the lease under fence {}: {}; {}",
                    held.fence,
                    trace.describe(first.call),
                    trace.describe(held.call)
                )
            });
        }
    }
}

/// Neither in the order of revisions nor in real time does a fence go back.
fn never_back(
    trace: &Trace,
    all: &[Held],
    (kind, what): (&'static str, &str),
    findings: &mut Findings,
) {
    let mut by_rev: Vec<&Held> = all.iter().filter(|held| held.rev.is_some()).collect();
    by_rev.sort_by_key(|held| held.rev);
    let pairs = by_rev.windows(2).map(|pair| (pair[0], pair[1]));
    let mut returned: Vec<&Held> = all.iter().collect();
    returned.sort_by_key(|held| held.call.returned());
    let mut returned = returned.into_iter().peekable();
    let mut greatest: Option<&Held> = None;
    let mut in_time = Vec::new();
    for held in all {
        while let Some(one) = returned.next_if(|one| one.call.returned() < held.call.invoked.index)
        {
            if greatest.is_none_or(|greatest| one.fence > greatest.fence) {
                greatest = Some(one);
            }
        }
        in_time.extend(greatest.map(|greatest| (greatest, held)));
    }
    for (first, then) in pairs.chain(in_time).filter(|(first, then)| then.lower_than(first)) {
        findings.found_in(kind, [first.call, then.call], || {
            let (first, then) = (trace.describe(first.call), trace.describe(then.call));
            format!("{what}: {first}; {then}")
        });
    }
}
