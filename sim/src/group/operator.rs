//! What operators do: they let machines join and leave, and say who leads.

use super::front::Request;
use super::machine::{Machine, MachineId, Seat, host};
use super::{Group, Later, MEMBERS_MIN, RESTART_MS, done, peer};
use reddwarf_core::FeatureLevels;
use reddwarf_raft::inspect::Role;
use reddwarf_raft::types::Member;
use reddwarf_raft::{Admission, Peer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Raft ids that operators draw begin here.
const FIRST_DRAWN_ID: u64 = 101;
/// After so long an answer is not awaited any more.
const PATIENCE_MS: u64 = 8_000;
/// How long a machine is away when nothing else was said.
const DOWN_MS: u64 = 500;

/// What operators remember.
#[derive(Default)]
pub struct Operator {
    down_ms: BTreeMap<MachineId, u64>,
    asked: Vec<Asked>,
    /// Machines whose members were to be removed, whether or not the answer was yes.
    removing: BTreeSet<MachineId>,
    drawn: u64,
}

/// A question that was asked of the group.
struct Asked {
    until_ms: u64,
    what: What,
}

enum What {
    Join { machine: MachineId, node_id: u64, answer: oneshot::Receiver<Result<u64, String>> },
    Remove { machine: MachineId, answer: oneshot::Receiver<Result<u64, String>> },
    Transfer { answer: oneshot::Receiver<Result<String, String>> },
}

impl Operator {
    /// How long a machine is to be away that is about to go.
    pub fn will_be_down(&mut self, machine: MachineId, down_ms: u64) {
        self.down_ms.insert(machine, down_ms);
    }

    /// How long a machine is away that has gone.
    pub fn down_ms(&mut self, machine: MachineId) -> u64 {
        self.down_ms.remove(&machine).unwrap_or(DOWN_MS)
    }
}

impl Group {
    /// A member that answers, whichever comes first after a machine.
    fn somebody(&self, after: MachineId) -> Option<Arc<Machine>> {
        let all = self.machines.len();
        let mut machines = (1..=all).map(|step| &self.machines[(after + step) % all]);
        machines.find(|machine| machine.node().is_some()).cloned()
    }

    fn ask(&mut self, what: What) {
        let until_ms = self.now_ms + PATIENCE_MS;
        self.operator.asked.push(Asked { until_ms, what });
    }

    /// Looks at what was answered.
    pub(super) fn operate(&mut self) {
        for mut asked in std::mem::take(&mut self.operator.asked) {
            let late = asked.until_ms <= self.now_ms;
            let open = match &mut asked.what {
                What::Join { machine, node_id, answer } => match answer.try_recv() {
                    Err(oneshot::error::TryRecvError::Empty) if !late => true,
                    answer => {
                        let (machine, node_id) = (*machine, *node_id);
                        self.answered_join(machine, node_id, answer.ok());
                        false
                    }
                },
                What::Remove { machine, answer } => match answer.try_recv() {
                    Err(oneshot::error::TryRecvError::Empty) if !late => true,
                    answer => {
                        let machine = *machine;
                        self.tell(|| format!("removal of {}: {answer:?}", host(machine)));
                        if matches!(answer, Ok(Ok(_))) {
                            self.is_removed(machine);
                        }
                        false
                    }
                },
                What::Transfer { answer } => match answer.try_recv() {
                    Err(oneshot::error::TryRecvError::Empty) if !late => true,
                    answer => {
                        self.tell(|| format!("transfer: {answer:?}"));
                        false
                    }
                },
            };
            if open {
                self.operator.asked.push(asked);
            }
        }
    }

    /// The group has told a member that it is none.
    pub(super) fn dismissed(&mut self, machine: &Machine, why: &str) {
        // One whose disk was lost is joined anew by itself.
        if machine.seat().is_none_or(|seat| seat.wiped) {
            return;
        }
        if self.operator.removing.contains(&machine.id) {
            self.is_removed(machine.id);
        } else {
            self.broken = Some(format!("nobody has removed {}: {why}", host(machine.id)));
        }
    }

    fn is_removed(&mut self, id: MachineId) {
        self.operator.removing.remove(&id);
        self.machines[id].take_seat(None);
        self.take_away(id);
    }

    /// Lets another member lead.
    pub(super) fn transfer(&mut self) -> bool {
        let Some(front) = self.somebody(0).and_then(|machine| machine.front()) else {
            return false;
        };
        let (reply, answer) = oneshot::channel();
        let asked = front.send(Request::Transfer(reply)).is_ok();
        if asked {
            self.ask(What::Transfer { answer });
        }
        asked
    }

    /// Lets a machine without a member join.
    pub(super) fn join_spare(&mut self) -> bool {
        let spare = self.machines.iter().find(|machine| machine.seat().is_none());
        let busy = self.operator.asked.iter().any(|asked| matches!(asked.what, What::Join { .. }));
        match spare.map(|machine| machine.id) {
            Some(id) if !busy => self.admit(id),
            _ => false,
        }
    }

    fn admit(&mut self, id: MachineId) -> bool {
        let Some(front) = self.somebody(id).and_then(|machine| machine.front()) else {
            return false;
        };
        let node_id = FIRST_DRAWN_ID + self.operator.drawn;
        self.operator.drawn += 1;
        let Peer { name, addr, .. } = peer(id, node_id);
        let (reply, answer) = oneshot::channel();
        let member = Member { name, addr, incarnation: 0 };
        let asked = front.send(Request::Admit(node_id, member, reply)).is_ok();
        if asked {
            self.ask(What::Join { machine: id, node_id, answer });
        }
        asked
    }

    fn answered_join(&mut self, id: MachineId, node_id: u64, answer: Option<Result<u64, String>>) {
        self.tell(|| format!("joining of {} as {node_id}: {answer:?}", host(id)));
        let Some(Ok(admitted_at)) = answer else {
            // Whether it was let in is not known; the next attempt has another id.
            let wiped = self.machines[id].seat().is_some_and(|seat| seat.wiped);
            if wiped {
                self.after(RESTART_MS, Later::Join(id));
            }
            return;
        };
        self.take_away(id);
        let peers = self.seated().filter(|(other, _)| *other != id);
        let peers = peers.map(|(other, seat)| peer(other, seat.node_id)).collect();
        let admission = Some(Admission { admitted_at, replaces: None });
        let levels = FeatureLevels::OF_THIS_BUILD;
        let seat = Seat { node_id, peers, admission, levels, wiped: false, rotten: false };
        self.machines[id].take_seat(Some(seat));
        self.after(1, Later::Start(id));
    }

    fn seated(&self) -> impl Iterator<Item = (MachineId, Seat)> {
        self.machines.iter().filter_map(|machine| Some((machine.id, machine.seat()?)))
    }

    /// The machine is switched off, and its disk emptied.
    fn take_away(&mut self, id: MachineId) {
        let machine = Arc::clone(&self.machines[id]);
        if !machine.disk.is_dead() {
            self.power_off(&machine);
        }
        done(machine.disk.wipe());
    }

    /// Lets a member go for good.
    pub(super) fn remove(&mut self, id: MachineId) -> bool {
        let (seats, seat) = (self.seated().count(), self.machines[id].seat());
        if seats <= MEMBERS_MIN || seat.is_none() || !self.others_are_sound(id) {
            return false;
        }
        let Some(front) = self.somebody(id).and_then(|machine| machine.front()) else {
            return false;
        };
        let (reply, answer) = oneshot::channel();
        let asked = front.send(Request::Remove(host(id), reply)).is_ok();
        if asked {
            self.operator.removing.insert(id);
            self.ask(What::Remove { machine: id, answer });
        }
        asked
    }

    /// A machine loses its disk, if the group can spare it.
    pub(super) fn wipe(&mut self, id: MachineId, down_ms: u64, lost_ms: u64) -> bool {
        let machine = Arc::clone(&self.machines[id]);
        if !self.can_lose(id) {
            return false;
        }
        if !machine.disk.is_dead() {
            self.power_off(&machine);
        }
        done(machine.disk.wipe());
        machine.change_seat(|seat| seat.wiped = true);
        self.after(down_ms, Later::Start(id));
        self.after(down_ms + lost_ms, Later::Join(id));
        true
    }

    /// Whoever leads, as far as it knows itself.
    pub(super) fn leader(&self) -> Option<MachineId> {
        let nodes = self.machines.iter().filter_map(|machine| Some((machine.id, machine.node()?)));
        let leaders = nodes.filter(|(_, node)| node.inspect().role() == Role::Leader);
        leaders.max_by_key(|(_, node)| node.inspect().vote().term).map(|(id, _)| id)
    }

    /// Whether those that have a seat and those that vote are the same, by the newest membership that
    /// is known, which is committed and knows their data folders, so that one disk can be spared.
    fn is_whole(&self) -> bool {
        // Whoever has just lost its disk still counts as a voter.
        if self.seated().any(|(_, seat)| seat.wiped) {
            return false;
        }
        let nodes: Vec<_> = self.machines.iter().filter_map(|machine| machine.node()).collect();
        let applied = nodes.iter().filter_map(|node| node.inspect().applied_at()).max();
        let newest = nodes.iter().map(|node| node.inspect().members());
        let newest = newest.max_by_key(|members| members.at).filter(|one| one.at <= applied);
        let seats: BTreeSet<u64> = self.seated().map(|(_, seat)| seat.node_id).collect();
        seats.len() >= MEMBERS_MIN
            && newest
                .is_some_and(|members| members.voters == [seats] && members.unrecorded.is_empty())
    }

    /// Whether the group can spare what a member has.
    pub(super) fn can_lose(&self, id: MachineId) -> bool {
        self.machines[id].seat().is_some() && self.is_whole() && self.others_are_sound(id)
    }

    /// Whether no other machine's disk holds something else than it should, as far as members may not
    /// have noticed yet: then all may be needed.
    pub(super) fn others_are_sound(&self, id: MachineId) -> bool {
        !self.seated().any(|(other, seat)| other != id && seat.rotten)
    }

    /// A machine whose disk was lost joins anew, under its name.
    pub(super) fn rejoin(&mut self, id: MachineId) {
        if !self.admit(id) {
            self.after(RESTART_MS, Later::Join(id));
        }
    }
}
