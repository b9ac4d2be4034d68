//! Revert: atomic sets of changes go to several objects, and their commits are taken back. Everyone
//! sees all of a set or nothing of it, before and after; what it had changed comes back, and later
//! changes of other fields stay.

use super::Workload;
use super::actor::Actor;
use super::changes;
use super::family::{self, Families, Planned};
use super::outcome::Effect;
use super::stage::Stage;
use super::watcher::Watchers;
use async_trait::async_trait;
use futures::future::join_all;
use parking_lot::Mutex;
use rand::Rng as _;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

/// Watchers beside one for each member.
const MORE_WATCHERS: usize = 1;
/// Sets that a client remembers, so that it can take them back.
const REMEMBERED_MAX: usize = 3;
/// How often it takes one back at once, before others set the same values: that is a conflict.
const AT_ONCE: f64 = 0.7;

/// The workload.
#[derive(Default)]
pub struct Revert {
    families: Families,
    watchers: Mutex<Watchers>,
}

/// A set that was applied, and its commit.
struct Applied {
    planned: Planned,
    commit: String,
}

#[async_trait]
impl Workload for Revert {
    async fn act(&self, stage: &Arc<Stage>) {
        let count = stage.servers.len() + MORE_WATCHERS;
        self.watchers.lock().start(stage, count, |_| family::watched(stage));
        join_all((0..stage.concurrency).map(|number| self.client(stage, number))).await;
    }

    async fn conclude(&self, stage: &Arc<Stage>) {
        let last = family::mark_the_end(stage).await;
        let watchers = std::mem::take(&mut *self.watchers.lock());
        watchers.finish(last).await;
        join_all((0..stage.servers.len()).map(|at| self.families.last_looks(stage, at))).await;
    }
}

impl Revert {
    async fn client(&self, stage: &Arc<Stage>, number: usize) {
        let mut actor = Actor::new(stage, number);
        let mut applied: VecDeque<Applied> = VecDeque::new();
        while stage.turn().await {
            let Some(family) = self.families.next(&mut actor, number).await else { return };
            match actor.rng.random_range(0..100) {
                0..45 => family::look_somehow(&mut actor, family).await,
                45..60 => self.note(&mut actor, family).await,
                60..85 if applied.len() < REMEMBERED_MAX => {
                    let set = self.apply(&mut actor, family).await;
                    if actor.rng.random_bool(AT_ONCE) {
                        self.change_and_revert(&mut actor, set).await;
                    } else {
                        applied.extend(set);
                    }
                }
                // Mostly the newest: a later set is in the way of an older one.
                _ => {
                    let newest = actor.rng.random_bool(0.7);
                    let chosen = if newest { applied.pop_back() } else { applied.pop_front() };
                    match chosen {
                        Some(applied) => revert(&mut actor, &applied).await,
                        None => applied.extend(self.apply(&mut actor, family).await),
                    }
                }
            }
        }
    }

    async fn note(&self, actor: &mut Actor, family: u64) {
        let key = family::any_object(&mut actor.rng, family);
        family::note(actor, self.families.element(), key, false).await;
    }

    /// Changes another field of one of a set's objects, which must stay, and takes the set back.
    async fn change_and_revert(&self, actor: &mut Actor, applied: Option<Applied>) {
        let Some(applied) = applied else { return };
        family::note(actor, self.families.element(), applied.planned.there[0], false).await;
        actor.hop();
        revert(actor, &applied).await;
        actor.go_home();
    }

    /// Applies a set that sets the value of each of its objects.
    async fn apply(&self, actor: &mut Actor, family: u64) -> Option<Applied> {
        let planned = self.families.plan(&mut actor.rng, family);
        // A manager of its own: one that leaves out what it had applied would remove it.
        let spec = json!({"objects": planned.bodies(true), "namespace": actor.stage.namespace,
            "fieldManager": format!("c-{}", planned.element), "force": true});
        let mut commit = None;
        let read = |json: &Value| {
            commit = json["status"]["commit"].as_str().map(str::to_owned);
            changes::range(json)
        };
        let call = changes::change_set(&spec);
        actor.act(Effect::Write, "apply", planned.to_edn(), call, read).await;
        commit.map(|commit| Applied { planned, commit })
    }
}

async fn revert(actor: &mut Actor, applied: &Applied) {
    let read = |json: &Value| changes::range(json);
    let call = changes::revert(&applied.commit);
    actor.act(Effect::Write, "revert", applied.planned.to_edn(), call, read).await;
}
