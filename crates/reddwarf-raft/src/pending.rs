//! Proposals of this member that wait for their answer.

use parking_lot::Mutex;
use reddwarf_core::{Outcome, ProposeError, RequestId};
use std::collections::HashMap;
use tokio::sync::oneshot;

/// How a proposal ended.
pub type Answer = Result<Outcome, ProposeError>;

/// Waiting proposals by request id; `apply` answers them.
#[derive(Default)]
pub struct Pending {
    waiting: Mutex<HashMap<RequestId, oneshot::Sender<Answer>>>,
}

impl Pending {
    /// Adds a proposal.
    pub fn insert(&self, id: RequestId) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        self.waiting.lock().insert(id, sender);
        receiver
    }

    /// Answers a proposal, if it still waits.
    pub fn resolve(&self, id: &RequestId, answer: Answer) {
        if let Some(sender) = self.waiting.lock().remove(id) {
            // The caller may have gone away.
            let _ = sender.send(answer);
        }
    }

    /// Answers what was applied together.
    pub fn resolve_all(&self, outcomes: impl Iterator<Item = (RequestId, Outcome)>) {
        let mut waiting = self.waiting.lock();
        if waiting.is_empty() {
            return;
        }
        for (id, outcome) in outcomes {
            if let Some(sender) = waiting.remove(&id) {
                let _ = sender.send(Ok(outcome));
            }
        }
    }

    /// Whether a proposal still waits.
    pub fn contains(&self, id: &RequestId) -> bool {
        self.waiting.lock().contains_key(id)
    }

    /// Gives a proposal up.
    pub fn remove(&self, id: &RequestId) {
        self.waiting.lock().remove(id);
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.lock().len()
    }
}
