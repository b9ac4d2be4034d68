//! A running member of a group.

use crate::backup::{self, BackupFailure, BackupHead, Backups};
use crate::contact;
use crate::core::Core;
use crate::error::Failure;
use crate::handler::Handler;
use crate::members::{self, ChangeError};
use crate::metrics::RaftMetrics;
use crate::peer::{self, MembersAsk, PeerHandler, Protocol, Refused};
use crate::read_index::ReadIndex;
use crate::status::GroupStatus;
use crate::store::ReplicatedStore;
use crate::survey;
use crate::transfer;
use crate::types::Member;
use bytes::Bytes;
use openraft::async_runtime::watch::WatchReceiver;
use reddwarf_core::{CommitId, FeatureLevel, History, HistoryError, ReadError, Store};
use reddwarf_storage::{BackupSummary, Usage, Verified};
use reddwarf_versioning::StateRoot;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio_rustls::server::TlsStream;

/// How long the group may take to confirm that it is there while a member stops; elections are
/// over by then.
const ALONE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a stopping node waits for the proposals that it has taken on.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A running member of a group.
pub struct Node {
    pub(crate) core: Arc<Core>,
    pub(crate) store: Arc<ReplicatedStore>,
    pub(crate) reads: Arc<ReadIndex>,
    pub(crate) handler: Arc<Handler>,
    pub(crate) backups: Arc<Backups>,
    pub(crate) cluster_id: String,
    /// Becomes `Some` when a member refuses this one for good.
    pub(crate) refused: Option<watch::Receiver<Option<Refused>>>,
}

impl Node {
    /// The replicated store as this member sees it.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }

    /// The past, as this member's file tells it.
    pub fn history(&self) -> Arc<dyn History> {
        Arc::clone(&self.store) as Arc<dyn History>
    }

    /// Checks all of the history that this member's file holds, and whether `wanted` is in it.
    /// One check at a time: it reads the whole file.
    ///
    /// # Errors
    /// See [`HistoryReader::verify`].
    pub async fn verify(&self, wanted: Option<CommitId>) -> Result<Verified, HistoryError> {
        self.store.verify(wanted).await
    }

    /// What this member's file holds, the bytes of the file, and those of the rows in it.
    ///
    /// # Errors
    /// See [`HistoryReader::usage`].
    pub async fn usage(&self) -> Result<(Usage, u64, u64), HistoryError> {
        self.store.usage().await
    }

    /// Begins to send a backup of the state of now; answers the number to ask for its parts with.
    ///
    /// # Errors
    /// See [`BackupFailure`].
    pub async fn begin_backup(&self) -> Result<(u64, BackupHead), BackupFailure> {
        self.backups.begin(&self.core, &self.cluster_id).await
    }

    /// The next part of a backup, empty after the last.
    ///
    /// # Errors
    /// When it is not the next one, or the state cannot be read.
    pub async fn backup_part(&self, number: u64, part: u64) -> Result<Bytes, String> {
        self.backups.part(number, part).await
    }

    /// Writes a backup of the state of now to a new file, and reads it back.
    ///
    /// # Errors
    /// See [`BackupFailure`].
    pub async fn write_backup(&self, path: &Path) -> Result<BackupSummary, BackupFailure> {
        backup::write(&self.core, &self.cluster_id, path).await
    }

    /// This node's Raft id.
    pub fn id(&self) -> u64 {
        self.core.node_id
    }

    /// Figures of this node, to be registered.
    pub fn metrics(&self) -> &RaftMetrics {
        &self.core.metrics
    }

    /// Open watches, and bytes held by the window of recent changes.
    pub fn watch_figures(&self) -> (usize, usize) {
        let fanout = &self.core.machine.fanout;
        (fanout.watchers(), fanout.window_bytes())
    }

