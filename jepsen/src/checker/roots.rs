//! What members say of themselves: roots are equal at equal indexes, and a member's index and
//! revision do not go back.
//!
//! A member that is started again may come back to what it had stored, which is less than it had
//! applied; so going back is legal between two answers with a fault of that member between them
//! that may have ended its process.

use super::context::Context;
use super::findings::Findings;
use crate::trace::{Fault, Member, Name, Probe};
use std::collections::HashMap;

/// Faults after which a process is still the same, by the beginning of their names; any other may
/// have restarted its targets.
const PROCESS_STAYS: &[&str] = &[
    "pause",
    "hop",
    "slow-watch",
    "partition",
    "delay",
    "loss",
    "duplicate",
    "reorder",
    "throttle",
    "slow-fsync",
    "disk-full",
    "clock-",
];

pub(super) fn check(context: &Context, findings: &mut Findings) {
    let mut roots: HashMap<u64, (&Probe, &Member, Name)> = HashMap::new();
    let mut last: HashMap<Name, (&Probe, &Member)> = HashMap::new();
    for probe in &context.trace.probes {
        for member in &probe.members {
            findings.figure("answers", 1);
            if let Some(index) = member.diverged {
                findings.found("member-diverged", [probe.index], || {
                    let name = context.trace.text(member.node);
                    format!("{name} says itself that its state is not the majority's at {index}")
                });
            }
            let present = member.applied.zip(member.root);
            for (applied, root) in member.roots.iter().copied().chain(present) {
                let first = *roots.entry(applied).or_insert((probe, member, root));
                compare(context, first, (probe, member, root), applied, findings);
            }
            if let Some(before) = last.insert(member.node, (probe, member)) {
                forward(context, before, (probe, member), findings);
            }
        }
    }
}

fn compare(
    context: &Context,
    first: (&Probe, &Member, Name),
    then: (&Probe, &Member, Name),
    applied: u64,
    findings: &mut Findings,
) {
    if !std::ptr::eq(first.1, then.1) {
        findings.figure("compared roots", 1);
    }
    if first.2 != then.2 {
        findings.found("roots-differ", [first.0.index, then.0.index], || {
            let text = |name| context.trace.text(name);
            format!(
                "at index {applied} {} has root {} and {} has {}",
                text(first.1.node),
                text(first.2),
                text(then.1.node),
                text(then.2)
            )
        });
    }
}

fn forward(
    context: &Context,
    (before, was): (&Probe, &Member),
    (probe, is): (&Probe, &Member),
    findings: &mut Findings,
) {
    let less = |a: Option<u64>, b: Option<u64>| a.zip(b).is_some_and(|(a, b)| b < a);
    let floors = less(was.floor, is.floor);
    if !(less(was.applied, is.applied) || less(was.rev, is.rev) || floors) {
        return;
    }
    let restarted = context.trace.faults.iter().any(|fault| {
        fault.targets.contains(&is.node)
            && !PROCESS_STAYS.iter().any(|name| context.trace.text(fault.f).starts_with(name))
            && overlaps(fault, before.time_ns, probe.time_ns)
    });
    if !restarted {
        findings.found("member-went-back", [before.index, probe.index], || {
            format!(
                "{} was at index {:?}, revision {:?}, and then at {:?}, {:?}, and was not started \
                 again between",
                context.trace.text(is.node),
                was.applied.unwrap_or(0),
                was.rev.unwrap_or(0),
                is.applied.unwrap_or(0),
                is.rev.unwrap_or(0)
            )
        });
    }
}

fn overlaps(fault: &Fault, from_ns: u64, to_ns: u64) -> bool {
    fault.begun_ns <= to_ns && fault.ended_ns.is_none_or(|ended| ended >= from_ns)
}
