//! What was read at a revision is what that revision shows later, on any member and in any way, byte
//! by byte.

use super::context::Context;
use super::findings::Findings;
use crate::trace::{Call, Input, Name, Output};
use std::collections::HashMap;

/// An object, or all of them, at a revision.
type Place = (Option<u64>, u64);
/// What was shown, and to whom.
type Shown<'a> = (&'a [Name], &'a Call);

pub(super) fn check(context: &Context, findings: &mut Findings) {
    for work in context.named("past") {
        let mut known: HashMap<Place, Shown> = HashMap::new();
        let mut pasts = Vec::new();
        for call in work.calls.iter().copied() {
            let Output::Bytes { rev, digests } = &call.output else { continue };
            match call.input {
                Input::Present { key } => {
                    findings.figure("present", 1);
                    compare(context, &mut known, (key, *rev), (digests, call), findings);
                }
                Input::Past { rev: asked, key } => pasts.push((key, asked, *rev, digests, call)),
                _ => {}
            }
        }
        for (key, asked, rev, digests, call) in pasts {
            findings.figure("past", 1);
            if rev != asked {
                findings.found_in("wrong-moment", [call], || context.trace.describe(call));
            }
            compare(context, &mut known, (key, asked), (digests, call), findings);
        }
    }
}

/// Compares an answer with the first one of the same objects at the same revision.
fn compare<'a>(
    context: &Context,
    known: &mut HashMap<Place, Shown<'a>>,
    place: Place,
    (digests, call): Shown<'a>,
    findings: &mut Findings,
) {
    let (first, by) = *known.entry(place).or_insert((digests, call));
    if first == digests {
        findings.figure("compared", u64::from(by.invoked != call.invoked));
        return;
    }
    let past = matches!(call.input, Input::Past { .. });
    let kind = if past { "past-differs" } else { "present-differs" };
    findings.found_in(kind, [by, call], || {
        let (by, call) = (context.trace.describe(by), context.trace.describe(call));
        format!("revision {} is shown in two ways: {by}; {call}", place.1)
    });
}
