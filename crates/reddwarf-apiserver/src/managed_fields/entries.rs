//! All of an object's `metadata.managedFields`.

use super::entry::{BadEntry, Entry, Manager, Operation};
use super::set::Set;
use serde_json::Value;
use std::borrow::Cow;

/// Entries of updates beyond this number are merged, the oldest first.
const UPDATERS_MAX: usize = 10;
/// Entries that a client may send.
const SENT_MAX: usize = 1_000;
/// The manager of merged entries.
const ANCIENT: &str = "ancient-changes";

/// The entries of one object.
#[derive(Clone, Debug, Default)]
pub struct Entries<'a> {
    list: Vec<Entry<'a>>,
}

impl<'a> Entries<'a> {
    /// Reads what is stored; what is not an entry is left out.
    pub fn stored(managed: Option<&'a Value>) -> Self {
        let written = managed.and_then(Value::as_array).into_iter().flatten();
        let mut entries = Entries::default();
        written.filter_map(|e| Entry::read(e).ok()).for_each(|entry| entries.put(entry));
        entries
    }

    /// Reads what a client sent.
    ///
    /// # Errors
    /// The first entry that upstream refuses.
    pub fn sent(managed: &'a [Value]) -> Result<Self, BadEntry> {
        if managed.len() > SENT_MAX {
            return Err(BadEntry::TooMany(managed.len()));
        }
        let mut entries = Entries::default();
        for written in managed {
            let entry = Entry::read(written)?;
            entry.check()?;
            entries.put(entry);
        }
        Ok(entries)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry<'a>> {
        self.list.iter_mut()
    }

