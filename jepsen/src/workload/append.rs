//! Append: lists that grow by atomic sets of changes. A transaction reads some lists and appends to
//! some of them, as one set that is refused when any of them has changed since; another reads a
//! group of lists as one state. Checked for strict serializability.

use super::Workload;
use super::actor::Actor;
use super::changes::{Listed, change_set, list};
use super::object::{self, PARITY, version};
use super::outcome::{Effect, Outcome};
use super::stage::Stage;
use crate::generator::{Keys, Values};
use crate::history::{Edn, value};
use async_trait::async_trait;
use futures::future::join_all;
use parking_lot::Mutex;
use rand::Rng as _;
use rand::seq::SliceRandom;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Lists that are used together.
const LISTS: u64 = 6;
/// Groups of them that are used at a time.
const GROUPS: usize = 2;
/// Transactions until a group is left alone, so that lists stay short.
const TXNS_PER_GROUP: u64 = 100;
/// Lists of a transaction that appends.
const LISTS_PER_TXN: std::ops::RangeInclusive<usize> = 1..=4;
/// How often a transaction only reads.
const READS: f64 = 0.4;
/// How often a list of such a transaction is appended to, rather than read.
const APPENDS: f64 = 0.7;
/// How often a list is read in pages.
const PAGED: f64 = 0.3;
/// Label with the group's number.
const GROUP: &str = "group";

/// The workload.
#[derive(Default)]
pub struct Append {
    used: Mutex<Vec<u64>>,
}

#[async_trait]
impl Workload for Append {
    async fn act(&self, stage: &Arc<Stage>) {
        let (keys, values) = (Keys::new(GROUPS, TXNS_PER_GROUP), Values::default());
        let clients = (0..stage.concurrency).map(|number| client(stage, &keys, &values, number));
        join_all(clients).await;
        *self.used.lock() = keys.used();
    }

    async fn conclude(&self, stage: &Arc<Stage>) {
        let used = self.used.lock().clone();
        join_all((0..stage.servers.len()).map(|at| {
            let used = &used;
            async move {
                let mut actor = Actor::new(stage, at);
                for group in used {
                    read_all(&mut actor, *group).await;
                }
            }
        }))
        .await;
    }
}

async fn client(stage: &Arc<Stage>, keys: &Keys, values: &Values, number: usize) {
    let mut actor = Actor::new(stage, number);
    while stage.turn().await {
        let group = keys.next(number);
        if actor.rng.random_bool(READS) {
            read_all(&mut actor, group).await;
        } else {
            let wanted = choose(&mut actor, group, values);
            append(&mut actor, group, &wanted).await;
        }
    }
}

/// Lists, and what is appended to each, if anything.
fn choose(actor: &mut Actor, group: u64, values: &Values) -> BTreeMap<u64, Option<u64>> {
    let mut keys: Vec<u64> = (group * LISTS..(group + 1) * LISTS).collect();
    keys.shuffle(&mut actor.rng);
    keys.truncate(actor.rng.random_range(LISTS_PER_TXN));
    // One that appends nothing would be no change.
    let always = keys[0];
    let appends =
        |key: u64, rng: &mut crate::nemesis::Rng| key == always || rng.random_bool(APPENDS);
    let wanted = keys.into_iter().map(|key| {
        let val = appends(key, &mut actor.rng).then(|| values.next());
        (key, val)
    });
    wanted.collect()
}

async fn read_all(actor: &mut Actor, group: u64) {
    let wanted: BTreeMap<u64, Option<u64>> =
        (group * LISTS..(group + 1) * LISTS).map(|key| (key, None)).collect();
    let pending = actor.invoke("txn", ops(&wanted, None));
    let outcome = match read(actor, group).await {
        Ok(lists) => Outcome::Ok(ops(&wanted, Some(&lists))),
        Err(outcome) => outcome,
    };
    actor.complete(pending, outcome).await;
}

