//! The simulated group: one store, each act at one moment.

use jepsen::history::Edn;
use std::collections::BTreeMap;

/// A map with keyword keys.
pub fn map<const N: usize>(entries: [(&'static str, Edn); N]) -> Edn {
    Edn::Map(entries.into_iter().map(|(name, value)| (Edn::key(name), value)).collect())
}

#[derive(Clone, Copy, Debug)]
struct Object {
    rev: u64,
    uid: u64,
    val: i64,
}

/// One change.
#[derive(Clone, Copy, Debug)]
struct Change {
    key: u64,
    rev: u64,
    before: Option<Object>,
    after: Option<Object>,
}

/// Objects and all their changes.
#[derive(Debug, Default)]
pub struct Store {
    rev: u64,
    uids: u64,
    objects: BTreeMap<u64, Object>,
    log: Vec<Change>,
}

impl Store {
    /// Does what an operation asks, at once.
    pub fn act(&mut self, f: &str, value: &Edn) -> Result<Edn, &'static str> {
        if f == "list" {
            return Ok(self.list());
        }
        let Edn::Vector(parts) = value else { return Err("malformed") };
        let (key, argument) = (int(&parts[0]) as u64, &parts[1]);
        let object = self.objects.get(&key).copied();
        let (wanted, val) = (field(argument, "rev").map(|rev| int(rev) as u64), int(argument));
        if wanted.is_some_and(|rev| object.is_some_and(|object| object.rev != rev)) {
            return Err("conflict");
        }
        match (f, object) {
            ("read", _) => Ok(pair(key, object)),
            ("create", None) => {
                self.uids += 1;
                Ok(self.put(key, self.uids, val))
            }
            ("create", Some(_)) => Err("exists"),
            (_, None) => Err("not-found"),
            ("delete", Some(object)) => {
                self.change(key, None);
                let deleted = [("rev", Edn::Int(self.rev as i64)), ("uid", uid(object.uid))];
                Ok(Edn::Vector(vec![Edn::Int(key as i64), map(deleted)]))
            }
            ("cas", Some(object)) => {
                Ok(self.put(key, object.uid, int(field(argument, "val").unwrap_or(&Edn::Nil))))
            }
            (_, Some(object)) => Ok(self.put(key, object.uid, val)),
        }
    }

    fn put(&mut self, key: u64, uid: u64, val: i64) -> Edn {
        let rev = self.rev + 1;
        self.change(key, Some(Object { rev, uid, val }));
        pair(key, self.objects.get(&key).copied())
    }

    fn change(&mut self, key: u64, after: Option<Object>) {
        self.rev += 1;
        let before = match after {
            Some(object) => self.objects.insert(key, object),
            None => self.objects.remove(&key),
        };
        self.log.push(Change { key, rev: self.rev, before, after });
    }

    fn list(&self) -> Edn {
        let items = self.objects.iter().map(|(key, object)| pair(*key, Some(*object)));
        map([("rev", Edn::Int(self.rev as i64)), ("items", Edn::Vector(items.collect()))])
    }

    /// What a watcher is told from a revision until now, and that revision.
    pub fn watch(&self, from: Option<u64>, selector: Option<&str>) -> (Edn, u64) {
        let selects = |object: &Object| match selector {
            Some("even") => object.val % 2 == 0,
            Some(_) => object.val % 2 != 0,
            None => true,
        };
        let mut events = Vec::new();
        match from {
            Some(from) => {
                let first = self.log.partition_point(|change| change.rev <= from);
                events.extend(self.log[first..].iter().filter_map(|change| told(change, selects)));
                events.push(map([
                    ("type", Edn::key("bookmark")),
                    ("rev", Edn::Int(self.rev as i64)),
                ]));
            }
            None => {
                let objects = self.objects.iter().filter(|(_, object)| selects(object));
                events
                    .extend(objects.map(|(key, object)| event("added", *key, object.rev, *object)));
                events.push(map([
                    ("type", Edn::key("bookmark")),
                    ("rev", Edn::Int(self.rev as i64)),
                    ("initial", Edn::Bool(true)),
                ]));
            }
        }
        (map([("events", Edn::Vector(events)), ("end", Edn::key("cut"))]), self.rev)
    }
}

fn told(change: &Change, selects: impl Fn(&Object) -> bool) -> Option<Edn> {
    let (before, after) = (change.before.filter(&selects), change.after.filter(&selects));
    let (name, object) = match (before, after) {
        (None, None) => return None,
        (None, Some(after)) => ("added", after),
        (Some(_), Some(after)) => ("modified", after),
        (Some(before), None) => ("deleted", before),
    };
    Some(event(name, change.key, change.rev, object))
}

fn event(name: &'static str, key: u64, rev: u64, object: Object) -> Edn {
    map([
        ("type", Edn::key(name)),
        ("key", Edn::Int(key as i64)),
        ("rev", Edn::Int(rev as i64)),
        ("uid", uid(object.uid)),
        ("val", Edn::Int(object.val)),
    ])
}

/// The object and the revision that an answer shows.
pub fn seen(answer: &Edn) -> Option<(u64, u64)> {
    let Edn::Vector(parts) = answer else { return None };
    Some((int(parts.first()?) as u64, int(field(parts.get(1)?, "rev")?) as u64))
}

fn pair(key: u64, object: Option<Object>) -> Edn {
    let state = object.map_or(Edn::Nil, |object| {
        map([
            ("rev", Edn::Int(object.rev as i64)),
            ("uid", uid(object.uid)),
            ("val", Edn::Int(object.val)),
        ])
    });
    Edn::Vector(vec![Edn::Int(key as i64), state])
}

fn uid(number: u64) -> Edn {
    Edn::string(format!("{number:08x}-5c1e-4b7e-9d70-7d3f2a9b1c55"))
}

fn field<'a>(value: &'a Edn, name: &'static str) -> Option<&'a Edn> {
    let Edn::Map(map) = value else { return None };
    map.get(&Edn::key(name))
}

fn int(value: &Edn) -> i64 {
    match value {
        Edn::Int(number) => *number,
        _ => 0,
    }
}