    /// All of them, as they stand.
    pub fn into_vec(self) -> Vec<Entry<'a>> {
        self.list
    }

    /// The entry of a manager.
    pub fn get(&mut self, manager: &Manager<'_>) -> Option<&mut Entry<'a>> {
        self.list.iter_mut().find(|entry| entry.manager.is(manager))
    }

    /// Takes the entry of a manager out.
    pub fn take(&mut self, manager: &Manager<'_>) -> Option<Entry<'a>> {
        let at = self.list.iter().position(|entry| entry.manager.is(manager))?;
        Some(self.list.remove(at))
    }

    /// Puts an entry in the place of its manager's.
    pub fn put(&mut self, entry: Entry<'a>) {
        match self.get(&entry.manager) {
            Some(place) => *place = entry,
            None => self.list.push(entry),
        }
    }

    /// Keeps the entries for which `keep` holds.
    pub fn retain(&mut self, keep: impl FnMut(&Entry<'a>) -> bool) {
        self.list.retain(keep);
    }

    /// Merges the oldest entries of updates when there are too many: those of one version
    /// become one of `ancient-changes`.
    pub fn cap(&mut self) {
        let updaters = |list: &[Entry<'_>]| {
            list.iter().filter(|e| e.manager.operation == Operation::Update).count()
        };
        let mut count = updaters(&self.list);
        if count <= UPDATERS_MAX {
            return;
        }
        let mut oldest: Vec<Manager<'a>> = {
            let mut entries: Vec<&Entry<'a>> =
                self.list.iter().filter(|e| e.manager.operation == Operation::Update).collect();
            entries.sort_by_cached_key(|e| (e.time.clone(), e.manager.sort_key()));
            entries.into_iter().map(|e| e.manager.clone()).collect()
        };
        let mut first_of_version: Vec<Manager<'a>> = Vec::new();
        for manager in oldest.drain(..) {
            if count <= UPDATERS_MAX {
                return;
            }
            match first_of_version.iter().position(|m| m.api_version == manager.api_version) {
                None => first_of_version.push(manager),
                Some(at) => {
                    let first = first_of_version[at].clone();
                    self.bury(&first, &manager);
                    count = updaters(&self.list);
                }
            }
        }
    }

    /// Merges a manager's entry into the bucket of its version, which the first entry of that
    /// version becomes.
    fn bury(&mut self, first: &Manager<'a>, manager: &Manager<'a>) {
        let bucket = Manager {
            name: ANCIENT.into(),
            operation: Operation::Update,
            api_version: manager.api_version.clone(),
            subresource: "".into(),
        };
        if self.get(&bucket).is_none()
            && let Some(mut entry) = self.take(first)
        {
            entry.manager = bucket.clone();
            self.list.push(entry);
        }
        if bucket.is(manager) {
            return;
        }
        if let Some(mut buried) = self.take(manager)
            && let Some(entry) = self.get(&bucket)
        {
            let fields = std::mem::take(buried.fields());
            entry.change(|own| own.union(fields));
            entry.time = buried.time;
        }
    }

    /// The entries as objects carry them, in upstream's order; `None` when there are none.
    pub fn encode(mut self) -> Option<Value> {
        if self.list.is_empty() {
            return None;
        }
        if self.list.len() > 1 {
            self.list.sort_by(|a, b| order(a).cmp(&order(b)));
        }
        Some(Value::Array(self.list.iter().map(Entry::encode).collect()))
    }

    /// Adds fields to a manager's entry, which is made when there is none; it changed now.
    pub fn add(&mut self, manager: Manager<'a>, fields: Set<'a>, now: &'a str) {
        let entry = match self.list.iter().position(|e| e.manager.is(&manager)) {
            Some(at) => {
                let entry = &mut self.list[at];
                entry.change(|own| own.union(fields));
                entry
            }
            None => {
                self.list.push(Entry::new(manager, fields));
                self.list.last_mut().expect("invariant: pushed above")
            }
        };
        entry.time = Some(Cow::Borrowed(now));
    }
}

/// Operation, then time, then name, version and subresource.
fn order<'e>(entry: &'e Entry<'_>) -> (Operation, Option<&'e str>, &'e str, &'e str, &'e str) {
    let manager = &entry.manager;
    (
        manager.operation,
        entry.time.as_deref(),
        &manager.name,
        &manager.api_version,
        &manager.subresource,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entry(name: &str, operation: &str, second: u32, field: &str) -> Value {
        json!({
            "manager": name, "operation": operation, "apiVersion": "v1",
            "time": format!("2026-01-02T03:04:{second:02}Z"), "fieldsType": "FieldsV1",
            "fieldsV1": {format!("f:{field}"): {}},
        })
    }

    fn names(managed: &Value) -> Vec<&str> {
        managed.as_array().into_iter().flatten().filter_map(|e| e["manager"].as_str()).collect()
    }

    #[test]
    fn order_is_by_operation_time_and_name() {
        let managed = json!([
            entry("c", "Update", 1, "x"),
            entry("b", "Update", 1, "x"),
            entry("a", "Update", 2, "x"),
            entry("d", "Apply", 9, "x"),
        ]);
        let encoded = Entries::stored(Some(&managed)).encode().expect("some");
        assert_eq!(names(&encoded), ["d", "b", "c", "a"]);
    }

    #[test]
    fn the_oldest_updates_are_merged() {
        let managed: Value =
            (0..13).map(|n| entry(&format!("m{n:02}"), "Update", n, &format!("k{n}"))).collect();
        let mut entries = Entries::stored(Some(&managed));
        entries.cap();
        let encoded = entries.encode().expect("some");
        assert_eq!(encoded.as_array().map(Vec::len), Some(10));
        let ancient = &encoded[0];
        assert_eq!(ancient["manager"], "ancient-changes");
        assert_eq!(ancient["fieldsV1"], json!({"f:k0": {}, "f:k1": {}, "f:k2": {}, "f:k3": {}}));
        assert_eq!(ancient["time"], "2026-01-02T03:04:03Z");
        // One more joins them.
        let managed = {
            let mut list = encoded.as_array().cloned().expect("a list");
            list.push(entry("new", "Update", 50, "n"));
            Value::Array(list)
        };
        let mut entries = Entries::stored(Some(&managed));
        entries.cap();
        let encoded = entries.encode().expect("some");
        assert_eq!(encoded.as_array().map(Vec::len), Some(10));
        assert_eq!(encoded[0]["fieldsV1"]["f:k4"], json!({}));
    }

    #[test]
    fn appliers_are_not_merged() {
        let managed: Value = (0..13).map(|n| entry(&format!("m{n}"), "Apply", n, "k")).collect();
        let mut entries = Entries::stored(Some(&managed));
        entries.cap();
        assert_eq!(entries.into_vec().len(), 13);
    }

    #[test]
    fn a_bad_entry_spoils_what_a_client_sends() {
        let managed = [entry("a", "Update", 1, "x"), json!({"manager": "b"})];
        assert!(Entries::sent(&managed).is_err());
        assert!(Entries::sent(&managed[..1]).is_ok());
    }
}
