//! The search for an order of one object's operations.
//!
//! Lines are taken in order. A set of *configurations* holds every way in which the operations so
//! far may have happened; a return removes those in which its operation cannot have happened by
//! then. If none is left, no order explains the history. Four things keep the set small: the known
//! changes happen in the order of their revisions; an operation that only sees is taken as soon as
//! it fits, since it changes nothing; changes that nobody saw are counted by sort; and a
//! configuration that used no more of them than another, and took no less, makes that one needless.

use super::object::{Act, Does, Object, State};
use crate::trace::NEVER;
use smallvec::SmallVec;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Instant;

/// Operations that are open at once and must be answered; beyond it the search gives up.
const OPEN_MAX: usize = 128;

/// Configurations tried for one object; beyond it the search gives up.
const TRIED_MAX: u64 = 20_000_000;

/// How many of each sort of hidden changes; mostly there are few sorts.
pub(super) type Counts = SmallVec<[u16; 4]>;

/// One way in which the operations so far may have happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Config {
    /// How many of the known changes happened.
    pub next: usize,
    pub state: State,
    /// Which of the open operations happened, by slot.
    pub taken: u128,
    /// How many of each sort of hidden changes happened.
    pub used: Counts,
}

/// Where a search begins.
pub(super) struct Start {
    /// The first line that counts.
    pub from: u64,
    pub configs: Vec<Config>,
}

/// What a search found.
pub(super) enum Answer {
    Linearizable,
    Stuck(Stuck),
    GaveUp(&'static str),
}

/// The return that nothing explains.
pub(super) struct Stuck {
    /// The place of its operation among the object's steps.
    pub step: usize,
    /// What the object may have been until then.
    pub possible: Vec<State>,
}

/// A search over one object.
pub(super) struct Search<'a> {
    object: &'a Object<'a>,
    deadline: Instant,
    tried: u64,
    /// Steps that are left out.
    skipped: HashSet<usize>,
    /// Slots of the open operations, and what they are.
    slots: Vec<Option<usize>>,
    /// How many of each sort of hidden changes were invoked.
    available: Counts,
    /// Which known changes were invoked.
    invoked: Vec<bool>,
}

impl Start {
    /// At the beginning, when there is no object.
    pub(super) fn beginning(object: &Object) -> Start {
        let used = SmallVec::from_elem(0, object.hidden.len());
        Start { from: 0, configs: vec![Config { next: 0, state: State::Absent, taken: 0, used }] }
    }
}

