//! The way of a proposal into the log, from whichever member received it.
//!
//! One task gathers what waits and hands it, as a batch, to Raft when this member leads, or as
//! one frame to the leader. A batch that does not arrive is tried again with the same request
//! ids, which `apply` remembers (invariant 5). The answer comes from this member's own `apply`.

use crate::contact;
use crate::core::Core;
use crate::data::LogData;
use crate::leadership;
use crate::peer::{CallError, Forwarded, Kind, Lane, decode, encode_forward};
use crate::read_index::FAILED;
use crate::types::TypeConfig;
use bytes::Bytes;
use futures::StreamExt;
use openraft::errors::ClientWriteError;
use openraft::raft::WriteResult;
use reddwarf_core::{FeatureLevel, Outcome, Proposal, ProposalKind, ProposeError, RequestId};
use reddwarf_versioning::needs_level;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc};

/// Proposals in one batch.
const BATCH_MAX: usize = 512;
/// About how many bytes of proposals go into one frame.
const BATCH_BYTES: usize = 2 * 1024 * 1024;
/// Frames to the leader that are under way at a time; more proposals gather meanwhile.
const FRAMES_MAX: usize = 4;
/// Pause before a proposal is tried again.
const RETRY: Duration = Duration::from_millis(10);
/// How long one frame may stay unanswered.
const FRAME_TIMEOUT: Duration = Duration::from_secs(5);

/// One proposal on its way.
#[derive(Clone)]
struct Item {
    id: RequestId,
    data: LogData,
    /// Whether some leader may have appended it, or may just be doing so.
    sent: Arc<AtomicBool>,
}

/// An item while a leader has it.
struct Attempt {
    item: Item,
    /// What was known before.
    sent_before: bool,
}

impl Attempt {
    fn begin(item: Item) -> Attempt {
        let sent_before = item.sent.swap(true, Ordering::AcqRel);
        Attempt { item, sent_before }
    }

    fn begin_all(batch: Vec<Item>) -> Vec<Attempt> {
        batch.into_iter().map(Attempt::begin).collect()
    }

    /// The leader certainly did not append it.
    fn not_taken(self) -> Item {
        self.item.sent.store(self.sent_before, Ordering::Release);
        self.item
    }
}

/// Accepts proposals.
pub struct Proposer {
    core: Arc<Core>,
    queue: mpsc::UnboundedSender<Item>,
}

impl Proposer {
    /// Starts the task that moves proposals along.
    pub fn start(core: Arc<Core>) -> Self {
        let (queue, items) = mpsc::unbounded_channel();
        let mover = Mover {
            core: Arc::clone(&core),
            queue: queue.clone(),
            frames: Arc::new(Semaphore::new(FRAMES_MAX)),
        };
        tokio::spawn(mover.run(items));
        Proposer { core, queue }
    }

    /// Proposes, and waits for the answer of this member's `apply`.
    pub async fn propose(&self, kind: ProposalKind) -> Result<Outcome, ProposeError> {
        let core = &self.core;
        self.check()?;
        let started = Instant::now();
        let id = RequestId(rand::random());
        let made_at = core.machine.applied.borrow().index;
        let data = LogData::encode(Proposal { request_id: id, made_at, kind })
            .map_err(|error| ProposeError::TooLarge(error.to_string()))?;
        let answer = core.machine.pending.insert(id);
        let sent = Arc::new(AtomicBool::new(false));
        let waiting = Waiting { core, id };
        core.metrics.proposals_pending.set(core.machine.pending.len() as i64);
        if self.queue.send(Item { id, data, sent: Arc::clone(&sent) }).is_err() {
            return Err(ProposeError::Unavailable("this member is stopping".to_owned()));
        }
        let (answered, otherwise) = tokio::select! {
            biased;
            answered = tokio::time::timeout(core.limits.propose_timeout, answer) => {
                (answered.ok(), ["no answer in time", "no leader in time"])
            }
            () = core.failed.cancelled() => (None, [FAILED; 2]),
        };
        drop(waiting);
        core.metrics.propose.observe(started.elapsed().as_secs_f64());
        let [unknown, unavailable] = otherwise.map(str::to_owned);
        match answered {
            Some(Ok(answer)) => answer,
            _ if sent.load(Ordering::Acquire) => Err(ProposeError::Unknown(unknown)),
            _ => Err(ProposeError::Unavailable(unavailable)),
        }
    }

