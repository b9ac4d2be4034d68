//! Linearizable reads: rounds that many reads share (Raft §6.4, invariant 9).
//!
//! A round begins after all of its reads have arrived. The leader asks a quorum whether it
//! still leads; a follower asks the leader, whose next round the question joins. No lease is
//! trusted: a restarted voter forgets the lease that it granted.

use crate::contact;
use crate::core::{Core, LeaderView};
use crate::leadership;
use crate::peer::{Kind, Lane, ReadIndexReply, decode};
use bytes::Bytes;
use openraft::ReadPolicy;
use openraft::async_runtime::watch::WatchReceiver;
use parking_lot::Mutex;
use reddwarf_core::ReadError;
use reddwarf_core::planted::{self, Bug};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Rounds under way at a time. A round that waits gathers more reads.
const ROUNDS_MAX: usize = 2;
/// Pause before a round that found no leader is tried again.
const RETRY: Duration = Duration::from_millis(20);
/// How long the leader may take for a follower's question.
const ASK_TIMEOUT: Duration = Duration::from_millis(500);
/// How often this member makes sure that it knows the newest state, while no read does.
const LOOK: Duration = Duration::from_secs(2);
/// The same while it is in doubt.
const LOOK_IN_DOUBT: Duration = Duration::from_millis(50);

/// Why a member that cannot go on refuses.
pub const FAILED: &str = "this member cannot go on and is stopping";

type Waiter = oneshot::Sender<u64>;

/// Answers read barriers.
pub struct ReadIndex {
    core: Arc<Core>,
    queue: mpsc::UnboundedSender<Waiter>,
    /// When the newest round began that was confirmed.
    confirmed_at: Mutex<Instant>,
}

impl ReadIndex {
    /// Starts the task that runs the rounds.
    pub fn start(core: Arc<Core>) -> Arc<Self> {
        let (queue, waiters) = mpsc::unbounded_channel();
        tokio::spawn(run(Arc::clone(&core), waiters));
        let reads = Arc::new(ReadIndex { core, queue, confirmed_at: Mutex::new(Instant::now()) });
        tokio::spawn(look(Arc::downgrade(&reads)));
        reads
    }

    fn look_pause(&self) -> Duration {
        if self.core.contact.doubted() { LOOK_IN_DOUBT } else { LOOK }
    }

    /// The index of the next round, within `timeout`.
    async fn index(&self, timeout: Duration) -> Option<u64> {
        let (sender, receiver) = oneshot::channel();
        self.queue.send(sender).ok()?;
        tokio::time::timeout(timeout, receiver).await.ok()?.ok()
    }

    /// Returns when this member has applied everything acknowledged before the call; fails at once
    /// when no majority was reached for longer than an election may take.
    pub async fn barrier(&self) -> Result<(), ReadError> {
        let limits = &self.core.limits;
        self.barrier_within(limits.read_timeout, contact::patience(limits)).await
    }

    /// The same for who would ask another member soon.
    pub async fn ready(&self) -> Result<(), ReadError> {
        let silence_max = contact::silence_max(&self.core.limits);
        self.barrier_within(silence_max, silence_max).await
    }

    /// Waits no longer than `timeout`, nor beyond `silence` since a majority was last reached.
    async fn barrier_within(&self, timeout: Duration, silence: Duration) -> Result<(), ReadError> {
        let core = &self.core;
        let unavailable = |why: String| Err(ReadError::Unavailable(why));
        tokio::select! {
            biased;
            () = core.failed.cancelled() => unavailable(FAILED.to_owned()),
            age = contact::lost(core, silence) => unavailable(contact::cut_off(age)),
            confirmed = self.confirmed(timeout) => confirmed,
        }
    }

    async fn confirmed(&self, timeout: Duration) -> Result<(), ReadError> {
        let started = Instant::now();
        let unavailable = |text: &str| ReadError::Unavailable(text.to_owned());
        let refused =
            || self.core.quarantine().refusal().map_or(Ok(()), |why| Err(unavailable(&why)));
        refused()?;
        let index = self.told_index(timeout).await;
        let index = index.ok_or_else(|| unavailable("no quorum confirmed the read in time"))?;
        let rest = timeout.saturating_sub(started.elapsed());
        tokio::time::timeout(rest, self.core.wait_applied(index))
            .await
            .map_err(|_| unavailable("this member is too far behind"))?;
        refused()?;
        let mut confirmed_at = self.confirmed_at.lock();
        *confirmed_at = started.max(*confirmed_at);
        drop(confirmed_at);
        self.core.metrics.read_index.observe(started.elapsed().as_secs_f64());
        Ok(())
    }

