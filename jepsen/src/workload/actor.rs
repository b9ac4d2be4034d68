//! A client that acts: it asks a server and records what it asked and learned.

use super::outcome::{Effect, Outcome};
use super::stage::Stage;
use crate::client::{Call, Client};
use crate::history::{Edn, Kind, Process, value};
use crate::nemesis::Rng;
use rand::Rng as _;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a client waits after its server could not be reached.
const BACK_OFF: Duration = Duration::from_millis(100);

/// A client of one server at a time. After an operation whose outcome nobody knows it goes on
/// under a new number.
pub struct Actor {
    /// Sends requests.
    pub client: Client,
    /// What it draws from.
    pub rng: Rng,
    /// What it shares with the others.
    pub stage: Arc<Stage>,
    process: u64,
    home: usize,
    at: usize,
}

/// An operation that was invoked and not yet ended.
#[must_use]
pub struct Pending {
    f: &'static str,
    value: Edn,
    node: String,
}

impl Actor {
    /// Client `number` of its workload, at the server whose turn it is.
    pub fn new(stage: &Arc<Stage>, number: usize) -> Actor {
        let at = number % stage.servers.len();
        Actor {
            client: Client::new(stage.servers.at(at), &stage.credentials, stage.timeout),
            rng: stage.rng(number),
            stage: stage.clone(),
            process: stage.recorder.new_process(),
            home: at,
            at,
        }
    }

    /// Its number.
    pub fn process(&self) -> u64 {
        self.process
    }

    /// Goes to the server that stands at `at` among the stage's.
    pub fn go_to(&mut self, at: usize) {
        if at != self.at {
            self.at = at;
            self.client.hop(self.stage.servers.at(at));
        }
    }

    /// Goes to another server, when there is one.
    pub fn hop(&mut self) {
        let others = self.stage.servers.len().saturating_sub(1);
        if others > 0 {
            let step = self.rng.random_range(1..=others);
            self.go_to((self.at + step) % (others + 1));
            self.stage.habits.hopped();
        }
    }

    /// Goes to the server that stands now where the one of before stood: a member may have left
    /// the group, and another come.
    fn follow(&mut self) {
        let now = self.stage.servers.at(self.at);
        if now != *self.client.endpoint() {
            self.client.hop(now);
        }
    }

    /// Goes back to where it began. Who stays wherever a success led it ends up where there are
    /// none, with all the others.
    pub fn go_home(&mut self) {
        self.go_to(self.home);
    }

    /// One request that is one operation; gives the value when it happened. `read` tells the value
    /// from the answer's JSON.
    pub async fn act(
        &mut self,
        effect: Effect,
        f: &'static str,
        value: Edn,
        call: Call,
        read: impl FnOnce(&Value) -> Option<Edn>,
    ) -> Outcome {
        let pending = self.invoke(f, value);
        let answer = self.client.send(call).await;
        let outcome = Outcome::of(effect, answer, read);
        self.complete(pending, outcome).await
    }

    /// Records that an operation begins.
    pub fn invoke(&mut self, f: &'static str, value: Edn) -> Pending {
        self.follow();
        if self.stage.habits.hopping() {
            self.hop();
        }
        let node = self.client.endpoint().name.clone();
        let pending = Pending { f, value, node };
        self.log(Kind::Invoke, &pending, pending.value.clone(), BTreeMap::new());
        pending
    }

    /// Records how it ended, and gives that back.
    pub async fn complete(&mut self, pending: Pending, outcome: Outcome) -> Outcome {
        match &outcome {
            Outcome::Ok(value) => self.log(Kind::Ok, &pending, value.clone(), BTreeMap::new()),
            Outcome::Fail(more) => {
                self.log(Kind::Fail, &pending, pending.value.clone(), more.clone());
                if matches!(more.get("error"), Some(Edn::Str(_))) {
                    // Not one of the vocabulary's: the server is down or cannot serve.
                    self.stage.rest(BACK_OFF).await;
                }
            }
            Outcome::Info(error) => {
                let more = BTreeMap::from([("error".to_owned(), value::text(error))]);
                self.log(Kind::Info, &pending, pending.value.clone(), more);
                self.process = self.stage.recorder.new_process();
            }
        }
        outcome
    }

    fn log(&self, kind: Kind, pending: &Pending, value: Edn, mut more: BTreeMap<String, Edn>) {
        more.insert("node".into(), value::text(&pending.node));
        more.insert("workload".into(), value::keyword(self.stage.workload));
        let process = Process::Client(self.process);
        self.stage.recorder.log(process, kind, pending.f, value, more);
    }
}
