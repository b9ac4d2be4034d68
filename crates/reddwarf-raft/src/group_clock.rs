//! What time the group has it, for the times of commits (invariant 8).
//!
//! A commit's time is never before its parent's, so one write of a member whose clock has jumped
//! ahead by years would give all later commits that time, and moments in between would be found no
//! more. Members therefore ask each other for the time, and one whose own is far from what most have
//! goes by theirs. Nothing is agreed on, and nothing but the times of commits depends on it.

use crate::core::Core;
use crate::health;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the others are asked, and how often while too few are known.
const ASK: Duration = Duration::from_secs(5);
const ASK_SOON: Duration = Duration::from_millis(250);
/// How long another member may take to tell.
const ASK_TIMEOUT: Duration = Duration::from_millis(500);
/// A clock that is this near to the others' is right.
const RIGHT: Duration = Duration::from_secs(10);

/// The others' clocks.
#[derive(Debug, Default)]
pub struct GroupClock {
    /// By member, the time that it told and when.
    told: Mutex<BTreeMap<u64, (u64, Instant)>>,
}

impl GroupClock {
    /// A member told its time.
    fn tell(&self, id: u64, time_ms: u64, at: Instant) {
        self.told.lock().insert(id, (time_ms, at));
    }

    /// Whether most of the voters are known, `own` without asking.
    fn is_known(&self, own: u64, voters: &BTreeSet<u64>) -> bool {
        self.times(own, 0, voters, Instant::now()).len() > voters.len() / 2
    }

    /// The time of a write that `own` makes at `own_ms` by its clock, in milliseconds since the Unix
    /// epoch.
    fn time_ms(&self, own: u64, own_ms: u64, voters: &BTreeSet<u64>, now: Instant) -> u64 {
        let mut times = self.times(own, own_ms, voters, now);
        if times.len() <= voters.len() / 2 {
            return own_ms;
        }
        times.sort_unstable();
        // Of two the lower: a time that is too early costs nothing, since the parent's is kept.
        let group_ms = times[(times.len() - 1) / 2];
        let right = u128::from(own_ms.abs_diff(group_ms)) <= RIGHT.as_millis();
        if right { own_ms } else { group_ms }
    }

    /// What the voters' clocks show, as far as they are known.
    fn times(&self, own: u64, own_ms: u64, voters: &BTreeSet<u64>, now: Instant) -> Vec<u64> {
        let told = self.told.lock();
        let time = |id: &u64| match told.get(id) {
            _ if *id == own => Some(own_ms),
            None => None,
            Some((time_ms, at)) => {
                let since = now.saturating_duration_since(*at).as_millis();
                Some(time_ms.saturating_add(since as u64))
            }
        };
        voters.iter().filter_map(time).collect()
    }
}

/// The time of a write that this member made at `written_ms` by its own clock: corrected by as much
/// as that is wrong now.
pub fn time_ms(core: &Core, written_ms: u64) -> u64 {
    let voters = core.raft.voter_ids().collect();
    let own_ms = core.environment.clock.now_ms();
    let group_ms = core.group_clock.time_ms(core.node_id, own_ms, &voters, Instant::now());
    written_ms.saturating_add(group_ms).saturating_sub(own_ms)
}

/// Asks the others until the node stops.
pub async fn follow(core: Arc<Core>) {
    loop {
        let voters: BTreeSet<u64> = core.raft.voter_ids().collect();
        let others = voters.iter().filter(|id| **id != core.node_id);
        let asked = others.map(|id| async {
            let told = health::of_member(&core, *id, ASK_TIMEOUT).await;
            if let Some(now_ms) = told.and_then(|health| health.now_ms) {
                core.group_clock.tell(*id, now_ms, Instant::now());
            }
        });
        futures::future::join_all(asked).await;
        let pause = if core.group_clock.is_known(core.node_id, &voters) { ASK } else { ASK_SOON };
        tokio::select! {
            () = core.stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000_000;
    const YEARS: u64 = 10 * 365 * 86_400_000;

    /// What a member that shows `own_ms` takes for the time, when the others show `others`.
    fn time_of(own_ms: u64, others: &[u64], voters: u64) -> u64 {
        let clock = GroupClock::default();
        let at = Instant::now();
        for (id, time_ms) in (2..).zip(others) {
            clock.tell(id, *time_ms, at);
        }
        clock.time_ms(1, own_ms, &(1..=voters).collect(), at)
    }

    #[test]
    fn a_clock_that_is_right_is_gone_by_and_one_that_jumped_is_not() {
        for (own, others, voters, time) in [
            (NOW + 9_000, &[NOW, NOW + 1][..], 3, NOW + 9_000),
            (NOW + YEARS, &[NOW, NOW + 1], 3, NOW + 1),
            (NOW - YEARS, &[NOW, NOW + 1], 3, NOW),
            // Another one's jump is nobody's.
            (NOW, &[NOW + YEARS, NOW + 1], 3, NOW),
            (NOW, &[NOW - YEARS, NOW + 1], 3, NOW),
            // One of three is gone: the earlier of both.
            (NOW + YEARS, &[NOW], 3, NOW),
            (NOW, &[NOW + YEARS], 3, NOW),
            // Too few are known.
            (NOW + YEARS, &[], 3, NOW + YEARS),
            (NOW + YEARS, &[], 1, NOW + YEARS),
        ] {
            assert_eq!(time_of(own, others, voters), time, "{own} {others:?} {voters}");
        }
    }

    #[test]
    fn what_was_told_goes_on() {
        let clock = GroupClock::default();
        let at = Instant::now();
        clock.tell(2, NOW, at);
        clock.tell(3, NOW, at);
        let later = at + Duration::from_secs(60);
        let time = clock.time_ms(1, NOW + YEARS, &(1..=3).collect(), later);
        assert_eq!(time, NOW + 60_000);
    }
}
