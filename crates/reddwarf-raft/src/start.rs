//! How a member starts: its parts in order.

use crate::background;
use crate::config::NodeConfig;
use crate::contact::Contact;
use crate::core::{Core, LeaderView, RaftNode};
use crate::error::StartError;
use crate::founding;
use crate::full_leader;
use crate::group_clock::{self, GroupClock};
use crate::handler::{Handler, HandlerIdentity};
use crate::history;
use crate::leadership;
use crate::log_store::LogStore;
use crate::lost_leader;
use crate::members::{self, standing};
use crate::metrics::RaftMetrics;
use crate::node::Node;
use crate::open::{Opened, open};
use crate::outgoing::Outgoing;
use crate::peer::{Identity, Network, PeerClients, Refused};
use crate::proposer::Proposer;
use crate::read_index::ReadIndex;
use crate::repair;
use crate::roots;
use crate::scrub;
use crate::store::ReplicatedStore;
use crate::sweep;
use openraft::SnapshotPolicy;
use parking_lot::Mutex;
use reddwarf_core::planted::{self, Bug};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

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
        _ if config.peers.iter().any(|p| p.id != config.node_id)
            && config.environment.dial.is_none() =>
        {
            wrong("a group of several members needs a way to dial".to_owned())
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
        let identity = config.environment.dial.as_ref().map(|dial| {
            let (id, name) = (config.node_id, config.name.as_str());
            let dial = Arc::clone(dial);
            let identity = Identity::new(&config.cluster_id, id, name, incarnation, dial);
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
            environment: config.environment.clone(),
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
            receiving: Mutex::default(),
            outgoing: Outgoing::default(),
        });
        let cluster_id = config.cluster_id.clone();
        let backups = Arc::default();
        Arc::new(Node { core, store, reads, handler, backups, cluster_id, refused })
    }
}
