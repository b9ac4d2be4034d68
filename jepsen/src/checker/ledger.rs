//! Which versions of objects there were, as far as anybody was told.
//!
//! Every value is written by one operation only, so that whoever sees a value knows which operation
//! wrote it and, by the resource version beside it, where that operation stands in the order of all
//! changes. An operation whose outcome nobody knows is *found* when its value is seen; it stays
//! *hidden* otherwise.

use super::Findings;
use crate::trace::{Call, Change, Event, Input, NEVER, Name, Outcome, Output, Selector, State};
use std::collections::{BTreeMap, HashMap};

/// No more contradictions than this are kept; a run that has so many is bad enough.
const ODDITIES_MAX: usize = 1_000;

/// What a version did to its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Created,
    Modified,
    Deleted,
}

/// One version of an object.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub key: u64,
    pub rev: u64,
    pub effect: Effect,
    pub uid: Option<Name>,
    /// The content; none for a deletion.
    pub val: Option<i64>,
    /// The call that made it, by its place among the workload's; none if no call explains it.
    pub writer: Option<usize>,
    /// Whether the writer is only one of several deletions that may have been it.
    pub guessed: bool,
    /// The call that first returned with it.
    pub witness: usize,
    /// The line of that return.
    pub proved: u64,
    /// Whether its writer was told.
    pub acked: bool,
}

/// Versions of all objects of a workload.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// By revision.
    pub versions: BTreeMap<u64, Version>,
    /// Revisions of each object, ascending.
    pub by_key: HashMap<u64, Vec<u64>>,
    /// Calls that may have had an effect which nobody saw, and deletions that were acknowledged
    /// without a revision, by object.
    pub hidden: HashMap<u64, Vec<usize>>,
    /// What contradicts itself, for the checker whose name stands with it.
    oddities: Vec<Oddity>,
}

/// A contradiction seen while the ledger was written.
#[derive(Debug)]
struct Oddity {
    checker: &'static str,
    kind: &'static str,
    ops: Vec<u64>,
    words: String,
}

/// What somebody was shown.
struct Sight {
    key: u64,
    rev: u64,
    uid: Option<Name>,
    val: i64,
    by: usize,
}

struct Scribe<'a> {
    calls: &'a [&'a Call],
    ledger: Ledger,
    writers: HashMap<i64, usize>,
    /// The revision at which a call's effect was found.
    found: HashMap<usize, u64>,
    /// Deletions without a known revision, by object, earliest first.
    deletions: HashMap<u64, Vec<usize>>,
}

impl Ledger {
    pub(super) fn of(calls: &[&Call]) -> Ledger {
        let mut scribe = Scribe {
            calls,
            ledger: Ledger::default(),
            writers: HashMap::new(),
            found: HashMap::new(),
            deletions: HashMap::new(),
        };
        scribe.note_writers();
        (0..calls.len()).for_each(|by| scribe.note_acknowledged(by));
        (0..calls.len()).for_each(|by| scribe.note_seen(by));
        scribe.finish()
    }

    /// Tells the contradictions that are a checker's.
    pub(super) fn report(&self, checker: &str, findings: &mut Findings) {
        for oddity in self.oddities.iter().filter(|oddity| oddity.checker == checker) {
            findings.found(oddity.kind, oddity.ops.iter().copied(), || oddity.words.clone());
        }
    }

    /// Versions of an object, ascending.
    pub(super) fn of_key(&self, key: u64) -> impl DoubleEndedIterator<Item = &Version> {
        let revs = self.by_key.get(&key).map_or(&[][..], |revs| revs);
        revs.iter().filter_map(|rev| self.versions.get(rev))
    }

    /// The last known version of an object at a revision.
    pub(super) fn at(&self, key: u64, rev: u64) -> Option<&Version> {
        let revs = self.by_key.get(&key)?;
        let count = revs.partition_point(|one| *one <= rev);
        self.versions.get(revs.get(count.checked_sub(1)?)?)
    }

    /// Whether something that nobody saw may have changed an object by a line.
    pub(super) fn hidden_before(&self, key: u64, line: u64, calls: &[&Call]) -> bool {
        let hidden = self.hidden.get(&key).map_or(&[][..], |hidden| hidden);
        hidden.iter().any(|call| calls[*call].invoked.index < line)
    }
}

