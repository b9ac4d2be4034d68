//! After the last fault the group accepts writes again soon, without an operator.

use super::context::Context;
use super::findings::Findings;
use crate::trace::{Call, Input, Moment, Outcome};
use std::time::Duration;

pub(super) fn check(context: &Context, findings: &mut Findings) {
    let faults = &context.trace.faults;
    let Some(last) = faults.iter().max_by_key(|fault| fault.ended_ns) else { return };
    findings.figure("faults", faults.len() as u64);
    if let Some(open) = faults.iter().find(|fault| fault.ended_ns.is_none()) {
        let fault = context.trace.describe_fault(open);
        return findings.unknown(format!("a fault never ended: {fault}"));
    }
    let over_ns = last.ended_ns.unwrap_or(0);
    everywhere(context, over_ns, findings);
    let writes = context.trace.calls.iter().filter(|call| call.input.is_write());
    let after: Vec<&Call> = writes.filter(|call| call.invoked.ns >= over_ns).collect();
    let ended = |call: &&Call| call.ended.filter(|_| call.is_ok()).map(|Moment { ns, .. }| ns);
    let Some(first_ns) = after.iter().filter_map(ended).min() else {
        let words =
            format!("{} writes after the last fault, none of them acknowledged", after.len());
        if after.is_empty() {
            return findings.unknown("no write was tried after the last fault".to_owned());
        }
        return findings.found_in("not-writable", after, || words);
    };
    let took = Duration::from_nanos(first_ns - over_ns);
    findings.figure("writable after ms", took.as_millis() as u64);
    if took > context.parameters.writable_within {
        let until = after.into_iter().filter(|call| call.ended.is_some_and(|at| at.ns <= first_ns));
        let lines = until.flat_map(Call::lines).chain(last.lines.last().copied());
        findings.found("writable-late", lines, || {
            format!(
                "the first write was acknowledged {} ms after the last fault had ended",
                took.as_millis()
            )
        });
    }
}

/// The probe writes through every member, and takes long to give one up: a member that died by
/// itself shows here, while the others go on.
fn everywhere(context: &Context, over_ns: u64, findings: &mut Findings) {
    let calls = context.trace.calls.iter();
    let asked = calls.filter(|call| matches!(call.input, Input::Writable));
    for call in asked.filter(|call| call.invoked.ns >= over_ns) {
        let Some(ended) = call.ended else { continue };
        if call.is_ok() {
            findings.figure("everywhere after ms", (ended.ns - over_ns) / 1_000_000);
        } else if call.outcome == Outcome::Fail {
            findings.found_in("member-not-writable", [call], || {
                "a member took no write after the last fault, and was asked until the probe gave up"
                    .to_owned()
            });
        }
    }
}