impl<'a> Search<'a> {
    pub(super) fn new(object: &'a Object<'a>, deadline: Instant) -> Search<'a> {
        Search {
            object,
            deadline,
            tried: 0,
            skipped: HashSet::new(),
            slots: Vec::new(),
            available: SmallVec::from_elem(0, object.hidden.len()),
            invoked: vec![false; object.effects.len()],
        }
    }

    /// Leaves out some steps, which must not change anything.
    pub(super) fn without(mut self, skipped: HashSet<usize>) -> Search<'a> {
        self.skipped = skipped;
        self
    }

    /// Takes lines from the start, until one that cannot be explained or `until`.
    pub(super) fn run(mut self, start: &Start, until: Option<u64>) -> Answer {
        self.begin(start);
        let mut configs = start.configs.clone();
        for (line, step, returns) in self.lines(start.from, until.unwrap_or(NEVER)) {
            debug_assert!(line >= start.from);
            if !returns {
                if self.invoke(step).is_err() {
                    return Answer::GaveUp("too many operations were open at once");
                }
                configs.iter_mut().for_each(|config| self.settle(config));
                continue;
            }
            let Some(after) = self.take(&configs, step) else {
                return Answer::GaveUp("the search for an order took too long");
            };
            if after.is_empty() {
                let mut possible: Vec<State> = configs.iter().map(|config| config.state).collect();
                possible.sort_unstable();
                possible.dedup();
                return Answer::Stuck(Stuck { step, possible });
            }
            configs = after;
        }
        Answer::Linearizable
    }

    /// What was invoked before the start and may happen after it.
    fn begin(&mut self, start: &Start) {
        for (position, known) in self.object.effects.iter().enumerate() {
            let early = known.invoked < start.from || known.does == Does::Anything;
            self.invoked[position] = early;
        }
        for step in &self.object.steps {
            if let (Act::Hidden(sort), true) = (step.act, step.invoked < start.from) {
                self.available[sort] = self.available[sort].saturating_add(1);
            }
        }
    }

    fn lines(&self, from: u64, until: u64) -> Vec<(u64, usize, bool)> {
        let mut lines = Vec::new();
        for (place, step) in self.object.steps.iter().enumerate() {
            if self.skipped.contains(&place) {
                continue;
            }
            if step.invoked >= from && step.invoked <= until {
                lines.push((step.invoked, place, false));
            }
            // One that was open at the start may be explained by what was before it.
            let counts = step.invoked >= from || matches!(step.act, Act::Known(_));
            if counts && step.returned != NEVER && (from..=until).contains(&step.returned) {
                lines.push((step.returned, place, true));
            }
        }
        lines.sort_unstable();
        lines
    }

    fn invoke(&mut self, place: usize) -> Result<(), ()> {
        let step = self.object.steps[place];
        for position in self.object.guesses.get(&step.call).into_iter().flatten() {
            self.invoked[*position] = true;
        }
        match step.act {
            Act::Known(position) => self.invoked[position] = true,
            Act::Hidden(sort) => self.available[sort] = self.available[sort].saturating_add(1),
            _ => {
                let free = self.slots.iter().position(Option::is_none);
                let slot = free.unwrap_or(self.slots.len());
                if slot >= OPEN_MAX {
                    return Err(());
                }
                if slot == self.slots.len() {
                    self.slots.push(None);
                }
                self.slots[slot] = Some(place);
            }
        }
        Ok(())
    }

    /// Takes every open operation that only sees and fits.
    fn settle(&self, config: &mut Config) {
        for (slot, place) in self.slots.iter().enumerate() {
            let Some(place) = place else { continue };
            if self.object.steps[*place].act.fits(config.state) {
                config.taken |= 1 << slot;
            }
        }
    }

    /// The configurations in which an operation happened by its return; none when it gave up.
    fn take(&mut self, configs: &[Config], place: usize) -> Option<Vec<Config>> {
        let slot = self.slots.iter().position(|one| *one == Some(place));
        let done = |config: &Config| match (self.object.steps[place].act, slot) {
            (Act::Known(position), _) => config.next > position,
            (_, Some(slot)) => config.taken & (1 << slot) != 0,
            (_, None) => true,
        };
        let mut reached = Frontier::default();
        let mut seen = Frontier::default();
        let mut queue: VecDeque<Config> = configs.iter().cloned().collect();
        while let Some(config) = queue.pop_front() {
            self.tried += 1;
            let late = self.tried.is_multiple_of(1024) && Instant::now() > self.deadline;
            if late || self.tried > TRIED_MAX {
                return None;
            }
            if done(&config) {
                reached.insert(config);
            } else if seen.insert(config.clone()) {
                self.moves(&config, &mut queue);
            }
        }
        let mut after = reached.into_configs();
        if let Some(slot) = slot {
            self.slots[slot] = None;
            after.iter_mut().for_each(|config| config.taken &= !(1 << slot));
        }
        Some(after)
    }

    /// What may happen next; what uses nothing hidden goes first.
    fn moves(&self, config: &Config, queue: &mut VecDeque<Config>) {
        let mut add = |mut after: Config, first: bool| {
            self.settle(&mut after);
            if first { queue.push_front(after) } else { queue.push_back(after) }
        };
        for (slot, place) in self.slots.iter().enumerate() {
            let Some(Act::Loose(does)) = place.map(|place| self.object.steps[place].act) else {
                continue;
            };
            if config.taken & (1 << slot) == 0 && does.can(config.state) {
                let mut after = config.clone();
                (after.state, after.taken) = (does.leaves(None), after.taken | 1 << slot);
                add(after, true);
            }
        }
        for (sort, does) in self.object.hidden.iter().enumerate() {
            if config.used[sort] < self.available[sort] && does.can(config.state) {
                let mut after = config.clone();
                after.state = does.leaves(None);
                after.used[sort] += 1;
                add(after, false);
            }
        }
        let known = self.object.effects.get(config.next);
        if let Some(known) =
            known.filter(|known| self.invoked[config.next] && known.does.can(config.state))
        {
            let mut after = config.clone();
            (after.next, after.state) = (after.next + 1, known.leaves());
            add(after, true);
        }
    }
}

/// What was taken and used by ways that are alike in all else.
type Way = (u128, Counts);

/// Configurations of which none makes another needless.
#[derive(Default)]
struct Frontier {
    by_state: HashMap<(usize, State), Vec<Way>>,
}

impl Frontier {
    /// Adds one, unless it is needless.
    fn insert(&mut self, config: Config) -> bool {
        let known = self.by_state.entry((config.next, config.state)).or_default();
        let covers =
            |a: &Way, b: &Way| a.0 & b.0 == b.0 && a.1.iter().zip(&b.1).all(|(a, b)| a <= b);
        let one = (config.taken, config.used);
        if known.iter().any(|other| covers(other, &one)) {
            return false;
        }
        known.retain(|other| !covers(&one, other));
        known.push(one);
        true
    }

    fn into_configs(self) -> Vec<Config> {
        let all = self.by_state.into_iter().flat_map(|((next, state), ways)| {
            ways.into_iter().map(move |(taken, used)| Config { next, state, taken, used })
        });
        let mut all: Vec<Config> = all.collect();
        // An order that does not depend on a hash: the same history, the same words.
        all.sort_unstable_by_key(|config| (config.next, config.state, config.taken));
        all
    }
}
