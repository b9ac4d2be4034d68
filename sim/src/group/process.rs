//! The process of a member on a simulated machine.

use super::front;
use super::machine::{Ended, Machine, MachineId, Seat, host};
use super::network::{Lines, PORT};
use async_trait::async_trait;
use reddwarf_core::FeatureLevels;
use reddwarf_raft::peer::{Dial, Dialed, Protocol};
use reddwarf_raft::{Clock, Environment, Failure, Limits, Node, NodeConfig, Pace, Work};
use reddwarf_storage::DataFiles;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use turmoil::net::TcpListener;

/// The group's name.
pub const CLUSTER: &str = "sim";

/// What all members of a run have in common.
#[derive(Clone)]
pub struct Setting {
    /// The network.
    pub lines: Arc<Lines>,
    /// Bounds and intervals.
    pub limits: Limits,
}

/// Dials from a machine.
struct SimDial {
    from: MachineId,
    lines: Arc<Lines>,
}

fn machine_of(addr: &str) -> io::Result<MachineId> {
    let host = addr.split(':').next().and_then(|host| host.strip_prefix('m'));
    host.and_then(|number| number.parse().ok()).ok_or_else(|| io::ErrorKind::NotFound.into())
}

#[async_trait]
impl Dial for SimDial {
    async fn dial(&self, addr: &str) -> io::Result<Dialed> {
        let (stream, protocol) = self.lines.connect(self.from, machine_of(addr)?).await?;
        Ok(Dialed { stream: Box::new(stream), protocol })
    }

    async fn knock(&self, addr: &str) -> io::Result<()> {
        let to = machine_of(addr)?;
        self.lines.knock(to).await?;
        turmoil::net::TcpStream::connect((host(to), PORT)).await.map(drop)
    }
}

impl Pace for super::pace::DiskPace {
    fn log(&self) -> Duration {
        self.log_time()
    }

    fn state(&self) -> Duration {
        self.state_time()
    }

    fn other(&self) -> Duration {
        Duration::ZERO
    }
}

impl Clock for super::clock::MachineClock {
    fn now_ms(&self) -> u64 {
        self.wall_ms_at(turmoil::sim_elapsed().unwrap_or_default())
    }

    fn monotonic(&self) -> Duration {
        self.monotonic_at(turmoil::sim_elapsed().unwrap_or_default())
    }
}

fn config(machine: &Machine, setting: &Setting, seat: &Seat) -> NodeConfig {
    let disk = machine.disk.clone();
    NodeConfig {
        node_id: seat.node_id,
        name: host(machine.id),
        data_dir: machine.dir.clone(),
        cluster_id: CLUSTER.to_owned(),
        peers: seat.peers.clone(),
        admission: seat.admission.clone(),
        version: format!("{}", seat.levels.newest),
        levels: seat.levels,
        limits: setting.limits.clone(),
        environment: Environment {
            disk: Arc::new(disk.clone()),
            files: Arc::new(disk) as Arc<dyn DataFiles>,
            work: Work::Tasks(Arc::clone(&machine.pace) as Arc<dyn Pace>),
            dial: Some(Arc::new(SimDial { from: machine.id, lines: Arc::clone(&setting.lines) })),
            clock: Arc::clone(&machine.clock) as Arc<dyn Clock>,
        },
    }
}

/// Runs the member that has its seat on a machine, until it ends by itself.
///
/// # Errors
/// When the simulated network is not what it should be.
pub async fn run(machine: Arc<Machine>, setting: Setting) -> turmoil::Result {
    let Some(seat) = machine.seat() else { return Ok(()) };
    machine.begins();
    let old = seat.levels == FeatureLevels::FIRST;
    let protocol = if old { Protocol::FirstLevel } else { Protocol::Greeting };
    setting.lines.speaks(machine.id, protocol);
    let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
    let node = match Node::start(config(&machine, &setting, &seat)).await {
        Ok(node) => node,
        Err(error) => {
            machine.ends(Ended::Refused(with_causes(&error)));
            return Ok(());
        }
    };
    let (front, requests) = mpsc::unbounded_channel();
    machine.serves(&node, front);
    tokio::spawn(accept(Arc::clone(&machine), Arc::clone(&node), setting, listener));
    tokio::select! {
        failure = node.failed() => {
            let text = failure.to_string();
            machine.ends(match failure {
                Failure::Broken(_) => Ended::Failed(text),
                Failure::Removed | Failure::Replaced => Ended::Dismissed(text),
            });
        }
        () = front::serve(Arc::clone(&machine), Arc::clone(&node), requests) => {
            tokio::join!(node.shutdown(), node.give_up_when_alone());
            machine.ends(Ended::Stopped);
        }
    }
    Ok(())
}

async fn accept(machine: Arc<Machine>, node: Arc<Node>, setting: Setting, listener: TcpListener) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (node, lines) = (Arc::clone(&node), Arc::clone(&setting.lines));
        let at = machine.id;
        tokio::spawn(async move {
            if let Ok((from, protocol, stream)) = lines.identify(tcp, at).await {
                node.serve_stream(stream, protocol, Some(host(from))).await;
            }
        });
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
