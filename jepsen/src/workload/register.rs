//! Register: each object is one register that is read, written, compared and swapped, deleted and
//! made anew. Checked for linearizability, object by object.

use super::Workload;
use super::actor::Actor;
use super::object::{self, State, config_map, pair};
use super::outcome::{Effect, Outcome};
use super::stage::Stage;
use crate::client::Call;
use crate::generator::{Keys, Values};
use crate::history::{Edn, value};
use async_trait::async_trait;
use futures::future::join_all;
use parking_lot::Mutex;
use rand::Rng as _;
use serde_json::{Value, json};
use std::sync::Arc;

/// Clients that use one object at a time.
const CLIENTS_PER_KEY: usize = 5;
/// Operations until they go on to the next.
const OPERATIONS_PER_KEY: u64 = 200;

/// How often a client reads before it compares and swaps, rather than to rely on what it saw.
const READS_BEFORE_SWAP: f64 = 0.8;

/// The workload.
#[derive(Default)]
pub struct Register {
    used: Mutex<Vec<u64>>,
}

/// What writers of registers share.
pub(super) struct Registers {
    /// Which object is next.
    pub keys: Keys,
    /// What is written next.
    pub values: Values,
}

/// A client and what it knows of the object that it uses.
pub(super) struct RegisterClient {
    actor: Actor,
    key: u64,
    seen: Seen,
}

/// What a client knows of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Nothing, or nothing any more.
    Unknown,
    /// That there was none.
    Missing,
    /// The version that it saw last.
    Version(u64),
}

#[async_trait]
impl Workload for Register {
    async fn act(&self, stage: &Arc<Stage>) {
        let groups = stage.concurrency.div_ceil(CLIENTS_PER_KEY);
        let shared =
            Registers { keys: Keys::new(groups, OPERATIONS_PER_KEY), values: Values::default() };
        let clients = (0..stage.concurrency).map(|number| client(stage, &shared, number));
        join_all(clients).await;
        *self.used.lock() = shared.keys.used();
    }

    async fn conclude(&self, stage: &Arc<Stage>) {
        let used = self.used.lock().clone();
        let readers = (0..stage.servers.len()).map(|at| read_all(stage, at, &used));
        join_all(readers).await;
    }
}

async fn client(stage: &Arc<Stage>, shared: &Registers, number: usize) {
    let mut client = RegisterClient::new(Actor::new(stage, number));
    while stage.turn().await {
        let key = shared.keys.next(number / CLIENTS_PER_KEY);
        client.operate(key, shared.values.next()).await;
    }
}

async fn read_all(stage: &Arc<Stage>, at: usize, keys: &[u64]) {
    let mut client = RegisterClient::new(Actor::new(stage, at));
    for key in keys {
        client.key = *key;
        client.read().await;
    }
}

impl RegisterClient {
    pub fn new(actor: Actor) -> RegisterClient {
        RegisterClient { actor, key: u64::MAX, seen: Seen::Unknown }
    }

    /// Does something to object `key`, possibly with content `v`.
    pub async fn operate(&mut self, key: u64, v: u64) {
        if self.key != key {
            (self.key, self.seen) = (key, Seen::Unknown);
        }
        match (self.seen, self.actor.rng.random_range(0..100)) {
            (Seen::Missing, 0..70) | (_, 0..4) => self.create(v).await,
            (_, 4..30) => self.read().await,
            (_, 30..65) => self.read_and_swap(v).await,
            (Seen::Version(rev), 65..68) => self.delete(Some(rev)).await,
            (_, 65..70) => self.delete(None).await,
            _ => self.write(v).await,
        }
    }

    fn path(&self) -> String {
        format!("{}/{}", self.actor.stage.config_maps(), object::name(self.key))
    }

