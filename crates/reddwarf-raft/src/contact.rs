//! Whether this member reaches a majority, and since when it does not.
//!
//! A leader knows by the answers to its heartbeats, a follower by the heartbeats themselves. That
//! a leader is heard does not say that it leads a majority, or that it hears this member: a read
//! index that is not given in time puts what is heard in doubt until one is given. Nothing of this
//! makes a read linearizable; it tells what a member that cannot confirm one says, and how soon.

use crate::config::Limits;
use crate::core::Core;
use openraft::Instant as _;
use openraft::async_runtime::watch::WatchReceiver;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// How many election timeouts a request waits for another leader. A member that has had none for
/// longer is cut off, or most others are gone.
const ELECTIONS: u32 = 6;

/// What is known of the others' answers.
#[derive(Debug)]
pub struct Contact {
    /// When a leader was last heard.
    heard_at: Mutex<Instant>,
    /// When the first read index of those was asked for that were not given, if none was since.
    doubted_at: Mutex<Option<Instant>>,
}

impl Default for Contact {
    fn default() -> Self {
        Contact { heard_at: Mutex::new(Instant::now()), doubted_at: Mutex::default() }
    }
}

impl Contact {
    /// A leader was heard.
    pub fn heard(&self) {
        *self.heard_at.lock() = Instant::now();
    }

    /// A read index that was asked for at `asked` was not given in time.
    pub fn doubt(&self, asked: Instant) {
        self.doubted_at.lock().get_or_insert(asked);
    }

    /// A read index was given.
    pub fn confirmed(&self) {
        *self.doubted_at.lock() = None;
        self.heard();
    }

    /// Whether only a read index can tell.
    pub fn doubted(&self) -> bool {
        self.doubted_at.lock().is_some()
    }

    /// When a majority was last reached, as the leader's answers say (`acked`), or what is heard.
    fn reached_at(&self, acked: Option<Instant>) -> Instant {
        let heard = *self.heard_at.lock();
        let doubted = *self.doubted_at.lock();
        match (acked, doubted) {
            (Some(acked), _) => acked,
            (None, Some(doubted)) => doubted.min(heard),
            (None, None) => heard,
        }
    }
}

/// For how long a majority may be silent before this member knows that it is cut off: the time
/// after which a follower gives its leader up, and a heartbeat that was just about to come.
pub fn silence_max(limits: &Limits) -> Duration {
    limits.election_max + limits.heartbeat
}

/// How long a request waits for a majority.
pub fn patience(limits: &Limits) -> Duration {
    ELECTIONS * limits.election_max
}

/// For how long no majority has been reached, if that is longer than [`silence_max`].
pub fn lost_for(core: &Core) -> Option<Duration> {
    lost_after(core, silence_max(&core.limits))
}

/// For how long no majority has been reached, if that is at least `silence`.
pub fn lost_after(core: &Core, silence: Duration) -> Option<Duration> {
    Some(reached_at(core)?.elapsed()).filter(|age| *age >= silence)
}

/// Returns once no majority has been reached for `silence`; tells for how long.
pub async fn lost(core: &Core, silence: Duration) -> Duration {
    loop {
        let Some(reached) = reached_at(core) else { return std::future::pending().await };
        let age = reached.elapsed();
        if age >= silence {
            return age;
        }
        tokio::time::sleep(silence - age).await;
    }
}

/// What is told to whoever asked for something that takes a majority.
pub fn cut_off(age: Duration) -> String {
    format!(
        "this member has reached no majority of the members for {:.1} s; another one may serve, \
         and resourceVersion=0 shows what this one knows",
        age.as_secs_f64()
    )
}

/// `None` for the only voter, which is a majority.
fn reached_at(core: &Core) -> Option<Instant> {
    let metrics = core.raft.metrics();
    let metrics = metrics.borrow_watched();
    let mut voters = metrics.membership_config.membership().voter_ids();
    let first = voters.next();
    if first == Some(core.node_id) && voters.next().is_none() {
        return None;
    }
    // Absent on whoever does not lead.
    let acked = metrics.last_quorum_acked;
    let acked = acked.and_then(|acked| Instant::now().checked_sub(acked.into_inner().elapsed()));
    Some(core.contact.reached_at(acked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_goes_by_answers_and_a_follower_by_what_it_hears_until_that_is_in_doubt() {
        let contact = Contact::default();
        let began = *contact.heard_at.lock();
        let (earlier, later) = (began - Duration::from_secs(9), began + Duration::from_secs(9));
        assert_eq!(contact.reached_at(None), began);
        assert_eq!(contact.reached_at(Some(earlier)), earlier);
        contact.doubt(later);
        assert_eq!(contact.reached_at(None), began, "it was not heard so late");
        contact.confirmed();
        assert!(!contact.doubted() && contact.reached_at(None) >= began);
        contact.doubt(began);
        contact.doubt(later);
        contact.heard();
        assert_eq!(contact.reached_at(None), began, "what is heard does not end it");
        assert_eq!(contact.reached_at(Some(later)), later, "a majority's answers do");
    }
}
