//! No revision is given to two commits, no uid to two objects, and none again after a deletion.

use super::context::{Context, Work};
use super::findings::Findings;
use super::ledger::{Effect, Version};
use crate::trace::{Call, Input, Name, Output};
use std::collections::HashMap;

pub(super) fn check(context: &Context, findings: &mut Findings) {
    revisions(context, findings);
    let mut owners = HashMap::new();
    for work in &context.works {
        work.ledger.report("unique", findings);
        for key in sorted_keys(work) {
            lives(context, work, key, findings);
        }
    }
    for call in &context.trace.calls {
        if let Some(uid) = created(call) {
            findings.figure("uids", 1);
            let first = *owners.entry(uid).or_insert(call);
            if !std::ptr::eq(first, call) {
                findings.found_in("uid-shared", [first, call], || {
                    format!(
                        "two objects got one uid: {}; {}",
                        context.trace.describe(first),
                        context.trace.describe(call)
                    )
                });
            }
        }
    }
}

fn revisions(context: &Context, findings: &mut Findings) {
    let mut owners: HashMap<u64, &Call> = HashMap::new();
    for call in context.trace.calls.iter().filter(|call| call.is_ok() && call.input.is_write()) {
        let rev = match call.output {
            Output::State(Some(state)) => Some(state.rev),
            Output::Version { rev, .. } | Output::Lease { rev, .. } => rev,
            Output::Range { revs } => revs.map(|(_, last)| last),
            _ => None,
        };
        let Some(rev) = rev else { continue };
        findings.figure("revisions", 1);
        if let Some(first) = owners.insert(rev, call) {
            findings.found_in("revision-shared", [first, call], || {
                format!(
                    "two writes got revision {rev}: {}; {}",
                    context.trace.describe(first),
                    context.trace.describe(call)
                )
            });
        }
    }
}

/// The uid that a creation was told.
fn created(call: &Call) -> Option<Name> {
    match (&call.input, &call.output) {
        (Input::Create { .. }, Output::State(Some(state))) => state.uid,
        (
            Input::Add { .. } | Input::Pod { .. } | Input::Node { .. },
            Output::Version { uid, .. },
        ) => *uid,
        _ => None,
    }
}

fn sorted_keys(work: &Work) -> Vec<u64> {
    let mut keys: Vec<u64> = work.ledger.by_key.keys().copied().collect();
    keys.sort_unstable();
    keys
}

/// Along an object's versions, a uid lasts from a creation to a deletion.
fn lives(context: &Context, work: &Work, key: u64, findings: &mut Findings) {
    let mut dead: HashMap<Name, &Version> = HashMap::new();
    let mut before: Option<&Version> = None;
    for version in work.ledger.of_key(key) {
        let Some(uid) = version.uid else { continue };
        if let (Some(end), false) = (dead.get(&uid), version.effect == Effect::Deleted) {
            tell(context, work, findings, ("uid-reused", "was used again after"), end, version);
        }
        let last = before.filter(|last| last.effect != Effect::Deleted && last.uid != Some(uid));
        if let Some(last) = last {
            let certain = work.certain(key, last.rev, version.rev, version.proved);
            if version.effect != Effect::Created && certain {
                tell(
                    context,
                    work,
                    findings,
                    ("uid-changed", "replaced another since"),
                    last,
                    version,
                );
            }
            if let Some(uid) = last.uid {
                dead.insert(uid, last);
            }
        }
        if version.effect == Effect::Deleted {
            dead.insert(uid, version);
        }
        before = Some(version);
    }
}

fn tell(
    context: &Context,
    work: &Work,
    findings: &mut Findings,
    (kind, what): (&'static str, &str),
    first: &Version,
    then: &Version,
) {
    let calls = [work.calls[first.witness], work.calls[then.witness]];
    findings.found_in(kind, calls, || {
        let uid = then.uid.map_or("?", |uid| context.trace.text(uid));
        format!(
            "object {}: uid {uid} at revision {} {what} revision {}: {}; {}",
            then.key,
            then.rev,
            first.rev,
            context.trace.describe(calls[0]),
            context.trace.describe(calls[1])
        )
    });
}
