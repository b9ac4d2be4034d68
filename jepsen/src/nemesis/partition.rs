//! Members that do not hear each other.

use super::lines::{Changed, Count};
use super::victims::names;
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::history::{Edn, value};
use crate::host::Group;
use crate::net::{CLIENTS, Grudge, Line};
use async_trait::async_trait;
use rand::Rng as _;
use rand::seq::{IndexedRandom, SliceRandom};
use std::ops::Range;
use std::time::Duration;

/// How long a partition lasts, in milliseconds: shorter and longer than elections take.
const HOLD_MS: Range<u64> = 200..12_000;
/// What shows it.
const COUNT: Count = ("cut", |counters| counters.cut);

/// Where the cut goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Around the leader.
    Leader,
    /// Around any one member.
    One,
    /// Between two halves.
    Halves,
    /// Such that each sees a majority, and no two the same one.
    MajorityRing,
    /// Between two halves that have one member in common.
    Bridge,
    /// What the leader sends is lost; it hears the others.
    MuteLeader,
    /// What is sent to the leader is lost; the others hear it.
    DeafLeader,
    /// What any one member sends is lost.
    MuteOne,
    /// What is sent to any one member is lost.
    DeafOne,
}

/// Cuts lines between members, and heals them.
#[derive(Debug)]
pub struct Partition {
    ways: Vec<Cut>,
    clients: bool,
    changed: Option<Changed>,
}

impl Cut {
    /// All of them.
    pub const ALL: [Cut; 9] = [
        Cut::Leader,
        Cut::One,
        Cut::Halves,
        Cut::MajorityRing,
        Cut::Bridge,
        Cut::MuteLeader,
        Cut::DeafLeader,
        Cut::MuteOne,
        Cut::DeafOne,
    ];
    /// Those that leave the other direction open.
    pub const ONE_WAY: [Cut; 4] = [Cut::MuteLeader, Cut::DeafLeader, Cut::MuteOne, Cut::DeafOne];

    /// Those that leave a majority alone, which clients may still reach.
    pub const ALONE: [Cut; 3] = [Cut::Leader, Cut::One, Cut::Halves];

    fn name(self) -> &'static str {
        match self {
            Cut::Leader => "leader",
            Cut::One => "one",
            Cut::Halves => "halves",
            Cut::MajorityRing => "majority-ring",
            Cut::Bridge => "bridge",
            Cut::MuteLeader => "mute-leader",
            Cut::DeafLeader => "deaf-leader",
            Cut::MuteOne => "mute-one",
            Cut::DeafOne => "deaf-one",
        }
    }

    fn is_around_leader(self) -> bool {
        matches!(self, Cut::Leader | Cut::MuteLeader | Cut::DeafLeader)
    }

    /// The lines to cut, and the members that are worse off for it. `first` is the one that a cut
    /// around one is around.
    fn grudge(self, shuffled: &[String], first: &str) -> (Grudge, Vec<String>) {
        let one = || vec![first.to_owned()];
        let middle = shuffled.len() / 2;
        match self {
            Cut::Leader | Cut::One => (Grudge::isolate(shuffled, first), one()),
            Cut::MuteLeader | Cut::MuteOne => (Grudge::mute(shuffled, first), one()),
            Cut::DeafLeader | Cut::DeafOne => (Grudge::deafen(shuffled, first), one()),
            Cut::Halves => (Grudge::halves(shuffled), shuffled[..middle].to_vec()),
            Cut::MajorityRing => (Grudge::majority_ring(shuffled), shuffled.to_vec()),
            Cut::Bridge => {
                let all_but_middle = [&shuffled[..middle], &shuffled[middle + 1..]].concat();
                (Grudge::bridge(shuffled), all_but_middle)
            }
        }
    }
}

impl Partition {
    /// Cuts in one of `ways`, drawn anew each time.
    pub fn new(ways: impl Into<Vec<Cut>>) -> Partition {
        Partition { ways: ways.into(), clients: false, changed: None }
    }

    /// Cuts clients off from the same members, too.
    #[must_use]
    pub fn and_clients(self) -> Partition {
        Partition { clients: true, ..self }
    }

    async fn draw(
        &self,
        group: &Group,
        rng: &mut Rng,
    ) -> Result<(Cut, Grudge, Vec<String>), NemesisError> {
        // Places where nobody is at the time are not cut off.
        let mut names = names(&group.members());
        names.shuffle(rng);
        let cut = self.ways.choose(rng).copied().unwrap_or(Cut::One);
        let leader = if cut.is_around_leader() { group.leader().await } else { None };
        let first = leader.map_or_else(|| names[0].clone(), |leader| leader.name.clone());
        let (grudge, targets) = cut.grudge(&names, &first);
        let grudge = if self.clients { grudge.and_clients(CLIENTS, &targets) } else { grudge };
        Ok((cut, grudge, targets))
    }
}

#[async_trait]
impl Nemesis for Partition {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let (cut, grudge, targets) = self.draw(group, rng).await?;
        let hold = Duration::from_millis(rng.random_range(HOLD_MS));
        let lines: Vec<Line> = grudge.iter().cloned().collect();
        let shown = value::texts(lines.iter().map(Line::to_string));
        let changed = Changed::begin(group, lines, COUNT, |rules| rules.cut = true)?;
        let evidence = self.changed.insert(changed).evidence().await?;
        let fault = Fault::new(targets, hold, evidence);
        Ok(fault.with("cut", value::keyword(cut.name())).with("lines", shown))
    }

    async fn end(&mut self, _group: &Group) -> Result<Edn, NemesisError> {
        let heal = |changed: Changed| changed.end(|rules| rules.cut = false);
        self.changed.take().map_or(Ok(Edn::Nil), heal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cut_cuts_something_and_says_whom() {
        for members in 2..8 {
            let names: Vec<String> = (1..=members).map(|member| format!("n{member}")).collect();
            for cut in Cut::ALL {
                let (grudge, targets) = cut.grudge(&names, &names[0]);
                let needs_three = matches!(cut, Cut::MajorityRing | Cut::Bridge);
                assert_eq!(grudge.is_empty(), members < 3 && needs_three, "{cut:?} of {members}");
                let touched =
                    |line: &Line| targets.contains(&line.from) || targets.contains(&line.to);
                assert!(grudge.iter().all(touched), "{cut:?} of {members}");
            }
        }
    }
}
