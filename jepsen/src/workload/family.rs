//! Families: a few objects that many changes of several objects at once go to.
//!
//! Every change has an element, a number of its own, and puts it into each of its objects as a key of
//! their data, so that whoever sees the objects sees which changes are in them. Some changes also
//! set the objects' value to their element.

use super::actor::Actor;
use super::changes::{self, Listed};
use super::object::{self, PARITY, version};
use super::outcome::{Effect, Outcome};
use super::stage::Stage;
use super::watcher::{Described, Watched};
use crate::client::Call;
use crate::generator::{Keys, Values};
use crate::history::{Edn, value};
use crate::nemesis::Rng;
use parking_lot::Mutex;
use rand::Rng as _;
use rand::seq::SliceRandom;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Objects of a family that are there from the start.
const OBJECTS: u64 = 6;
/// Families that are used at a time.
const GROUPS: usize = 4;
/// Turns until a family is left alone, so that its objects stay small.
const TURNS_PER_FAMILY: u64 = 60;
/// Objects of a change, beside the one that it makes.
const OBJECTS_PER_CHANGE: std::ops::RangeInclusive<usize> = 2..=4;
/// How often a family is listed in pages.
const PAGED: f64 = 0.3;
/// How often it is listed as the member has it, however old.
const LOCAL: f64 = 0.3;
/// Objects that changes make are numbered from here, by their element.
const MADE: u64 = 1 << 32;
/// Families of the last looks.
const LAST_LOOKS: usize = 40;
/// Label with the family's number.
const FAMILY: &str = "family";
/// What keys that are elements begin with.
const PREFIX: char = 'x';
/// The key of the value.
const VALUE: &str = "v";
/// How long to wait before a family is tried to be made again.
const PAUSE: Duration = Duration::from_millis(200);

/// What clients of families share.
pub struct Families {
    keys: Keys,
    elements: Values,
    made: Mutex<HashMap<u64, Arc<OnceCell<()>>>>,
}

/// What a change of several objects is about.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The family.
    pub family: u64,
    /// The change's own number, from 1.
    pub element: u64,
    /// Objects of the family.
    pub there: Vec<u64>,
    /// The object that it makes, if it makes one.
    pub makes: Option<u64>,
}

impl Default for Families {
    fn default() -> Self {
        Families {
            keys: Keys::new(GROUPS, TURNS_PER_FAMILY),
            elements: Values::default(),
            made: Mutex::default(),
        }
    }
}

impl Families {
    /// The family of client `number`'s turn, whose objects are there; none when the run stops.
    pub async fn next(&self, actor: &mut Actor, number: usize) -> Option<u64> {
        let family = self.keys.next(number);
        let cell = self.made.lock().entry(family).or_default().clone();
        let made = cell.get_or_try_init(|| make(actor, family)).await;
        made.ok().map(|()| family)
    }

    /// A number for a change.
    pub fn element(&self) -> u64 {
        self.elements.next() + 1
    }

    /// A change of some of a family's objects.
    pub fn plan(&self, rng: &mut Rng, family: u64) -> Planned {
        let mut there: Vec<u64> = (family * OBJECTS..(family + 1) * OBJECTS).collect();
        there.shuffle(rng);
        there.truncate(rng.random_range(OBJECTS_PER_CHANGE));
        there.sort_unstable();
        let element = self.element();
        let makes = rng.random_bool(0.5).then_some(MADE + element);
        Planned { family, element, there, makes }
    }

    /// Lists the families that were used last, at the server that stands at `at`.
    pub async fn last_looks(&self, stage: &Arc<Stage>, at: usize) {
        let mut actor = Actor::new(stage, at);
        let mut made: Vec<u64> = self.made.lock().keys().copied().collect();
        made.sort_unstable();
        for family in made.into_iter().rev().take(LAST_LOOKS) {
            look(&mut actor, family, false).await;
        }
    }
}

/// Makes a family's objects, which is no part of the history.
async fn make(actor: &mut Actor, family: u64) -> Result<(), ()> {
    let namespace = actor.stage.namespace.clone();
    let keys = || family * OBJECTS..(family + 1) * OBJECTS;
    let objects: Vec<Value> = keys().map(|key| object(key, family, json!({VALUE: "0"}))).collect();
    let absent = keys().map(|key| {
        json!({"resource": "configmaps", "namespace": namespace, "name": object::name(key),
            "state": "Absent"})
    });
    let spec = json!({"objects": objects, "namespace": namespace, "fieldManager": "jepsen",
        "basedOn": absent.collect::<Vec<_>>()});
    loop {
        match actor.client.send(changes::change_set(&spec)).await {
            // 409: an attempt whose answer did not come had made them.
            Ok(answer) if answer.is_success() || answer.status.as_u16() == 409 => return Ok(()),
            _ => actor.hop(),
        }
        if !actor.stage.rest(PAUSE).await {
            return Err(());
        }
    }
}

fn object(key: u64, family: u64, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": object::name(key),
            "labels": {PARITY: "none", FAMILY: format!("f{family}")}},
        "data": data})
}

impl Planned {
    /// All objects that it changes.
    pub fn objects(&self) -> Vec<u64> {
        self.there.iter().copied().chain(self.makes).collect()
    }

    /// `{:family f :element n :objects [k …]}`
    pub fn to_edn(&self) -> Edn {
        deed(self.family, self.element, &self.objects())
    }

    /// What it makes of each object: the element, and the value when `sets`.
    pub fn bodies(&self, sets: bool) -> Vec<Value> {
        let data = data(self.element, sets);
        let body = |key| object(key, self.family, data.clone());
        self.objects().into_iter().map(body).collect()
    }
}

