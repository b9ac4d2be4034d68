//! A simulated machine: what outlives its processes.

use super::clock::MachineClock;
use super::front::Request;
use super::pace::DiskPace;
use crate::disk::SimDisk;
pub use crate::plan::MachineId;
use parking_lot::Mutex;
use reddwarf_core::{FeatureLevel, FeatureLevels};
use reddwarf_raft::{Admission, Node, Peer};
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use tokio::sync::{mpsc, watch};

/// The name of a machine in the network.
#[must_use]
pub fn host(machine: MachineId) -> String {
    format!("m{machine}")
}

/// What a machine is a member as.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Raft id.
    pub node_id: u64,
    /// The members that it is told of.
    pub peers: Vec<Peer>,
    /// How it was let in, if it joined.
    pub admission: Option<Admission>,
    /// What its build supports.
    pub levels: FeatureLevels,
    /// Whether its disk was lost since it was seated: the group must not let it in again.
    pub wiped: bool,
    /// Whether its disk has changed what it holds since then.
    pub rotten: bool,
}

/// What became of the newest process on a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It did not start.
    Refused(String),
    /// It could not go on.
    Failed(String),
    /// The group does not want it any more.
    Dismissed(String),
    /// It was told to stop.
    Stopped,
}

/// A simulated machine.
pub struct Machine {
    /// Its number.
    pub id: MachineId,
    /// Where its data is.
    pub dir: PathBuf,
    /// Its disk.
    pub disk: SimDisk,
    /// How fast that is.
    pub pace: Arc<DiskPace>,
    /// Its clocks.
    pub clock: Arc<MachineClock>,
    /// Whether its process gets no turn.
    pub paused: watch::Sender<bool>,
    process: Mutex<Process>,
}

/// The process on a machine.
#[derive(Default)]
struct Process {
    seat: Option<Seat>,
    /// Counts the processes that there were.
    life: u64,
    front: Option<mpsc::UnboundedSender<Request>>,
    node: Weak<Node>,
    ended: Option<Ended>,
    /// An entry from which on its file records the root of the state.
    roots_from: Option<u64>,
}

impl Machine {
    /// A machine without a member.
    #[must_use]
    pub fn new(id: MachineId, dir: PathBuf, disk: SimDisk) -> Self {
        Machine {
            id,
            dir,
            disk,
            pace: Arc::default(),
            clock: Arc::default(),
            paused: watch::channel(false).0,
            process: Mutex::default(),
        }
    }

    /// What it is a member as.
    pub fn seat(&self) -> Option<Seat> {
        self.process.lock().seat.clone()
    }

    /// Makes it a member, or none any more.
    pub fn take_seat(&self, seat: Option<Seat>) {
        let mut process = self.process.lock();
        (process.seat, process.roots_from) = (seat, None);
    }

    /// Changes what it is a member as.
    pub fn change_seat(&self, change: impl FnOnce(&mut Seat)) {
        self.process.lock().seat.as_mut().map(change);
    }

    /// A process begins.
    pub fn begins(&self) {
        let mut process = self.process.lock();
        process.life += 1;
        process.ended = None;
    }

    /// The process serves.
    pub fn serves(&self, node: &Arc<Node>, front: mpsc::UnboundedSender<Request>) {
        let mut process = self.process.lock();
        process.node = Arc::downgrade(node);
        process.front = Some(front);
    }

    /// The process has ended by itself.
    pub fn ends(&self, how: Ended) {
        let mut process = self.process.lock();
        process.front = None;
        process.ended = Some(how);
    }

    /// The process is gone, with or without the machine.
    pub fn is_gone(&self) {
        let mut process = self.process.lock();
        process.front = None;
        process.node = Weak::new();
        process.ended = None;
    }

    /// How the newest process ended by itself; told once.
    pub fn ended(&self) -> Option<Ended> {
        self.process.lock().ended.take()
    }

    /// Whether its file records the root of its state, which builds of the first feature level do not: only
    /// then is everything noticed that happens to the file.
    pub fn records_roots(&self) -> bool {
        let (Some(node), from) = (self.node(), self.process.lock().roots_from) else {
            return false;
        };
        from.is_some_and(|from| node.inspect().durable_state().applied.index >= from)
    }

    /// Notes from when on its file records roots.
    pub fn note_level(&self) {
        let Some(node) = self.node().filter(|_| self.process.lock().roots_from.is_none()) else {
            return;
        };
        if node.store().view().level > FeatureLevel::FIRST {
            self.process.lock().roots_from = node.inspect().applied_at().map(|at| at.index);
        }
    }

    /// Which of its processes runs, counted from one.
    pub fn life(&self) -> u64 {
        self.process.lock().life
    }

    /// The running member, unless it has just lost power.
    pub fn node(&self) -> Option<Arc<Node>> {
        let process = self.process.lock();
        process.front.as_ref().filter(|_| !self.disk.is_dead())?;
        process.node.upgrade()
    }

    /// Where requests go in.
    pub fn front(&self) -> Option<mpsc::UnboundedSender<Request>> {
        self.process.lock().front.clone()
    }

    /// Returns once the process gets its turn.
    pub async fn its_turn(&self) {
        let mut paused = self.paused.subscribe();
        // The sender lives as long as the machine.
        let _ = paused.wait_for(|paused| !paused).await;
    }
}
