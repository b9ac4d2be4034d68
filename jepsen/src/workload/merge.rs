//! Merge: branches change several objects, main changes the same objects meanwhile, and each branch
//! is merged. Everyone sees all of a merge or nothing of it, and nothing of main's is lost.

use super::Workload;
use super::actor::Actor;
use super::changes;
use super::family::{self, Families, Planned};
use super::object;
use super::outcome::{Effect, Outcome};
use super::stage::Stage;
use super::watcher::Watchers;
use crate::client::Call;
use crate::history::value;
use async_trait::async_trait;
use futures::future::join_all;
use parking_lot::Mutex;
use rand::Rng as _;
use serde_json::{Value, json};
use std::sync::Arc;

/// Watchers beside one for each member.
const MORE_WATCHERS: usize = 1;
/// Of a hundred turns, those up to here list, and up to there change main; the others merge.
const LOOKS: u32 = 50;
const NOTES: u32 = 75;

/// The workload.
#[derive(Default)]
pub struct Merge {
    families: Families,
    watchers: Mutex<Watchers>,
}

#[async_trait]
impl Workload for Merge {
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

impl Merge {
    async fn client(&self, stage: &Arc<Stage>, number: usize) {
        let mut actor = Actor::new(stage, number);
        while stage.turn().await {
            let Some(family) = self.families.next(&mut actor, number).await else { return };
            match actor.rng.random_range(0..100) {
                0..LOOKS => family::look_somehow(&mut actor, family).await,
                LOOKS..NOTES => self.note(&mut actor, family).await,
                _ => self.merge(&mut actor, family).await,
            }
        }
    }

    async fn note(&self, actor: &mut Actor, family: u64) {
        let key = family::any_object(&mut actor.rng, family);
        family::note(actor, self.families.element(), key, true).await;
    }

    /// Makes a branch, lets main change too, and merges, at whatever member.
    async fn merge(&self, actor: &mut Actor, family: u64) {
        let planned = self.families.plan(&mut actor.rng, family);
        let branch = format!("{}-{}", actor.stage.namespace, planned.element);
        if make_branch(actor, &branch, &planned).await {
            family::note(actor, self.families.element(), planned.there[0], true).await;
            actor.hop();
            let outcome = merge(actor, &branch, &planned).await;
            if matches!(outcome, Outcome::Info(_)) {
                // What was merged already is not merged again.
                actor.hop();
                merge(actor, &branch, &planned).await;
            }
        }
        actor.go_home();
        // No part of the history: whether it is there does not matter to main.
        let _ = actor.client.send(changes::delete_branch(&branch)).await;
    }
}

/// Makes a branch on which all objects are changed; whether that is certain.
async fn make_branch(actor: &mut Actor, branch: &str, planned: &Planned) -> bool {
    let pending = actor.invoke("branch", planned.to_edn());
    let mut calls = vec![changes::make_branch(branch)];
    calls.extend(edits(actor, branch, planned));
    let mut outcome = Outcome::Ok(value::map([]));
    for call in calls {
        // Until it is merged, main has nothing of it.
        let answer = actor.client.send(call).await;
        outcome = Outcome::of(Effect::Read, answer, |_| Some(value::map([])));
        if !matches!(outcome, Outcome::Ok(_)) {
            break;
        }
    }
    matches!(actor.complete(pending, outcome).await, Outcome::Ok(_))
}

/// A patch for each object that is there, and a creation for the one that is not.
fn edits(actor: &Actor, branch: &str, planned: &Planned) -> Vec<Call> {
    let maps = format!("/branches/{branch}{}", actor.stage.config_maps());
    let patch = json!({"data": family::data(planned.element, false)});
    let patches = planned
        .there
        .iter()
        .map(|key| Call::merge_patch(format!("{maps}/{}", object::name(*key)), &patch));
    let made = planned.makes.and_then(|_| planned.bodies(false).pop());
    patches.chain(made.map(|body| Call::post(maps.clone(), &body))).collect()
}

async fn merge(actor: &mut Actor, branch: &str, planned: &Planned) -> Outcome {
    let read = |json: &Value| changes::range(json);
    let call = changes::merge(branch);
    actor.act(Effect::Write, "merge", planned.to_edn(), call, read).await
}
