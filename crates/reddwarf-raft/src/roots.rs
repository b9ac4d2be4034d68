//! Members compare the roots of their states (invariant 17).
//!
//! Every member keeps the roots that it had at recent indexes: at every 64th, and, while writes
//! are rare, at the ends of what it applied together. The leader asks for them twice a second and
//! compares what it finds at common indexes with its own. What a majority of the voters has is
//! right. A member that has something else serves nothing from then on, does not lead, and repairs
//! itself; see [`crate::repair`].

use crate::core::Core;
use crate::peer::{Kind, Lane, RootsAsk, RootsReply, decode, encode};
use crate::quarantine::Trouble;
use crate::transfer;
use openraft::async_runtime::watch::WatchReceiver;
use reddwarf_versioning::StateRoot;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A root is kept at every so many entries.
const EVERY: u64 = 64;
/// Roots kept.
const KEPT: usize = 128;
/// Ends of batches are kept at most so often.
const BATCH_PAUSE: Duration = Duration::from_millis(20);
/// How often the leader compares.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long a member may take to answer.
const ASK_TIMEOUT: Duration = Duration::from_millis(400);

/// An index and the root there.
pub type RootAt = (u64, [u8; 32]);

/// The roots of recent indexes.
#[derive(Debug, Default)]
pub struct RecentRoots {
    kept: VecDeque<RootAt>,
    batch_at: Option<Instant>,
}

impl RecentRoots {
    /// Whether the root after entry `index` is to be kept.
    pub fn wants(index: u64) -> bool {
        index.is_multiple_of(EVERY)
    }

    /// Whether the root at the end of a batch is to be kept.
    pub fn wants_batch_end(&self, now: Instant) -> bool {
        self.batch_at.is_none_or(|at| now.duration_since(at) >= BATCH_PAUSE)
    }

    /// Keeps a root.
    pub fn push(&mut self, index: u64, root: StateRoot) {
        if index == 0 {
            return;
        }
        if self.kept.back().is_some_and(|(newest, _)| *newest >= index) {
            return;
        }
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((index, root.0));
    }

    /// Keeps the root at the end of a batch.
    pub fn push_batch_end(&mut self, index: u64, root: StateRoot, now: Instant) {
        self.batch_at = Some(now);
        self.push(index, root);
    }

    /// Forgets everything, after another state was put in place.
    pub fn clear(&mut self) {
        self.kept.clear();
    }

    /// What is kept of indexes from `since` on, and the root of the state as it is `now`.
    ///
    /// Index 0 is left out: it is that of a state before the group's first entry as well as of
    /// the one after it.
    pub fn since(&self, since: u64, now: RootAt) -> Vec<RootAt> {
        let kept = self.kept.iter().filter(|(index, _)| *index < now.0).copied();
        kept.chain([now]).filter(|(index, _)| *index >= since.max(1)).collect()
    }
}

/// What comparing has shown.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    /// The newest index at which all that were asked agree.
    agreed: Option<u64>,
    /// Members whose root differs from that of a majority, with the index.
    diverged: BTreeMap<u64, u64>,
    /// The newest index at which roots differ and no majority tells which is right.
    undecided: Option<u64>,
}

/// Compares the roots of the members that answered, of `voters` in all.
fn judge(answers: &BTreeMap<u64, Vec<RootAt>>, voters: &BTreeSet<u64>) -> Verdict {
    let mut at: BTreeMap<u64, BTreeMap<[u8; 32], Vec<u64>>> = BTreeMap::new();
    for (member, roots) in answers {
        for (index, root) in roots {
            at.entry(*index).or_default().entry(*root).or_default().push(*member);
        }
    }
    let quorum = voters.len() / 2 + 1;
    let mut verdict = Verdict::default();
    for (index, roots) in at.into_iter().rev() {
        if roots.len() == 1 {
            let everybody = roots.values().all(|members| members.len() == answers.len());
            if everybody && answers.len() > 1 {
                verdict.agreed = verdict.agreed.max(Some(index));
            }
            continue;
        }
        let count = |members: &Vec<u64>| members.iter().filter(|id| voters.contains(id)).count();
        match roots.iter().find(|(_, members)| count(members) >= quorum) {
            None => verdict.undecided = verdict.undecided.max(Some(index)),
            Some((right, _)) => {
                let wrong = roots.iter().filter(|(root, _)| *root != right);
                for member in wrong.flat_map(|(_, members)| members) {
                    verdict.diverged.entry(*member).or_insert(index);
                }
            }
        }
    }
    verdict
}

