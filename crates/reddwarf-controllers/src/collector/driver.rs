//! Follows the store's changes, asks the plan, has it carried out.

use super::act::{Hands, Outcome};
use super::graph::Graph;
use super::plan::{Step, look};
use super::stray::Strays;
use crate::Controllers;
use crate::feed::{Feed, Lost};
use crate::meta::{OwnerRef, owner_references};
use crate::queue::Queue;
use crate::recorder::Recorder;
use futures::FutureExt;
use reddwarf_core::{ChangeEvent, KindMap, ObjectKey, Reason, ServedKind, Status, StoredObject};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Steps under way at once.
const ACTIONS_MAX: usize = 32;
/// Objects that are looked at before changes are taken in again.
const LOOKS_MAX: usize = 512;
/// Objects that are taken in at the start before other tasks get their turn.
const OBJECTS_AT_ONCE: usize = 4_096;
/// Wait before everything is taken in anew after changes may have been missed.
const RESTART_AFTER: Duration = Duration::from_millis(200);

/// Collects garbage until `stop` fires: what the leader runs, with a client fenced by its term.
pub async fn run(controllers: Controllers, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let session = async {
            let lost = Session::new(&controllers).collect().await;
            tracing::info!(why = %lost, "the garbage collector takes everything in anew");
            tokio::time::sleep(RESTART_AFTER).await;
        };
        if stop.run_until_cancelled(session).await.is_none() {
            return;
        }
    }
}

/// Collections whose objects are left alone, as upstream does: there are many of them, and they
/// expire.
const IGNORED: [&str; 2] = ["/events", "events.k8s.io/events"];

fn is_collected(kind: &ServedKind) -> bool {
    kind.deletable && !IGNORED.contains(&kind.collection.as_str())
}

/// The time from one look at everything to the next.
struct Session {
    controllers: Controllers,
    kinds: KindMap,
    graph: Graph,
    queue: Queue<ObjectKey>,
    feed: Feed,
    /// Objects with an owner of a kind that is not served, and their reference to it.
    await_kind: HashMap<ObjectKey, OwnerRef>,
    actions: JoinSet<(ObjectKey, Outcome)>,
    strays: Strays,
    recorder: Recorder,
    begun: Instant,
}

impl Session {
    fn new(controllers: &Controllers) -> Session {
        let client = controllers.client.clone();
        Session {
            controllers: controllers.clone(),
            kinds: KindMap::default(),
            graph: Graph::default(),
            queue: Queue::default(),
            feed: Feed::new(controllers.store.clone()),
            await_kind: HashMap::new(),
            actions: JoinSet::new(),
            strays: Strays::default(),
            recorder: Recorder::start(client, "garbage-collector-controller"),
            begun: Instant::now(),
        }
    }

    /// Collects until changes may have been missed; says why.
    async fn collect(&mut self) -> Lost {
        let all_kinds = self.controllers.kinds.clone();
        let mut generation = all_kinds.generation();
        if let Err(lost) = self.follow_kinds().await {
            return lost;
        }
        let (objects, took_ms) = (self.graph.len(), self.now_ms());
        tracing::info!(objects, took_ms, "the garbage collector knows the owners");
        loop {
            if let Err(lost) = self.work() {
                return lost;
            }
            let wake_ms = self.queue.wake_ms().filter(|_| self.actions.len() < ACTIONS_MAX);
            let wait_ms = wake_ms.map(|at_ms| at_ms.saturating_sub(self.now_ms()));
            let at_once = wait_ms == Some(0);
            let wait = Duration::from_millis(wait_ms.unwrap_or(u64::from(u32::MAX)));
            tokio::select! {
                biased;
                Some(ended) = self.actions.join_next() => self.ended(ended),
                changes = self.feed.next() => match changes {
                    Ok(changes) => self.take(&changes),
                    Err(lost) => return lost,
                },
                () = all_kinds.changed(generation) => {
                    generation = all_kinds.generation();
                    if let Err(lost) = self.follow_kinds().await {
                        return lost;
                    }
                }
                () = tokio::task::yield_now(), if at_once => {}
                () = tokio::time::sleep(wait), if !at_once => {}
            }
        }
    }

