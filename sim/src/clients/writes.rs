//! What clients write.

use super::collections;
use crate::group::front::Seen;
use bytes::Bytes;
use rand::Rng;
use rand::rngs::StdRng;
use reddwarf_core::{
    Change, Collection, Expectation, ObjectIndex, ObjectKey, Precondition, Revision, Write,
};

/// Names that are used, so few that clients meet.
const NAMES: u32 = 8;
/// Objects in one write at most.
const OBJECTS_MAX: usize = 3;

/// A write of a client that has seen something of the state, perhaps long ago.
pub fn draw(random: &mut StdRng, seen: &Seen) -> Write {
    let objects = if random.random_ratio(1, 5) { random.random_range(2..=OBJECTS_MAX) } else { 1 };
    let mut write = Write { verb: "apply".to_owned(), ..Write::default() };
    for _ in 0..objects {
        let collection = collections()[usize::from(random.random_ratio(1, 4))].clone();
        let name = format!("object-{}", random.random_range(0..NAMES));
        let key = collection.key("default", &name);
        if write.changes.iter().any(|change| *change.key() == key) {
            continue;
        }
        let known = seen.objects.iter().find(|(other, ..)| *other == key);
        let known = known.map(|(_, revision, _)| *revision);
        write.preconditions.extend(condition(random, &key, known));
        write.changes.push(change(random, &collection, key, known));
    }
    // Something that it only depends on.
    if let Some((key, revision, _)) = seen.objects.first()
        && random.random_ratio(1, 10)
    {
        let expect = Expectation::At(*revision);
        write.preconditions.push(Precondition { key: key.clone(), expect });
    }
    write
}

fn condition(
    random: &mut StdRng,
    key: &ObjectKey,
    known: Option<Revision>,
) -> Option<Precondition> {
    let expect = match known {
        _ if random.random_ratio(1, 6) => return None,
        Some(revision) => Expectation::At(revision),
        None => Expectation::Absent,
    };
    Some(Precondition { key: key.clone(), expect })
}

fn change(
    random: &mut StdRng,
    collection: &Collection,
    key: ObjectKey,
    known: Option<Revision>,
) -> Change {
    if known.is_some() && random.random_ratio(1, 6) {
        return Change::Delete { key };
    }
    let secret = collection.as_str().ends_with("secrets");
    put(random, key, if secret { "Secret" } else { "ConfigMap" }, secret)
}

/// Stores an object of a kind; no two have the same bytes.
pub fn put(random: &mut StdRng, key: ObjectKey, kind: &str, salted: bool) -> Change {
    let longest = if random.random_ratio(1, 20) { 6_000 } else { 300 };
    let padding = "x".repeat(random.random_range(0..longest));
    let value: u64 = random.random();
    let head = format!(r#"{{"kind":"{kind}","apiVersion":"v1","metadata":{{"resourceVersion":""#);
    let body = Bytes::from(format!(r#"{head}"}},"data":{{"v":"{value:016x}{padding}"}}}}"#));
    Change::Put {
        key,
        body,
        version_offset: head.len() as u32,
        index: ObjectIndex { uid: format!("{value:x}").into(), ..ObjectIndex::default() },
        salt: salted.then(|| random.random()),
    }
}

/// The changed keys, with the bytes that are proposed.
pub fn changes(write: &Write) -> Vec<(ObjectKey, Option<Bytes>)> {
    let change = |change: &Change| match change {
        Change::Put { key, body, .. } => (key.clone(), Some(body.clone())),
        Change::Delete { key } => (key.clone(), None),
    };
    write.changes.iter().map(change).collect()
}

/// The bytes of an object as they were proposed: without its revision.
#[must_use]
pub fn as_proposed(bytes: &Bytes, revision: Revision) -> Bytes {
    let stored = format!(r#""resourceVersion":"{revision}""#);
    let found = bytes.windows(stored.len()).position(|window| window == stored.as_bytes());
    let Some(at) = found else { return bytes.clone() };
    let end = at + stored.len() - 1;
    let begin = at + r#""resourceVersion":""#.len();
    [&bytes[..begin], &bytes[end..]].concat().into()
}
