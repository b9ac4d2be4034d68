//! Watch: writers change objects, and watchers on every member see what they do.

use super::Workload;
use super::actor::Actor;
use super::object::{self, State};
use super::outcome::Effect;
use super::register::{RegisterClient, Registers};
use super::stage::Stage;
use super::watcher::{Described, Watched, Watchers, list_to_edn};
use crate::client::Call;
use crate::generator::{Keys, Values};
use crate::history::{Edn, value};
use async_trait::async_trait;
use futures::future::join_all;
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::Arc;

/// Writers that change one object at a time.
const WRITERS_PER_KEY: usize = 2;
/// Changes until they go on to the next.
const OPERATIONS_PER_KEY: u64 = 100;
/// Watchers beside one for each member.
const MORE_WATCHERS: usize = 1;
/// What they select.
const SELECTORS: [Option<&str>; 3] = [None, Some("even"), Some("odd")];

/// The workload.
#[derive(Default)]
pub struct Watch {
    values: Values,
    watchers: Mutex<Watchers>,
}

#[async_trait]
impl Workload for Watch {
    async fn act(&self, stage: &Arc<Stage>) {
        self.start_watchers(stage);
        let groups = stage.concurrency.div_ceil(WRITERS_PER_KEY);
        let registers =
            Registers { keys: Keys::new(groups, OPERATIONS_PER_KEY), values: Values::default() };
        let writers =
            (0..stage.concurrency).map(|number| self.write(stage, &registers.keys, number));
        join_all(writers).await;
    }

    async fn conclude(&self, stage: &Arc<Stage>) {
        let last = self.write_last(stage).await;
        let watchers = std::mem::take(&mut *self.watchers.lock());
        watchers.finish(last).await;
        let lists = (0..stage.servers.len()).map(|at| list(stage, at));
        join_all(lists).await;
    }
}

impl Watch {
    fn start_watchers(&self, stage: &Arc<Stage>) {
        let count = stage.servers.len() + MORE_WATCHERS;
        self.watchers.lock().start(stage, count, |number| Watched {
            path: stage.config_maps(),
            selector: SELECTORS[number % SELECTORS.len()],
            describe,
            item: Some(object::item),
        });
    }

    async fn write(&self, stage: &Arc<Stage>, keys: &Keys, number: usize) {
        let mut client = RegisterClient::new(Actor::new(stage, number));
        while stage.turn().await {
            let key = keys.next(number / WRITERS_PER_KEY);
            client.operate(key, self.values.next()).await;
        }
    }

    /// Writes an even and an odd object, so that every watcher sees that nothing follows; gives
    /// the lower of their versions, as far as it is known.
    async fn write_last(&self, stage: &Arc<Stage>) -> Option<u64> {
        let first = self.values.next();
        let second = self.values.next();
        let mut lowest = None;
        for v in [first, second] {
            let mut client = RegisterClient::new(Actor::new(stage, 0));
            let rev = client.create_new(LAST_KEYS + v, v).await;
            lowest = lowest.into_iter().chain(rev).min();
        }
        lowest
    }
}

/// Keys that no writer gets to.
const LAST_KEYS: u64 = 1 << 40;

fn describe(object: &Value) -> Option<Described> {
    let val = State::of(object)?.val.map_or(Edn::Nil, value::number);
    Some(vec![("key", value::number(object::key(object)?)), ("val", val)])
}

async fn list(stage: &Arc<Stage>, at: usize) {
    let asked = value::map([("selector", Edn::Nil)]);
    let call = Call::get(format!("{}?labelSelector={}", stage.config_maps(), object::PARITY));
    let read = |json: &Value| list_to_edn(json, object::item);
    Actor::new(stage, at).act(Effect::Read, "list", asked, call, read).await;
}