    /// Serves a connection whose ALPN is one of [`crate::ALPNS`], until it ends.
    pub async fn serve_peer(&self, stream: TlsStream<TcpStream>) {
        let (tcp, tls) = stream.get_ref();
        if let Err(error) = peer::prepare(tcp) {
            tracing::debug!(%error, "a peer's connection ended");
            return;
        }
        let certificate = tls.peer_certificates().and_then(|chain| chain.first());
        let name = certificate.and_then(peer::common_name);
        let protocol = Protocol::of(tls.alpn_protocol());
        self.serve_stream(stream, protocol, name).await;
    }

    /// Serves any stream; `certificate_name` is the common name that its TLS layer verified.
    pub async fn serve_stream<S>(
        &self,
        stream: S,
        protocol: Protocol,
        certificate_name: Option<String>,
    ) where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        let handler = Arc::clone(&self.handler) as Arc<dyn PeerHandler>;
        let served = tokio::select! {
            () = self.core.stop.cancelled() => Ok(()),
            served = peer::serve(stream, protocol, certificate_name, handler) => served,
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a peer's connection ended");
        }
    }

    /// The term in which this member leads; `Some` only after it has applied an entry of it.
    pub fn leadership(&self) -> watch::Receiver<Option<u64>> {
        self.core.leadership.clone()
    }

    /// Name and address of the leader, as far as this member knows.
    pub fn leader(&self) -> Option<Member> {
        let leader = self.core.leader.borrow().leader?;
        self.core.members().remove(&leader)
    }

    /// The members, by id.
    pub fn members(&self) -> std::collections::BTreeMap<u64, Member> {
        self.core.members()
    }

    /// Returns once this member has caught up with everything acknowledged before the call
    /// (invariant 14); fails soon after a majority was last reached, since other members serve.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`].
    pub async fn ready(&self) -> Result<(), ReadError> {
        self.reads.ready().await
    }

    /// Returns when this member cannot go on; the process must end then. Proposals and reads that
    /// wait for this member's state are answered at once.
    pub async fn failed(&self) -> Failure {
        let failure = tokio::select! {
            reason = self.raft_failed() => Failure::Broken(reason),
            refused = self.was_refused() => refused.into(),
        };
        self.core.failed.cancel();
        failure
    }

    async fn was_refused(&self) -> Refused {
        let Some(mut refused) = self.refused.clone() else { return std::future::pending().await };
        let found = refused.wait_for(Option::is_some).await.ok().and_then(|refused| *refused);
        match found {
            Some(refused) => refused,
            None => std::future::pending().await,
        }
    }

    async fn raft_failed(&self) -> String {
        // These metrics change seldom, and end when Raft does; the full ones change with every
        // write.
        let mut server = self.core.raft.server_metrics();
        loop {
            let ended = server.changed().await.is_err();
            if let Err(error) = &self.core.raft.metrics().borrow_watched().running_state
                && !self.core.stopping.load(Ordering::Acquire)
            {
                return error.to_string();
            }
            if ended {
                // A clean stop ends this way; nobody is told of a failure then.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The group, asking every member for its own part.
    pub async fn status(&self) -> GroupStatus {
        survey::group(&self.core, &self.handler.identity).await
    }

    /// Takes a node in as a learner; the leader makes it a voter once it has caught up. The log
    /// index of the membership that names it.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn admit(
        &self,
        id: u64,
        member: Member,
        replaces: Option<String>,
    ) -> Result<u64, ChangeError> {
        let ask = MembersAsk::Admit { id, member, replaces, check: false };
        members::ask(&self.core, ask).await
    }

    /// Whether [`Node::admit`] would be refused.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn may_admit(
        &self,
        id: u64,
        member: Member,
        replaces: Option<String>,
    ) -> Result<(), ChangeError> {
        let ask = MembersAsk::Admit { id, member, replaces, check: true };
        members::ask(&self.core, ask).await.map(drop)
    }

    /// Lets a member go, once it does not lead. The log index of the membership without it.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn remove(&self, name: &str) -> Result<u64, ChangeError> {
        members::ask(&self.core, MembersAsk::Remove { name: name.to_owned() }).await
    }

    /// Lets a member lead, or whichever is fittest of those that do not; the name of who leads then.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn transfer(&self, name: Option<&str>) -> Result<String, ChangeError> {
        let ask = MembersAsk::Transfer { name: name.map(str::to_owned) };
        let id = members::ask(&self.core, ask).await?;
        Ok(self.core.members().remove(&id).map(|member| member.name).unwrap_or_default())
    }

    /// The group's feature level, as far as this member has applied it.
    pub fn level(&self) -> watch::Receiver<FeatureLevel> {
        self.core.machine.level.subscribe()
    }

    /// Raises the group's feature level as far as all members support it; the level then.
    ///
    /// # Errors
    /// See [`ChangeError`].
    pub async fn raise_level(&self) -> Result<FeatureLevel, ChangeError> {
        let level = members::ask(&self.core, MembersAsk::RaiseLevel).await?;
        Ok(FeatureLevel(u32::try_from(level).unwrap_or(u32::MAX)))
    }

    /// State root and the index at which it holds.
    pub fn state_root(&self) -> (u64, String) {
        let (index, _, root) = self.core.machine.standing();
        (index, format!("{root}"))
    }

    /// The state roots that this member keeps of recent indexes from `since` on, the present one
    /// last; members that have the same state have the same roots wherever both keep one.
    pub fn recent_roots(&self, since: u64) -> Vec<(u64, String)> {
        let roots = self.core.machine.roots_since(since);
        roots.into_iter().map(|(index, root)| (index, StateRoot(root).to_string())).collect()
    }

    /// Hands leadership to another member, if this one leads; returns when that one does.
    pub async fn hand_over(&self) {
        if self.core.is_leader() {
            // Why it was not done is in the log.
            let _ = transfer::hand_over(&self.core).await;
        }
    }

    /// Stops: hands leadership on, finishes what it has taken on, makes everything durable, as far as
    /// it still can.
    pub async fn shutdown(&self) {
        let last = async {
            self.hand_over().await;
            self.drain().await;
        };
        self.core.failed.run_until_cancelled(last).await;
        self.core.stopping.store(true, Ordering::Release);
        self.core.machine.fanout.stop();
        if let Err(error) = self.core.raft.shutdown().await {
            tracing::error!(%error, "Raft did not end cleanly");
        }
        let (done, flushed) = oneshot::channel();
        self.core.wal.flush(Box::new(move |result| drop(done.send(result))));
        if let Ok(Err(error)) = flushed.await {
            tracing::error!(%error, "the log was not flushed");
        }
        let persist = Arc::clone(&self.core.machine.persist);
        let shut_down = self.core.environment.work.spawn(move || persist.shutdown());
        if let Err(error) = shut_down.await {
            tracing::error!(%error, "the state was not flushed");
        }
        self.core.stop.cancel();
    }

    /// While a member stops: once the group cannot confirm anything for a moment, gives up whatever
    /// waits for a majority, so that the stop does not. Returns then, or when the node has ended.
    pub async fn give_up_when_alone(&self) {
        let alone = contact::lost(&self.core, ALONE_TIMEOUT);
        if self.core.stop.run_until_cancelled(alone).await.is_some() {
            tracing::warn!("there is no majority: what waits for one is given up");
            self.core.failed.cancel();
        }
    }

    /// Whether this member's disk is so full that it takes no writes.
    pub fn disk_full(&self) -> bool {
        self.core.disk_full()
    }

    /// Waits for the proposals taken on before.
    async fn drain(&self) {
        let drained = async {
            let mut applied = self.core.machine.applied.subscribe();
            while self.core.machine.pending.len() > 0 {
                // An answer comes with an apply; the interval covers those that time out.
                let _ = tokio::time::timeout(Duration::from_millis(20), applied.changed()).await;
            }
        };
        if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
            tracing::warn!("some proposals were not answered before the stop");
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.core.stop.cancel();
    }
}
