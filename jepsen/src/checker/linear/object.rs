//! One object's operations, as the search takes them.

use super::super::context::Work;
use super::super::ledger::{Effect, Version};
use crate::trace::{Call, Input, NEVER, Name, Outcome, Output};
use std::collections::HashMap;

/// The operations of one object.
pub(super) struct Object<'a> {
    pub work: &'a Work<'a>,
    pub key: u64,
    /// In the order of invocation.
    pub steps: Vec<Step>,
    /// Every change that anybody saw, by revision: this is their order.
    pub effects: Vec<Known<'a>>,
    /// Places in that order of deletions that several calls may have made, by the first of these.
    pub guesses: HashMap<usize, Vec<usize>>,
    /// Sorts of changes that nobody saw; those of a sort are told apart by nothing.
    pub hidden: Vec<Does>,
}

/// One operation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// Its place among the workload's calls.
    pub call: usize,
    pub invoked: u64,
    /// When it must have happened by; [`NEVER`] if it need not.
    pub returned: u64,
    pub act: Act,
}

/// What an operation does or sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// It saw the object at a revision, or that there is none.
    Sees(Option<u64>),
    /// It saw that there is one.
    Exists,
    /// It saw that it is not at a revision.
    Differs(u64),
    /// It is the change of this place in the order.
    Known(usize),
    /// It must have happened, but its revision was never told.
    Loose(Does),
    /// It may have happened: a change of this sort that nobody saw.
    Hidden(usize),
}

/// A change of the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Create,
    Put(Option<u64>),
    Delete(Option<u64>),
    /// Whatever it is that wrote what was seen.
    Anything,
}

/// A change at its place in the order.
pub(super) struct Known<'a> {
    pub version: &'a Version,
    pub does: Does,
    pub invoked: u64,
    pub returned: u64,
}

/// What the object may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum State {
    Absent,
    At(u64),
    /// As an operation left it that nobody saw.
    Hidden,
}

impl Does {
    /// Whether it can happen to an object in a state.
    pub(super) fn can(self, state: State) -> bool {
        match self {
            Does::Anything => true,
            Does::Create => state == State::Absent,
            Does::Put(None) | Does::Delete(None) => state != State::Absent,
            Does::Put(Some(rev)) | Does::Delete(Some(rev)) => state == State::At(rev),
        }
    }

    /// What it leaves, when its own revision is known or not.
    pub(super) fn leaves(self, rev: Option<u64>) -> State {
        match (self, rev) {
            (Does::Delete(_), _) => State::Absent,
            (_, Some(rev)) => State::At(rev),
            (_, None) => State::Hidden,
        }
    }

    fn of(input: &Input) -> Option<Does> {
        Some(match *input {
            Input::Create { .. } => Does::Create,
            Input::Write { .. } => Does::Put(None),
            Input::Cas { rev, .. } => Does::Put(Some(rev)),
            Input::Delete { rev, .. } => Does::Delete(rev),
            _ => return None,
        })
    }
}

impl Act {
    /// Whether what was seen is so in a state; changes see nothing.
    pub(super) fn fits(self, state: State) -> bool {
        match self {
            Act::Sees(None) => state == State::Absent,
            Act::Sees(Some(rev)) => state == State::At(rev),
            Act::Exists => state != State::Absent,
            Act::Differs(rev) => state != State::At(rev),
            Act::Known(_) | Act::Loose(_) | Act::Hidden(_) => false,
        }
    }

    /// Whether it changes nothing.
    pub(super) fn observes(self) -> bool {
        matches!(self, Act::Sees(_) | Act::Exists | Act::Differs(_))
    }
}

impl Known<'_> {
    /// What it leaves.
    pub(super) fn leaves(&self) -> State {
        match self.version.effect {
            Effect::Deleted => State::Absent,
            _ => State::At(self.version.rev),
        }
    }
}

impl<'a> Object<'a> {
    pub(super) fn new(work: &'a Work<'a>, key: u64, calls: &[usize]) -> Object<'a> {
        let effects: Vec<Known> =
            work.ledger.of_key(key).map(|version| known(work, version)).collect();
        let mut guesses: HashMap<usize, Vec<usize>> = HashMap::new();
        for (position, one) in effects.iter().enumerate().filter(|(_, one)| one.version.guessed) {
            let first = one.version.writer.expect("invariant: a guess is one of several calls");
            guesses.entry(first).or_default().push(position);
        }
        let (steps, hidden) = (Vec::new(), Vec::new());
        let mut object = Object { work, key, steps, effects, guesses, hidden };
        let order = object.order();
        for place in calls.iter().copied() {
            let call = work.calls[place];
            let act = match order.get(&place) {
                Some(position) => Some(Act::Known(*position)),
                None => object.act(call),
            };
            let Some(act) = act else { continue };
            let (invoked, returned) = (call.invoked.index, call.returned());
            object.steps.push(Step { call: place, invoked, returned, act });
        }
        object
    }

    fn order(&self) -> HashMap<usize, usize> {
        let explained = self.effects.iter().enumerate();
        let explained =
            explained.filter(|(_, one)| one.does != Does::Anything && !one.version.guessed);
        explained.filter_map(|(position, one)| Some((one.version.writer?, position))).collect()
    }

    fn act(&mut self, call: &Call) -> Option<Act> {
        match (call.outcome, &call.input) {
            (Outcome::Ok, Input::Read { at_least: None, .. }) => match call.output {
                Output::State(state) => Some(Act::Sees(state.map(|state| state.rev))),
                _ => None,
            },
            // A failure with a reason is a read of that reason.
            (Outcome::Fail, input) => self.failure(input, call.error),
            (Outcome::Ok, input) if !self.effects.iter().any(|one| one.version.guessed) => {
                Does::of(input).map(Act::Loose)
            }
            // One of several deletions was seen: any of them may have been it, or another.
            (Outcome::Ok | Outcome::Info, input) => Does::of(input).map(|does| self.hide(does)),
        }
    }

    fn failure(&self, input: &Input, error: Option<Name>) -> Option<Act> {
        let error = self.work.text(error?);
        match (error, input) {
            ("exists", Input::Create { .. }) => Some(Act::Exists),
            ("not-found", input) if Does::of(input).is_some() => Some(Act::Sees(None)),
            ("conflict", Input::Cas { rev, .. } | Input::Delete { rev: Some(rev), .. }) => {
                Some(Act::Differs(*rev))
            }
            _ => None,
        }
    }

    fn hide(&mut self, does: Does) -> Act {
        let sort = self.hidden.iter().position(|other| *other == does).unwrap_or_else(|| {
            self.hidden.push(does);
            self.hidden.len() - 1
        });
        Act::Hidden(sort)
    }
}

fn known<'a>(work: &'a Work<'a>, version: &'a Version) -> Known<'a> {
    let writer = version.writer.map(|writer| work.calls[writer]);
    let (does, invoked, returned) = match writer {
        Some(call) if version.guessed => (Does::Delete(None), call.invoked.index, NEVER),
        Some(call) if call.outcome != Outcome::Fail => {
            let does = Does::of(&call.input).unwrap_or(Does::Anything);
            (does, call.invoked.index, call.returned())
        }
        _ => (Does::Anything, 0, NEVER),
    };
    Known { version, does, invoked, returned }
}
