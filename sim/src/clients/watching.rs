//! Clients that watch, on one member after the other.

use super::{ClientId, Clients, Learnt};
use crate::group::Machine;
use crate::group::front::{LinesSeen, Request, Told};
use crate::plan::randomness;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use reddwarf_core::{BranchId, Collection, CommitPoint, Revision};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

/// A watch that is begun.
struct Begun {
    line: BranchId,
    collection: Collection,
    after: Revision,
    until: Instant,
}

impl Clients {
    /// One client that watches a collection of main, for ever.
    pub(super) async fn watch(self, client: ClientId) {
        let mut random = randomness(self.seed, super::RANDOMNESS + client as u64);
        let collection = Self::collection(&mut random);
        let mut after = Revision::ZERO;
        loop {
            let patience = Duration::from_millis(random.random_range(200..6_000));
            if let Some(machine) = self.choose(&mut random) {
                let (line, collection) = (BranchId::MAIN, collection.clone());
                let until = Instant::now() + patience;
                let begun = Begun { line, collection: collection.clone(), after, until };
                after = match self.watch_on(client, &machine, begun).await {
                    Some(through) => through,
                    // What it missed cannot be told any more: it begins anew with what there is.
                    None => self.list(client, &machine, &collection).await.unwrap_or(after),
                };
            }
            sleep(Duration::from_millis(random.random_range(1..50))).await;
        }
    }

    async fn list(
        &self,
        client: ClientId,
        machine: &Machine,
        collection: &Collection,
    ) -> Option<Revision> {
        let floor = self.journal.known();
        let asked = collection.clone();
        let seen = self.ask(client, machine, |reply| Request::Read(asked, reply)).await?.ok()?;
        let revision = seen.revision;
        self.note(client, machine.id, Learnt::Read { collection: collection.clone(), floor, seen });
        Some(revision)
    }

    /// Watches for a while; up to where, or `None` when it may not begin there.
    async fn watch_on(
        &self,
        client: ClientId,
        machine: &Machine,
        begun: Begun,
    ) -> Option<Revision> {
        let Begun { line, collection, mut after, until } = begun;
        let (told, mut events) = mpsc::unbounded_channel();
        let Some(front) = machine.front() else { return Some(after) };
        if front.send(Request::Watch(line, collection.clone(), after, told)).is_err() {
            return Some(after);
        }
        loop {
            let batch = match timeout_at(until, events.recv()).await {
                Ok(Some(Told::Changes(batch))) => batch,
                Ok(Some(Told::Gone)) => return None,
                Ok(None) | Err(_) => return Some(after),
            };
            let event = |event: &Arc<reddwarf_core::ChangeEvent>| {
                let bytes = event.after.as_ref().map(|after| after.bytes.clone());
                (event.key.clone(), event.revision, bytes)
            };
            let learnt = Learnt::Watched {
                line,
                collection: collection.clone(),
                after,
                through: batch.through,
                events: batch.events.iter().map(event).collect(),
            };
            self.note(client, machine.id, learnt);
            after = batch.through;
        }
    }

    /// One client that watches branches, for ever.
    pub(super) async fn watch_branches(self, client: ClientId) {
        let mut random = randomness(self.seed, super::RANDOMNESS + client as u64);
        let collection = Self::collection(&mut random);
        let mut reached = BTreeMap::new();
        loop {
            sleep(Duration::from_millis(random.random_range(1..200))).await;
            let patience = Duration::from_millis(random.random_range(100..2_000));
            let Some((machine, lines)) = self.look_around(&mut random, client).await else {
                continue;
            };
            let Some((_, at, _)) = lines.branches.choose(&mut random) else { continue };
            let (line, head) = (at.id, at.head);
            let after = *reached.entry(line).or_insert(head.revision);
            let until = Instant::now() + patience;
            let begun = Begun { line, collection: collection.clone(), after, until };
            let through = self.watch_on(client, &machine, begun).await;
            // A member remembers changes of branches from its start on.
            reached.insert(line, through.unwrap_or(lines.revision));
        }
    }

    /// One client that watches the commits of main and of branches, for ever.
    pub(super) async fn watch_commits(self, client: ClientId) {
        let mut random = randomness(self.seed, super::RANDOMNESS + client as u64);
        let mut reached = BTreeMap::new();
        loop {
            sleep(Duration::from_millis(random.random_range(1..200))).await;
            let until = Instant::now() + Duration::from_millis(random.random_range(100..2_000));
            let Some((machine, lines)) = self.look_around(&mut random, client).await else {
                continue;
            };
            let branches = lines.branches.iter().map(|(_, at, _)| (at.id, at.head));
            let all: Vec<(BranchId, CommitPoint)> =
                branches.chain([(BranchId::MAIN, lines.main)]).collect();
            let Some((line, head)) = all.choose(&mut random) else { continue };
            let after = reached.entry(*line).or_insert(head.revision);
            if !self.watch_commits_on(client, &machine, *line, after, until).await {
                *after = lines.revision;
            }
        }
    }

    /// Watches commits for a while; whether it may begin there.
    async fn watch_commits_on(
        &self,
        client: ClientId,
        machine: &Machine,
        line: BranchId,
        after: &mut Revision,
        until: Instant,
    ) -> bool {
        let (told, mut commits) = mpsc::unbounded_channel();
        let Some(front) = machine.front() else { return true };
        if front.send(Request::WatchCommits(line, *after, told)).is_err() {
            return true;
        }
        loop {
            let batch = match timeout_at(until, commits.recv()).await {
                Ok(Some(Told::Changes(batch))) => batch,
                Ok(Some(Told::Gone)) => return false,
                Ok(None) | Err(_) => return true,
            };
            let commits: Vec<_> =
                batch.iter().map(|commit| (commit.header.first, commit.header.last)).collect();
            let through = commits.last().map_or(*after, |(_, last)| *last);
            self.note(client, machine.id, Learnt::Commits { line, after: *after, commits });
            *after = through;
        }
    }

    /// A member, and where it has main and the branches.
    async fn look_around(
        &self,
        random: &mut StdRng,
        client: ClientId,
    ) -> Option<(Arc<Machine>, LinesSeen)> {
        let machine = self.choose(random)?;
        let lines = self.ask(client, &machine, Request::Lines).await?;
        Some((machine, lines))
    }
}
