//! The checker of linearizability against one that tries every order.
//!
//! Short histories of one object, right or with a few answers changed, are put to both. What the
//! slow one finds an order for, the fast one must not call wrong; what has none must be found.

use crate::simulated::Plan;
use jepsen::checker::{Parameters, Valid, check_all};
use jepsen::history::{Edn, History, Kind};
use jepsen::report;
use jepsen::trace::{Call, Input, NEVER, Outcome, Output, State, Trace};
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

/// What one operation says of the object, and when.
struct Step {
    invoked: u64,
    returned: u64,
    call: Call,
}

/// Tries every order.
struct Slow {
    steps: Vec<Step>,
    errors: Vec<Option<String>>,
    /// The revision of each value that anybody was told.
    revs: HashMap<i64, u64>,
    tried: HashSet<(u64, Option<i64>, u64)>,
}

impl Slow {
    fn of(trace: &Trace) -> Slow {
        let calls = trace.calls.iter().filter(|call| call.key().is_some()).cloned();
        let steps: Vec<Step> = calls
            .map(|call| Step { invoked: call.invoked.index, returned: call.returned(), call })
            .collect();
        let states = steps.iter().filter_map(|step| step.call.state());
        let revs = states.map(|state| (state.val, state.rev)).collect();
        let error = |step: &Step| step.call.error.map(|error| trace.text(error).to_owned());
        let errors = steps.iter().map(error).collect();
        Slow { steps, errors, revs, tried: HashSet::new() }
    }

    /// Whether the operations that are not yet `done` have an order, from a state and a revision.
    fn has_order(&mut self, done: u64, state: Option<i64>, last: u64) -> bool {
        let open = |place: &usize| done & (1 << place) == 0;
        let rest: Vec<usize> = (0..self.steps.len()).filter(open).collect();
        let bound = rest.iter().map(|place| self.steps[*place].returned).min().unwrap_or(NEVER);
        if bound == NEVER {
            return true;
        }
        if !self.tried.insert((done, state, last)) {
            return false;
        }
        let next: Vec<usize> =
            rest.into_iter().filter(|place| self.steps[*place].invoked < bound).collect();
        next.into_iter().any(|place| {
            let after = self.after(place, state, last);
            after.is_some_and(|(state, last)| self.has_order(done | 1 << place, state, last))
        })
    }

    /// What an operation leaves, if it can happen.
    fn after(&self, place: usize, state: Option<i64>, last: u64) -> Option<(Option<i64>, u64)> {
        let call = &self.steps[place].call;
        let rev = state.and_then(|val| self.revs.get(&val).copied());
        if call.outcome == Outcome::Fail {
            let fits = match (self.errors[place].as_deref(), &call.input) {
                (Some("exists"), Input::Create { .. }) => state.is_some(),
                (Some("not-found"), input) if input.is_write() => state.is_none(),
                (Some("conflict"), Input::Cas { rev: at, .. }) => rev != Some(*at),
                (Some("conflict"), Input::Delete { rev: Some(at), .. }) => rev != Some(*at),
                _ => true,
            };
            return fits.then_some((state, last));
        }
        let (can, val) = match call.input {
            Input::Create { val, .. } => (state.is_none(), Some(val)),
            Input::Write { val, .. } => (state.is_some(), Some(val)),
            Input::Cas { rev: at, val, .. } => (state.is_some() && rev == Some(at), Some(val)),
            Input::Delete { rev: at, .. } => (state.is_some() && (at.is_none() || rev == at), None),
            _ => {
                let seen = call.state().map(|state| state.val);
                return (!call.is_ok() || seen == state).then_some((state, last));
            }
        };
        let own = match call.output {
            Output::Version { rev, .. } => rev,
            _ => val.and_then(|val| self.revs.get(&val).copied()),
        };
        let forward = own.is_none_or(|rev| rev > last);
        (can && forward).then_some((val, own.unwrap_or(last)))
    }
}

fn plans() -> impl Strategy<Value = Plan> {
    (any::<u64>(), 1..5_usize, 0..60_u32, 10..40_u64).prop_map(
        |(seed, writers, unknown_percent, lines)| Plan {
            seed,
            writers,
            unknown_percent,
            lines,
            watchers: 0,
            listers: 0,
            keys: 1,
            ..Plan::default()
        },
    )
}

/// Changes an answer: a read shows what another showed, or nothing, or an error is another.
fn change(history: &mut History, which: &prop::sample::Index, from: &prop::sample::Index, how: u8) {
    let answers = |kinds: &[Kind], f: &str| -> Vec<usize> {
        let ops = history.ops.iter().enumerate();
        ops.filter(|(_, op)| kinds.contains(&op.kind) && (f.is_empty() || op.f == f))
            .map(|(at, _)| at)
            .collect()
    };
    let (reads, failures) = (answers(&[Kind::Ok], "read"), answers(&[Kind::Fail], ""));
    match how % 3 {
        0 if !reads.is_empty() => {
            let value = history.ops[reads[from.index(reads.len())]].value.clone();
            history.ops[reads[which.index(reads.len())]].value = value;
        }
        1 if !reads.is_empty() => {
            let read = &mut history.ops[reads[which.index(reads.len())]];
            read.value = Edn::Vector(vec![Edn::Int(0), Edn::Nil]);
        }
        2 if !failures.is_empty() => {
            let error = Edn::key(["exists", "not-found", "conflict"][from.index(3)]);
            let failure = &mut history.ops[failures[which.index(failures.len())]];
            failure.more.insert("error".to_owned(), error);
        }
        _ => {}
    }
}

/// A value told with two revisions has no order, whatever else.
fn contradicts(trace: &Trace) -> bool {
    let states: Vec<State> = trace.calls.iter().filter_map(Call::state).collect();
    states.iter().any(|a| states.iter().any(|b| a.val == b.val && a.rev != b.rev))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_agree(
        plan in plans(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut history = crate::simulated::history(plan);
        for (which, from, how) in &changes {
            change(&mut history, which, from, *how);
        }
        let trace = Trace::of(&history);
        prop_assume!(!contradicts(&trace) && trace.calls.len() < 64);
        let right = Slow::of(&trace).has_order(0, None, 0);
        let parameters = Parameters::default();
        let verdict = check_all(&history, &parameters);
        let linear = verdict.of("linear").map_or(Valid::Yes, |result| result.valid);
        let told = || {
            let lines: Vec<String> = history.ops.iter().map(ToString::to_string).collect();
            format!("{}\n{}", report::summary(&verdict, &parameters), lines.join("\n"))
        };
        if right {
            prop_assert_eq!(linear, Valid::Yes, "there is an order: {}", told());
        } else {
            prop_assert_eq!(linear, Valid::No, "there is no order: {}", told());
        }
    }
}
