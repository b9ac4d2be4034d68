//! Follows budgets and pods, and brings up to date what a change concerns.

use super::pod::stale_at;
use super::sync::{self, Looked, involved};
use crate::Controllers;
use crate::feed::{Feed, Lost};
use crate::queue::Queue;
use crate::recorder::{Recorder, Said, Severity};
use futures::FutureExt;
use jiff::Timestamp;
use reddwarf_core::{
    ChangeEvent, Collection, LabelSelector, ObjectKey, Reason, Status, StoredObject, View,
};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Objects brought up to date at once.
const SYNCS_MAX: usize = 8;
/// How long changes of pods are gathered before their budget is computed.
const GATHER_MS: u64 = 20;
/// Objects that are taken in at the start before other tasks get their turn.
const OBJECTS_AT_ONCE: usize = 4_096;
/// Wait before everything is taken in anew after changes may have been missed.
const RESTART_AFTER: Duration = Duration::from_millis(200);

/// Counts for budgets until `stop` fires: what the leader runs, with a client fenced by its term.
pub async fn run(controllers: Controllers, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let session = async {
            let lost = Session::new(&controllers).follow().await;
            tracing::info!(why = %lost, "the disruption controller takes everything in anew");
            tokio::time::sleep(RESTART_AFTER).await;
        };
        if stop.run_until_cancelled(session).await.is_none() {
            return;
        }
    }
}

fn budgets() -> Collection {
    Collection::new("policy", "poddisruptionbudgets")
}

fn pods() -> Collection {
    Collection::new("", "pods")
}

type Ended = (ObjectKey, Result<Looked, Box<Status>>);

/// The time from one look at everything to the next.
struct Session {
    controllers: Controllers,
    /// What each budget selects, by namespace.
    selectors: HashMap<Box<str>, BTreeMap<ObjectKey, LabelSelector>>,
    /// Budgets and pods to be brought up to date.
    queue: Queue<ObjectKey>,
    feed: Feed,
    syncs: JoinSet<Ended>,
    recorder: Recorder,
    begun: Instant,
}

impl Session {
    fn new(controllers: &Controllers) -> Self {
        Session {
            controllers: controllers.clone(),
            selectors: HashMap::new(),
            queue: Queue::default(),
            feed: Feed::new(controllers.store.clone()),
            syncs: JoinSet::new(),
            recorder: Recorder::start(controllers.client.clone(), "controllermanager"),
            begun: Instant::now(),
        }
    }

