//! What waits to be worked on: each key once, with a back-off after failures.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// Wait after the first failure; it doubles with each further one.
const BACKOFF_MS: u64 = 20;
/// Longest wait between two attempts.
const BACKOFF_MS_MAX: u64 = 30_000;

/// Keys and when each is due. A key is in the hands of one worker at most; what is added of it
/// meanwhile comes up again afterwards. The time is the caller's, in milliseconds.
#[derive(Debug)]
pub struct Queue<K> {
    due: BTreeSet<(u64, K)>,
    known: HashMap<K, Entry>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// When it is due; the same as in `due`.
    at_ms: Option<u64>,
    /// It is in a worker's hands.
    working: bool,
    failures: u32,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Queue { due: BTreeSet::new(), known: HashMap::new() }
    }
}

impl<K: Clone + Eq + Hash + Ord> Queue<K> {
    /// Makes a key due at `at_ms`, or sooner when it already is.
    pub fn add(&mut self, key: K, at_ms: u64) {
        let entry = self.known.entry(key.clone()).or_default();
        let at_ms = match entry.at_ms {
            Some(already) if already <= at_ms => return,
            Some(later) => {
                self.due.remove(&(later, key.clone()));
                at_ms
            }
            None => at_ms,
        };
        entry.at_ms = Some(at_ms);
        if !entry.working {
            self.due.insert((at_ms, key));
        }
    }

    /// Takes the key that has been due for longest.
    pub fn pop(&mut self, now_ms: u64) -> Option<K> {
        let (at_ms, _) = self.due.first()?;
        if *at_ms > now_ms {
            return None;
        }
        let (_, key) = self.due.pop_first()?;
        let entry = self.known.entry(key.clone()).or_default();
        entry.at_ms = None;
        entry.working = true;
        Some(key)
    }

    /// The work on a key succeeded.
    pub fn done(&mut self, key: &K) {
        self.give_back(key, |entry| entry.failures = 0);
    }

    /// The work on a key failed: it is due again after a while.
    pub fn failed(&mut self, key: &K, now_ms: u64) {
        self.give_back(key, |entry| {
            let wait = BACKOFF_MS.saturating_mul(1 << entry.failures.min(16)).min(BACKOFF_MS_MAX);
            entry.failures = entry.failures.saturating_add(1);
            let again = now_ms.saturating_add(wait);
            entry.at_ms = Some(entry.at_ms.map_or(again, |at| at.min(again)));
        });
    }

    fn give_back(&mut self, key: &K, change: impl FnOnce(&mut Entry)) {
        let Some(entry) = self.known.get_mut(key) else { return };
        entry.working = false;
        change(entry);
        match entry.at_ms {
            Some(at_ms) => {
                self.due.insert((at_ms, key.clone()));
            }
            None => {
                self.known.remove(key);
            }
        }
    }

    /// When the next key is due.
    pub fn wake_ms(&self) -> Option<u64> {
        self.due.first().map(|(at_ms, _)| *at_ms)
    }

    /// Whether nothing waits and nothing is in hand.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_in_one_hand_at_a_time() {
        let mut queue = Queue::default();
        queue.add("a", 5);
        queue.add("a", 9);
        assert_eq!((queue.pop(4), queue.wake_ms()), (None, Some(5)));
        assert_eq!(queue.pop(5), Some("a"));
        queue.add("a", 6);
        assert_eq!(queue.pop(100), None, "somebody works on it");
        queue.done(&"a");
        assert_eq!(queue.pop(100), Some("a"), "it changed meanwhile");
        queue.done(&"a");
        assert!(queue.is_empty());
    }

    #[test]
    fn failures_wait_longer_and_longer_up_to_a_limit() {
        let mut queue = Queue::default();
        queue.add("a", 0);
        let mut waits = Vec::new();
        let mut now_ms = 0;
        for _ in 0..40 {
            assert_eq!(queue.pop(now_ms), Some("a"));
            queue.failed(&"a", now_ms);
            let at_ms = queue.wake_ms().expect("due again");
            waits.push(at_ms - now_ms);
            now_ms = at_ms;
        }
        assert_eq!(waits[..3], [20, 40, 80]);
        assert_eq!(waits.last(), Some(&BACKOFF_MS_MAX));
        queue.pop(now_ms);
        queue.done(&"a");
        queue.add("a", now_ms);
        queue.pop(now_ms);
        queue.failed(&"a", now_ms);
        assert_eq!(queue.wake_ms(), Some(now_ms + BACKOFF_MS), "a success is a new beginning");
    }

    #[test]
    fn what_is_added_overtakes_a_backoff() {
        let mut queue = Queue::default();
        queue.add("a", 0);
        queue.pop(0);
        queue.failed(&"a", 0);
        queue.add("a", 1);
        assert_eq!(queue.pop(1), Some("a"));
    }
}