    fn check(&self) -> Result<(), ProposeError> {
        let core = &self.core;
        let refused = |text: &str| Err(ProposeError::Unavailable(text.to_owned()));
        if let Some(why) = core.quarantine().refusal() {
            return refused(&why);
        }
        if core.stopping.load(Ordering::Acquire) {
            return refused("this member is stopping");
        }
        if let Some(age) = contact::lost_after(core, contact::patience(&core.limits)) {
            return refused(&contact::cut_off(age));
        }
        if core.disk_full() {
            return refused("this member's disk is full");
        }
        if core.wal.failed() || core.machine.persist.failure().is_some() {
            return refused("this member's disk failed");
        }
        if core.machine.pending.len() >= core.limits.proposals_max {
            return refused("too many proposals wait on this member");
        }
        Ok(())
    }
}

/// Removes a proposal whose caller has gone.
struct Waiting<'a> {
    core: &'a Core,
    id: RequestId,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.core.machine.pending.remove(&self.id);
    }
}

#[derive(Clone)]
struct Mover {
    core: Arc<Core>,
    queue: mpsc::UnboundedSender<Item>,
    frames: Arc<Semaphore>,
}

impl Mover {
    async fn run(self, mut items: mpsc::UnboundedReceiver<Item>) {
        let mut leader = self.core.leader.clone();
        let stop = self.core.stop.clone();
        while let Some(Some(first)) = stop.run_until_cancelled(items.recv()).await {
            let known = *leader.borrow_and_update();
            match known.leader {
                Some(id) if id == self.core.node_id => {
                    let batch = self.gather(first, &mut items);
                    self.submit(batch).await;
                }
                Some(id) => {
                    let Ok(place) = Arc::clone(&self.frames).acquire_owned().await else { return };
                    let batch = self.gather(first, &mut items);
                    let mover = self.clone();
                    tokio::spawn(async move {
                        mover.forward(id, batch).await;
                        drop(place);
                    });
                }
                None => {
                    let batch = self.gather(first, &mut items);
                    // Woken by the next leader, or to drop proposals that nobody waits for.
                    leadership::changed(&mut leader, 50 * RETRY).await;
                    batch.into_iter().for_each(|item| self.requeue(item));
                }
            }
        }
    }

    /// `first` and what else waits, without what nobody waits for any more.
    fn gather(&self, first: Item, items: &mut mpsc::UnboundedReceiver<Item>) -> Vec<Item> {
        let pending = &self.core.machine.pending;
        let mut bytes = first.data.bytes().len();
        let mut batch = vec![first];
        while batch.len() < BATCH_MAX && bytes < BATCH_BYTES {
            let Ok(item) = items.try_recv() else { break };
            bytes += item.data.bytes().len();
            batch.push(item);
        }
        batch.retain(|item| pending.contains(&item.id));
        self.core.metrics.propose_batch.observe(batch.len() as f64);
        batch
    }

    fn requeue(&self, item: Item) {
        if self.core.machine.pending.contains(&item.id) {
            // Fails only when the task has ended, and then nobody waits either.
            let _ = self.queue.send(item);
        }
    }

    /// Tries again what `leader` did not take: after a pause, or as soon as another one leads.
    fn requeue_later(&self, items: Vec<Item>, leader: u64) {
        if items.is_empty() {
            return;
        }
        let mover = self.clone();
        tokio::spawn(async move {
            let mut view = mover.core.leader.clone();
            leadership::is_not(&mut view, leader, RETRY).await;
            items.into_iter().for_each(|item| mover.requeue(item));
        });
    }

