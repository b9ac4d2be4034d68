//! The pods that wait.
//!
//! A pod is *active* (to be tried next), in *backoff* (tried in vain, to be tried again at a
//! time) or *unschedulable* (to be tried again when something changes that may help). Times are
//! milliseconds on any clock that does not go back.

use crate::object::PodInfo;
use crate::plugins::PluginSet;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;

/// Wait after the first attempt in vain; doubles with each.
pub const BACKOFF_MS_FIRST: u64 = 1_000;
/// Longest wait.
pub const BACKOFF_MS_MAX: u64 = 10_000;
/// Pods are tried again after this time even if nothing happened.
pub const UNSCHEDULABLE_MS_MAX: u64 = 5 * 60 * 1_000;
/// How often it is looked for such pods.
const SWEEP_MS: u64 = 30_000;

/// Something that may give waiting pods a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A node came or changed.
    Node,
    /// A pod left its node.
    PodLeft,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Active,
    /// Until this time.
    Backoff(u64),
    /// Since this time; who refused it.
    Unschedulable(u64, PluginSet),
    /// Taken out to be tried.
    Tried,
}

#[derive(Debug)]
struct Entry {
    pod: Arc<PodInfo>,
    place: Place,
    attempts: u32,
    /// End of the wait after the last attempt.
    backoff_until_ms: u64,
    /// Order of arrival.
    arrival: u64,
}

/// Depths by place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depths {
    /// To be tried next.
    pub active: usize,
    /// Waiting for a time.
    pub backoff: usize,
    /// Waiting for a change.
    pub unschedulable: usize,
}

/// The queue. Heaps hold references that may be outdated; the entries tell.
#[derive(Debug, Default)]
pub struct Queue {
    /// By uid.
    entries: HashMap<Arc<str>, Entry>,
    /// Highest priority, then first come.
    active: BinaryHeap<(i32, Reverse<u64>, Arc<str>)>,
    /// Earliest first.
    backoff: BinaryHeap<Reverse<(u64, Arc<str>)>>,
    /// The unschedulable pods, by arrival.
    unschedulable: BTreeMap<u64, Arc<str>>,
    depths: Depths,
    arrivals: u64,
    next_sweep_ms: u64,
}

impl Queue {
    /// Takes a pending pod as the API shows it. A pod that already waits is tried again at once
    /// only if something changed that scheduling looks at.
    pub fn set(&mut self, pod: PodInfo) {
        let uid = pod.uid.clone();
        match self.entries.get_mut(&uid) {
            None => {
                self.arrivals += 1;
                let entry = Entry {
                    pod: Arc::new(pod),
                    place: Place::Tried,
                    attempts: 0,
                    backoff_until_ms: 0,
                    arrival: self.arrivals,
                };
                self.entries.insert(uid.clone(), entry);
                self.activate(&uid);
            }
            Some(entry) => {
                let relevant = !same_but_status(&entry.pod, &pod);
                entry.pod = Arc::new(pod);
                if relevant && matches!(entry.place, Place::Unschedulable(..)) {
                    self.activate(&uid);
                }
            }
        }
    }

    /// Forgets a pod; whether it waited.
    pub fn remove(&mut self, uid: &str) -> bool {
        self.shift(uid, Place::Tried);
        self.entries.remove(uid).is_some()
    }

    /// Takes out the pod to be tried next.
    pub fn pop(&mut self) -> Option<Arc<PodInfo>> {
        while let Some((priority, Reverse(arrival), uid)) = self.active.pop() {
            let Some(entry) = self.entries.get_mut(&uid) else { continue };
            let current = (entry.pod.priority, entry.arrival) == (priority, arrival);
            if entry.place == Place::Active && current {
                entry.attempts += 1;
                let pod = entry.pod.clone();
                self.shift(&uid, Place::Tried);
                return Some(pod);
            }
        }
        None
    }

