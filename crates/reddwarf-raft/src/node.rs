//! A running member of a group.

use crate::background;
use crate::backup::{self, BackupFailure, BackupHead, Backups};
use crate::config::NodeConfig;
use crate::contact::Contact;
use crate::core::{Core, LeaderView, RaftNode};
use crate::error::{Failure, StartError};
use crate::founding;
use crate::full_leader;
use crate::group_clock::{self, GroupClock};
use crate::handler::{Handler, HandlerIdentity};
use crate::health::{self, MemberHealth};
use crate::history;
use crate::leadership;
use crate::log_store::LogStore;
use crate::lost_leader;
use crate::members::{self, ChangeError, standing};
use crate::metrics::RaftMetrics;
use crate::open::{Opened, open};
use crate::outgoing::Outgoing;
use crate::peer::{
    self, Identity, MembersAsk, Network, PeerBuild, PeerClients, PeerHandler, Protocol, Refused,
};
use crate::proposer::Proposer;
use crate::read_index::ReadIndex;
use crate::repair;
use crate::roots;
use crate::scrub;
use crate::status::{self, GroupMember, GroupStatus, MemberStatus, UNREACHABLE};
use crate::store::ReplicatedStore;
use crate::sweep;
use crate::transfer;
use crate::types::{Member, term_of};
use bytes::Bytes;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::{ServerState, SnapshotPolicy};
use parking_lot::Mutex;
use reddwarf_core::planted::{self, Bug};
use reddwarf_core::{CommitId, FeatureLevel, History, HistoryError, MemberBuild, ReadError, Store};
use reddwarf_storage::{BackupSummary, Usage, Verified};
use reddwarf_versioning::StateRoot;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// How long another member may take to tell its status.
const STATUS_TIMEOUT: Duration = Duration::from_millis(500);
/// How long the group may take to confirm that it is there while a member stops; elections are
/// over by then.
const ALONE_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a stopping member makes sure of that.
const ALONE_LOOK: Duration = Duration::from_millis(200);
/// How long a stopping node waits for the proposals that it has taken on.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A running member of a group.
pub struct Node {
    core: Arc<Core>,
    store: Arc<ReplicatedStore>,
    reads: Arc<ReadIndex>,
    handler: Arc<Handler>,
    backups: Arc<Backups>,
    cluster_id: String,
    /// Becomes `Some` when a member refuses this one for good.
    refused: Option<watch::Receiver<Option<Refused>>>,
}

fn raft_config(config: &NodeConfig) -> Result<Arc<openraft::Config>, StartError> {
    let limits = &config.limits;
    // How much of the log is kept is said in bytes; see `background::look`.
    let keep = if planted::is(Bug::EarlyPurge) { 0 } else { u64::MAX };
    let ms = |duration: Duration| duration.as_millis() as u64;
    let raft = openraft::Config {
        cluster_name: config.cluster_id.clone(),
        heartbeat_interval: ms(limits.heartbeat),
        heartbeat_min_interval: Some(ms(limits.heartbeat)),
        election_timeout_min: ms(limits.election_min),
        election_timeout_max: ms(limits.election_max),
        install_snapshot_timeout: 600_000,
        max_payload_entries: 1_024,
        replication_lag_threshold: u64::MAX / 2,
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: keep,
        purge_batch_size: 64,
        enable_pre_vote: Some(true),
        enable_leader_restore: Some(false),
        allow_log_reversion: Some(false),
        ..openraft::Config::default()
    };
    let raft = raft.validate().map_err(|error| StartError::Config(error.to_string()))?;
    Ok(Arc::new(raft))
}

fn check(config: &NodeConfig) -> Result<(), StartError> {
    let wrong = |text: String| Err(StartError::Config(text));
    let me = config.peers.iter().find(|peer| peer.id == config.node_id);
    match me {
        Some(me) if me.name != config.name => {
            wrong(format!("node {} is named {} and {}", me.id, me.name, config.name))
        }
        _ if config.members().len() != config.peers.len() => {
            wrong("two members have the same node id".to_owned())
        }
        _ if config.peers.iter().any(|p| p.id != config.node_id) && config.tls.is_none() => {
            wrong("a group of several members needs TLS".to_owned())
        }
        _ => Ok(()),
    }
}

