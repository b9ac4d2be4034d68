//! openraft's state machine over [`State`], the persister and the fan-out.

use crate::environment::{Environment, Work};
use crate::fanout::Fanout;
use crate::membership;
use crate::metrics::RaftMetrics;
use crate::pending::Pending;
use crate::quarantine::Quarantine;
use crate::roots::{RecentRoots, RootAt};
use crate::snapshot::{ReceivedSnapshot, SnapshotData, SnapshotFile, SnapshotSource, meta_of};
use crate::types::{Entry, LogId, StoredMembership, TypeConfig, log_id, term_of};
use futures::{Stream, TryStreamExt};
use openraft::entry::RaftEntry;
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use openraft::type_config::alias::{SnapshotMetaOf, SnapshotOf};
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder};
use parking_lot::Mutex;
use reddwarf_core::planted::{self, Bug};
use reddwarf_core::{FeatureLevel, FeatureLevels, MemberBuild, Outcome, RequestId, Revision};
use reddwarf_storage::{Durable, Persist, PersistBatch, RedbStore, load, read_checkpoint};
use reddwarf_versioning::{Applied, Checkpoint, EntryContext, State, StateRoot, WindowLimits};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// Pause before a full disk is tried again.
const FULL_RETRY: Duration = Duration::from_millis(250);

/// How far this member has applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AppliedTo {
    /// Index of the last applied entry.
    pub index: u64,
    /// Its term.
    pub term: u64,
}

/// The state machine's parts that the node reads too.
pub struct MachineParts {
    /// Readers and watchers.
    pub fanout: Arc<Fanout>,
    /// The durable file.
    pub store: Arc<RedbStore>,
    /// The same as the source of snapshots.
    pub snapshots: Arc<SnapshotSource>,
    /// What writes it.
    pub persist: Arc<dyn Persist>,
    /// What runs that which blocks.
    pub work: Work,
    /// Notified by the persister's progress.
    pub progressed: Arc<Notify>,
    /// This member's proposals.
    pub pending: Arc<Pending>,
    /// Figures.
    pub metrics: RaftMetrics,
    /// Bounds of the window of recent changes.
    pub window: WindowLimits,
    /// How far `apply` came, after it is visible to readers.
    pub applied: watch::Sender<AppliedTo>,
    /// The group's feature level, as far as it is applied.
    pub level: watch::Sender<FeatureLevel>,
    /// What is wrong with the state.
    pub quarantine: Quarantine,
    /// Held while entries are applied, or the state is replaced.
    pub(crate) turn: Arc<tokio::sync::Mutex<()>>,
    /// See [`SnapshotFile`].
    snapshot_file: Arc<tokio::sync::Mutex<()>>,
    pub(crate) state: Mutex<State>,
    pub(crate) roots: Mutex<RecentRoots>,
}

/// The state machine; clones share it.
#[derive(Clone)]
pub struct Machine(Arc<MachineParts>);

impl Machine {
    /// Begins with what was loaded from `store`.
    #[expect(clippy::too_many_arguments)]
    pub fn new(
        state: State,
        fanout: Arc<Fanout>,
        store: Arc<RedbStore>,
        persist: Arc<dyn Persist>,
        progressed: Arc<Notify>,
        metrics: RaftMetrics,
        window: WindowLimits,
        environment: &Environment,
    ) -> Self {
        let data_dir = store.path().parent().unwrap_or(Path::new(""));
        let quarantine = Quarantine::on(Arc::clone(&environment.disk), data_dir);
        let work = environment.work.clone();
        let at = AppliedTo { index: state.applied().index, term: state.applied().term };
        let level = watch::channel(state.level()).0;
        Machine(Arc::new(MachineParts {
            fanout,
            snapshots: Arc::new(SnapshotSource {
                cluster_id: store.options().cluster.clone(),
                store: Arc::clone(&store),
                work: work.clone(),
            }),
            store,
            persist,
            work,
            progressed,
            pending: Arc::default(),
            metrics,
            window,
            applied: watch::channel(at).0,
            level,
            quarantine,
            turn: Arc::default(),
            snapshot_file: Arc::default(),
            state: Mutex::new(state),
            roots: Mutex::default(),
        }))
    }

    /// What the node reads too.
    pub fn parts(&self) -> &Arc<MachineParts> {
        &self.0
    }
}

impl MachineParts {
    /// A handle on the durable state.
    fn handle(&self) -> SnapshotData {
        SnapshotData::Durable(Arc::clone(&self.snapshots))
    }

    /// Waits until no other snapshot is in the file for those that come.
    pub async fn snapshot_file(&self) -> SnapshotFile {
        Arc::clone(&self.snapshot_file).lock_owned().await
    }

    /// What is recorded of the state beside its rows.
    pub fn checkpoint(&self) -> Checkpoint {
        self.state.lock().checkpoint()
    }

