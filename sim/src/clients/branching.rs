//! Clients that write branches, merge them, look back, take content away, and have the past forgotten.

use super::{ClientId, Clients, Learnt, collections, now_ms, writes};
use crate::group::Machine;
use crate::group::front::{LinesSeen, Request, Seen, branch_key};
use crate::group::past::{Past, Untold};
use crate::plan::randomness;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use reddwarf_core::{
    BaseObject, BranchId, BranchRef, Change, Collection, Excised, Expectation, Floors, LinePoint,
    Links, ObjectKey, Precondition, Revision, Write,
};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::sleep;

/// Names of branches, so few that clients meet.
const NAMES: u32 = 3;
/// Versions that are remembered, to be taken away.
const OLD_MAX: usize = 50;
/// Commits that are remembered, to begin there.
const POINTS_MAX: usize = 50;

/// What a client knows.
#[derive(Default)]
struct Known {
    /// The bases of branches, which never change.
    bases: BTreeMap<BranchId, Vec<BaseObject>>,
    /// Versions of main that may be past.
    old: Vec<Excised>,
    /// Where main and branches stood.
    points: Vec<LinePoint>,
}

impl Known {
    fn note_points(&mut self, lines: &LinesSeen) {
        let branches = lines.branches.iter().map(|(_, at, _)| (at.id, at.head));
        for (line, at) in branches.chain([(BranchId::MAIN, lines.main)]) {
            let point = LinePoint { line, at };
            if !self.points.contains(&point) {
                self.points.push(point);
            }
        }
        forget_oldest(&mut self.points, POINTS_MAX);
    }
}

fn forget_oldest<T>(all: &mut Vec<T>, count_max: usize) {
    all.drain(..all.len().saturating_sub(count_max));
}

impl Clients {
    /// One client that has to do with branches and the past, for ever.
    pub(super) async fn branch(self, client: ClientId) {
        let mut random = randomness(self.seed, super::RANDOMNESS + client as u64);
        let think_ms = random.random_range(10..150);
        let mut known = Known::default();
        loop {
            let longest = if *self.calm.lock() { 300 } else { think_ms };
            sleep(Duration::from_millis(random.random_range(0..=longest))).await;
            let Some(machine) = self.choose(&mut random) else { continue };
            let Some(lines) = self.ask(client, &machine, Request::Lines).await else { continue };
            known.note_points(&lines);
            let visit = Visit { clients: &self, client, machine: &machine, lines };
            let random = &mut random;
            match random.random_range(0..20) {
                0..2 => visit.begin(random, &known).await,
                2 => visit.end(random).await,
                3..9 => visit.write_branch(random, &mut known).await,
                9..12 => visit.merge(random, &mut known).await,
                12..18 => visit.look_back(random, &mut known).await,
                _ => visit.excise(random, &mut known).await,
            }
        }
    }

    /// Has the past forgotten, for ever.
    pub(super) async fn forget(self, client: ClientId) {
        let mut random = randomness(self.seed, super::RANDOMNESS + client as u64);
        let longest_ms = random.random_range(300..2_000);
        let kept = random.random_range(20..400);
        let nothing = Seen { revision: Revision::ZERO, objects: Vec::new() };
        let mut newest = nothing.revision;
        loop {
            sleep(Duration::from_millis(random.random_range(50..longest_ms))).await;
            let Some(machine) = self.choose(&mut random) else { continue };
            let Some(lines) = self.ask(client, &machine, Request::Lines).await else { continue };
            newest = newest.max(lines.revision);
            let back = |by: u64| Revision(newest.0.saturating_sub(by));
            let [often, seldom] = collections();
            let scope = match random.random_range(0..4) {
                0 => vec![(seldom.prefix(), back(random.random_range(0..kept)))],
                1 => vec![(often.namespace_prefix("default"), back(random.random_range(0..kept)))],
                _ => Vec::new(),
            };
            let floors = Floors { all: back(kept), scopes: scope };
            self.trace
                .tell(now_ms(), || format!("c{client} has m{} forget: {floors:?}", machine.id));
            // Only a leader does so, and whether it did shows in the log.
            let _ = self.ask(client, &machine, |reply| Request::Retain(floors, reply)).await;
        }
    }
}

/// A client at a member, which has told it of its lines.
struct Visit<'v> {
    clients: &'v Clients,
    client: ClientId,
    machine: &'v Machine,
    lines: LinesSeen,
}