impl Node {
    /// Starts a member: opens its data, joins or (all first members alike) founds its group.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(config: NodeConfig) -> Result<Arc<Node>, StartError> {
        check(&config)?;
        let metrics = RaftMetrics::default();
        let Opened { machine, wal, incarnation, renewed } = open(&config, &metrics).await?;
        let others = config.peers.iter().any(|peer| peer.id != config.node_id);
        if others {
            machine.parts().quarantine.has_others();
        }
        if renewed {
            metrics.repairs.inc();
            machine.parts().quarantine.replaced(0);
        }
        let identity = config.tls.as_ref().map(|tls| {
            let (id, name) = (config.node_id, config.name.as_str());
            let identity = Identity::new(&config.cluster_id, id, name, incarnation, tls);
            identity.of_build(config.build(), machine.parts().level.subscribe())
        });
        if let (Some(identity), Some(admission)) = (&identity, &config.admission) {
            identity.is_member_since(admission.admitted_at);
        }
        let refused = identity.as_ref().map(|identity| identity.refused.subscribe());
        let clients = Arc::new(PeerClients::new(identity.clone(), config.members()));
        let network = Network {
            node_id: config.node_id,
            clients: Arc::clone(&clients),
            snapshots: Arc::clone(&machine.parts().snapshots),
        };
        let parts = Arc::clone(machine.parts());
        let log = LogStore::new(Arc::clone(&wal));
        let raft_config = raft_config(&config)?;
        let raft = RaftNode::new(config.node_id, raft_config, network, log, machine)
            .await
            .map_err(|error| StartError::Raft(error.to_string()))?;
        founding::known_members(&raft).await?;
        let (leader_sender, leader) = watch::channel(LeaderView::default());
        let (leadership_sender, leadership) = watch::channel(None);
        tokio::spawn(leadership::follow(
            config.node_id,
            raft.server_metrics(),
            parts.applied.subscribe(),
            leader_sender,
            leadership_sender,
        ));
        let core = Arc::new(Core {
            node_id: config.node_id,
            incarnation,
            raft,
            machine: parts,
            wal,
            clients,
            build: config.build(),
            limits: config.limits.clone(),
            metrics,
            contact: Contact::default(),
            group_clock: GroupClock::default(),
            leader,
            leadership,
            wrong_members: Mutex::default(),
            changing_members: tokio::sync::Mutex::default(),
            failed: CancellationToken::new(),
            stopping: false.into(),
            stop: CancellationToken::new(),
        });
        core.metrics.quarantined.set(i64::from(core.quarantine().refusal().is_some()));
        if core.quarantine().diverged_at().is_some() {
            core.withdraw();
        }
        let first = config.peers.iter().any(|peer| peer.id == config.node_id);
        tokio::spawn(standing::follow(Arc::clone(&core), identity));
        let node = Node::assemble(core, &config, refused);
        if first {
            tokio::spawn(founding::found(Arc::clone(&node.core), config));
        } else {
            tokio::spawn(standing::await_leader(Arc::clone(&node.core), config));
        }
        Ok(node)
    }

    fn assemble(
        core: Arc<Core>,
        config: &NodeConfig,
        refused: Option<watch::Receiver<Option<Refused>>>,
    ) -> Arc<Node> {
        tokio::spawn(background::tick_clock(Arc::clone(&core)));
        tokio::spawn(background::look(Arc::clone(&core)));
        tokio::spawn(scrub::run(Arc::clone(&core)));
        tokio::spawn(sweep::run(Arc::clone(&core)));
        tokio::spawn(lost_leader::watch(Arc::clone(&core)));
        tokio::spawn(roots::compare(Arc::clone(&core)));
        tokio::spawn(repair::run(Arc::clone(&core)));
        tokio::spawn(members::steward(Arc::clone(&core)));
        tokio::spawn(members::keep_level(Arc::clone(&core)));
        tokio::spawn(full_leader::watch(Arc::clone(&core)));
        tokio::spawn(group_clock::follow(Arc::clone(&core)));
        let reads = ReadIndex::start(Arc::clone(&core));
        let store = Arc::new(ReplicatedStore {
            core: Arc::clone(&core),
            proposer: Proposer::start(Arc::clone(&core)),
            reads: Arc::clone(&reads),
            history_reads: history::places(),
        });
        let identity = HandlerIdentity {
            cluster_id: config.cluster_id.clone(),
            name: config.name.clone(),
            version: config.version.clone(),
            replaces: config.admission.as_ref().and_then(|admission| admission.replaces.clone()),
        };
        let handler = Arc::new(Handler {
            core: Arc::clone(&core),
            reads: Arc::clone(&reads),
            identity,
            incoming: Mutex::new(None),
            outgoing: Outgoing::default(),
        });
        let cluster_id = config.cluster_id.clone();
        let backups = Arc::default();
        Arc::new(Node { core, store, reads, handler, backups, cluster_id, refused })
    }

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
        let own = own_status(&self.core, &self.handler.identity);
        let members = self.core.members();
        let asked = members.into_iter().map(|(id, member)| {
            let own = &own;
            async move {
                if id == own.id {
                    return (own.clone(), health::own(&self.core));
                }
                let health = health::of_member(&self.core, id, STATUS_TIMEOUT);
                let (status, health) = tokio::join!(self.ask_status(id, member), health);
                (status, health.unwrap_or_default())
            }
        });
        let (mut members, health): (Vec<_>, Vec<_>) =
            futures::future::join_all(asked).await.into_iter().unzip();
        let voters: BTreeSet<u64> = self.core.raft.voter_ids().collect();
        let newest = members.iter().map(|member| member.last_log_index).max().unwrap_or_default();
        for member in &mut members {
            member.lag = newest.saturating_sub(member.applied_index);
            member.voter = voters.contains(&member.id);
        }
        let level = *self.core.machine.level.borrow();
        let recorded = self.core.machine.builds();
        let members = members.into_iter().zip(health);
        let members = members.map(|(status, health)| self.with_build(status, health, &recorded));
        let changing = self.core.membership().membership().get_joint_config().len() > 1;
        GroupStatus {
            cluster_id: self.cluster_id.clone(),
            level,
            changing,
            members: members.collect(),
        }
    }

    /// With the levels that the member supports; of one that does not answer, as it was recorded.
    fn with_build(
        &self,
        mut status: MemberStatus,
        health: MemberHealth,
        recorded: &[MemberBuild],
    ) -> GroupMember {
        let answers = status.role != UNREACHABLE;
        let build = match status.id == self.core.node_id {
            true => Some(self.core.build.clone()),
            false if answers => self.core.client(status.id).and_then(|client| client.build()),
            false => {
                let found = recorded.iter().find(|build| build.node == status.id);
                found
                    .map(|build| PeerBuild { version: build.version.clone(), levels: build.levels })
            }
        };
        if let Some(build) = build.as_ref().filter(|_| !answers) {
            status.version.clone_from(&build.version);
        }
        GroupMember { levels: build.map(|build| build.levels), health, status }
    }

    async fn ask_status(&self, id: u64, member: Member) -> MemberStatus {
        let unreachable = MemberStatus {
            id,
            name: member.name,
            endpoint: member.addr,
            role: UNREACHABLE.to_owned(),
            ..MemberStatus::default()
        };
        match status::of_member(&self.core, id, STATUS_TIMEOUT).await {
            // One that has no entry yet does not know its own.
            Some(status) => MemberStatus { endpoint: unreachable.endpoint, ..status },
            None => unreachable,
        }
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
        if let Err(error) = tokio::task::spawn_blocking(move || persist.shutdown()).await {
            tracing::error!(%error, "the state was not flushed");
        }
        self.core.stop.cancel();
    }

    /// While a member stops: once the group cannot confirm anything for a moment, gives up whatever
    /// waits for a majority, so that the stop does not. Returns then, or when the node has ended.
    pub async fn give_up_when_alone(&self) {
        let alone = async {
            // One in quarantine is refused at once, which says nothing of the others.
            while tokio::time::timeout(ALONE_TIMEOUT, self.ready()).await.is_ok() {
                tokio::time::sleep(ALONE_LOOK).await;
            }
        };
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

/// This member's part of the status; [`MemberStatus::lag`] is known to the asking one only.
pub(crate) fn own_status(core: &Core, identity: &HandlerIdentity) -> MemberStatus {
    let metrics = core.raft.metrics();
    let raft = metrics.borrow_watched();
    let role = match raft.state {
        ServerState::Leader => "leader",
        ServerState::Candidate => "candidate",
        ServerState::Learner => "learner",
        _ => "follower",
    };
    let member = raft.membership_config.membership().get_node(&core.node_id);
    let (applied_index, revision, root) = core.machine.standing();
    MemberStatus {
        id: core.node_id,
        name: identity.name.clone(),
        role: role.to_owned(),
        voter: raft.membership_config.membership().voter_ids().any(|id| id == core.node_id),
        replaces: identity.replaces.clone(),
        endpoint: member.map(|member| member.addr.clone()).unwrap_or_default(),
        founded: raft.membership_config.membership().nodes().next().is_some(),
        term: raft.current_term,
        last_log_index: raft.last_log_index.unwrap_or_default(),
        last_log_term: core.wal.state().1.map_or(0, |last| term_of(&last)),
        applied_index,
        applied_revision: revision.0,
        durable_index: core.machine.persist.durable().applied.index,
        lag: 0,
        version: identity.version.clone(),
        state_root: root.to_string(),
        diverged_at: core.quarantine().diverged_at(),
        quarantined: core.quarantine().refusal().is_some(),
        trouble: core.quarantine().trouble().map(|trouble| trouble.to_string()),
    }
}
