//! The fewest operations that still have no order.

use super::super::findings::Findings;
use super::object::{Act, Does, Object, State};
use super::search::{Answer, Config, Counts, Search, Start, Stuck};
use crate::trace::Trace;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// How long may be spent on making one anomaly small.
const SHRINK_MAX: Duration = Duration::from_secs(5);

/// How many states a window may begin with.
const STARTS_MAX: usize = 64;

/// Tells an anomaly with as few operations as will do.
pub(super) fn report(trace: &Trace, object: &Object, stuck: &Stuck, findings: &mut Findings) {
    let deadline = Instant::now() + SHRINK_MAX;
    let until = object.steps[stuck.step].returned;
    let start = latest_start(object, until, deadline);
    let skipped = needless(object, &start, until, stuck.step, deadline);
    let calls = shown(object, &start, until, &skipped);
    let calls = calls.into_iter().map(|place| object.work.calls[place]);
    findings.found_in("not-linearizable", calls, || {
        format!(
            "object {}: no order of these operations explains this one: {}; by then the object \
             was {}",
            object.key,
            trace.describe(object.work.calls[object.steps[stuck.step].call]),
            told(&stuck.possible)
        )
    });
}

fn told(possible: &[State]) -> String {
    let state = |state: &State| match state {
        State::Absent => "absent".to_owned(),
        State::At(rev) => format!("at revision {rev}"),
        State::Hidden => "as an unknown operation left it".to_owned(),
    };
    possible.iter().map(state).collect::<Vec<_>>().join(" or ")
}

fn is_bad(search: Search, start: &Start, until: u64) -> bool {
    matches!(search.run(start, Some(until)), Answer::Stuck(_))
}

/// The latest line from which the history is bad, whatever the object was then.
fn latest_start(object: &Object, until: u64, deadline: Instant) -> Start {
    let mut lines: Vec<u64> = object.steps.iter().map(|step| step.invoked).collect();
    lines.retain(|line| *line < until);
    lines.sort_unstable();
    for from in lines.into_iter().rev() {
        if Instant::now() > deadline {
            break;
        }
        let Some(start) = start_at(object, from) else { continue };
        if is_bad(Search::new(object, deadline), &start, until) {
            return start;
        }
    }
    Start::beginning(object)
}

/// Everything that the object may have been before a line; none if that is too much.
fn start_at(object: &Object, from: u64) -> Option<Start> {
    let past = object.effects.iter().rposition(|known| known.returned < from);
    let least = past.map_or(0, |position| position + 1);
    let late = object.effects.iter().position(|known| known.invoked >= from);
    let most = late.unwrap_or(object.effects.len());
    let mut loose = object.steps.iter().filter(|step| matches!(step.act, Act::Loose(_)));
    let straddles = loose.clone().any(|step| step.invoked < from && step.returned >= from);
    if most < least || most - least > STARTS_MAX || straddles {
        return None;
    }
    let loose = loose.next().is_some();
    let doubt = !object.hidden.is_empty() || loose;
    let used = Counts::from_elem(0, object.hidden.len());
    let mut configs = Vec::new();
    for next in least..=most {
        let left = next.checked_sub(1).map_or(State::Absent, |last| object.effects[last].leaves());
        let mut states = vec![left];
        if doubt {
            states.extend([State::Absent, State::Hidden]);
            states.dedup();
        }
        let used = &used;
        configs.extend(states.into_iter().map(|state| Config {
            next,
            state,
            taken: 0,
            used: used.clone(),
        }));
    }
    Some(Start { from, configs })
}

/// Operations that only see and without which the history is as bad.
fn needless(
    object: &Object,
    start: &Start,
    until: u64,
    keep: usize,
    deadline: Instant,
) -> HashSet<usize> {
    let mut skipped = HashSet::new();
    for (place, step) in object.steps.iter().enumerate() {
        let inside = step.invoked >= start.from && step.invoked <= until;
        if !inside || place == keep || !step.act.observes() || Instant::now() > deadline {
            continue;
        }
        skipped.insert(place);
        let search = Search::new(object, deadline).without(skipped.clone());
        if !is_bad(search, start, until) {
            skipped.remove(&place);
        }
    }
    skipped
}

/// The calls to show: what is left of the window, and the changes that may count in it.
fn shown(object: &Object, start: &Start, until: u64, skipped: &HashSet<usize>) -> Vec<usize> {
    let first = start.configs.iter().map(|config| config.next).min().unwrap_or(0);
    let counts = |place: usize, invoked: u64, act: Act| match act {
        Act::Known(position) => position + 1 >= first,
        Act::Hidden(sort) => object.hidden[sort] != Does::Anything,
        _ => invoked >= start.from && !skipped.contains(&place),
    };
    let steps = object.steps.iter().enumerate();
    steps
        .filter(|(place, step)| step.invoked <= until && counts(*place, step.invoked, step.act))
        .map(|(_, step)| step.call)
        .collect()
}