    async fn follow(&mut self) -> Lost {
        if let Err(lost) = self.take_all().await {
            return lost;
        }
        loop {
            self.work();
            let wake_ms = self.queue.wake_ms().filter(|_| self.syncs.len() < SYNCS_MAX);
            let wait_ms = wake_ms.map(|at_ms| at_ms.saturating_sub(self.now_ms()));
            let wait = Duration::from_millis(wait_ms.unwrap_or(u64::from(u32::MAX)));
            tokio::select! {
                biased;
                Some(ended) = self.syncs.join_next() => self.ended(ended),
                changes = self.feed.next() => match changes {
                    Ok(changes) => changes.iter().for_each(|event| self.take(event)),
                    Err(lost) => return lost,
                },
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Takes in what is there: every budget is looked at once.
    async fn take_all(&mut self) -> Result<(), Lost> {
        let view = self.controllers.store.view();
        self.feed.follow(&budgets(), view.revision)?;
        self.feed.follow(&pods(), view.revision)?;
        for budget in view.list(&budgets(), None, None) {
            self.take_budget(budget);
        }
        for (at, pod) in view.list(&pods(), None, None).enumerate() {
            self.watch_announcement(pod);
            if at % OBJECTS_AT_ONCE == OBJECTS_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The moment at which the wall clock shows `at`.
    fn ms_of(&self, at: Timestamp) -> u64 {
        let left = at.as_millisecond().saturating_sub(Timestamp::now().as_millisecond());
        // What is late by a fraction of a second must be late when it is looked at.
        self.now_ms().saturating_add(u64::try_from(left).unwrap_or(0)).saturating_add(1)
    }

    fn take(&mut self, event: &ChangeEvent) {
        if event.key.collection() == budgets().as_str() {
            match &event.after {
                Some(budget) => self.take_budget(budget),
                None => {
                    if let Some(of_namespace) = self.selectors.get_mut(event.key.namespace()) {
                        of_namespace.remove(&event.key);
                        if of_namespace.is_empty() {
                            self.selectors.remove(event.key.namespace());
                        }
                    }
                }
            }
            return;
        }
        if let Some(pod) = &event.after {
            self.watch_announcement(pod);
        }
        self.take_pod(event);
    }

    fn take_budget(&mut self, stored: &StoredObject) {
        let budget: Value = serde_json::from_slice(&stored.bytes).unwrap_or_default();
        let selector = LabelSelector::from_object(budget["spec"].get("selector"));
        let selector = selector.unwrap_or_else(|_| LabelSelector::nothing());
        let of_namespace = self.selectors.entry(stored.key.namespace().into()).or_default();
        of_namespace.insert(stored.key.clone(), selector);
        self.queue.add(stored.key.clone(), self.now_ms());
    }

    /// The budgets that covered the pod, or do now, are computed anew.
    fn take_pod(&mut self, event: &ChangeEvent) {
        let Some(of_namespace) = self.selectors.get(event.key.namespace()) else { return };
        let covers = |selector: &LabelSelector, pod: &Option<Arc<StoredObject>>| {
            pod.as_ref().is_some_and(|pod| selector.matches(&pod.index.labels))
        };
        let at_ms = self.now_ms() + GATHER_MS;
        let mut covering = Vec::new();
        for (key, selector) in of_namespace {
            let now = covers(selector, &event.after);
            if now {
                covering.push(key.name());
            }
            if now || covers(selector, &event.before) {
                self.queue.add(key.clone(), at_ms);
            }
        }
        if let ([chosen, _, ..], Some(pod)) = (&covering[..], &event.after) {
            let message = format!(
                "Pod {:?}/{:?} matches multiple PodDisruptionBudgets.  Chose {chosen:?} arbitrarily.",
                pod.key.namespace(),
                pod.key.name()
            );
            self.recorder.say(Said {
                involved: involved(pod, "v1", "Pod"),
                severity: Severity::Warning,
                reason: "MultiplePodDisruptionBudgets",
                message,
            });
        }
    }

    fn watch_announcement(&mut self, pod: &StoredObject) {
        if let Some(at) = stale_at(pod) {
            let at_ms = self.ms_of(at);
            self.queue.add(pod.key.clone(), at_ms);
        }
    }

    fn work(&mut self) {
        let now_ms = self.now_ms();
        while self.syncs.len() < SYNCS_MAX {
            let Some(key) = self.queue.pop(now_ms) else { return };
            let controllers = self.controllers.clone();
            self.syncs.spawn(async move {
                let looking = async {
                    match key.collection() == pods().as_str() {
                        true => sync::pod(&controllers, &key).await,
                        false => sync::budget(&controllers, &key).await,
                    }
                };
                // A budget whose look has no end would never be looked at again.
                let looked = AssertUnwindSafe(looking).catch_unwind().await.unwrap_or_else(|_| {
                    Err(Box::new(Status::failure(Reason::InternalError, "a look panicked")))
                });
                (key, looked)
            });
        }
    }

    fn ended(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        let Ok((key, looked)) = ended else { return };
        match looked {
            Ok(looked) => {
                self.queue.done(&key);
                if let Some(at) = looked.again_at {
                    let at_ms = self.ms_of(at);
                    self.queue.add(key.clone(), at_ms);
                }
                self.say(&key, looked);
            }
            Err(status) => {
                if !status.is(Reason::Conflict) {
                    tracing::warn!(%key, %status, "not brought up to date; trying again");
                }
                self.queue.failed(&key, self.now_ms());
            }
        }
    }

    fn say(&mut self, key: &ObjectKey, looked: Looked) {
        let view = self.controllers.store.view();
        if let Some(budget) = view.get(key) {
            for (severity, reason, message) in looked.remarks {
                let involved = involved(budget, "policy/v1", "PodDisruptionBudget");
                self.recorder.say(Said { involved, severity, reason, message });
            }
        }
        self.say_not_deleted(&view, key, &looked.not_deleted);
    }

    fn say_not_deleted(&mut self, view: &View, key: &ObjectKey, pods: &[ObjectKey]) {
        for pod in pods.iter().filter_map(|pod| view.get(pod)) {
            // Upstream names the namespace twice.
            let namespace = key.namespace();
            self.recorder.say(Said {
                involved: involved(pod, "v1", "Pod"),
                severity: Severity::Warning,
                reason: "NotDeleted",
                message: format!(
                    "Pod was expected by PDB {namespace}/{namespace} to be deleted but it wasn't"
                ),
            });
        }
    }
}
