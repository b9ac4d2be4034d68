//! Changes of several objects at once are seen whole or not at all, are not lost, and take nothing
//! of others' with them: merges of branches, atomic sets, and their reverts.
//!
//! Each change has an element of its own, which it puts into each of its objects; a revert takes it
//! out again. A list shows all of a change or nothing of it ([`looks`]). The events of a change come
//! one after the other, with the revisions of one range and nothing between them ([`story`]). Where a
//! change stands in the order of revisions is known from its answer or from a watch; with it, what
//! any list has to show is known too.

mod deeds;
mod looks;
mod story;

use super::context::Context;
use super::findings::Findings;
use crate::trace::{Call, Name, Trace};
use deeds::Deeds;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

pub(super) fn check(context: &Context, findings: &mut Findings) {
    for work in context.named("merge").chain(context.named("revert")) {
        let mut whole = Whole {
            trace: context.trace,
            deeds: Deeds::of(work),
            sets: HashMap::new(),
            seen: HashMap::new(),
        };
        findings.figure("changes", whole.deeds.by_element.len() as u64);
        story::check(&mut whole, work, findings);
        looks::check(&mut whole, work, findings);
    }
}

/// Elements of an object.
type Set = BTreeSet<u64>;

struct Whole<'a> {
    trace: &'a Trace,
    deeds: Deeds<'a>,
    /// Sets by their texts.
    sets: HashMap<Name, Rc<Set>>,
    /// Who was the first to be answered with all of an element, and on which line.
    seen: HashMap<u64, (u64, &'a Call)>,
}

impl<'a> Whole<'a> {
    /// The set of a text such as `[3 17]`.
    fn set(&mut self, name: Name) -> Rc<Set> {
        let text = self.trace.text(name);
        let parse = || {
            let words = text.trim_matches(['[', ']']).split_whitespace();
            Rc::new(words.filter_map(|word| word.parse().ok()).collect())
        };
        self.sets.entry(name).or_insert_with(parse).clone()
    }

    fn note_seen(&mut self, element: u64, by: &'a Call) {
        let first = self.seen.entry(element).or_insert((by.returned(), by));
        if by.returned() < first.0 {
            *first = (by.returned(), by);
        }
    }

    /// Compares an object's value with that of the newest change in it that sets values.
    fn value(&self, key: u64, set: &Set, val: i64, by: &Call, findings: &mut Findings) {
        let elements =
            set.iter().filter_map(|element| self.deeds.by_element.get_key_value(element));
        let mut newest: Option<(u64, u64)> = None;
        for (element, deed) in elements.filter(|(_, deed)| deed.sets) {
            // When it is not known where one stands, neither is which is the newest.
            let Some((first, _)) = deed.put.at else { return };
            newest = newest.max(Some((first, *element)));
        }
        let expected = newest.map_or(0, |(_, element)| element);
        if val != expected as i64 {
            let last = newest.and_then(|(_, element)| self.deeds.by_element[&element].put.call);
            findings.found_in("wrong-value", last.into_iter().chain([by]), || {
                let by = self.trace.describe(by);
                format!(
                    "the value of object {key} is {val}, but {expected} is the newest in it: {by}"
                )
            });
        }
    }
}
