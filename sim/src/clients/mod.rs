//! Simulated clients: each writes, reads and watches, on whichever member it comes to.

mod branching;
mod journal;
mod watching;
mod writes;

pub use journal::{ClientId, Counts, Fate, Journal, Learnt, Note};
pub use writes::as_proposed;

use crate::group::front::{Request, Seen};
use crate::group::{Machine, MachineId};
use crate::plan::randomness;
use crate::trace::Trace;
use parking_lot::Mutex;
use rand::Rng;
use rand::rngs::StdRng;
use reddwarf_core::{Collection, ProposeError, Revision, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// After so long a client does not wait for an answer any more, each in its own way. Those that wait
/// longer than members do learn what becomes of everything; the others soon ask another member, so that
/// the group goes on while one is cut off.
const PATIENCE: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(12)];
/// Parts of the randomness of a run: clients' begin here.
const RANDOMNESS: u64 = 100;

/// What clients know of the group.
#[derive(Clone)]
pub struct Clients {
    /// Where members may be.
    pub machines: Vec<Arc<Machine>>,
    /// What they learn.
    pub journal: Journal,
    /// Who looks on.
    pub trace: Trace,
    /// Where all randomness comes from.
    pub seed: u64,
    /// Set when faults are over: clients slow down, so that members catch up.
    pub calm: Arc<Mutex<bool>>,
}

fn now_ms() -> u64 {
    turmoil::sim_elapsed().unwrap_or_default().as_millis() as u64
}

/// The collections that clients use.
#[must_use]
pub fn collections() -> [Collection; 2] {
    [Collection::new("", "configmaps"), Collection::new("", "secrets")]
}

impl Clients {
    /// So many clients that write and read, others that watch, and others that have to do with
    /// branches and the past, for ever.
    ///
    /// # Errors
    /// None.
    pub async fn run(
        self,
        acting: usize,
        watching: Vec<ClientId>,
        branching: Vec<ClientId>,
    ) -> turmoil::Result {
        let act = (0..acting).map(|client| tokio::spawn(self.clone().act(client)));
        let watch = watching.into_iter().map(|client| tokio::spawn(self.clone().watch(client)));
        let keep = branching.last().map(|client| tokio::spawn(self.clone().forget(client + 1)));
        let branch = branching.iter().map(|client| tokio::spawn(self.clone().branch(*client)));
        let beside = branching.last().map(|client| {
            let (changes, commits) = (self.clone(), self.clone());
            let changes = tokio::spawn(changes.watch_branches(client + 2));
            let commits = tokio::spawn(commits.watch_commits(client + 3));
            [changes, commits, tokio::spawn(self.clone().back_up(client + 4))]
        });
        let beside = beside.into_iter().flatten();
        let all: Vec<_> = act.chain(watch).chain(branch).chain(keep).chain(beside).collect();
        for client in all {
            client.await?;
        }
        Ok(())
    }

    /// One client that writes and reads, for ever.
    async fn act(self, client: ClientId) {
        let mut random = randomness(self.seed, RANDOMNESS + client as u64);
        let think_ms = random.random_range(1..60);
        let mut seen = Seen { revision: Revision::ZERO, objects: Vec::new() };
        loop {
            let calm = *self.calm.lock();
            let longest = if calm { 200 } else { think_ms };
            sleep(Duration::from_millis(random.random_range(0..=longest))).await;
            let Some(machine) = self.choose(&mut random) else { continue };
            match random.random_range(0..10) {
                0..2 => {
                    if let Some(read) = self.read(&mut random, client, &machine).await {
                        seen = read;
                    }
                }
                2..4 => {
                    if let Some(read) = self.look(&mut random, client, &machine).await {
                        seen = read;
                    }
                }
                _ => self.write(&mut random, client, &machine, &seen).await,
            }
        }
    }

    /// One client that has backups made, for ever.
    async fn back_up(self, client: ClientId) {
        let mut random = randomness(self.seed, RANDOMNESS + client as u64);
        loop {
            sleep(Duration::from_millis(random.random_range(300..5_000))).await;
            let Some(machine) = self.choose(&mut random) else { continue };
            let saved = self.ask(client, &machine, Request::BackUp).await.flatten();
            // What its disk has changed, it may find out only now.
            let rotten = machine.seat().is_some_and(|seat| seat.rotten);
            if let Some(saved) = saved.filter(|saved| saved.is_ok() || !rotten) {
                self.note(client, machine.id, Learnt::Backup(saved));
            }
        }
    }

