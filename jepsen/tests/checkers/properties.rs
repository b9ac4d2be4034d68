//! What is right by construction is valid; the same with one answer changed is not.

use crate::simulated::Plan;
use jepsen::checker::{Parameters, Valid, Verdict, check_all};
use jepsen::history::{Edn, History, Kind, Op};
use jepsen::report;
use proptest::prelude::*;

fn verdict(history: &History) -> Verdict {
    check_all(history, &parameters())
}

fn parameters() -> Parameters {
    Parameters { workloads: vec!["watch".to_owned()], ..Parameters::default() }
}

fn plans() -> impl Strategy<Value = Plan> {
    (any::<u64>(), 1..12_usize, 0..3_usize, 1..4_u64, 0..40_u32).prop_map(
        |(seed, writers, watchers, keys, unknown_percent)| Plan {
            seed,
            writers,
            watchers,
            keys,
            unknown_percent,
            ..Plan::default()
        },
    )
}

/// Few enough unknown outcomes for something certain to be left.
fn tame_plans() -> impl Strategy<Value = Plan> {
    plans().prop_map(|plan| Plan { watchers: 3, unknown_percent: plan.unknown_percent / 8, ..plan })
}

fn field<'a>(value: &'a Edn, name: &'static str) -> Option<&'a Edn> {
    let Edn::Map(map) = value else { return None };
    map.get(&Edn::key(name))
}

/// The revision of an event, or of the object in `[k state]`.
fn rev(value: &Edn) -> Option<i64> {
    let state = match value {
        Edn::Vector(parts) => parts.get(1)?,
        other => other,
    };
    match field(state, "rev")? {
        Edn::Int(rev) => Some(*rev),
        _ => None,
    }
}

fn events(op: &mut Op) -> Option<&mut Vec<Edn>> {
    let Edn::Map(map) = &mut op.value else { return None };
    match map.get_mut(&Edn::key("events")) {
        Some(Edn::Vector(events)) => Some(events),
        _ => None,
    }
}

/// Lines that answer a resumed watch of everything with two changes and a bookmark after them.
fn long_pieces(history: &History) -> Vec<usize> {
    let resumed = |at: usize| {
        let op = &history.ops[at];
        let mut before = history.ops[..at].iter().rev();
        let invoked = before.find(|one| one.process == op.process);
        invoked.is_some_and(|one| {
            field(&one.value, "selector") == Some(&Edn::Nil)
                && field(&one.value, "mode") == Some(&Edn::key("resume"))
                // From 0 is from anywhere.
                && field(&one.value, "from") != Some(&Edn::Int(0))
        })
    };
    let long = |op: &Op| match field(&op.value, "events") {
        Some(Edn::Vector(events)) => events.len() >= 3,
        _ => false,
    };
    let ops = history.ops.iter().enumerate();
    let answers = ops.filter(|(_, op)| op.kind == Kind::Ok && op.f == "watch" && long(op));
    answers.map(|(at, _)| at).filter(|at| resumed(*at)).collect()
}

/// Whether a change at a revision was acknowledged.
fn acknowledged(history: &History, wanted: Option<i64>) -> bool {
    let writes = ["create", "write", "cas", "delete"];
    let mut acknowledged = history.ops.iter().filter(|op| op.kind == Kind::Ok);
    acknowledged.any(|op| writes.contains(&op.f.as_str()) && rev(&op.value) == wanted)
}

/// Reads, and what they would show had they been answered from the past: a state that another
/// read had seen replaced before they began.
fn pasts(history: &History) -> Vec<(usize, Edn)> {
    let ops = history.ops.iter().enumerate();
    let reads = ops.filter(|(_, op)| op.kind == Kind::Ok && op.f == "read");
    let reads: Vec<(usize, i64)> =
        reads.filter_map(|(at, op)| Some((at, rev(&op.value)?))).collect();
    let key = |at: usize| match &history.ops[at].value {
        Edn::Vector(parts) => parts.first().cloned(),
        _ => None,
    };
    let mut pasts = Vec::new();
    for (at, _) in &reads {
        let process = history.ops[*at].process;
        let invoked = history.ops[..*at].iter().rposition(|op| op.process == process);
        let before = reads.iter().filter(|(one, _)| Some(*one) < invoked && key(*one) == key(*at));
        let before: Vec<&(usize, i64)> = before.collect();
        let newest = before.iter().map(|(_, rev)| *rev).max();
        if let Some((old, _)) = before.into_iter().find(|(_, rev)| Some(*rev) < newest) {
            pasts.push((*at, history.ops[*old].value.clone()));
        }
    }
    pasts
}

fn assert_caught(history: &History) -> Result<(), TestCaseError> {
    let verdict = verdict(history);
    prop_assert_eq!(verdict.valid(), Valid::No, "{}", report::summary(&verdict, &parameters()));
    Ok(())
}

proptest! {
    // Seeds are in the message of a failure; a plan is its own reproduction.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_right_group_is_valid(plan in plans()) {
        let history = crate::simulated::history(plan);
        let verdict = verdict(&history);
        let told = report::summary(&verdict, &parameters());
        prop_assert!(verdict.anomalies().next().is_none(), "{}", told);
        prop_assert_ne!(verdict.of("linear").map(|result| result.valid), Some(Valid::Unknown));
    }

    #[test]
    fn a_dropped_event_is_caught(plan in tame_plans(), pick: prop::sample::Index) {
        let mut history = crate::simulated::history(plan);
        let pieces = long_pieces(&history);
        prop_assume!(!pieces.is_empty());
        let events = events(&mut history.ops[pieces[pick.index(pieces.len())]]);
        let dropped = events.expect("a piece").remove(0);
        // What nobody else knows of cannot be missed.
        prop_assume!(acknowledged(&history, rev(&dropped)));
        assert_caught(&history)?;
    }

    #[test]
    fn a_doubled_event_is_caught(plan in tame_plans(), pick: prop::sample::Index) {
        let mut history = crate::simulated::history(plan);
        let pieces = long_pieces(&history);
        prop_assume!(!pieces.is_empty());
        let events = events(&mut history.ops[pieces[pick.index(pieces.len())]]).expect("a piece");
        events.insert(0, events[0].clone());
        assert_caught(&history)?;
    }

    #[test]
    fn swapped_events_are_caught(plan in tame_plans(), pick: prop::sample::Index) {
        let mut history = crate::simulated::history(plan);
        let pieces = long_pieces(&history);
        prop_assume!(!pieces.is_empty());
        events(&mut history.ops[pieces[pick.index(pieces.len())]]).expect("a piece").swap(0, 1);
        assert_caught(&history)?;
    }

    #[test]
    fn a_read_of_the_past_is_caught(plan in tame_plans(), pick: prop::sample::Index) {
        let mut history = crate::simulated::history(plan);
        let pasts = pasts(&history);
        prop_assume!(!pasts.is_empty());
        let (at, past) = pasts[pick.index(pasts.len())].clone();
        history.ops[at].value = past;
        assert_caught(&history)?;
    }
}