impl Scribe<'_> {
    fn note_writers(&mut self) {
        for (place, call) in self.calls.iter().enumerate() {
            match call.input {
                Input::Create { val, .. } | Input::Write { val, .. } | Input::Cas { val, .. } => {
                    self.writers.insert(val, place);
                }
                _ => {}
            }
        }
    }

    fn note_acknowledged(&mut self, by: usize) {
        let call = self.calls[by];
        let (rev, uid, val) = match (&call.output, call.outcome) {
            (Output::State(Some(state)), Outcome::Ok) if call.input.is_write() => {
                (Some(state.rev), state.uid, Some(state.val))
            }
            (Output::Version { rev, uid }, Outcome::Ok) => (*rev, *uid, None),
            _ => (None, None, None),
        };
        let (key, effect, val) = match call.input {
            Input::Create { key, .. } => (key, Effect::Created, val),
            Input::Write { key, .. } | Input::Cas { key, .. } => (key, Effect::Modified, val),
            Input::Delete { key, .. } => (key, Effect::Deleted, None),
            _ => return,
        };
        if call.outcome == Outcome::Fail {
            return;
        }
        let Some(rev) = rev else {
            if effect == Effect::Deleted {
                self.deletions.entry(key).or_default().push(by);
            }
            return;
        };
        self.found.insert(by, rev);
        let version = Version {
            key,
            rev,
            effect,
            uid,
            val,
            writer: Some(by),
            guessed: false,
            witness: by,
            proved: call.returned(),
            acked: true,
        };
        // That a revision was given twice is `unique`'s to tell, over all workloads.
        self.ledger.versions.entry(rev).or_insert(version);
    }

    fn note_seen(&mut self, by: usize) {
        let call = self.calls[by];
        match (&call.output, &call.input) {
            (Output::State(Some(state)), Input::Read { key, .. }) => self.state(*key, *state, by),
            (Output::Items { items, .. }, _) => {
                items.iter().for_each(|(key, state)| self.state(*key, *state, by));
            }
            (Output::Events { events, .. }, Input::Watch { selector, .. }) => {
                events.iter().for_each(|event| self.event(event, *selector, by));
            }
            _ => {}
        }
    }

    fn state(&mut self, key: u64, state: State, by: usize) {
        self.see(Sight { key, rev: state.rev, uid: state.uid, val: state.val, by });
    }

    fn event(&mut self, event: &Event, selector: Selector, by: usize) {
        let Event { key, rev, uid, .. } = *event;
        match (event.change, event.val) {
            (Change::Added | Change::Modified, Some(val)) => {
                self.see(Sight { key, rev, uid, val, by });
            }
            // With a selector it may as well tell of a change out of the selection.
            (Change::Deleted, _) if selector == Selector::All => {
                self.see_deleted(key, rev, uid, by)
            }
            _ => {}
        }
    }

    fn see(&mut self, sight: Sight) {
        let returned = self.calls[sight.by].returned();
        let Some(version) = self.ledger.versions.get_mut(&sight.rev) else {
            return self.see_new(&sight);
        };
        if version.proved > returned {
            (version.proved, version.witness) = (returned, sight.by);
        }
        let uids = version.uid.is_some() && sight.uid.is_some() && version.uid != sight.uid;
        if version.key != sight.key || version.val != Some(sight.val) || uids {
            let version = version.clone();
            self.clash(&version, Some(sight.val), sight.key, sight.by);
        }
    }

    fn see_new(&mut self, sight: &Sight) {
        let writer = self.writers.get(&sight.val).copied();
        let writer = writer.filter(|writer| self.calls[*writer].key() == Some(sight.key));
        let mut effect = Effect::Modified;
        match writer.map(|writer| (writer, self.calls[writer])) {
            None => self.odd("durability", "phantom", &[sight.by], || {
                format!(
                    "object {} was seen with {} at revision {}, which nobody wrote to it",
                    sight.key, sight.val, sight.rev
                )
            }),
            Some((writer, call)) => {
                if matches!(call.input, Input::Create { .. }) {
                    effect = Effect::Created;
                }
                self.explain(sight, writer);
            }
        }
        self.ledger.versions.insert(
            sight.rev,
            Version {
                key: sight.key,
                rev: sight.rev,
                effect,
                uid: sight.uid,
                val: Some(sight.val),
                writer,
                guessed: false,
                witness: sight.by,
                proved: self.calls[sight.by].returned(),
                acked: false,
            },
        );
    }

    /// Whether the writer of a value may have made a version that was not known before.
    fn explain(&mut self, sight: &Sight, writer: usize) {
        if self.calls[writer].outcome == Outcome::Fail {
            self.odd("durability", "failed-yet-applied", &[writer, sight.by], || {
                format!(
                    "the write of {} to object {} failed, yet it was seen at revision {}",
                    sight.val, sight.key, sight.rev
                )
            });
        } else if let Some(first) = self.found.get(&writer).copied() {
            self.odd("durability", "applied-twice", &[writer, sight.by], || {
                format!(
                    "{} was written to object {} once, and is seen at revisions {first} and {}",
                    sight.val, sight.key, sight.rev
                )
            });
        } else {
            self.found.insert(writer, sight.rev);
        }
    }

    fn see_deleted(&mut self, key: u64, rev: u64, uid: Option<Name>, by: usize) {
        let returned = self.calls[by].returned();
        if let Some(version) = self.ledger.versions.get_mut(&rev) {
            if version.proved > returned {
                (version.proved, version.witness) = (returned, by);
            }
            if version.key != key || version.effect != Effect::Deleted {
                let version = version.clone();
                self.clash(&version, None, key, by);
            }
            return;
        }
        // They are in the order of invocation: the first is what bounds it in time. Which of
        // several it was cannot be told, and a wrong guess would make a right history look wrong.
        let waiting = self.deletions.get(&key).map_or(&[][..], |waiting| waiting);
        let writer = waiting.first().copied();
        let writer = writer.filter(|writer| self.calls[*writer].invoked.index < returned);
        let guessed = waiting.len() > 1;
        match writer {
            Some(_) if guessed => {}
            Some(writer) => {
                self.deletions.remove(&key);
                self.found.insert(writer, rev);
            }
            None => self.odd("durability", "phantom", &[by], || {
                format!("object {key} was seen deleted at revision {rev}, and nobody deleted it")
            }),
        }
        let version = Version {
            key,
            rev,
            effect: Effect::Deleted,
            uid,
            val: None,
            writer,
            guessed,
            witness: by,
            proved: returned,
            acked: !guessed && writer.is_some_and(|writer| self.calls[writer].is_ok()),
        };
        self.ledger.versions.insert(rev, version);
    }

    fn clash(&mut self, known: &Version, shown: Option<i64>, key: u64, by: usize) {
        let content = |key: u64, val: Option<i64>| {
            val.map_or(format!("object {key} deleted"), |val| format!("object {key} = {val}"))
        };
        let (first, then) = (content(known.key, known.val), content(key, shown));
        let uids = if first == then { ", under two uids" } else { "" };
        self.odd("unique", "revision-clash", &[known.witness, by], || {
            format!("revision {} is {first} to one and {then} to another{uids}", known.rev)
        });
    }

    fn odd(
        &mut self,
        checker: &'static str,
        kind: &'static str,
        calls: &[usize],
        words: impl FnOnce() -> String,
    ) {
        if self.ledger.oddities.len() >= ODDITIES_MAX {
            return;
        }
        let ops = calls.iter().flat_map(|call| self.calls[*call].lines()).collect();
        let words = words();
        self.ledger.oddities.push(Oddity { checker, kind, ops, words });
    }

    fn finish(mut self) -> Ledger {
        for version in self.ledger.versions.values() {
            self.ledger.by_key.entry(version.key).or_default().push(version.rev);
        }
        for (place, call) in self.calls.iter().enumerate() {
            let Some(key) = call.key() else { continue };
            let told = call.returned() != NEVER && !matches!(call.input, Input::Delete { .. });
            let may = call.input.is_write() && call.outcome != Outcome::Fail && !told;
            if may && !self.found.contains_key(&place) {
                self.ledger.hidden.entry(key).or_default().push(place);
            }
        }
        self.ledger
    }
}
