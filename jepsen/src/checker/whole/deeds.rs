//! What was done with each element.

use super::super::context::Work;
use crate::trace::{Call, Deed, Input, NEVER, Outcome, Output};
use std::collections::{BTreeMap, HashMap};

/// Changes by their elements.
pub(super) struct Deeds<'a> {
    pub by_element: BTreeMap<u64, Change<'a>>,
    pub by_family: HashMap<u64, Vec<u64>>,
}

/// One change.
pub(super) struct Change<'a> {
    /// All objects that get the element.
    pub objects: &'a [u64],
    /// Whether it sets the objects' value.
    pub sets: bool,
    pub put: Try<'a>,
    pub taken: Try<'a>,
    /// The call that put it on a branch.
    pub branched: Option<&'a Call>,
}

/// Putting the element to main, or taking it back; perhaps more than once.
pub(super) struct Try<'a> {
    /// The first attempt, or the one that was acknowledged.
    pub call: Option<&'a Call>,
    /// The line of the first attempt.
    pub tried: u64,
    /// The line of the acknowledgement.
    pub done: u64,
    /// Whether every attempt failed.
    failed: bool,
    /// The revisions of its commit, when they are known.
    pub at: Option<(u64, u64)>,
}

impl Default for Try<'_> {
    fn default() -> Self {
        Try { call: None, tried: NEVER, done: NEVER, failed: true, at: None }
    }
}

impl<'a> Try<'a> {
    fn note(&mut self, call: &'a Call) {
        self.tried = self.tried.min(call.invoked.index);
        self.failed &= call.outcome == Outcome::Fail;
        if self.call.is_none() || call.is_ok() {
            self.call = Some(call);
        }
        if call.is_ok() {
            self.done = self.done.min(call.returned());
        }
        if let Output::Range { revs: Some(revs) } = call.output {
            self.at = Some(revs);
        }
    }

    /// Whether it may have happened by a line.
    pub fn may_be_by(&self, line: u64) -> bool {
        self.tried < line && !self.failed
    }

    /// Why it cannot have happened by a line.
    pub fn impossible(&self, line: u64) -> Option<&'static str> {
        match () {
            () if self.may_be_by(line) => None,
            () if self.tried < line => Some("failed"),
            () => Some("had not been tried"),
        }
    }
}

impl<'a> Deeds<'a> {
    pub fn of(work: &Work<'a>) -> Deeds<'a> {
        let mut deeds = Deeds { by_element: BTreeMap::new(), by_family: HashMap::new() };
        for call in work.calls.iter().copied() {
            let Input::Deed { deed, family, element, objects } = &call.input else { continue };
            let change = deeds.by_element.entry(*element).or_insert_with(|| {
                deeds.by_family.entry(*family).or_default().push(*element);
                Change {
                    objects,
                    sets: false,
                    put: Try::default(),
                    taken: Try::default(),
                    branched: None,
                }
            });
            match deed {
                Deed::Branch => change.branched = Some(call),
                Deed::Revert => change.taken.note(call),
                Deed::Note | Deed::Apply | Deed::Merge => change.put.note(call),
            }
            // Where sets are reverted, they set the value; where branches are merged, main does.
            change.sets |= *deed == Deed::Apply || (*deed == Deed::Note && work.name == "merge");
        }
        deeds
    }
}

impl<'a> Change<'a> {
    /// The call to show.
    pub fn call(&self) -> Option<&'a Call> {
        self.put.call.or(self.branched)
    }
}