/// This member's answer to a question of the leader, which also tells its verdict.
pub fn answer(core: &Core, ask: &RootsAsk) -> RootsReply {
    if let Some(index) = ask.diverged {
        found(core, index);
    }
    RootsReply { roots: core.machine.roots_since(ask.since) }
}

/// Takes note that this member's state differs from the majority's.
fn found(core: &Core, index: u64) {
    if core.quarantine().found(Trouble::Diverged(index)) {
        core.metrics.root_mismatch.set(1);
        tracing::error!(
            index,
            "THIS MEMBER'S STATE DIFFERS from that of the majority: it serves nothing until it \
             has repaired itself from another member"
        );
        core.withdraw();
    }
}

/// Compares while this member leads, until the node stops.
pub async fn compare(core: Arc<Core>) {
    let mut since = 0;
    let mut told = BTreeSet::new();
    loop {
        tokio::select! {
            () = core.stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        let diverged = core.quarantine().diverged_at().is_some();
        if core.leadership.borrow().is_none() {
            (since, told) = (0, BTreeSet::new());
            core.metrics.root_mismatch.set(i64::from(diverged));
            core.wrong_members.lock().clear();
            continue;
        }
        if diverged {
            transfer::hand_over(&core).await;
            continue;
        }
        let verdict = judge(&ask_all(&core, since).await, &voters(&core));
        since = verdict.agreed.unwrap_or(since);
        act(&core, &verdict, &mut told).await;
    }
}

/// Whether a majority of the voters has the same root as this member at an index from `since` on.
///
/// # Errors
/// The index at which the majority has another root; nothing when there is no majority to tell.
pub async fn confirm(core: &Core, since: u64) -> Result<(), Option<u64>> {
    let (answers, voters) = (ask_all(core, since).await, voters(core));
    if let Some(index) = judge(&answers, &voters).diverged.get(&core.node_id) {
        return Err(Some(*index));
    }
    if !voters.is_empty() && equal_to_majority(&answers, &voters, core.node_id) {
        return Ok(());
    }
    Err(None)
}

/// Whether `own` has at some index the root of a majority, itself included.
fn equal_to_majority(
    answers: &BTreeMap<u64, Vec<RootAt>>,
    voters: &BTreeSet<u64>,
    own: u64,
) -> bool {
    let quorum = voters.len() / 2 + 1;
    let has = |id: &u64, at: &RootAt| answers.get(id).is_some_and(|roots| roots.contains(at));
    let own = answers.get(&own);
    own.into_iter().flatten().any(|at| voters.iter().filter(|id| has(id, at)).count() >= quorum)
}

fn voters(core: &Core) -> BTreeSet<u64> {
    let metrics = core.raft.metrics();
    let metrics = metrics.borrow_watched();
    metrics.membership_config.membership().voter_ids().collect()
}

async fn ask(core: &Core, id: u64, question: RootsAsk) -> Option<RootsReply> {
    let body = encode(&question).ok()?;
    let answer = core.client(id)?.call(Lane::Control, Kind::Roots, body, ASK_TIMEOUT).await.ok()?;
    decode(&answer).ok()
}

async fn ask_all(core: &Core, since: u64) -> BTreeMap<u64, Vec<RootAt>> {
    let voters = voters(core);
    let others = voters.iter().filter(|id| **id != core.node_id);
    let asked = others
        .map(|id| async move { (*id, ask(core, *id, RootsAsk { since, diverged: None }).await) });
    let answers = futures::future::join_all(asked).await;
    let answers = answers.into_iter().filter_map(|(id, reply)| Some((id, reply?.roots)));
    let mut answers: BTreeMap<u64, Vec<RootAt>> = answers.collect();
    answers.insert(core.node_id, core.machine.roots_since(since));
    answers
}

/// Tells the members concerned, and, of each finding once, the log.
async fn act(core: &Core, verdict: &Verdict, told: &mut BTreeSet<Option<u64>>) {
    let wrong = verdict.diverged.len() + usize::from(verdict.undecided.is_some());
    core.metrics.root_mismatch.set(wrong as i64);
    *core.wrong_members.lock() = verdict.diverged.keys().copied().collect();
    told.retain(|id| match id {
        Some(id) => verdict.diverged.contains_key(id),
        None => verdict.undecided.is_some(),
    });
    if let Some(index) = verdict.undecided
        && told.insert(None)
    {
        tracing::error!(index, "the members' states differ, and no majority tells which is right");
    }
    for (id, index) in &verdict.diverged {
        if *id == core.node_id {
            found(core, *index);
            transfer::hand_over(core).await;
        } else {
            if told.insert(Some(*id)) {
                let name = core.members().remove(id).map(|member| member.name);
                tracing::error!(index, member = name, "its state differs from the majority's");
            }
            ask(core, *id, RootsAsk { since: u64::MAX, diverged: Some(*index) }).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers<const N: usize>(given: [(u64, &[(u64, u8)]); N]) -> BTreeMap<u64, Vec<RootAt>> {
        let roots = |list: &[(u64, u8)]| list.iter().map(|(at, root)| (*at, [*root; 32])).collect();
        given.into_iter().map(|(id, list)| (id, roots(list))).collect()
    }

    fn three() -> BTreeSet<u64> {
        BTreeSet::from([1, 2, 3])
    }

    #[test]
    fn equal_roots_agree_at_the_newest_common_index() {
        let given = answers([(1, &[(64, 1), (128, 2)]), (2, &[(64, 1)]), (3, &[(64, 1), (70, 9)])]);
        let expected = Verdict { agreed: Some(64), ..Verdict::default() };
        assert_eq!(judge(&given, &three()), expected);
    }

    #[test]
    fn the_majority_decides() {
        let given = answers([(1, &[(64, 1), (70, 5)]), (2, &[(64, 2)]), (3, &[(64, 1)])]);
        assert_eq!(judge(&given, &three()).diverged, BTreeMap::from([(2, 64)]));
        let given = answers([(1, &[(64, 9)]), (2, &[(64, 2)]), (3, &[(64, 2)])]);
        assert_eq!(judge(&given, &three()).diverged, BTreeMap::from([(1, 64)]));
    }

    #[test]
    fn without_a_majority_nobody_is_blamed() {
        let given = answers([(1, &[(64, 1)]), (2, &[(64, 2)])]);
        let expected = Verdict { undecided: Some(64), ..Verdict::default() };
        assert_eq!(judge(&given, &three()), expected);
        let given = answers([(1, &[(64, 1)]), (2, &[(64, 2)]), (3, &[(64, 3)])]);
        assert_eq!(judge(&given, &three()).undecided, Some(64));
    }

    #[test]
    fn a_state_is_confirmed_by_a_majority_with_the_same_root() {
        let given = answers([(1, &[(64, 1), (70, 5)]), (2, &[(64, 1)]), (3, &[(70, 6)])]);
        assert!(equal_to_majority(&given, &three(), 1) && equal_to_majority(&given, &three(), 2));
        assert!(!equal_to_majority(&given, &three(), 3));
        let alone = answers([(1, &[(64, 1)])]);
        assert!(!equal_to_majority(&alone, &three(), 1));
        assert!(equal_to_majority(&alone, &BTreeSet::from([1]), 1), "a group of one");
    }

    #[test]
    fn roots_are_kept_within_bounds_and_in_order() {
        let mut recent = RecentRoots::default();
        for index in 1..=200 {
            recent.push(index, StateRoot([index as u8; 32]));
        }
        recent.push(7, StateRoot([0; 32]));
        let now = (200, [200; 32]);
        assert_eq!(recent.since(0, now).len(), KEPT);
        assert_eq!(recent.since(199, now), vec![(199, [199; 32]), now]);
    }

    #[test]
    fn nothing_is_told_of_index_0() {
        let mut recent = RecentRoots::default();
        assert_eq!(recent.since(0, (0, [1; 32])), vec![], "nothing is applied yet");
        recent.push(0, StateRoot([2; 32]));
        assert_eq!(recent.since(0, (0, [2; 32])), vec![], "the first entry is applied");
        assert_eq!(recent.since(0, (1, [3; 32])), vec![(1, [3; 32])]);
    }
}
