//! A running member: starts its parts in order and stops them in order.

use super::accept::{Accepted, Port, accept_loop};
use super::backup_schedule::Schedule;
use super::certified::Certified;
use super::error::ServerError;
use super::leader::Leader;
use super::reception::Reception;
use super::{api, connection, live, tls};
use crate::certificates::{Renewal, Signer};
use crate::config::{Config, JoinedPeer};
use http::Request;
use hyper::body::Incoming;
use reddwarf_apiserver::authn::{PeerIdentity, user_from_certificate};
use reddwarf_apiserver::bootstrap::BootstrapConfig;
use reddwarf_apiserver::{ApiServer, LocalClient, custom};
use reddwarf_core::Build;
use reddwarf_raft::peer::TlsDial;
use reddwarf_raft::{ALPNS, Admission, Environment, Failure, Limits, Node, NodeConfig, Peer};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

/// How long requests under way may take after the stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the member until `stop`, then stops it cleanly. Its node runs on `group`.
pub(super) async fn run(
    config: Config,
    build: Build,
    group: &Handle,
    stop: CancellationToken,
) -> Result<(), ServerError> {
    std::fs::create_dir_all(&config.data_dir)
        .map_err(|source| ServerError::DataDir { path: config.data_dir.clone(), source })?;
    let [newest, first_level] = ALPNS;
    let tls = tls::load(&config, &[b"h2", b"http/1.1", newest, first_level])?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| ServerError::Listen { address: config.listen, source })?;
    let node = group.spawn(Node::start(node_config(&config, build, &tls)));
    // It may wait long for another member when its state must be fetched from there.
    let Some(node) = stop.run_until_cancelled(node).await else { return Ok(()) };
    let node = node.map_err(|error| ServerError::Process(error.into()))??;
    let stopping = CancellationToken::new();
    let reception = Arc::new(Reception::new(&config, &node, &tls));
    let renewal = {
        let node = node.clone();
        let members = move || node.members().into_values().collect();
        Renewal::new(&config.name, &config.advertise, &tls, members)
    };
    let (server, scheduler_metrics, backup_metrics) =
        api::server(&config, &node, &reception, &renewal, stopping.clone());
    tokio::spawn(renewal.run(stopping.clone()));
    reception.open(LocalClient::privileged(server.clone(), "system:apiserver", "reddwarf-join"));
    let member = Member::start(&node, server, listener, &tls, group);
    let kinds = member.server.config().registry.clone();
    let follow = custom::follow(kinds.clone(), node.store());
    let following = tokio::spawn(stopping.clone().run_until_cancelled_owned(follow));
    let lead = Leader {
        controller: Arc::new(LocalClient::privileged(
            member.server.clone(),
            "system:apiserver",
            "kube-apiserver",
        )),
        controllers: Arc::new(LocalClient::privileged(
            member.server.clone(),
            "system:kube-controller-manager",
            "kube-controller-manager",
        )),
        scheduler: Arc::new(LocalClient::privileged(
            member.server.clone(),
            "system:kube-scheduler",
            "kube-scheduler",
        )),
        store: node.store(),
        registry: kinds,
        bootstrap: BootstrapConfig {
            api_port: config.listen.port(),
            ca_pem: tls.authority.clone(),
            ..BootstrapConfig::default()
        },
        live: live::members(&node, stopping.clone()),
        scheduler_metrics,
    };
    if let Some(backup) = config.backup.clone() {
        let schedule = Schedule {
            config: backup,
            cluster: config.cluster.clone(),
            member: config.name.clone(),
            node: node.clone(),
            metrics: backup_metrics,
        };
        tokio::spawn(schedule.run(stopping.clone()));
    }
    let leading = tokio::spawn(lead.run(node.leadership(), stopping.clone()));
    info!(name = config.name, listen = %config.listen, "the member runs");
    let failure = tokio::select! {
        () = stop.cancelled() => None,
        reason = node.failed() => Some(reason),
    };
    stopping.cancel();
    let alone = {
        let node = node.clone();
        group.spawn(async move { node.give_up_when_alone().await })
    };
    if let Err(error) = leading.await {
        warn!(%error, "the leader's loops did not end cleanly");
    }
    if let Err(error) = following.await {
        warn!(%error, "the member's list of kinds was not kept to the end");
    }
    member.stop(&node).await;
    alone.abort();
    match failure {
        None => Ok(()),
        Some(Failure::Broken(reason)) => Err(ServerError::Failed { reason }),
        Some(reason) => Err(ServerError::NoMember { reason }),
    }
}

