//! A simulated group: machines, the network between them, and what happens to both.

pub mod backup;
mod clock;
mod cuts;
pub mod front;
pub mod machine;
mod network;
mod operator;
mod pace;
pub mod past;
mod process;
mod rot;

pub use machine::{Ended, Machine, MachineId, Seat, host};

use crate::disk::SimDisk;
use crate::plan::{Fault, FaultKind, Plan, randomness};
use crate::trace::Trace;
use cuts::Cuts;
use network::{PORT, UNACKNOWLEDGED_MS_MAX};
use operator::Operator;
use process::Setting;
use rand::Rng;
use rand::rngs::StdRng;
use reddwarf_core::FeatureLevels;
use reddwarf_raft::{Limits, Peer};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use turmoil::{Builder, Sim};

/// Machines beside those of the first members, on which others may join.
const SPARE_MACHINES: usize = 2;
/// After so long a process that ended by itself is started again.
const RESTART_MS: u64 = 300;
/// The group must not become smaller by removals.
const MEMBERS_MIN: usize = 3;

/// Something that the group does later.
#[derive(Clone, Debug)]
enum Later {
    Start(MachineId),
    Open { a: MachineId, b: MachineId },
    Unlose { from: MachineId, to: MachineId },
    Reset { a: MachineId, b: MachineId },
    Hasten { a: MachineId, b: MachineId },
    GoOn(MachineId),
    Room(MachineId),
    UsualPace(MachineId),
    Join(MachineId),
}

/// A simulated group.
pub struct Group {
    sim: Sim<'static>,
    /// All machines.
    pub machines: Vec<Arc<Machine>>,
    setting: Setting,
    plan: Plan,
    cuts: Cuts,
    later: BTreeMap<(u64, u64), Later>,
    operator: Operator,
    random: StdRng,
    now_ms: u64,
    planned: u64,
    /// Machines that were killed or have no power.
    down: BTreeSet<MachineId>,
    trace: Trace,
    /// Why a member could not start that had to.
    pub broken: Option<String>,
}

fn limits(plan: &Plan) -> Limits {
    Limits {
        wal_segment_bytes: plan.segment_bytes,
        wal_cache_bytes: plan.segment_bytes as usize / 2,
        snapshot_wal_bytes: plan.segment_bytes * 2,
        log_keep_bytes: plan.segment_bytes / 2,
        clock_tick: Duration::from_millis(700),
        repair_pause: Duration::from_millis(200),
        scrub_pause: Duration::from_secs(2),
        level_settle: Some(Duration::from_secs(1)),
        store_cache_bytes: 256 * 1024,
        ..Limits::default()
    }
}

impl Group {
    /// Sets a group up in `dir`, as its plan has it. Nothing runs before the first step.
    #[must_use]
    pub fn new(plan: &Plan, dir: &Path, trace: Trace) -> Self {
        let sim = Builder::new()
            .rng_seed(plan.seed)
            .enable_random_order()
            .tick_duration(Duration::from_millis(1))
            .simulation_duration(Duration::from_secs(3_600))
            .min_message_latency(Duration::ZERO)
            .max_message_latency(Duration::from_millis(plan.delay_ms))
            .tcp_capacity(1 << 16)
            .build();
        let setting = Setting { lines: Arc::default(), limits: limits(plan) };
        let mut group = Group {
            sim,
            machines: Vec::new(),
            setting,
            plan: plan.clone(),
            cuts: Cuts::default(),
            later: BTreeMap::new(),
            operator: Operator::default(),
            random: randomness(plan.seed, 1),
            now_ms: 0,
            planned: 0,
            down: BTreeSet::new(),
            trace,
            broken: None,
        };
        let peers: Vec<Peer> = (0..plan.members).map(|at| peer(at, at as u64 + 1)).collect();
        for id in 0..plan.members + SPARE_MACHINES {
            group.add_machine(id, dir, &peers);
        }
        for id in plan.members..group.machines.len() {
            group.sim.crash(host(id).as_str());
        }
        group
    }