    /// The members' builds as they were recorded last.
    pub fn builds(&self) -> Arc<Vec<MemberBuild>> {
        self.state.lock().builds().clone()
    }

    /// The newest membership that is certainly committed.
    ///
    /// # Errors
    /// When the recorded one does not decode.
    pub fn membership(&self) -> Result<StoredMembership, String> {
        membership::decode(self.state.lock().membership())
    }

    /// The index of the last applied entry, and the revision and the state root at it.
    pub fn standing(&self) -> (u64, Revision, StateRoot) {
        let state = self.state.lock();
        (state.applied().index, state.revision(), state.root())
    }

    /// Roots at recent indexes from `since` on, and the one now.
    pub fn roots_since(&self, since: u64) -> Vec<RootAt> {
        let (index, _, root) = self.standing();
        self.roots.lock().since(since, (index, root.0))
    }

    /// Waits until all that was applied before is durable in the state.
    ///
    /// # Errors
    /// When the persister has failed for good.
    pub async fn flush(&self) -> io::Result<Arc<Durable>> {
        loop {
            let persist = Arc::clone(&self.persist);
            let flushed = self.work.spawn(move || persist.flush()).await;
            match flushed.map_err(io::Error::other)? {
                // Only a persister that may not wait itself tells of it (invariant 15).
                Err(failure) if failure.is_full() => tokio::time::sleep(FULL_RETRY).await,
                flushed => return flushed.map_err(io::Error::other),
            }
        }
    }

    /// Tells the level of a state that takes effect.
    pub(crate) fn note_level(&self, state: &State) {
        let level = state.level();
        let changed = self.level.send_if_modified(|known| std::mem::replace(known, level) != level);
        if changed {
            tracing::info!(%level, "the group's feature level");
        }
    }

    /// Waits while the persister is too far behind (invariant 15).
    async fn wait_for_persister(&self) -> io::Result<()> {
        loop {
            let progressed = self.progressed.notified();
            tokio::pin!(progressed);
            progressed.as_mut().enable();
            if let Some(failure) = self.persist.failure() {
                let reason = || failure.0.to_string();
                if failure.is_damage() && self.quarantine.found_damage(&reason()) {
                    // Memory goes on, and the log keeps what the file lacks until it is replaced.
                    return Ok(());
                }
                return Err(io::Error::other(failure));
            }
            if !self.persist.is_behind() {
                return Ok(());
            }
            progressed.await;
        }
    }
}

/// Whether this build can go on with a state. Nothing of what was applied last is durable yet: a build
/// that supports its level goes on from what is, and applies it again.
pub(crate) fn check_level(state: &State, supported: FeatureLevels) -> io::Result<()> {
    let level = state.level();
    if level <= supported.newest {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "the group was raised to feature level {level}, this build supports {supported}; start a \
         version of reddwarf that supports it"
    )))
}

/// What one entry leads to.
pub(crate) struct Step {
    request: Option<RequestId>,
    pub(crate) applied: Option<Applied>,
    outcome: Outcome,
}