/// Who this member is in Raft: one that joined was given its number, unless it has made a group of
/// its own since.
fn node_config(config: &Config, build: Build, tls: &tls::MemberTls) -> NodeConfig {
    // A folder that cannot be read is refused when the node claims it.
    let recorded = reddwarf_raft::recorded_identity(&config.data_dir).ok().flatten();
    let recorded = recorded.map(|(_, id)| id);
    let (node_id, peers) = match &config.joined {
        None => first_members(config, recorded),
        Some(joined) => match recorded.filter(|id| *id != joined.node_id) {
            Some(id) => (id, vec![own_peer(config, id)]),
            None => (joined.node_id, joined.peers.iter().map(JoinedPeer::as_peer).collect()),
        },
    };
    let joined = config.joined.as_ref().filter(|joined| joined.node_id == node_id);
    let admission = joined.map(|joined| Admission {
        admitted_at: joined.admitted_at,
        replaces: joined.replaces.clone(),
    });
    NodeConfig {
        node_id,
        name: config.name.clone(),
        data_dir: config.data_dir.clone(),
        cluster_id: config.cluster.clone(),
        peers,
        admission,
        version: build.version.to_owned(),
        levels: build.levels,
        limits: Limits { level_settle: config.upgrade.settle.0, ..Limits::default() }
            .with_log_kept(config.wal.keep.0),
        environment: Environment::dialing(TlsDial::shared(&tls.client)),
    }
}

/// The first members are numbered in the order of their names, which is the same on every member:
/// from 1 on, and in a group that was recovered from where the numbers of the old one ended.
fn first_members(config: &Config, recorded: Option<u64>) -> (u64, Vec<Peer>) {
    let position = (1..).zip(&config.members).find(|(_, member)| member.name == config.name);
    let before = match (recorded, position) {
        (Some(id), Some((at, _))) => id.saturating_sub(at),
        _ => 0,
    };
    let peers: Vec<Peer> = (before + 1..)
        .zip(&config.members)
        .map(|(id, member)| Peer { id, name: member.name.clone(), addr: member.address.clone() })
        .collect();
    let own = peers.iter().find(|peer| peer.name == config.name).map(|peer| peer.id);
    (own.expect("invariant: the members include this one"), peers)
}

fn own_peer(config: &Config, id: u64) -> Peer {
    Peer { id, name: config.name.clone(), addr: config.advertise.clone() }
}

struct Member {
    server: ApiServer,
    /// Ends accepting, then the clients' connections once they are idle.
    closing: CancellationToken,
    clients: TaskTracker,
}

impl Member {
    fn start(
        node: &Arc<Node>,
        server: ApiServer,
        listener: TcpListener,
        tls: &tls::MemberTls,
        group: &Handle,
    ) -> Member {
        let (closing, clients) = (CancellationToken::new(), TaskTracker::new());
        let handle = {
            let (node, server) = (Arc::clone(node), server.clone());
            let (closing, clients) = (closing.clone(), clients.clone());
            let signer = Signer { authority_file: tls.files.ca_file.clone() };
            move |accepted: Accepted| {
                let (node, server, closing) = (node.clone(), server.clone(), closing.clone());
                let (clients, signer) = (clients.clone(), signer.clone());
                async move {
                    if accepted.is_protocol(&ALPNS) {
                        serve_peer(&node, accepted).await;
                    } else {
                        let shown = accepted.certificate.as_ref();
                        let certified = shown.and_then(|c| Certified::of(c, &node, &signer));
                        let served = serve_client(server, accepted, certified, closing);
                        clients.track_future(served).await;
                    }
                }
            }
        };
        let port = Port { tls: tls.server.clone(), group: group.clone() };
        tokio::spawn(accept_loop(listener, port, closing.clone(), handle));
        Member { server, closing, clients }
    }

    /// Ends watches and leadership while requests are still served, then the clients'
    /// connections, then the node.
    async fn stop(self, node: &Node) {
        self.server.stop();
        let drained = async {
            self.closing.cancel();
            self.clients.close();
            self.clients.wait().await;
        };
        // Requests under way may need the group; leadership moves only when they are answered.
        if tokio::time::timeout(DRAIN_TIMEOUT, drained).await.is_err() {
            warn!(connections = self.clients.len(), "some clients did not go in time");
        }
        node.shutdown().await;
        info!("stopped");
    }
}

async fn serve_peer(node: &Node, accepted: Accepted) {
    let certified = accepted.certificate.as_ref().is_some_and(|certificate| {
        user_from_certificate(certificate)
            .is_ok_and(|user| user.groups.iter().any(|g| g == crate::pki::MEMBERS_GROUP))
    });
    if certified {
        node.serve_peer(accepted.stream).await;
    } else {
        warn!(remote = %accepted.remote, "refused a peer without a member's certificate");
    }
}

async fn serve_client(
    server: ApiServer,
    accepted: Accepted,
    certified: Option<Certified>,
    closing: CancellationToken,
) {
    let remote = accepted.remote;
    let identity = accepted.certificate.as_ref().and_then(|certificate| {
        user_from_certificate(certificate)
            .inspect_err(|error| debug!(%remote, %error, "certificate without a user"))
            .ok()
    });
    let identity = identity.map(|user| PeerIdentity(Arc::new(user)));
    let service = move |mut request: Request<Incoming>| {
        let (server, certified) = (server.clone(), certified.clone());
        if let Some(identity) = &identity {
            request.extensions_mut().insert(identity.clone());
        }
        async move {
            let request = match certified {
                None => request,
                Some(certified) => match certified.answer(request).await {
                    Ok(answered) => return answered,
                    Err(request) => request,
                },
            };
            server.handle(request).await
        }
    };
    connection::serve(accepted.stream, service, closing).await;
}