    /// Follows the kinds that are served and were not yet, and takes in what is there of them.
    async fn follow_kinds(&mut self) -> Result<(), Lost> {
        let before = std::mem::replace(&mut self.kinds, self.controllers.kinds.served());
        let view = self.controllers.store.view();
        let mut fresh = Vec::new();
        for kind in self.kinds.changed_since(&before).filter(|kind| is_collected(kind)) {
            if self.feed.follow(&kind.collection, view.revision)? {
                fresh.push(kind.collection.clone());
            }
        }
        let mut taken = 0;
        for collection in fresh {
            for object in view.list(&collection, None, None) {
                let due = self.graph.set(object);
                self.add(due);
                taken += 1;
                if taken % OBJECTS_AT_ONCE == 0 {
                    tokio::task::yield_now().await;
                }
            }
        }
        let kinds = &self.kinds;
        let served = |owner: &OwnerRef| kinds.referred(&owner.api_version, &owner.kind).is_some();
        let found = self.await_kind.extract_if(|_, owner| served(owner));
        let found: Vec<ObjectKey> = found.map(|(key, _)| key).collect();
        self.add(found);
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn add(&mut self, due: impl IntoIterator<Item = ObjectKey>) {
        let now_ms = self.now_ms();
        due.into_iter().for_each(|key| self.queue.add(key, now_ms));
    }

    fn take(&mut self, changes: &[Arc<ChangeEvent>]) {
        for event in changes {
            if let (Some(before), None) = (&event.before, &event.after) {
                self.await_kind.remove(&event.key);
                if self.graph.dependents(&before.index.uid).next().is_some() {
                    self.strays.gone(&before.index.uid);
                }
            }
            let due = self.graph.apply(event);
            self.add(due);
        }
    }

    /// Looks at what is due, and starts what is to be done about it.
    fn work(&mut self) -> Result<(), Lost> {
        let view = self.controllers.store.view();
        let now_ms = self.now_ms();
        self.strays.refill();
        let mut last = Vec::new();
        for _ in 0..LOOKS_MAX {
            if self.actions.len() + last.len() >= ACTIONS_MAX {
                break;
            }
            let Some(key) = self.queue.pop(now_ms) else { break };
            let step = look(&self.graph, &view, &self.kinds, &key);
            if step.needs_all_dependents() {
                last.push(key);
                continue;
            }
            if matches!(step, Step::Delete(_) | Step::Disown(_) | Step::Impossible) {
                let said = self.strays.said(&view, &self.kinds, &key);
                said.into_iter().for_each(|said| self.recorder.say(said));
            }
            let stored = view.get(&key).cloned();
            self.begin(key, stored, step);
        }
        if last.is_empty() {
            return Ok(());
        }
        // The graph may lag behind the state in which the owner was seen to wait.
        let view = self.controllers.store.view();
        let changes = self.feed.catch_up()?;
        self.take(&changes);
        for key in last {
            let step = look(&self.graph, &view, &self.kinds, &key);
            let stored = view.get(&key).cloned();
            self.begin(key, stored, step);
        }
        Ok(())
    }

    fn begin(&mut self, key: ObjectKey, stored: Option<Arc<StoredObject>>, step: Step) {
        match (step, stored) {
            (Step::Nothing | Step::Impossible, _) | (_, None) => self.queue.done(&key),
            (Step::AwaitKind, Some(stored)) => {
                self.queue.done(&key);
                self.await_kind(key, &stored);
            }
            (step, Some(stored)) => {
                let hands = Hands {
                    client: self.controllers.client.clone(),
                    store: self.controllers.store.clone(),
                    kinds: self.kinds.clone(),
                };
                self.actions.spawn(async move {
                    // An object whose step has no end would never be looked at again.
                    let acting = AssertUnwindSafe(hands.act(&stored, &step)).catch_unwind();
                    let outcome = acting.await.unwrap_or_else(|_| {
                        let status = Status::failure(Reason::InternalError, "a step panicked");
                        Outcome::Failed(Box::new(status))
                    });
                    (key, outcome)
                });
            }
        }
    }

    /// Notes which kind the object waits for.
    fn await_kind(&mut self, key: ObjectKey, stored: &StoredObject) {
        let unknown = |o: &OwnerRef| self.kinds.referred(&o.api_version, &o.kind).is_none();
        if let Some(owner) = owner_references(stored).into_iter().find(unknown) {
            self.await_kind.insert(key, owner);
        }
    }

    fn ended(&mut self, ended: Result<(ObjectKey, Outcome), tokio::task::JoinError>) {
        let Ok((key, outcome)) = ended else { return };
        let now_ms = self.now_ms();
        match outcome {
            Outcome::Done => self.queue.done(&key),
            Outcome::Changed => self.queue.failed(&key, now_ms),
            Outcome::Failed(status) => {
                tracing::warn!(%key, %status, "garbage was not collected; trying again");
                self.queue.failed(&key, now_ms);
            }
        }
    }
}