    fn add_machine(&mut self, id: MachineId, dir: &Path, peers: &[Peer]) {
        let dir = dir.join(host(id));
        let all = self.plan.members + SPARE_MACHINES;
        let cut_off = move || {
            // Whatever it still sends in this moment never leaves the machine.
            for other in (0..all).filter(|other| *other != id) {
                turmoil::partition(host(id), host(other));
            }
        };
        let disk = SimDisk::new(&dir, Box::new(cut_off));
        let machine = Arc::new(Machine::new(id, dir, disk));
        machine.pace.set(self.plan.log_ms, self.plan.state_ms);
        if let Some(peer) = peers.get(id) {
            let old = self.plan.old_builds.contains(&id);
            let levels = if old { FeatureLevels::FIRST } else { FeatureLevels::OF_THIS_BUILD };
            let (node_id, peers) = (peer.id, peers.to_vec());
            let seat =
                Seat { node_id, peers, admission: None, levels, wiped: false, rotten: false };
            machine.take_seat(Some(seat));
        }
        let (software, setting) = (Arc::clone(&machine), self.setting.clone());
        self.sim.host(host(id), move || process::run(Arc::clone(&software), setting.clone()));
        self.machines.push(machine);
    }

    /// Adds clients, which act beside the machines and never end. They are one host of the network, which
    /// they do not use: each host and each line costs time in every step.
    pub fn add_clients<F, Fut>(&mut self, clients: F)
    where
        F: Fn() -> Fut + 'static,
        Fut: Future<Output = turmoil::Result> + 'static,
    {
        self.sim.host("clients", clients);
    }

    /// Milliseconds since the beginning.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Lets a millisecond pass.
    ///
    /// # Errors
    /// When something in the simulation itself has failed.
    pub fn step(&mut self) -> Result<(), String> {
        self.sim.step().map_err(|error| format!("the simulation failed: {error}"))?;
        self.now_ms += 1;
        for machine in self.machines.clone() {
            self.look_after(&machine);
        }
        while let Some(next) = self.later.first_entry()
            && next.key().0 <= self.now_ms
        {
            let later = next.remove();
            self.now_later(later);
        }
        self.operate();
        self.cuts.apply(&self.sim, self.machines.len());
        Ok(())
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        self.trace.tell(self.now_ms, what);
    }

    fn after(&mut self, ms: u64, later: Later) {
        self.planned += 1;
        self.later.insert((self.now_ms + ms, self.planned), later);
    }

    /// What became of a machine's process in this step.
    fn look_after(&mut self, machine: &Arc<Machine>) {
        if machine.disk.is_dead() && !self.down.contains(&machine.id) {
            self.tell(|| format!("{} loses power in the middle of its work", host(machine.id)));
            self.power_off(machine);
            let down_ms = self.operator.down_ms(machine.id);
            self.after(down_ms, Later::Start(machine.id));
        }
        machine.note_level();
        let Some(ended) = machine.ended() else { return };
        self.setting.lines.refuses(machine.id, true);
        self.tell(|| format!("the process on {} has ended: {ended:?}", host(machine.id)));
        let seat = machine.seat();
        match ended {
            Ended::Stopped => {
                let down_ms = self.operator.down_ms(machine.id);
                self.after(down_ms, Later::Start(machine.id));
            }
            Ended::Dismissed(why) => self.dismissed(machine, &why),
            Ended::Failed(_) => self.after(RESTART_MS, Later::Start(machine.id)),
            Ended::Refused(why) => {
                let excused = machine.disk.has_failed() || seat.is_some_and(|seat| seat.wiped);
                if excused {
                    self.after(RESTART_MS, Later::Start(machine.id));
                } else {
                    self.broken = Some(format!("{} does not start: {why}", host(machine.id)));
                }
            }
        }
    }

    fn is_up(&mut self, id: MachineId) -> bool {
        self.sim.is_host_running(host(id).as_str())
    }

    /// What the plan has for now happens.
    pub fn strike(&mut self, fault: &Fault) {
        let done = self.happen(&fault.kind);
        let how = if done { "" } else { " (not now)" };
        self.tell(|| format!("{:?}{how}", fault.kind));
    }

