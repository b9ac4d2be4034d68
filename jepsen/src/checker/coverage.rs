//! A run counts only if every chosen fault really happened and enough operations succeeded.

use super::context::{Context, Work};
use super::findings::Findings;
use crate::trace::{Call, Name, Outcome};
use std::collections::BTreeMap;

/// An operation tried as often as this must have succeeded once.
const TRIES_MIN: u64 = 10;

pub(super) fn check(context: &Context, findings: &mut Findings) {
    faults(context, findings);
    let mut ok = 0;
    for work in &context.works {
        ok += operations(context, work, findings);
    }
    let expected = &context.parameters.workloads;
    for name in expected.iter().filter(|name| context.named(name).next().is_none()) {
        findings.unknown(format!("the workload {name} did nothing"));
    }
    rate(context, ok, findings);
}

fn faults(context: &Context, findings: &mut Findings) {
    let mut shown: BTreeMap<&str, u64> = BTreeMap::new();
    for fault in &context.trace.faults {
        let name = context.trace.text(fault.f);
        *shown.entry(name).or_default() += u64::from(fault.evidence.is_some());
    }
    for (name, count) in &shown {
        findings.figure(&format!("fault {name}"), *count);
    }
    for fault in &context.parameters.faults {
        let count = shown.get(fault.name.as_str()).copied().unwrap_or(0);
        if count < fault.at_least {
            findings.unknown(format!(
                "the fault {} was shown to have happened {count} times, not {}",
                fault.name, fault.at_least
            ));
        }
    }
}

/// Counts what a workload did, and tells how much of it succeeded.
fn operations(context: &Context, work: &Work, findings: &mut Findings) -> u64 {
    let mut tried: BTreeMap<Name, u64> = BTreeMap::new();
    let mut counts: BTreeMap<(Name, Outcome), u64> = BTreeMap::new();
    for call in &work.calls {
        *counts.entry((call.f, call.outcome)).or_default() += 1;
        *tried.entry(call.f).or_default() += 1;
    }
    let mut ok = 0;
    for ((f, outcome), count) in &counts {
        let name = context.trace.text(*f);
        let how = format!("{outcome:?}").to_lowercase();
        findings.figure(&format!("{} {name} {how}", work.name), *count);
        if *outcome == Outcome::Ok {
            ok += count;
        }
    }
    for (f, tries) in tried.into_iter().filter(|(_, tries)| *tries >= TRIES_MIN) {
        if !counts.contains_key(&(f, Outcome::Ok)) {
            let name = context.trace.text(f);
            findings.unknown(format!("of {tries} {name} of {} none succeeded", work.name));
        }
    }
    ok
}

fn rate(context: &Context, ok: u64, findings: &mut Findings) {
    let calls = &context.trace.calls;
    let first_ns = calls.first().map_or(0, |call: &Call| call.invoked.ns);
    let seconds = context.trace.end_ns.saturating_sub(first_ns) as f64 / 1e9;
    let rate = if seconds > 0.0 { ok as f64 / seconds } else { 0.0 };
    findings.figure("operations", calls.len() as u64);
    findings.figure("ok per second", rate as u64);
    let least = context.parameters.ok_per_second_min;
    if rate < least {
        findings.unknown(format!("{rate:.1} operations succeeded a second, not {least}"));
    }
}