/// Reads what the lists are, and sends what they shall become if that still holds.
async fn append(actor: &mut Actor, group: u64, wanted: &BTreeMap<u64, Option<u64>>) {
    let pending = actor.invoke("txn", ops(wanted, None));
    let outcome = match read(actor, group).await {
        Err(outcome) => outcome,
        Ok(lists) => {
            let call = change_set(&spec(actor, group, wanted, &lists));
            let answer = actor.client.send(call).await;
            Outcome::of(Effect::Write, answer, |_| Some(ops(wanted, Some(&lists))))
        }
    };
    actor.complete(pending, outcome).await;
}

/// A list as it was read.
#[derive(Default)]
struct List {
    /// The object's version; none when there is none yet.
    rev: Option<u64>,
    elements: Vec<u64>,
}

type Lists = BTreeMap<u64, List>;

async fn read(actor: &mut Actor, group: u64) -> Result<Lists, Outcome> {
    let paged = actor.rng.random_bool(PAGED);
    let path = format!("{}?labelSelector={GROUP}%3Dg{group}", actor.stage.config_maps());
    let Listed { items, .. } = list(actor, &path, paged.then_some(2)).await?;
    Ok(items.iter().filter_map(read_list).collect())
}

fn read_list(object: &Value) -> Option<(u64, List)> {
    let text = object["data"]["list"].as_str()?;
    // What is no number is shown as an element that nobody appended.
    let elements = text.split_whitespace().map(|one| one.parse().unwrap_or(u64::MAX >> 1));
    Some((object::key(object)?, List { rev: version(object), elements: elements.collect() }))
}

/// The set of changes, with everything that it relies on.
fn spec(actor: &Actor, group: u64, wanted: &BTreeMap<u64, Option<u64>>, lists: &Lists) -> Value {
    let namespace = &actor.stage.namespace;
    let none = List::default();
    let based_on = wanted.keys().map(|key| {
        let place = json!({"resource": "configmaps", "namespace": namespace,
            "name": object::name(*key), "state": "Absent"});
        let mut place = place;
        if let Some(rev) = lists.get(key).and_then(|list| list.rev) {
            place["state"] = "Unchanged".into();
            place["resourceVersion"] = rev.to_string().into();
        }
        place
    });
    let objects = wanted.iter().filter_map(|(key, val)| {
        let list = lists.get(key).unwrap_or(&none);
        let elements = list.elements.iter().copied().chain([(*val)?]);
        let text = elements.map(|element| element.to_string()).collect::<Vec<_>>().join(" ");
        Some(json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": object::name(*key), "namespace": namespace,
                "labels": {PARITY: "none", GROUP: format!("g{group}")}},
            "data": {"list": text}}))
    });
    json!({
        "objects": objects.collect::<Vec<_>>(), "basedOn": based_on.collect::<Vec<_>>(),
        "fieldManager": "jepsen", "force": true
    })
}

/// `[[:r k list] [:append k v] …]`, as Elle has it.
fn ops(wanted: &BTreeMap<u64, Option<u64>>, lists: Option<&Lists>) -> Edn {
    let read = |key: &u64| {
        let list = lists.map(|lists| lists.get(key).map_or(&[][..], |list| &list.elements));
        let list = list.map(|list| list.iter().map(|one| value::number(*one)).collect());
        let list = list.map_or(Edn::Nil, Edn::Vector);
        Edn::Vector(vec![value::keyword("r"), value::number(*key), list])
    };
    let appended = |(key, val): (&u64, &Option<u64>)| {
        let (key, val) = (value::number(*key), value::number((*val)?));
        Some(Edn::Vector(vec![value::keyword("append"), key, val]))
    };
    let reads = wanted.keys().map(read);
    Edn::Vector(reads.chain(wanted.iter().filter_map(appended)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_are_told_as_elle_has_them() {
        let wanted = BTreeMap::from([(3, Some(9)), (4, None)]);
        assert_eq!(ops(&wanted, None).to_string(), "[[:r 3 nil] [:r 4 nil] [:append 3 9]]");
        let object = json!({"metadata": {"name": "k-3", "resourceVersion": "5"},
            "data": {"list": "7 8"}});
        let lists = Lists::from([read_list(&object).expect("a list")]);
        assert_eq!(lists[&3].rev, Some(5));
        let told = ops(&wanted, Some(&lists)).to_string();
        assert_eq!(told, "[[:r 3 [7 8]] [:r 4 []] [:append 3 9]]");
    }
}
