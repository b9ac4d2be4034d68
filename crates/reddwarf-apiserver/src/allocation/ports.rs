//! Node ports.

use super::{Extra, ExtraChange};
use rand::Rng as _;
use reddwarf_core::{Expectation, ObjectKey, Precondition, View};
use serde_json::{Value, json};
use std::ops::RangeInclusive;

/// The ports that services may take on nodes.
pub const NODE_PORTS: RangeInclusive<i64> = 30_000..=32_767;
/// What upstream says of a port outside.
pub const OUTSIDE: &str =
    "provided port is not in the valid range. The range of valid ports is 30000-32767";

/// The marker by which a port is taken.
fn key(port: i64) -> ObjectKey {
    ObjectKey::new("reddwarf.dev", "nodeports", "", &port.to_string())
}

/// Whether somebody has the port.
pub fn is_taken(view: &View, port: i64) -> bool {
    view.get(&key(port)).is_some()
}

/// A random port that is neither taken nor in `own`.
pub fn pick(view: &View, own: &[i64]) -> Option<i64> {
    let (first, last) = (*NODE_PORTS.start(), *NODE_PORTS.end());
    let count = last - first + 1;
    let start = rand::rng().random_range(0..count);
    (0..count)
        .map(|i| first + (start + i) % count)
        .find(|port| !own.contains(port) && !is_taken(view, *port))
}

/// Takes a port for the service.
pub fn take(extra: &mut Extra, port: i64, service: &Value) {
    let object = json!({
        "kind": "NodePort", "apiVersion": "reddwarf.dev/v1",
        "metadata": {"name": port.to_string()},
        "service": {"namespace": service["metadata"]["namespace"], "name": service["metadata"]["name"]},
    });
    extra.preconditions.push(Precondition { key: key(port), expect: Expectation::Absent });
    extra.changes.push(ExtraChange::Put { key: key(port), object });
}

/// Gives a port back, if a marker says that it was taken.
pub fn give_back(extra: &mut Extra, view: &View, port: i64) {
    if let Some(stored) = view.get(&key(port)) {
        let expect = Expectation::At(stored.revision);
        extra.preconditions.push(Precondition { key: key(port), expect });
        extra.changes.push(ExtraChange::Delete { key: key(port) });
    }
}
