//! Session: whatever a client has seen, it sees at least that on every other member, when it asks
//! for that version.

use super::Workload;
use super::actor::Actor;
use super::object::{self, State, config_map, pair, version};
use super::outcome::{Effect, Outcome};
use super::stage::{Stage, StageError};
use super::watcher::list_to_edn;
use crate::client::Call;
use crate::generator::Values;
use crate::history::{Edn, value};
use async_trait::async_trait;
use futures::future::join_all;
use rand::Rng as _;
use serde_json::Value;
use std::sync::Arc;

/// Objects that all clients share.
const KEYS: u64 = 12;

/// The workload.
#[derive(Default)]
pub struct Session {
    values: Values,
}

#[async_trait]
impl Workload for Session {
    async fn set_up(&self, stage: &Arc<Stage>) -> Result<(), StageError> {
        let mut client = SessionClient::new(Actor::new(stage, 0));
        for key in 0..KEYS {
            client.create(key, self.values.next()).await;
        }
        Ok(())
    }

    async fn act(&self, stage: &Arc<Stage>) {
        join_all((0..stage.concurrency).map(|number| self.client(stage, number))).await;
    }

    async fn conclude(&self, stage: &Arc<Stage>) {
        join_all((0..stage.servers.len()).map(|at| async move {
            SessionClient::new(Actor::new(stage, at)).list().await;
        }))
        .await;
    }
}

impl Session {
    async fn client(&self, stage: &Arc<Stage>, number: usize) {
        let mut client = SessionClient::new(Actor::new(stage, number));
        while stage.turn().await {
            client.actor.hop();
            let key = client.actor.rng.random_range(0..KEYS);
            match client.actor.rng.random_range(0..100) {
                0..40 => client.write(key, self.values.next()).await,
                40..95 => client.read(key).await,
                _ => client.list().await,
            }
        }
    }
}

/// A client and the newest version that it saw.
struct SessionClient {
    actor: Actor,
    process: u64,
    seen: Option<u64>,
}

impl SessionClient {
    fn new(actor: Actor) -> SessionClient {
        SessionClient { process: actor.process(), actor, seen: None }
    }

    /// What the session asks for; a session ends with an operation that nobody knows of.
    fn at_least(&mut self) -> Option<u64> {
        if self.process != self.actor.process() {
            (self.process, self.seen) = (self.actor.process(), None);
        }
        self.seen
    }

    async fn create(&mut self, key: u64, v: u64) {
        let call = Call::post(self.actor.stage.config_maps(), &config_map(key, v, None));
        self.change("create", key, v, call).await;
    }

    async fn write(&mut self, key: u64, v: u64) {
        let path = format!("{}/{}", self.actor.stage.config_maps(), object::name(key));
        let outcome =
            self.change("write", key, v, Call::put(path, &config_map(key, v, None))).await;
        if outcome == Outcome::fail("not-found") {
            self.create(key, v).await;
        }
    }

    async fn change(&mut self, f: &'static str, key: u64, v: u64, call: Call) -> Outcome {
        self.at_least();
        let seen = &mut self.seen;
        let read = |json: &Value| {
            let state = State::of(json)?;
            *seen = (*seen).max(Some(state.rev));
            Some(pair(key, state.to_edn()))
        };
        self.actor.act(Effect::Write, f, pair(key, value::number(v)), call, read).await
    }

    async fn read(&mut self, key: u64) {
        let asked = self.at_least();
        let query = asked.map(|rev| format!("?resourceVersion={rev}")).unwrap_or_default();
        let path = format!("{}/{}{query}", self.actor.stage.config_maps(), object::name(key));
        let seen = &mut self.seen;
        let read = |json: &Value| {
            let state = State::of(json)?;
            *seen = (*seen).max(Some(state.rev));
            Some(pair(key, state.to_edn()))
        };
        let asked = pair(key, at_least_edn(asked));
        self.actor.act(Effect::Read, "read", asked, Call::get(path), read).await;
    }

    async fn list(&mut self) {
        let asked = self.at_least();
        let query = asked
            .map(|rev| format!("&resourceVersion={rev}&resourceVersionMatch=NotOlderThan"))
            .unwrap_or_default();
        let collection = self.actor.stage.config_maps();
        let call = Call::get(format!("{collection}?labelSelector={}{query}", object::PARITY));
        let seen = &mut self.seen;
        let read = |json: &Value| {
            *seen = (*seen).max(version(json));
            list_to_edn(json, object::item)
        };
        self.actor.act(Effect::Read, "list", at_least_edn(asked), call, read).await;
    }
}

/// `{:at-least R}`
fn at_least_edn(rev: Option<u64>) -> Edn {
    value::map([("at-least", rev.map_or(Edn::Nil, value::number))])
}
