//! The checker of transactions against one that tries every order.
//!
//! Short histories of two lists are made by a store that is strictly serializable, and some have an
//! answer changed. In the end both lists are read, so that every element's place is known and the
//! two must agree: what has an order is valid, and what has none is not.

use jepsen::checker::{Parameters, Valid, check_all};
use jepsen::history::{Edn, History, Kind, Op, Process, value};
use jepsen::trace::{Call, Input, ListOp, NEVER, Outcome, Output, Trace};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// A transaction as it is drawn.
#[derive(Clone, Debug)]
struct Drawn {
    /// Which lists it reads, and which it appends to.
    reads: [bool; 2],
    appends: [bool; 2],
    /// 0: refused, 1 and 2: nobody knows, and it happened or not; else it is acknowledged.
    fate: u8,
    /// Lines between its invocation and its effect, and from there to its answer.
    waits: (u64, u64),
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let bools = || any::<[bool; 2]>();
    (bools(), bools(), 0..8_u8, (0..6_u64, 0..6_u64))
        .prop_map(|(reads, appends, fate, waits)| Drawn { reads, appends, fate, waits })
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Begin,
    Effect,
    End,
}

fn ops(drawn: &Drawn, at: usize, lists: Option<&[Vec<i64>; 2]>) -> Edn {
    let mut ops = Vec::new();
    for key in (0..2).filter(|key| drawn.reads[*key]) {
        let list = lists.map(|lists| lists[key].iter().map(|val| Edn::Int(*val)).collect());
        ops.push(vec![
            value::keyword("r"),
            value::number(key as u64),
            list.map_or(Edn::Nil, Edn::Vector),
        ]);
    }
    for key in (0..2).filter(|key| drawn.appends[*key]) {
        ops.push(vec![
            value::keyword("append"),
            value::number(key as u64),
            value::number(at as u64 + 10),
        ]);
    }
    Edn::Vector(ops.into_iter().map(Edn::Vector).collect())
}

/// Each transaction takes effect at one moment between its invocation and its answer.
fn history(all: &[Drawn]) -> History {
    let mut due: Vec<(u64, Step, usize)> = Vec::new();
    for (at, drawn) in all.iter().enumerate() {
        let begin = at as u64 * 2;
        let effect = begin + drawn.waits.0;
        due.push((begin, Step::Begin, at));
        due.push((effect, Step::Effect, at));
        due.push((effect + drawn.waits.1, Step::End, at));
    }
    due.sort_unstable();
    let mut lists: [Vec<i64>; 2] = Default::default();
    let mut answers: BTreeMap<usize, Edn> = BTreeMap::new();
    let mut history = History::default();
    let mut tell = |at: usize, kind, value| {
        let index = history.ops.len() as u64;
        let process = Process::Client(at as u64);
        let more = BTreeMap::new();
        history.ops.push(Op { index, time_ns: index, process, kind, f: "txn".into(), value, more });
    };
    for (_, step, at) in due {
        let drawn = &all[at];
        match step {
            Step::Begin => tell(at, Kind::Invoke, ops(drawn, at, None)),
            Step::Effect if drawn.fate < 2 => {}
            Step::Effect => {
                answers.insert(at, ops(drawn, at, Some(&lists)));
                for key in (0..2).filter(|key| drawn.appends[*key]) {
                    lists[key].push(at as i64 + 10);
                }
            }
            Step::End => match drawn.fate {
                0 => tell(at, Kind::Fail, ops(drawn, at, None)),
                1 | 2 => tell(at, Kind::Info, ops(drawn, at, None)),
                _ => tell(at, Kind::Ok, answers[&at].clone()),
            },
        }
    }
    let last = Drawn { reads: [true; 2], appends: [false; 2], fate: 9, waits: (0, 0) };
    tell(all.len(), Kind::Invoke, ops(&last, all.len(), None));
    tell(all.len(), Kind::Ok, ops(&last, all.len(), Some(&lists)));
    history
}

/// Takes the last element from a list that was read, doubles it, or turns the list round; but not in
/// the last look, which is what tells where everything is.
fn change(history: &mut History, which: &prop::sample::Index, how: u8) {
    let last = history.ops.len() - 1;
    let places: Vec<usize> = (0..last).filter(|at| history.ops[*at].kind == Kind::Ok).collect();
    let Some(at) = (!places.is_empty()).then(|| places[which.index(places.len())]) else { return };
    let Edn::Vector(ops) = &mut history.ops[at].value else { return };
    for op in ops {
        let Edn::Vector(parts) = op else { continue };
        let Some(Edn::Vector(list)) = parts.get_mut(2) else { continue };
        match how % 4 {
            0 => drop(list.pop()),
            1 => list.reverse(),
            2 => list.extend(list.last().cloned()),
            _ => list.clear(),
        }
    }
}

/// Whether the transactions that are not yet `done` have an order, from what the lists are.
fn has_order(calls: &[Call], done: u64, lists: &BTreeMap<u64, Vec<i64>>) -> bool {
    let rest: Vec<usize> = (0..calls.len()).filter(|at| done & (1 << at) == 0).collect();
    let Some(bound) = rest.iter().map(|at| calls[*at].returned()).min().filter(|b| *b != NEVER)
    else {
        return true;
    };
    rest.into_iter().filter(|at| calls[*at].invoked.index < bound).any(|at| {
        let done = done | 1 << at;
        let after = apply(&calls[at], lists).is_some_and(|lists| has_order(calls, done, &lists));
        after || (calls[at].is_unknown() && has_order(calls, done, lists))
    })
}

/// What a transaction makes of the lists, if it can have read what it says.
fn apply(call: &Call, lists: &BTreeMap<u64, Vec<i64>>) -> Option<BTreeMap<u64, Vec<i64>>> {
    let mut lists = lists.clone();
    let ops = match (&call.output, &call.input) {
        _ if call.outcome == Outcome::Fail => return Some(lists),
        (Output::Txn { ops }, _) | (_, Input::Txn { ops }) => ops,
        _ => return None,
    };
    for op in ops {
        match op {
            ListOp::Read { list: None, .. } => {}
            ListOp::Read { key, list: Some(shown) } => {
                if lists.get(key).map_or(&[][..], |list| list) != &**shown {
                    return None;
                }
            }
            ListOp::Append { key, val } => lists.entry(*key).or_default().push(*val),
        }
    }
    Some(lists)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn both_agree(
        all in prop::collection::vec(drawn(), 1..8),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut history = history(&all);
        for (which, how) in &changes {
            change(&mut history, which, *how);
        }
        let trace = Trace::of(&history);
        let right = has_order(&trace.calls, 0, &BTreeMap::new());
        let parameters = Parameters { workloads: vec!["append".into()], ..Parameters::default() };
        let verdict = check_all(&history, &parameters);
        let append = verdict.of("append").map_or(Valid::Yes, |result| result.valid);
        let lines: Vec<String> = history.ops.iter().map(ToString::to_string).collect();
        let expected = if right { Valid::Yes } else { Valid::No };
        prop_assert_eq!(append, expected, "{:#}\n{}", verdict.to_edn(), lines.join("\n"));
    }
}