    async fn read(&mut self) {
        let (key, call) = (self.key, Call::get(self.path()));
        let pending = self.actor.invoke("read", pair(key, Edn::Nil));
        let outcome = match self.actor.client.send(call).await {
            // That there is none is what was read.
            Ok(answer) if answer.status.as_u16() == 404 => {
                self.seen = Seen::Missing;
                Outcome::Ok(pair(key, Edn::Nil))
            }
            answer => Outcome::of(Effect::Read, answer, |json| learn(&mut self.seen, key, json)),
        };
        self.actor.complete(pending, outcome).await;
    }

    /// Creates object `key` with content `v`; gives its version.
    pub async fn create_new(&mut self, key: u64, v: u64) -> Option<u64> {
        (self.key, self.seen) = (key, Seen::Unknown);
        self.create(v).await;
        if let Seen::Version(rev) = self.seen { Some(rev) } else { None }
    }

    async fn create(&mut self, v: u64) {
        let path = self.actor.stage.config_maps();
        let call = Call::post(path, &config_map(self.key, v, None));
        self.change("create", value::number(v), call).await;
    }

    async fn write(&mut self, v: u64) {
        let call = Call::put(self.path(), &config_map(self.key, v, None));
        self.change("write", value::number(v), call).await;
    }

    /// Reads first, mostly: others change the object too, and a swap that always fails tells
    /// little.
    async fn read_and_swap(&mut self, v: u64) {
        if self.seen == Seen::Unknown || self.actor.rng.random_bool(READS_BEFORE_SWAP) {
            self.read().await;
        }
        if let Seen::Version(rev) = self.seen {
            self.compare_and_swap(rev, v).await;
        }
    }

    async fn compare_and_swap(&mut self, rev: u64, v: u64) {
        let call = Call::put(self.path(), &config_map(self.key, v, Some(rev)));
        let asked = value::map([("rev", value::number(rev)), ("val", value::number(v))]);
        self.change("cas", asked, call).await;
    }

    async fn change(&mut self, f: &'static str, asked: Edn, call: Call) {
        let key = self.key;
        let seen = &mut self.seen;
        let read = |json: &Value| learn(seen, key, json);
        let outcome = self.actor.act(Effect::Write, f, pair(key, asked), call, read).await;
        if !matches!(outcome, Outcome::Ok(_)) {
            self.learn_of_failure(&outcome);
        }
    }

    async fn delete(&mut self, rev: Option<u64>) {
        let (key, mut options) = (self.key, json!({"apiVersion": "v1", "kind": "DeleteOptions"}));
        let mut asked = Edn::Nil;
        if let Some(rev) = rev {
            options["preconditions"] = json!({"resourceVersion": rev.to_string()});
            asked = value::map([("rev", value::number(rev))]);
        }
        let call = Call::delete(self.path(), &options);
        let read = |json: &Value| Some(pair(key, deletion(json)));
        let outcome = self.actor.act(Effect::Write, "delete", pair(key, asked), call, read).await;
        match outcome {
            Outcome::Ok(_) => self.seen = Seen::Missing,
            outcome => self.learn_of_failure(&outcome),
        }
    }

    fn learn_of_failure(&mut self, outcome: &Outcome) {
        let missing = *outcome == Outcome::fail("not-found");
        self.seen = if missing { Seen::Missing } else { Seen::Unknown };
    }
}

fn learn(seen: &mut Seen, key: u64, json: &Value) -> Option<Edn> {
    let state = State::of(json)?;
    *seen = Seen::Version(state.rev);
    Some(pair(key, state.to_edn()))
}

/// What a deletion's answer tells: the object's last state, or a Status with its uid.
pub(super) fn deletion(json: &Value) -> Edn {
    let mut told = Vec::new();
    if let Some(rev) = object::version(json) {
        told.push((value::keyword("rev"), value::number(rev)));
    }
    let uid = json["metadata"]["uid"].as_str().or(json["details"]["uid"].as_str());
    if let Some(uid) = uid {
        told.push((value::keyword("uid"), value::text(uid)));
    }
    Edn::Map(told.into_iter().collect())
}
