//! Draws a plan from a seed.
//!
//! Each run has its own mixture: a few kinds of faults, more or less often. All kinds at all times would
//! leave groups that never get far.

use super::{Fault, FaultKind, MachineId, Plan, randomness};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};

/// Kinds of faults, with how often each is part of a mixture, of a hundred.
const KINDS: [(Draw, u32); 16] = [
    (split, 60),
    (one_way, 25),
    (slow_line, 40),
    (reset, 30),
    (kill, 50),
    (stop, 25),
    (power_loss, 50),
    (power_loss_at, 60),
    (pause, 30),
    (sync_error, 15),
    (full_disk, 20),
    (slow_disk, 35),
    (clock_jump, 20),
    (transfer, 30),
    (membership, 30),
    (wipe, 20),
];

type Draw = fn(&mut StdRng, usize) -> FaultKind;

/// The plan of a seed.
#[must_use]
pub fn draw(seed: u64) -> Plan {
    let mut random = randomness(seed, 0);
    let members = if random.random_bool(0.25) { 5 } else { 3 };
    let safety_ms = random.random_range(4_000..11_000);
    let mut kinds: Vec<Draw> = KINDS
        .iter()
        .filter(|(_, of_hundred)| random.random_ratio(*of_hundred, 100))
        .map(|(draw, _)| *draw)
        .collect();
    kinds.shuffle(&mut random);
    // Fewer kinds, and those together, find other things than all of them.
    kinds.truncate(random.random_range(1..=KINDS.len()));
    let old_builds: Vec<MachineId> = match random.random_bool(0.2) {
        true => (0..members).collect(),
        false => Vec::new(),
    };
    let mut faults = Vec::new();
    if !kinds.is_empty() {
        let pause_max = *[300, 1_000, 3_000].choose(&mut random).unwrap_or(&1_000);
        let mut at_ms = random.random_range(500..2_500);
        while at_ms < safety_ms {
            let draw = kinds.choose(&mut random).copied().unwrap_or(reset);
            faults.push(Fault { at_ms, kind: draw(&mut random, members) });
            at_ms += random.random_range(10..pause_max);
        }
    }
    for machine in &old_builds {
        let at_ms = random.random_range(1_000..safety_ms);
        let down_ms = random.random_range(50..1_000);
        faults.push(Fault { at_ms, kind: FaultKind::Upgrade { machine: *machine, down_ms } });
    }
    faults.extend(rot(seed, members, safety_ms));
    faults.sort_by_key(|fault| fault.at_ms);
    Plan {
        seed,
        members,
        clients: random.random_range(2..=5),
        safety_ms,
        delay_ms: *[1, 2, 5, 20].choose(&mut random).unwrap_or(&2),
        log_ms: *[0, 1, 3, 10].choose(&mut random).unwrap_or(&1),
        state_ms: *[1, 5, 30, 300].choose(&mut random).unwrap_or(&5),
        segment_bytes: *[8, 16, 64].choose(&mut random).unwrap_or(&16) * 1_024,
        old_builds,
        branches: randomness(seed, 2).random_bool(0.5),
        faults,
    }
}

fn machine(random: &mut StdRng, members: usize) -> MachineId {
    random.random_range(0..members)
}

fn pair(random: &mut StdRng, members: usize) -> (MachineId, MachineId) {
    let a = machine(random, members);
    (a, (a + random.random_range(1..members)) % members)
}

/// Mostly short, sometimes long: what ends before anybody notices, and what does not.
fn time(random: &mut StdRng) -> u64 {
    let longest = *[100, 600, 2_500, 6_000].choose(random).unwrap_or(&600);
    random.random_range(10..longest)
}

fn split(random: &mut StdRng, members: usize) -> FaultKind {
    let mut all: Vec<MachineId> = (0..members).collect();
    all.shuffle(random);
    all.truncate(random.random_range(1..members));
    all.sort_unstable();
    FaultKind::Split { side: all, for_ms: time(random) }
}

fn one_way(random: &mut StdRng, members: usize) -> FaultKind {
    let (from, to) = pair(random, members);
    FaultKind::OneWay { from, to, for_ms: time(random) }
}

fn slow_line(random: &mut StdRng, members: usize) -> FaultKind {
    let (a, b) = pair(random, members);
    let delay_ms = random.random_range(5..400);
    FaultKind::SlowLine { a, b, delay_ms, for_ms: time(random) }
}

fn reset(random: &mut StdRng, members: usize) -> FaultKind {
    let (a, b) = pair(random, members);
    FaultKind::Reset { a, b }
}

fn kill(random: &mut StdRng, members: usize) -> FaultKind {
    FaultKind::Kill { machine: machine(random, members), down_ms: time(random) }
}