    /// Hands a batch to Raft here; the answers come from `apply`, only failures are looked at.
    async fn submit(&self, batch: Vec<Item>) {
        let batch = self.within_level(batch);
        if batch.is_empty() {
            return;
        }
        let data: Vec<LogData> = batch.iter().map(|item| item.data.clone()).collect();
        let batch = Attempt::begin_all(batch);
        let results = match self.core.raft.client_write_many(data).await {
            Ok(results) => results,
            Err(error) => {
                tracing::warn!(%error, "Raft takes no proposals any more");
                let again = batch.into_iter().map(Attempt::not_taken).collect();
                return self.requeue_later(again, self.core.node_id);
            }
        };
        let mover = self.clone();
        tokio::spawn(async move {
            let mut again = Vec::new();
            // They end early when Raft does.
            let mut results = results.fuse();
            for attempt in batch {
                match results.next().await {
                    Some(Ok(Ok(_))) => {}
                    Some(Ok(Err(ClientWriteError::ForwardToLeader(_)))) => {
                        again.push(attempt.not_taken());
                    }
                    _ => again.push(attempt.item),
                }
            }
            mover.requeue_later(again, mover.core.node_id);
        });
    }

    /// What the group's feature level allows; the rest is answered (invariant 2).
    fn within_level(&self, batch: Vec<Item>) -> Vec<Item> {
        let level = *self.core.machine.level.borrow();
        let (allowed, early) =
            batch.into_iter().partition::<Vec<_>, _>(|item| item.data.needs() <= level);
        for item in early {
            let why = needs_level(item.data.needs(), level);
            self.core.machine.pending.resolve(&item.id, Err(ProposeError::NotYet(why)));
        }
        allowed
    }

    async fn forward(&self, leader: u64, batch: Vec<Item>) {
        if batch.is_empty() {
            return;
        }
        let proposals: Vec<Bytes> = batch.iter().map(|item| item.data.bytes().clone()).collect();
        let batch = Attempt::begin_all(batch);
        match self.send(leader, &proposals).await {
            Ok(results) => self.settle(leader, batch, results).await,
            Err(true) => {
                let again = batch.into_iter().map(|attempt| attempt.item).collect();
                self.requeue_later(again, leader);
            }
            Err(false) => {
                self.requeue_later(batch.into_iter().map(Attempt::not_taken).collect(), leader);
            }
        }
    }

    /// One frame to the leader; a failure says whether it may have arrived.
    async fn send(&self, leader: u64, proposals: &[Bytes]) -> Result<Vec<Forwarded>, bool> {
        let client = self.core.client(leader).ok_or(false)?;
        let body = encode_forward(proposals);
        let mut view = self.core.leader.clone();
        let other_leader = view.wait_for(|view| view.leader.is_some_and(|id| id != leader));
        let answer = tokio::select! {
            answer = client.call(Lane::Forward, Kind::Forward, body, FRAME_TIMEOUT) => answer,
            _ = other_leader => return Err(true),
        };
        match answer {
            Ok(body) => decode(&body).map_err(|_| true),
            Err(CallError::Unreachable(_)) => Err(false),
            Err(CallError::Refused(text)) => {
                tracing::warn!(%text, "the leader refuses proposals");
                Err(false)
            }
            Err(CallError::Lost(_) | CallError::Timeout) => Err(true),
        }
    }