impl Visit<'_> {
    async fn submit(&self, write: Write) {
        self.clients.submit(self.client, self.machine, write, false).await;
    }

    async fn look(&self, random: &mut StdRng) -> Option<Seen> {
        self.clients.look(random, self.client, self.machine).await
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        self.clients.ask(self.client, self.machine, request).await
    }

    fn note(&self, learnt: Learnt) {
        self.clients.note(self.client, self.machine.id, learnt);
    }

    async fn begin(&self, random: &mut StdRng, known: &Known) {
        let name = format!("branch-{}", random.random_range(0..NAMES));
        // Also at a commit below the floor of some kind, or at one whose line is gone.
        let begins = match random.random_range(0..3) {
            0 => known.points.choose(random).copied(),
            1 => self
                .lines
                .branches
                .choose(random)
                .map(|(_, at, _)| LinePoint { line: at.id, at: at.head }),
            _ => None,
        };
        let begins = begins.unwrap_or_else(|| LinePoint::of_main(self.lines.main));
        let key = branch_key(&name);
        let precondition = Precondition { key: key.clone(), expect: Expectation::Absent };
        let write = Write {
            verb: "create".to_owned(),
            preconditions: vec![precondition],
            changes: vec![writes::put(random, key, "Branch", false)],
            links: Some(Box::new(Links { begins: Some(begins), ..Links::default() })),
            ..Write::default()
        };
        self.submit(write).await;
    }

    async fn end(&self, random: &mut StdRng) {
        let Some((name, _, object)) = self.lines.branches.choose(random) else { return };
        let key = branch_key(name);
        let expect = object.map_or(Expectation::Present, Expectation::At);
        let write = Write {
            verb: "delete".to_owned(),
            preconditions: vec![Precondition { key: key.clone(), expect }],
            changes: vec![Change::Delete { key }],
            ..Write::default()
        };
        self.submit(write).await;
    }

    async fn write_branch(&self, random: &mut StdRng, known: &mut Known) {
        let Some((_, at, _)) = self.lines.branches.choose(random) else { return };
        let drawn = self.draw_for(random, at, known).await;
        if let Some(write) = drawn {
            self.submit(write).await;
        }
    }

    /// A write to a branch as it is, that says what its base holds.
    async fn draw_for(
        &self,
        random: &mut StdRng,
        at: &BranchRef,
        known: &mut Known,
    ) -> Option<Write> {
        let collection = Clients::collection(random);
        let head = at.head.revision;
        let past = self.past(at.id, collection, head).await?;
        let base = match known.bases.entry(at.id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let mut base = Vec::new();
                for collection in collections() {
                    let from = at.base.revision;
                    let past = self.past(at.id, collection, from).await?;
                    let objects = past.seen.objects.into_iter().zip(past.created);
                    base.extend(objects.map(|((key, revision, _), created)| BaseObject {
                        key,
                        revision,
                        created,
                    }));
                }
                unknown.insert(base)
            }
        };
        let mut write = writes::draw(random, &past.seen);
        let changed = write.changes.iter().map(Change::key);
        let named: Vec<&ObjectKey> =
            changed.chain(write.preconditions.iter().map(|one| &one.key)).collect();
        let base = base.iter().filter(|object| named.contains(&&object.key));
        let base = base.cloned().collect();
        write.branch = at.id;
        write.links = Some(Box::new(Links { base, ..Links::default() }));
        Some(write)
    }

    async fn merge(&self, random: &mut StdRng, known: &mut Known) {
        let Some((_, at, _)) = self.lines.branches.choose(random) else { return };
        let of_branch = LinePoint { line: at.id, at: at.head };
        let (taken, write) = match random.random_range(0..5) {
            0..3 => {
                let seen = self.look(random).await;
                (of_branch, seen.map(|seen| writes::draw(random, &seen)))
            }
            3 => {
                let write = self.draw_for(random, at, known).await;
                (LinePoint::of_main(self.lines.main), write)
            }
            _ => {
                let Some((_, into, _)) = self.lines.branches.choose(random) else { return };
                (of_branch, self.draw_for(random, into, known).await)
            }
        };
        let Some(mut write) = write else { return };
        write.verb = "merge".to_owned();
        write.links.get_or_insert_default().merges = Some(taken);
        self.submit(write).await;
    }

    async fn look_back(&self, random: &mut StdRng, known: &mut Known) {
        let collection = Clients::collection(random);
        let branch = self.lines.branches.choose(random).filter(|_| random.random_bool(0.4));
        let (line, range) = match branch {
            Some((_, at, _)) => (at.id, at.base.revision.0..=self.lines.revision.0),
            // Below the floor nothing is told.
            None => (BranchId::MAIN, self.lines.floor.0.saturating_sub(5)..=self.lines.revision.0),
        };
        let asked = Revision(random.random_range(range));
        let past = self.past(line, collection, asked).await;
        if let Some(past) = past.filter(|_| line == BranchId::MAIN) {
            let objects = past.seen.objects.into_iter();
            known.old.extend(objects.map(|(key, revision, _)| Excised { key, revision }));
            forget_oldest(&mut known.old, OLD_MAX);
        }
    }

    async fn past(&self, line: BranchId, collection: Collection, asked: Revision) -> Option<Past> {
        let of = collection.clone();
        let told = self.ask(|reply| Request::Past(line, of, asked, reply)).await?;
        // What its disk has changed, it cannot tell.
        let rotten = self.machine.seat().is_some_and(|seat| seat.rotten);
        if !(rotten && matches!(told, Err(Untold::Damaged(_)))) {
            let learnt = Learnt::Past { line, collection, asked, told: told.clone() };
            self.note(learnt);
        }
        told.ok()
    }

    async fn excise(&self, random: &mut StdRng, known: &mut Known) {
        let Some(seen) = self.look(random).await else { return };
        let mut write = writes::draw(random, &seen);
        let count = random.random_range(1..=3);
        write.excised = known.old.choose_multiple(random, count).cloned().collect();
        self.submit(write).await;
    }
}