fn stop(random: &mut StdRng, members: usize) -> FaultKind {
    FaultKind::Stop { machine: machine(random, members), down_ms: time(random) }
}

fn power_loss(random: &mut StdRng, members: usize) -> FaultKind {
    let mut machines: Vec<MachineId> = (0..members).collect();
    machines.shuffle(random);
    machines.truncate(random.random_range(1..=members));
    machines.sort_unstable();
    FaultKind::PowerLoss { machines, down_ms: time(random) }
}

fn power_loss_at(random: &mut StdRng, members: usize) -> FaultKind {
    let longest = *[10, 100, 1_000].choose(random).unwrap_or(&100);
    let operation = random.random_range(1..=longest);
    FaultKind::PowerLossAt { machine: machine(random, members), operation, down_ms: time(random) }
}

fn pause(random: &mut StdRng, members: usize) -> FaultKind {
    let for_ms = random.random_range(50..3_000);
    match random.random_bool(0.5) {
        true => FaultKind::PauseLeader { for_ms },
        false => FaultKind::Pause { machine: machine(random, members), for_ms },
    }
}

fn sync_error(random: &mut StdRng, members: usize) -> FaultKind {
    FaultKind::SyncError { machine: machine(random, members) }
}

fn full_disk(random: &mut StdRng, members: usize) -> FaultKind {
    FaultKind::FullDisk { machine: machine(random, members), for_ms: time(random) }
}

fn slow_disk(random: &mut StdRng, members: usize) -> FaultKind {
    FaultKind::SlowDisk {
        machine: machine(random, members),
        log_ms: random.random_range(1..300),
        state_ms: random.random_range(1..2_000),
        for_ms: time(random),
    }
}

fn clock_jump(random: &mut StdRng, members: usize) -> FaultKind {
    let longest: i64 = *[1_000, 3_600_000, 10 * 365 * 86_400_000].choose(random).unwrap_or(&1_000);
    let by_ms = random.random_range(-longest..=longest);
    FaultKind::ClockJump { machine: machine(random, members), by_ms }
}

fn transfer(_: &mut StdRng, _: usize) -> FaultKind {
    FaultKind::Transfer
}

fn membership(random: &mut StdRng, members: usize) -> FaultKind {
    match random.random_bool(0.5) {
        true => FaultKind::Join,
        false => FaultKind::Remove { machine: machine(random, members) },
    }
}

/// What a disk loses by itself, in some seeds and on one machine: a group of three stands no more.
fn rot(seed: u64, members: usize, safety_ms: u64) -> Vec<Fault> {
    let mut random = randomness(seed, 3);
    if !random.random_bool(0.2) {
        return Vec::new();
    }
    let machine = machine(&mut random, members);
    let mut fault = |_| {
        let kind = match random.random_bool(0.6) {
            true => FaultKind::RottenState {
                machine,
                pages: random.random_range(1..=4),
                down_ms: random.random_bool(0.5).then(|| time(&mut random)),
            },
            false => FaultKind::RottenLog {
                machine,
                down_ms: time(&mut random),
                lost_ms: random.random_range(0..2_500),
            },
        };
        Fault { at_ms: random.random_range(1_500..safety_ms), kind }
    };
    (0..=*[0, 1, 2].choose(&mut randomness(seed, 4)).unwrap_or(&0)).map(&mut fault).collect()
}

fn wipe(random: &mut StdRng, members: usize) -> FaultKind {
    let lost_ms = random.random_range(0..2_500);
    FaultKind::Wipe { machine: machine(random, members), down_ms: time(random), lost_ms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn every_kind_of_fault_is_drawn() {
        // As many as `FaultKind` has.
        const KINDS_ALL: usize = 21;
        let mut found: BTreeMap<String, u64> = BTreeMap::new();
        for fault in (1..=200).flat_map(|seed| draw(seed).faults) {
            let told = format!("{:?}", fault.kind);
            let kind = told.split([' ', '{']).next().unwrap_or_default();
            *found.entry(kind.to_owned()).or_default() += 1;
        }
        assert_eq!(found.len(), KINDS_ALL, "{found:?}");
    }

    #[test]
    fn a_disk_rots_on_one_machine_of_a_run() {
        for plan in (1..=200).map(draw) {
            let rotten = plan.faults.iter().filter_map(|fault| match &fault.kind {
                FaultKind::RottenState { machine, .. } | FaultKind::RottenLog { machine, .. } => {
                    Some(*machine)
                }
                _ => None,
            });
            let machines: BTreeSet<MachineId> = rotten.collect();
            assert!(machines.len() <= 1, "{machines:?}");
        }
    }
}