    fn happen(&mut self, kind: &FaultKind) -> bool {
        match kind {
            FaultKind::Split { side, for_ms } => {
                for a in side {
                    for b in (0..self.machines.len()).filter(|b| !side.contains(b)) {
                        self.cut(*a, b, *for_ms);
                    }
                }
            }
            FaultKind::OneWay { from, to, for_ms } => {
                self.cuts.lose(*from, *to, true);
                self.after(*for_ms, Later::Unlose { from: *from, to: *to });
                self.after(UNACKNOWLEDGED_MS_MAX.min(*for_ms), Later::Reset { a: *from, b: *to });
            }
            FaultKind::SlowLine { a, b, delay_ms, for_ms } => {
                self.delay(*a, *b, *delay_ms);
                self.after(*for_ms, Later::Hasten { a: *a, b: *b });
            }
            FaultKind::Reset { a, b } => self.setting.lines.reset(*a, *b),
            FaultKind::Kill { machine, down_ms } => return self.kill(*machine, *down_ms),
            FaultKind::Stop { machine, down_ms } => return self.stop(*machine, *down_ms),
            FaultKind::PowerLoss { machines, down_ms } => {
                let up: Vec<_> = machines.iter().filter(|id| self.is_up(**id)).copied().collect();
                for id in &up {
                    let machine = Arc::clone(&self.machines[*id]);
                    self.power_off(&machine);
                    self.after(*down_ms, Later::Start(*id));
                }
                return !up.is_empty();
            }
            FaultKind::PowerLossAt { machine, operation, down_ms } => {
                if !self.is_up(*machine) {
                    return false;
                }
                self.operator.will_be_down(*machine, *down_ms);
                self.machines[*machine].disk.crash_at(*operation);
            }
            FaultKind::Pause { machine, for_ms } => self.pause(*machine, *for_ms),
            FaultKind::PauseLeader { for_ms } => match self.leader() {
                Some(leader) => self.pause(leader, *for_ms),
                None => return false,
            },
            FaultKind::SyncError { machine } => {
                let seed = self.random.random();
                self.machines[*machine].disk.fail_next_sync(seed);
            }
            FaultKind::FullDisk { machine, for_ms } => {
                self.machines[*machine].disk.set_full(true);
                self.after(*for_ms, Later::Room(*machine));
            }
            FaultKind::SlowDisk { machine, log_ms, state_ms, for_ms } => {
                self.machines[*machine].pace.set(*log_ms, *state_ms);
                self.after(*for_ms, Later::UsualPace(*machine));
            }
            FaultKind::ClockJump { machine, by_ms } => self.machines[*machine].clock.jump(*by_ms),
            FaultKind::Transfer => return self.transfer(),
            FaultKind::Join => return self.join_spare(),
            FaultKind::Remove { machine } => return self.remove(*machine),
            FaultKind::Wipe { machine, down_ms, lost_ms } => {
                return self.wipe(*machine, *down_ms, *lost_ms);
            }
            FaultKind::RottenState { machine, pages, down_ms } => {
                return self.rot_state(*machine, *pages, *down_ms);
            }
            FaultKind::RottenLog { machine, down_ms, lost_ms } => {
                return self.rot_log(*machine, *down_ms, *lost_ms);
            }
            FaultKind::Upgrade { machine, down_ms } => {
                let levels = FeatureLevels::OF_THIS_BUILD;
                self.machines[*machine].change_seat(|seat| seat.levels = levels);
                return self.stop(*machine, *down_ms);
            }
        }
        true
    }

    fn now_later(&mut self, later: Later) {
        self.tell(|| format!("{later:?}"));
        match later {
            Later::Start(id) => self.start(id),
            Later::Open { a, b } => self.cuts.hold(a, b, false),
            Later::Unlose { from, to } => {
                self.cuts.lose(from, to, false);
                self.setting.lines.reset(from, to);
            }
            Later::Reset { a, b } => self.setting.lines.reset(a, b),
            Later::Hasten { a, b } => self.delay(a, b, self.plan.delay_ms),
            Later::GoOn(id) => self.go_on(id),
            Later::Room(id) => self.machines[id].disk.set_full(false),
            Later::UsualPace(id) => {
                self.machines[id].pace.set(self.plan.log_ms, self.plan.state_ms);
            }
            Later::Join(id) => self.rejoin(id),
        }
    }

    fn delay(&mut self, a: MachineId, b: MachineId, delay_ms: u64) {
        let delay = Duration::from_millis(delay_ms);
        self.sim.set_link_max_message_latency(host(a).as_str(), host(b).as_str(), delay);
    }

    /// Between two machines nothing passes for a while.
    fn cut(&mut self, a: MachineId, b: MachineId, for_ms: u64) {
        self.cuts.hold(a, b, true);
        self.after(for_ms, Later::Open { a, b });
        if for_ms > UNACKNOWLEDGED_MS_MAX {
            self.after(UNACKNOWLEDGED_MS_MAX, Later::Reset { a, b });
        }
    }

