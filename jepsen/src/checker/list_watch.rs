//! A list at a version is the state at that version, and with a watch from it leads to the state
//! that any later list shows.

use super::context::{Context, Work};
use super::findings::Findings;
use super::snapshot::Snapshot;
use super::watch::Piece;
use crate::trace::{Call, Change, Event, Input, Output, Selector, State, Trace};
use std::collections::{BTreeMap, HashMap};

pub(super) fn check(context: &Context, findings: &mut Findings) {
    for work in context.with_objects() {
        let mut lists: BTreeMap<(Selector, u64), Snapshot> = BTreeMap::new();
        for list in work.calls.iter().filter_map(|call| snapshot(call)) {
            findings.figure("lists", 1);
            tell_mismatches(context.trace, work, &list, findings);
            lists.entry((list.selector, list.rev)).or_insert(list);
        }
        let mut chains = Chains { trace: context.trace, lists: &lists, open: HashMap::new() };
        for call in &work.calls {
            chains.take(call, findings);
        }
    }
}

fn snapshot(call: &Call) -> Option<Snapshot<'_>> {
    let Input::List { selector, .. } = call.input else { return None };
    let Output::Items { rev, items } = &call.output else { return None };
    Some(Snapshot { call, rev: *rev, selector, items: items.iter().copied().collect() })
}

/// Tells what a list does not show as it was.
fn tell_mismatches(trace: &Trace, work: &Work, list: &Snapshot, findings: &mut Findings) {
    for mismatch in list.mismatches(work) {
        let calls = mismatch.calls(work).into_iter().chain([list.call]);
        findings.found_in(mismatch.kind, calls, || {
            format!("{}: {}", mismatch.words, trace.describe(list.call))
        });
    }
}

/// What a process knows from a list and the watches after it.
struct Chain<'a> {
    calls: Vec<&'a Call>,
    selector: Selector,
    upto: u64,
    state: HashMap<u64, State>,
}

struct Chains<'a> {
    trace: &'a Trace,
    lists: &'a BTreeMap<(Selector, u64), Snapshot<'a>>,
    open: HashMap<Option<u64>, Chain<'a>>,
}

impl<'a> Chains<'a> {
    fn take(&mut self, call: &'a Call, findings: &mut Findings) {
        if let Some(list) = snapshot(call) {
            let Snapshot { rev: upto, selector, items: state, .. } = list;
            self.open.insert(call.process, Chain { calls: vec![call], selector, upto, state });
            return;
        }
        let Some(piece) = Piece::of(call) else { return };
        if let (Some(start), true) = (piece.start, piece.initial_complete) {
            let state = piece.initial.iter().filter_map(state);
            let chain = Chain {
                calls: Vec::new(),
                selector: piece.selector,
                upto: start,
                state: state.collect(),
            };
            self.open.insert(call.process, chain);
        }
        let Some(mut chain) = self.open.remove(&call.process) else { return };
        let goes_on = piece.start == Some(chain.upto) && piece.selector == chain.selector;
        if goes_on {
            chain.calls.push(call);
            self.walk(&mut chain, &piece, findings);
            self.open.insert(call.process, chain);
        }
    }

    /// Applies the events of a piece, and compares where another list was made.
    fn walk(&self, chain: &mut Chain<'a>, piece: &Piece, findings: &mut Findings) {
        if piece.last <= chain.upto {
            return;
        }
        let from = (chain.selector, chain.upto + 1);
        let mut lists = self.lists.range(from..=(chain.selector, piece.last)).peekable();
        for event in piece.rest {
            while let Some((_, list)) = lists.next_if(|((_, rev), _)| *rev < event.rev) {
                self.compare(chain, list, findings);
            }
            match event.change {
                Change::Added | Change::Modified => {
                    chain.state.extend(state(event));
                }
                Change::Deleted => {
                    chain.state.remove(&event.key);
                }
                Change::Bookmark | Change::InitialEnd => {}
            }
        }
        lists.for_each(|(_, list)| self.compare(chain, list, findings));
        chain.upto = piece.last;
    }

    fn compare(&self, chain: &Chain<'a>, list: &Snapshot, findings: &mut Findings) {
        findings.figure("compared", 1);
        let rev = |state: Option<&State>| state.map(|state| state.rev);
        let keys = chain.state.keys().chain(list.items.keys());
        let wrong = keys.filter(|key| rev(chain.state.get(key)) != rev(list.items.get(key))).min();
        let Some(key) = wrong else { return };
        let calls = chain.calls.iter().copied().chain([list.call]);
        findings.found_in("list-and-watch-differ", calls, || {
            let word = |state: Option<&State>| {
                state.map_or("absent".to_owned(), |state| self.trace.state(*state))
            };
            format!(
                "object {key}: by list and watch it is {}, and a list at {} shows {}",
                word(chain.state.get(key)),
                list.rev,
                word(list.items.get(key))
            )
        });
    }
}

fn state(event: &Event) -> Option<(u64, State)> {
    Some((event.key, State { rev: event.rev, uid: event.uid, val: event.val? }))
}