    /// The index of the next round within `timeout`; what it says of the majority is noted.
    async fn told_index(&self, timeout: Duration) -> Option<u64> {
        let asked = Instant::now();
        let index = self.index(timeout);
        tokio::pin!(index);
        let soon = contact::silence_max(&self.core.limits).min(timeout);
        let told = match tokio::time::timeout(soon, &mut index).await {
            Ok(told) => told,
            Err(_) => {
                self.core.contact.doubt(asked);
                index.await
            }
        };
        match told {
            Some(_) => self.core.contact.confirmed(),
            None => self.core.contact.doubt(asked),
        }
        told
    }

    /// A follower's question.
    pub async fn answer(&self) -> ReadIndexReply {
        if !self.core.is_leader() {
            return ReadIndexReply { index: None };
        }
        ReadIndexReply { index: self.index(ASK_TIMEOUT).await }
    }
}

/// Asks for an index when no read does, so that doubts arise and end without any.
async fn look(reads: Weak<ReadIndex>) {
    loop {
        let Some(pause) = reads.upgrade().map(|reads| reads.look_pause()) else { return };
        tokio::time::sleep(pause).await;
        let Some(reads) = reads.upgrade() else { return };
        if reads.core.stop.is_cancelled() {
            return;
        }
        if reads.core.contact.doubted() || reads.confirmed_at.lock().elapsed() >= LOOK {
            // That it failed is noted.
            let _ = reads.confirmed(contact::silence_max(&reads.core.limits)).await;
        }
    }
}

/// What a lease would go by: the term in which a quorum confirmed this member, and when that round
/// began by the machine's monotonic clock. Only a planted mistake trusts it.
#[derive(Default)]
struct Lease(Mutex<Option<(u64, Duration)>>);

impl Lease {
    fn renew(&self, term: u64, began: Duration) {
        *self.0.lock() = Some((term, began));
    }

    /// What this member has committed, if by its clock no other could have been elected since.
    fn index(&self, core: &Core, term: u64) -> Option<u64> {
        let (_, began) = self.0.lock().filter(|(confirmed, _)| *confirmed == term)?;
        let age = core.environment.clock.monotonic().saturating_sub(began);
        let committed = core.raft.metrics().borrow_watched().local_committed;
        committed.filter(|_| age < core.limits.election_min).map(|id| id.index())
    }
}

async fn run(core: Arc<Core>, mut waiters: mpsc::UnboundedReceiver<Waiter>) {
    let places = Arc::new(Semaphore::new(ROUNDS_MAX));
    let lease = Arc::new(Lease::default());
    let stop = core.stop.clone();
    while let Some(Some(first)) = stop.run_until_cancelled(waiters.recv()).await {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let mut round = vec![first];
        while let Ok(waiter) = waiters.try_recv() {
            round.push(waiter);
        }
        core.metrics.read_batch.observe(round.len() as f64);
        let (core, lease) = (Arc::clone(&core), Arc::clone(&lease));
        tokio::spawn(async move {
            if let Some(index) = confirm_until(&core, &lease, &round).await {
                round.into_iter().for_each(|waiter| {
                    let _ = waiter.send(index);
                });
            }
            drop(place);
        });
    }
}

/// Confirms, again and again while anybody waits.
async fn confirm_until(core: &Core, lease: &Lease, round: &[Waiter]) -> Option<u64> {
    let mut leader = core.leader.clone();
    loop {
        leader.borrow_and_update();
        if let Some(index) = confirm(core, lease).await {
            return Some(index);
        }
        if round.iter().all(oneshot::Sender::is_closed) {
            return None;
        }
        // Woken by the next leader, or to look again whether anybody still waits.
        leadership::changed(&mut leader, RETRY).await;
    }
}

async fn confirm(core: &Core, lease: &Lease) -> Option<u64> {
    let LeaderView { leader, term } = *core.leader.borrow();
    let leader = leader?;
    if leader == core.node_id {
        if planted::is(Bug::LeaseRead)
            && let Some(index) = lease.index(core, term)
        {
            return Some(index);
        }
        let began = core.environment.clock.monotonic();
        let (read, _) = core.raft.get_read_log_id(ReadPolicy::ReadIndex).await.ok()?;
        lease.renew(term, began);
        return Some(read.index());
    }
    let client = core.client(leader)?;
    let ask = client.call(Lane::Control, Kind::ReadIndex, Bytes::new(), ASK_TIMEOUT);
    let answer: ReadIndexReply = decode(&ask.await.ok()?).ok()?;
    answer.index
}