    /// Takes back a pod that fits nowhere.
    pub fn unschedulable(&mut self, uid: &str, plugins: PluginSet, now_ms: u64) {
        let Some(entry) = self.entries.get_mut(uid) else { return };
        entry.backoff_until_ms = now_ms + backoff_ms(entry.attempts);
        self.shift(uid, Place::Unschedulable(now_ms, plugins));
    }

    /// Takes back a pod whose attempt failed for another reason than the lack of a place.
    pub fn failed(&mut self, uid: &str, now_ms: u64) {
        let Some((uid, entry)) = self.entries.get_key_value(uid) else { return };
        let until = now_ms + backoff_ms(entry.attempts);
        self.wait(&uid.clone(), until);
    }

    /// Moves pods on which `change` bears: they are tried when their wait is over.
    pub fn changed(&mut self, change: Change, now_ms: u64) {
        self.release(now_ms, |_, plugins| match change {
            Change::Node => true,
            Change::PodLeft => plugins.cares_for_leaving_pods(),
        });
    }

    /// Moves pods whose time has come; the time at which to call again.
    pub fn advance(&mut self, now_ms: u64) -> Option<u64> {
        if now_ms >= self.next_sweep_ms {
            self.next_sweep_ms = now_ms + SWEEP_MS;
            self.release(now_ms, |since, _| now_ms >= since + UNSCHEDULABLE_MS_MAX);
        }
        let sweep = (!self.unschedulable.is_empty()).then_some(self.next_sweep_ms);
        while let Some(Reverse((until, uid))) = self.backoff.peek() {
            let (until, uid) = (*until, uid.clone());
            let waits = self.entries.get(&uid).is_some_and(|e| e.place == Place::Backoff(until));
            if waits && until > now_ms {
                return Some(sweep.map_or(until, |sweep| sweep.min(until)));
            }
            self.backoff.pop();
            if waits {
                self.activate(&uid);
            }
        }
        sweep
    }

    /// Whether a pod may be there to be tried now.
    pub fn has_active(&self) -> bool {
        self.depths.active > 0
    }

    /// How many pods wait where.
    pub fn depths(&self) -> Depths {
        self.depths
    }

    fn release(&mut self, now_ms: u64, chosen: impl Fn(u64, PluginSet) -> bool) {
        let of_choice = |uid: &&Arc<str>| match self.entries.get(*uid).map(|entry| entry.place) {
            Some(Place::Unschedulable(since, plugins)) => chosen(since, plugins),
            _ => false,
        };
        let moved: Vec<_> = self.unschedulable.values().filter(of_choice).cloned().collect();
        for uid in moved {
            let until = self.entries.get(&uid).map_or(0, |entry| entry.backoff_until_ms);
            if until > now_ms { self.wait(&uid, until) } else { self.activate(&uid) }
        }
    }

    /// Moves a pod and keeps the counts.
    fn shift(&mut self, uid: &str, to: Place) {
        let Some((key, entry)) = self.entries.get_key_value(uid) else { return };
        let (key, arrival, from) = (key.clone(), entry.arrival, entry.place);
        match from {
            Place::Active => self.depths.active -= 1,
            Place::Backoff(_) => self.depths.backoff -= 1,
            Place::Unschedulable(..) => {
                self.depths.unschedulable -= 1;
                self.unschedulable.remove(&arrival);
            }
            Place::Tried => {}
        }
        match to {
            Place::Active => self.depths.active += 1,
            Place::Backoff(_) => self.depths.backoff += 1,
            Place::Unschedulable(..) => {
                self.depths.unschedulable += 1;
                self.unschedulable.insert(arrival, key);
            }
            Place::Tried => {}
        }
        if let Some(entry) = self.entries.get_mut(uid) {
            entry.place = to;
        }
    }

    fn activate(&mut self, uid: &Arc<str>) {
        self.shift(uid, Place::Active);
        if let Some(entry) = self.entries.get(uid) {
            self.active.push((entry.pod.priority, Reverse(entry.arrival), uid.clone()));
        }
    }