    /// A machine on which a member takes requests.
    fn choose(&self, random: &mut StdRng) -> Option<Arc<Machine>> {
        let up: Vec<_> = self.machines.iter().filter(|machine| machine.front().is_some()).collect();
        if up.is_empty() {
            return None;
        }
        Some(Arc::clone(up[random.random_range(0..up.len())]))
    }

    fn collection(random: &mut StdRng) -> Collection {
        let [often, seldom] = collections();
        if random.random_ratio(3, 4) { often } else { seldom }
    }

    fn note(&self, client: ClientId, machine: MachineId, learnt: Learnt) {
        self.trace.tell(now_ms(), || format!("c{client} from m{machine}: {}", describe(&learnt)));
        self.journal.note(Note { at_ms: now_ms(), client, machine, learnt });
    }

    async fn ask<T>(
        &self,
        client: ClientId,
        machine: &Machine,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        machine.front()?.send(request(reply)).ok()?;
        timeout(PATIENCE[client % PATIENCE.len()], answer).await.ok()?.ok()
    }

    async fn read(&self, random: &mut StdRng, client: ClientId, machine: &Machine) -> Option<Seen> {
        let collection = Self::collection(random);
        let floor = self.journal.known();
        let asked = collection.clone();
        let read = self.ask(client, machine, |reply| Request::Read(asked, reply)).await?;
        let seen = read.ok()?;
        let learnt = Learnt::Read { collection, floor, seen: seen.clone() };
        self.note(client, machine.id, learnt);
        Some(seen)
    }

    async fn look(&self, random: &mut StdRng, client: ClientId, machine: &Machine) -> Option<Seen> {
        let collection = Self::collection(random);
        let asked = collection.clone();
        let seen = self.ask(client, machine, |reply| Request::Look(asked, reply)).await?;
        let floor = Revision::ZERO;
        let learnt = Learnt::Read { collection, floor, seen: seen.clone() };
        self.note(client, machine.id, learnt);
        Some(seen)
    }

    async fn write(&self, random: &mut StdRng, client: ClientId, machine: &Machine, seen: &Seen) {
        let write = writes::draw(random, seen);
        let fenced = random.random_ratio(1, 12);
        self.submit(client, machine, write, fenced).await;
    }

    async fn submit(&self, client: ClientId, machine: &Machine, write: Write, fenced: bool) {
        let changes = writes::changes(&write);
        let asked = Box::new(write);
        let request = if fenced { Request::Fenced } else { Request::Write };
        let answer = self.ask(client, machine, |reply| request(asked, reply)).await;
        let fate = match answer {
            Some(Ok(committed)) => Fate::Committed(committed),
            Some(Err(ProposeError::Unknown(why))) => Fate::Unknown(why),
            Some(Err(why)) => Fate::NotWritten(why.to_string()),
            None => Fate::Unknown("no answer".to_owned()),
        };
        self.note(client, machine.id, Learnt::Write { changes, fate });
    }
}

fn describe(learnt: &Learnt) -> String {
    match learnt {
        Learnt::Write { changes, fate } => {
            let keys: Vec<_> = changes.iter().map(|(key, _)| key.as_str()).collect();
            format!("write of {keys:?}: {fate:?}")
        }
        Learnt::Read { collection, floor, seen } => {
            format!("read of {collection} at {} (at least {floor})", seen.revision)
        }
        Learnt::Past { line, collection, asked, told } => {
            let told = told.as_ref().map(|past| past.seen.revision);
            format!("past of {collection} on line {} at {asked}: {told:?}", line.0)
        }
        Learnt::Watched { line, collection, after, through, events } => {
            let (line, count) = (line.0, events.len());
            format!(
                "watch of {collection} on line {line}: {count} events after {after} up to {through}"
            )
        }
        Learnt::Backup(saved) => {
            let saved = saved.as_ref().map(|all| all.first().map(|(_, seen)| seen.revision));
            format!("backup: {saved:?}")
        }
        Learnt::Commits { line, after, commits } => {
            format!("watch of commits on line {}: after {after} {commits:?}", line.0)
        }
    }
}