    async fn settle(&self, leader: u64, batch: Vec<Attempt>, results: Vec<Forwarded>) {
        let mut again = Vec::new();
        let mut applied = Vec::new();
        for (attempt, result) in batch.into_iter().zip(results) {
            match result {
                Forwarded::Applied(index, outcome) => {
                    applied.push((attempt.item.id, index, outcome));
                }
                Forwarded::NotLeader(_) => again.push(attempt.not_taken()),
                Forwarded::Unknown => again.push(attempt.item),
                Forwarded::Refused(text) => {
                    let item = attempt.not_taken();
                    let answer = match item.sent.load(Ordering::Acquire) {
                        true => ProposeError::Unknown(text),
                        false => ProposeError::Unavailable(text),
                    };
                    self.core.machine.pending.resolve(&item.id, Err(answer));
                }
                Forwarded::NotYet(text) => {
                    let item = attempt.not_taken();
                    self.core.machine.pending.resolve(&item.id, Err(ProposeError::NotYet(text)));
                }
            }
        }
        self.requeue_later(again, leader);
        self.answer_covered(applied);
    }

    /// Answers what this member did not apply itself because a snapshot covered it.
    fn answer_covered(&self, applied: Vec<(RequestId, u64, Outcome)>) {
        let pending = &self.core.machine.pending;
        let open = applied.into_iter().filter(|(id, ..)| pending.contains(id));
        let open: Vec<_> = open.collect();
        let Some(last) = open.iter().map(|(_, index, _)| *index).max() else { return };
        let core = Arc::clone(&self.core);
        tokio::spawn(async move {
            let applied = core.wait_applied(last);
            if tokio::time::timeout(core.limits.propose_timeout, applied).await.is_ok() {
                core.machine.pending.resolve_all(open.into_iter().map(|(id, _, o)| (id, o)));
            }
        });
    }
}

/// The leader's side: decodes (invariant 2), appends, and answers when applied.
pub async fn accept(core: &Core, proposals: Vec<Bytes>) -> Vec<Forwarded> {
    let not_leader = || Forwarded::NotLeader(core.leader.borrow().leader);
    let leads = core.is_leader() && core.quarantine().refusal().is_none();
    if !leads || core.stopping.load(Ordering::Acquire) {
        return proposals.iter().map(|_| not_leader()).collect();
    }
    if core.wal.low_on_space() {
        let refused = || Forwarded::Refused("the leader's disk is full".to_owned());
        return proposals.iter().map(|_| refused()).collect();
    }
    let level = *core.machine.level.borrow();
    let checked: Vec<Result<LogData, Forwarded>> =
        proposals.into_iter().map(|bytes| check(bytes, level)).collect();
    let good: Vec<LogData> =
        checked.iter().filter_map(|data| data.as_ref().ok().cloned()).collect();
    let Ok(results) = core.raft.client_write_many(good).await else {
        return checked.iter().map(|_| Forwarded::NotLeader(None)).collect();
    };
    // It ends early when Raft does.
    let mut results = results.fuse();
    let mut out = Vec::with_capacity(checked.len());
    for data in checked {
        out.push(match data {
            Ok(_) => match results.next().await {
                Some(Ok(result)) => forwarded(result),
                _ => Forwarded::Unknown,
            },
            Err(refused) => refused,
        });
    }
    out
}

/// Whether replicas of builds that support `level` can decode a proposal, and another member may
/// send it.
fn check(bytes: Bytes, level: FeatureLevel) -> Result<LogData, Forwarded> {
    let data = LogData::checked(bytes).map_err(|error| Forwarded::Refused(error.to_string()))?;
    if data.needs() > level {
        return Err(Forwarded::NotYet(needs_level(data.needs(), level)));
    }
    match data.is_leaders_own() {
        true => Err(Forwarded::Refused("only the leader itself proposes this".to_owned())),
        false => Ok(data),
    }
}

fn forwarded(result: WriteResult<TypeConfig>) -> Forwarded {
    match result {
        Ok(written) => Forwarded::Applied(written.log_id.index(), written.response),
        Err(ClientWriteError::ForwardToLeader(to)) => Forwarded::NotLeader(to.leader_id),
        Err(_) => Forwarded::Unknown,
    }
}