    fn kill(&mut self, id: MachineId, down_ms: u64) -> bool {
        if !self.is_up(id) {
            return false;
        }
        // First, since what is dropped with the process may still write.
        done(self.machines[id].disk.kill());
        self.sim.crash(host(id).as_str());
        self.machines[id].is_gone();
        self.down.insert(id);
        self.setting.lines.refuses(id, true);
        self.after(down_ms, Later::Start(id));
        true
    }

    fn stop(&mut self, id: MachineId, down_ms: u64) -> bool {
        let front = self.machines[id].front();
        let asked = front.is_some_and(|front| front.send(front::Request::Stop).is_ok());
        if asked {
            self.operator.will_be_down(id, down_ms);
        }
        asked
    }

    /// A machine loses power: nothing that it would still say is heard.
    fn power_off(&mut self, machine: &Machine) {
        let id = machine.id;
        done(machine.disk.power_off());
        self.down.insert(id);
        for other in (0..self.machines.len()).filter(|other| *other != id) {
            self.sim.partition(host(id).as_str(), host(other).as_str());
        }
        self.sim.crash(host(id).as_str());
        machine.is_gone();
        self.cuts.power(id, false);
        for other in (0..self.machines.len()).filter(|other| *other != id) {
            // Its connections are silent until the other end gives them up.
            self.after(UNACKNOWLEDGED_MS_MAX, Later::Reset { a: id, b: other });
        }
    }

    fn start(&mut self, id: MachineId) {
        let machine = Arc::clone(&self.machines[id]);
        if self.is_up(id) || machine.seat().is_none() {
            return;
        }
        if machine.disk.is_dead() {
            match self.cuts.is_off(id) {
                true => done(machine.disk.revive(self.random.random())),
                false => done(machine.disk.revive_without_loss()),
            }
        }
        self.down.remove(&id);
        self.cuts.power(id, true);
        self.setting.lines.refuses(id, false);
        self.sim.bounce(host(id).as_str());
    }

    fn pause(&mut self, id: MachineId, for_ms: u64) {
        let machine = Arc::clone(&self.machines[id]);
        if machine.paused.send_replace(true) {
            return;
        }
        machine.clock.stand(Duration::from_millis(self.now_ms));
        for other in (0..self.machines.len()).filter(|other| *other != id) {
            self.cuts.hold(id, other, true);
        }
        self.after(for_ms, Later::GoOn(id));
    }

    fn go_on(&mut self, id: MachineId) {
        let machine = Arc::clone(&self.machines[id]);
        if !machine.paused.send_replace(false) {
            return;
        }
        machine.clock.go_on(Duration::from_millis(self.now_ms));
        for other in (0..self.machines.len()).filter(|other| *other != id) {
            self.cuts.hold(id, other, false);
        }
    }

    /// Nothing that is dropped writes any more.
    pub fn end(&self) {
        self.machines.iter().for_each(|machine| done(machine.disk.power_off()));
    }

    /// Faults are over: everything works, and everybody who is a member comes back.
    pub fn calm_down(&mut self) {
        self.tell(|| "faults are over".to_owned());
        let joins: Vec<MachineId> = self
            .later
            .values()
            .filter_map(|later| match later {
                Later::Join(id) => Some(*id),
                _ => None,
            })
            .collect();
        self.later.clear();
        self.cuts.clear();
        for id in 0..self.machines.len() {
            self.go_on(id);
            let machine = Arc::clone(&self.machines[id]);
            machine.disk.calm();
            machine.clock.set_right();
            machine.pace.set(self.plan.log_ms, self.plan.state_ms);
            for other in 0..id {
                self.setting.lines.reset(id, other);
                self.delay(id, other, self.plan.delay_ms);
            }
            self.after(RESTART_MS, Later::Start(id));
        }
        self.cuts.clear();
        for id in joins {
            self.after(2 * RESTART_MS, Later::Join(id));
        }
    }
}

/// What a simulated disk does with its real files.
fn done(done: std::io::Result<()>) {
    done.expect("the files under the simulated disks can be changed");
}

/// A member on a machine, under a Raft id.
fn peer(machine: MachineId, node_id: u64) -> Peer {
    Peer { id: node_id, name: host(machine), addr: format!("{}:{PORT}", host(machine)) }
}