    fn wait(&mut self, uid: &Arc<str>, until_ms: u64) {
        self.shift(uid, Place::Backoff(until_ms));
        if let Some(entry) = self.entries.get_mut(uid) {
            entry.backoff_until_ms = until_ms;
            self.backoff.push(Reverse((until_ms, uid.clone())));
        }
    }
}

fn backoff_ms(attempts: u32) -> u64 {
    let doublings = attempts.saturating_sub(1).min(16);
    (BACKOFF_MS_FIRST << doublings).min(BACKOFF_MS_MAX)
}

/// Whether two versions of a pod differ only in what the scheduler itself writes.
fn same_but_status(a: &PodInfo, b: &PodInfo) -> bool {
    let plain = |pod: &PodInfo| PodInfo { condition: None, generation: 0, ..pod.clone() };
    plain(a) == plain(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::Plugin;

    fn pod(uid: &str, priority: i32) -> PodInfo {
        PodInfo { uid: uid.into(), priority, ..PodInfo::default() }
    }

    fn popped(queue: &mut Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.pop().map(|pod| pod.uid.to_string())).collect()
    }

    #[test]
    fn higher_priority_first_then_first_come() {
        let mut queue = Queue::default();
        for (uid, priority) in [("a", 0), ("b", 5), ("c", 0), ("d", 5)] {
            queue.set(pod(uid, priority));
        }
        queue.remove("c");
        assert_eq!(popped(&mut queue), ["b", "d", "a"]);
    }

    #[test]
    fn a_refused_pod_waits_for_a_change_that_may_help() {
        let mut queue = Queue::default();
        queue.set(pod("full", 0));
        queue.set(pod("tainted", 0));
        assert_eq!(popped(&mut queue), ["full", "tainted"]);
        let of = |plugin| PluginSet::default().with(plugin);
        queue.unschedulable("full", of(Plugin::NodeResourcesFit), 0);
        queue.unschedulable("tainted", of(Plugin::TaintToleration), 0);
        queue.changed(Change::PodLeft, 500);
        assert_eq!(queue.depths(), Depths { active: 0, backoff: 1, unschedulable: 1 });
        assert_eq!(queue.advance(500), Some(1_000), "the wait goes on");
        queue.advance(1_000);
        assert_eq!(popped(&mut queue), ["full"]);
        queue.changed(Change::Node, 2_000);
        assert_eq!(popped(&mut queue), ["tainted"]);
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut queue = Queue::default();
        queue.set(pod("a", 0));
        let mut now = 0;
        for expected in [1_000, 2_000, 4_000, 8_000, 10_000, 10_000] {
            assert!(queue.pop().is_some());
            queue.failed("a", now);
            assert_eq!(queue.advance(now), Some(now + expected));
            assert!(queue.pop().is_none());
            now += expected;
            queue.advance(now);
        }
    }

    #[test]
    fn a_change_of_the_pod_itself_is_tried_at_once_but_not_of_its_condition() {
        let mut queue = Queue::default();
        queue.set(pod("a", 0));
        assert!(queue.pop().is_some());
        queue.unschedulable("a", PluginSet::default(), 0);
        queue.set(PodInfo { condition: Some(Default::default()), ..pod("a", 0) });
        assert!(queue.pop().is_none());
        queue.set(PodInfo { node_selector: vec![("a".into(), "b".into())], ..pod("a", 0) });
        assert!(queue.pop().is_some());
    }

    #[test]
    fn nothing_waits_for_ever() {
        let mut queue = Queue::default();
        queue.set(pod("a", 0));
        assert!(queue.pop().is_some());
        queue.unschedulable("a", PluginSet::default(), 7);
        let mut now = 8;
        while queue.pop().is_none() {
            now = queue.advance(now).unwrap_or(now);
            assert!(now <= 8 + UNSCHEDULABLE_MS_MAX + SWEEP_MS);
        }
        assert!(now >= 7 + UNSCHEDULABLE_MS_MAX);
    }
}
