//! Follows what is protected and what uses it.

use super::plan::{Protected, Step, claims_of, classes, step};
use crate::Controllers;
use crate::feed::{Feed, Lost};
use crate::queue::Queue;
use bytes::Bytes;
use reddwarf_core::{ChangeEvent, Collection, KindMap, ObjectKey, Reason, Status, StoredObject};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Wait before everything is taken in anew after changes may have been missed.
const RESTART_AFTER: Duration = Duration::from_millis(200);
const MERGE: Option<&str> = Some("application/merge-patch+json");

/// Protects what is in use until `stop` fires: what the leader runs, with a client fenced by its
/// term.
pub async fn run(controllers: Controllers, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let session = async {
            let lost = Session::new(&controllers).follow().await;
            tracing::info!(why = %lost, "storage in use is taken in anew");
            tokio::time::sleep(RESTART_AFTER).await;
        };
        if stop.run_until_cancelled(session).await.is_none() {
            return;
        }
    }
}

fn pods() -> Collection {
    Collection::new("", "pods")
}

/// The time from one look at everything to the next.
struct Session {
    controllers: Controllers,
    kinds: KindMap,
    queue: Queue<ObjectKey>,
    feed: Feed,
    begun: Instant,
}

impl Session {
    fn new(controllers: &Controllers) -> Self {
        Session {
            kinds: controllers.kinds.served(),
            controllers: controllers.clone(),
            queue: Queue::default(),
            feed: Feed::new(controllers.store.clone()),
            begun: Instant::now(),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    async fn follow(&mut self) -> Lost {
        if let Err(lost) = self.take_all() {
            return lost;
        }
        loop {
            while let Some(key) = self.queue.pop(self.now_ms()) {
                self.sync(&key).await;
            }
            let wait_ms = self.queue.wake_ms().map(|at_ms| at_ms.saturating_sub(self.now_ms()));
            let wait = Duration::from_millis(wait_ms.unwrap_or(u64::from(u32::MAX)));
            tokio::select! {
                changes = self.feed.next() => match changes {
                    Ok(changes) => changes.iter().for_each(|event| self.take(event)),
                    Err(lost) => return lost,
                },
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Takes in what is there: every protected object is looked at once.
    fn take_all(&mut self) -> Result<(), Lost> {
        let view = self.controllers.store.view();
        self.feed.follow(&pods(), view.revision)?;
        for kind in Protected::ALL {
            self.feed.follow(&kind.collection(), view.revision)?;
            for stored in view.list(&kind.collection(), None, None) {
                self.queue.add(stored.key.clone(), 0);
            }
        }
        Ok(())
    }

    fn take(&mut self, event: &ChangeEvent) {
        let now_ms = self.now_ms();
        let before = event.before.as_deref();
        if event.key.collection() == pods().as_str() {
            // A pod lets go of its claims only when it goes.
            let gone = before.filter(|_| event.after.is_none());
            for claim in gone.map(claims_of).into_iter().flatten() {
                self.queue.add(claim, now_ms);
            }
            return;
        }
        self.queue.add(event.key.clone(), now_ms);
        for class in before.map(freed_classes).into_iter().flatten() {
            self.queue.add(class, now_ms);
        }
    }

    async fn sync(&mut self, key: &ObjectKey) {
        match bring_up_to_date(&self.controllers, &self.kinds, key).await {
            Err(status) if !status.is(Reason::NotFound) => {
                if !status.is(Reason::Conflict) {
                    tracing::warn!(%key, %status, "a finalizer was not changed; trying again");
                }
                self.queue.failed(key, self.now_ms());
            }
            _ => self.queue.done(key),
        }
    }
}

async fn bring_up_to_date(
    controllers: &Controllers,
    kinds: &KindMap,
    key: &ObjectKey,
) -> Result<(), Box<Status>> {
    let view = controllers.store.view();
    let (Some(kind), Some(stored)) = (Protected::of(key), view.get(key)) else { return Ok(()) };
    let Step::Finalizers(finalizers) = step(&view, kind, key) else { return Ok(()) };
    let Some(served) = kinds.of_key(key) else { return Ok(()) };
    let finalizers = if finalizers.is_empty() { Value::Null } else { json!(finalizers) };
    let version = stored.revision.to_string();
    let patch = json!({"metadata": {"resourceVersion": version, "finalizers": finalizers}});
    let body = Bytes::from(patch.to_string());
    controllers.client.request("PATCH", &served.path(key), MERGE, Some(body)).await.map(drop)
}

/// The classes that a claim or volume, as it was, named.
fn freed_classes(user: &StoredObject) -> Vec<ObjectKey> {
    let key = |name: Box<str>| Protected::Class.collection().key("", &name);
    classes(user).map(key).collect()
}
