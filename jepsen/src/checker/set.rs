//! The set: every acknowledged element is in every list that began after it, none that was never
//! added is in any, none is lost later, none is there twice, and the pages of a list are of one
//! revision.

use super::context::{Context, Work};
use super::findings::Findings;
use crate::trace::{Call, Input, NEVER, Outcome, Output, Trace};
use std::collections::HashMap;

pub(super) fn check(context: &Context, findings: &mut Findings) {
    for work in context.named("set") {
        let adds = Adds::of(work);
        let lists = lists(work);
        findings.figure("adds", adds.all.len() as u64);
        findings.figure("lists", lists.len() as u64);
        let mut look = Look { trace: context.trace, adds, shown: Vec::new(), missing: Vec::new() };
        look.shown = vec![Shown::default(); look.adds.all.len()];
        for (number, list) in lists.iter().enumerate() {
            look.elements(number, list, findings);
            look.absences(number, list, &lists, findings);
        }
        look.tell_missing(&lists, findings);
    }
}

/// A list that was answered.
struct List<'a> {
    call: &'a Call,
    rev: u64,
    elements: &'a [i64],
}

/// An element that somebody tried to add, perhaps more than once.
struct Add<'a> {
    /// The first attempt, or the one that was acknowledged.
    call: &'a Call,
    /// The line of the first attempt.
    tried: u64,
    /// Whether every attempt failed; one that found the element there did not.
    failed: bool,
    rev: Option<u64>,
    /// The line of its acknowledgement.
    acknowledged: u64,
}

struct Adds<'a> {
    all: Vec<Add<'a>>,
    by_val: HashMap<i64, usize>,
}

/// In which lists an element was.
#[derive(Clone, Default)]
struct Shown {
    /// The last one, counted from 1.
    last: usize,
    /// The one that returned first.
    first: Option<usize>,
}

struct Look<'a> {
    trace: &'a Trace,
    adds: Adds<'a>,
    shown: Vec<Shown>,
    /// Elements missing from lists that began after they were known: add, list, and a list that
    /// had shown it before.
    missing: Vec<(usize, usize, Option<usize>)>,
}

impl<'a> Adds<'a> {
    fn of(work: &Work<'a>) -> Adds<'a> {
        let mut adds = Adds { all: Vec::new(), by_val: HashMap::new() };
        for call in &work.calls {
            let Input::Add { val } = call.input else { continue };
            let place = *adds.by_val.entry(val).or_insert(adds.all.len());
            if place == adds.all.len() {
                let tried = call.invoked.index;
                adds.all.push(Add { call, tried, failed: true, rev: None, acknowledged: NEVER });
            }
            let add = &mut adds.all[place];
            let exists = call.error.is_some_and(|error| work.text(error) == "exists");
            add.failed &= call.outcome == Outcome::Fail && !exists;
            if let Output::Version { rev, .. } = call.output {
                (add.call, add.rev, add.acknowledged) = (call, rev, call.returned());
            }
        }
        adds
    }
}

fn lists<'a>(work: &Work<'a>) -> Vec<List<'a>> {
    let list = |call: &&'a Call| match &call.output {
        Output::Elements { rev, elements } => Some(List { call, rev: *rev, elements }),
        _ => None,
    };
    work.calls.iter().filter_map(list).collect()
}

impl Look<'_> {
    /// What is in a list and must not be.
    fn elements(&mut self, number: usize, list: &List, findings: &mut Findings) {
        for val in list.elements {
            let Some(place) = self.adds.by_val.get(val).copied() else {
                findings.found_in("never-added", [list.call], || {
                    format!("{val} was never added: {}", self.trace.describe(list.call))
                });
                continue;
            };
            let add = &self.adds.all[place];
            if self.shown[place].last == number + 1 {
                findings.found_in("twice", [list.call, add.call], || {
                    format!("{val} is there twice: {}", self.trace.describe(list.call))
                });
            }
            self.shown[place].last = number + 1;
            if let Some((kind, why)) = impossible(add, list) {
                findings.found_in(kind, [list.call, add.call], || {
                    let (add, list) =
                        (self.trace.describe(add.call), self.trace.describe(list.call));
                    format!("{val} {why}: {add}; {list}")
                });
            }
        }
    }

    /// What is not in a list and must be.
    fn absences(&mut self, number: usize, list: &List, lists: &[List], findings: &mut Findings) {
        let began = list.call.invoked.index;
        for (place, add) in self.adds.all.iter().enumerate() {
            let shown = &mut self.shown[place];
            let earlier = shown.first.filter(|first| lists[*first].call.returned() < began);
            if shown.last == number + 1 {
                let returned = |number: usize| lists[number].call.returned();
                shown.first =
                    Some(shown.first.map_or(number, |a| {
                        if returned(a) <= returned(number) { a } else { number }
                    }));
            } else if add.acknowledged < began || earlier.is_some() {
                self.missing.push((place, number, earlier));
            } else if add.rev.is_some_and(|rev| rev <= list.rev) {
                findings.found_in("torn-list", [list.call, add.call], || {
                    format!(
                        "an element is missing from a list of its own or a later revision: {}; {}",
                        self.trace.describe(add.call),
                        self.trace.describe(list.call)
                    )
                });
            }
        }
    }

    /// What was missing for a while was a stale list; what never came back is lost.
    fn tell_missing(&self, lists: &[List], findings: &mut Findings) {
        for (place, number, earlier) in &self.missing {
            let back = self.shown[*place].last > number + 1;
            let add = &self.adds.all[*place];
            let kind = match (back, add.acknowledged == NEVER) {
                (true, _) => "stale-list",
                (false, false) => "lost",
                (false, true) => "seen-then-lost",
            };
            let list = lists[*number].call;
            let calls = [Some(list), Some(add.call), earlier.map(|earlier| lists[earlier].call)];
            findings.found_in(kind, calls.into_iter().flatten(), || {
                let back = if back { "and came back later" } else { "and never came back" };
                format!(
                    "an element was missing {back}: {}; {}",
                    self.trace.describe(add.call),
                    self.trace.describe(list)
                )
            });
        }
    }
}

/// Why an element cannot be in a list.
fn impossible(add: &Add, list: &List) -> Option<(&'static str, &'static str)> {
    if add.failed {
        Some(("failed-yet-applied", "is there although its addition failed"))
    } else if add.tried > list.call.returned() {
        Some(("seen-before-added", "is there before it was added"))
    } else if add.rev.is_some_and(|rev| rev > list.rev) {
        Some(("torn-list", "is there although it is newer than the list's revision"))
    } else {
        None
    }
}