pub(crate) fn apply_one(state: &mut State, entry: Entry) -> io::Result<Step> {
    let id = entry.log_id();
    let context = EntryContext { index: id.index(), term: term_of(&id), leader: 0 };
    let halt = |error| io::Error::new(io::ErrorKind::InvalidData, error);
    let quiet = Step { request: None, applied: None, outcome: Outcome::Done };
    match entry.payload {
        // A membership, if only an empty one, tells the state after entry 0 from none at all.
        EntryPayload::Blank if state.membership().is_empty() => {
            let bytes = membership::encode(&StoredMembership::default());
            state.set_membership(context, bytes.map_err(io::Error::other)?).map_err(halt)?;
            Ok(quiet)
        }
        EntryPayload::Blank => {
            state.apply_blank(context).map_err(halt)?;
            Ok(quiet)
        }
        EntryPayload::Membership(new) => {
            let stored = StoredMembership::new(Some(id), new);
            let bytes = membership::encode(&stored).map_err(io::Error::other)?;
            state.set_membership(context, bytes).map_err(halt)?;
            Ok(quiet)
        }
        EntryPayload::Normal(data) => {
            let proposal = data
                .take_proposal()
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            let request = Some(proposal.request_id);
            let applied = state.apply(context, proposal).map_err(halt)?;
            Ok(Step { request, outcome: applied.outcome.clone(), applied: Some(applied) })
        }
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = Machine;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        let checkpoint = self.0.state.lock().checkpoint();
        let meta = meta_of(&checkpoint).map_err(io::Error::other)?;
        Ok((meta.last_log_id, meta.last_membership))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        let parts = &self.0;
        parts.wait_for_persister().await?;
        let _turn = parts.turn.lock().await;
        let mut arrived: Vec<(Entry, Option<ApplyResponder<TypeConfig>>)> = Vec::new();
        while let Some(item) = entries.try_next().await? {
            arrived.push(item);
        }
        let started = Instant::now();
        let Some(last) = arrived.last().map(|(entry, _)| entry.log_id()) else { return Ok(()) };
        let count = arrived.len();
        let mut answers = Vec::with_capacity(count);
        let mut responders = Vec::new();
        let mut applied = Vec::with_capacity(count);
        let (view, checkpoint) = {
            let mut state = parts.state.lock();
            let mut roots = parts.roots.lock();
            for (entry, responder) in arrived {
                let index = entry.index();
                let step = apply_one(&mut state, entry)?;
                if RecentRoots::wants(index) {
                    roots.push(index, state.root());
                }
                applied.extend(step.applied);
                if let Some(responder) = responder {
                    responders.push((responder, step.outcome.clone()));
                }
                answers.extend(step.request.map(|id| (id, step.outcome)));
            }
            check_level(&state, parts.store.options().levels)?;
            parts.note_level(&state);
            if roots.wants_batch_end(started) {
                roots.push_batch_end(last.index(), state.root(), started);
            }
            (state.view(), state.checkpoint())
        };
        parts.fanout.publish(view, applied.iter().filter_map(|applied| applied.commit.as_ref()));
        parts.persist.submit(PersistBatch { applied, checkpoint });
        let to = AppliedTo { index: last.index(), term: term_of(&last) };
        parts.applied.send_replace(to);
        parts.metrics.applied_index.set(to.index as i64);
        parts.pending.resolve_all(answers.into_iter());
        for (responder, outcome) in responders {
            responder.send(outcome);
        }
        parts.metrics.apply.observe(started.elapsed().as_secs_f64());
        parts.metrics.apply_batch.observe(count as f64);
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Machine {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<TypeConfig>,
        snapshot: SnapshotData,
    ) -> io::Result<()> {
        let parts = Arc::clone(&self.0);
        let turn = Arc::clone(&parts.turn).lock_owned().await;
        let install = move || {
            let _turn = turn;
            let ReceivedSnapshot { received, file } = match snapshot {
                SnapshotData::Received(received) => *received,
                // Its own durable state is what this member has loaded already.
                SnapshotData::Durable(from) if Arc::ptr_eq(&from.store, &parts.store) => {
                    return Ok(());
                }
                SnapshotData::Durable(from) => {
                    let file = Arc::clone(&parts.snapshot_file).try_lock_owned();
                    let file = file.map_err(io::Error::other)?;
                    let received = from.copy_beside(&parts.store).map_err(io::Error::other)?;
                    ReceivedSnapshot { received, file }
                }
            };
            let swap = &mut || received.install(&parts.store);
            parts.persist.install(swap).map_err(io::Error::other)?;
            drop(file);
            let loaded = load(parts.store.as_ref(), parts.window).map_err(io::Error::other)?;
            parts.fanout.reset(loaded.state.view(), loaded.window);
            let applied = loaded.state.applied();
            parts.note_level(&loaded.state);
            *parts.state.lock() = loaded.state;
            parts.roots.lock().clear();
            parts.applied.send_replace(AppliedTo { index: applied.index, term: applied.term });
            Ok::<(), io::Error>(())
        };
        self.0.work.spawn(install).await.map_err(io::Error::other)??;
        tracing::info!(meta = %meta, "installed a snapshot");
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> io::Result<Option<SnapshotOf<TypeConfig, SnapshotData>>> {
        let checkpoint = match planted::is(Bug::SnapshotFromMemory) {
            true => self.0.checkpoint(),
            false => read_checkpoint(self.0.store.as_ref()).map_err(io::Error::other)?,
        };
        let meta = meta_of(&checkpoint).map_err(io::Error::other)?;
        if meta.last_log_id.is_none() {
            return Ok(None);
        }
        Ok(Some(SnapshotOf::<TypeConfig, _> { meta, snapshot: self.0.handle() }))
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Machine {
    type SnapshotData = SnapshotData;

    /// Records what one durable transaction holds; no bytes are made yet (invariant 13).
    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<TypeConfig, SnapshotData>> {
        // What is recorded here only allows for a purge: what is sent tells itself what it covers.
        let early = planted::is(Bug::EarlyPurge);
        let durable = if early { self.0.persist.durable() } else { self.0.flush().await? };
        let last_membership = membership::decode(&durable.membership).map_err(io::Error::other)?;
        let pristine = durable.applied.index == 0 && durable.membership.is_empty();
        let applied = if early {
            let to = *self.0.applied.borrow();
            log_id(to.term, to.index)
        } else {
            log_id(durable.applied.term, durable.applied.index)
        };
        let meta = SnapshotMetaOf::<TypeConfig> {
            last_log_id: (!pristine).then_some(applied),
            last_membership,
        };
        Ok(SnapshotOf::<TypeConfig, _> { meta, snapshot: self.0.handle() })
    }
}