/// `{:family f :element n :objects [k …]}`
fn deed(family: u64, element: u64, objects: &[u64]) -> Edn {
    let objects = objects.iter().map(|key| value::number(*key)).collect();
    value::map([
        ("family", value::number(family)),
        ("element", value::number(element)),
        ("objects", Edn::Vector(objects)),
    ])
}

/// The data with which a change tells its element, and sets the value.
pub fn data(element: u64, sets: bool) -> Value {
    let mut data = Map::from_iter([(format!("{PREFIX}{element}"), "1".into())]);
    if sets {
        data.insert(VALUE.into(), element.to_string().into());
    }
    Value::Object(data)
}

/// Puts an element of its own into one object of a family, and sets its value when `sets`.
pub async fn note(actor: &mut Actor, element: u64, key: u64, sets: bool) {
    let family = key / OBJECTS;
    let path = format!("{}/{}", actor.stage.config_maps(), object::name(key));
    let call = Call::merge_patch(path, &json!({"data": data(element, sets)}));
    let read = |json: &Value| {
        let rev = value::number(version(json)?);
        Some(value::map([("first", rev.clone()), ("last", rev)]))
    };
    actor.act(Effect::Write, "note", deed(family, element, &[key]), call, read).await;
}

/// An object of a family, any.
pub fn any_object(rng: &mut Rng, family: u64) -> u64 {
    rng.random_range(family * OBJECTS..(family + 1) * OBJECTS)
}

/// Lists a family in one of several ways.
pub async fn look_somehow(actor: &mut Actor, family: u64) {
    let local = actor.rng.random_bool(LOCAL);
    look(actor, family, local).await;
}

async fn look(actor: &mut Actor, family: u64, local: bool) {
    let mut asked = vec![(value::keyword("family"), value::number(family))];
    let mut path = format!("{}?labelSelector={FAMILY}%3Df{family}", actor.stage.config_maps());
    let mut limit = None;
    if local {
        asked.push((value::keyword("local"), Edn::Bool(true)));
        path += "&resourceVersion=0";
    } else if actor.rng.random_bool(PAGED) {
        limit = Some(actor.rng.random_range(2..6));
    }
    let pending = actor.invoke("look", Edn::Map(asked.into_iter().collect()));
    let outcome = match changes::list(actor, &path, limit).await {
        Ok(listed) => Outcome::Ok(listed_edn(&listed)),
        Err(outcome) => outcome,
    };
    actor.complete(pending, outcome).await;
}

/// `{:rev R :objects [[k {:rev R :has [n …] :val n}] …]}`
fn listed_edn(listed: &Listed) -> Edn {
    let object = |object: &Value| {
        let key = value::number(object::key(object)?);
        let rev = ("rev", value::number(version(object)?));
        let [has, val] = content(object);
        Some(Edn::Vector(vec![key, value::map([rev, has, val])]))
    };
    let objects = listed.items.iter().filter_map(object).collect();
    value::map([("rev", value::number(listed.rev)), ("objects", Edn::Vector(objects))])
}

/// The elements in an object, in order, and its value.
fn content(object: &Value) -> [(&'static str, Edn); 2] {
    let data = object["data"].as_object();
    let keys = data.into_iter().flat_map(|data| data.keys());
    let mut has: Vec<u64> = keys.filter_map(|key| key.strip_prefix(PREFIX)?.parse().ok()).collect();
    has.sort_unstable();
    let has = has.into_iter().map(value::number).collect();
    let val = object["data"][VALUE].as_str().and_then(|val| val.parse().ok()).unwrap_or(0);
    [("has", Edn::Vector(has)), ("val", value::number(val))]
}

/// Watches all families of a stage.
pub fn watched(stage: &Arc<Stage>) -> Watched {
    Watched { path: stage.config_maps(), selector: None, describe, item: None }
}

fn describe(object: &Value) -> Option<Described> {
    let key = ("key", value::number(object::key(object)?));
    Some([key].into_iter().chain(content(object)).collect())
}

/// Makes an object of no family, so that every watcher sees that nothing follows; gives its version.
pub async fn mark_the_end(stage: &Arc<Stage>) -> Option<u64> {
    let mut actor = Actor::new(stage, 0);
    let end = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": object::name(u64::MAX >> 1), "labels": {PARITY: "none"}}});
    let call = Call::post(stage.config_maps(), &end);
    let answer = actor.client.send(call).await.ok()?;
    version(&answer.json()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_tells_its_elements_and_its_value() {
        let mut made = object(5, 2, data(9, true));
        made["metadata"]["resourceVersion"] = "30".into();
        made["data"]["x7"] = "1".into();
        let listed = listed_edn(&Listed { rev: 31, items: vec![made] });
        assert_eq!(listed.to_string(), "{:objects [[5 {:has [7 9], :rev 30, :val 9}]], :rev 31}");
    }

    #[test]
    fn plans_stay_within_their_family() {
        let families = Families::default();
        let mut rng = <Rng as rand::SeedableRng>::seed_from_u64(5);
        for _ in 0..50 {
            let planned = families.plan(&mut rng, 3);
            let within = |key: &u64| (3 * OBJECTS..4 * OBJECTS).contains(key);
            assert!(planned.there.len() >= 2 && planned.there.iter().all(within), "{planned:?}");
            assert!(planned.makes.is_none_or(|key| key > MADE), "{planned:?}");
        }
    }
}
