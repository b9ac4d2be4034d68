//! How a watcher's frames look: stored bytes, another version, tables, metadata only.

use crate::http::Representation;
use crate::registry::Kind;
use crate::representation::{TableOptions, one, parse, shown};
use crate::verbs::Exchange;
use bytes::Bytes;
use reddwarf_core::event::{EventType, encode_frame};
use reddwarf_core::{ChangeEvent, Revision, Status, StoredObject};
use serde_json::{Value, json};
use std::sync::Arc;

/// The form of one watcher's frames.
pub struct Framing {
    kind: Arc<Kind>,
    representation: Representation,
    table: TableOptions,
    /// What an object without content looks like, for bookmarks.
    empty: Value,
}

impl Framing {
    /// Reads what the request says of the form.
    ///
    /// # Errors
    /// 400 for an unknown `includeObject`.
    pub fn new(x: &Exchange<'_>) -> Result<Self, Box<Status>> {
        Ok(Framing {
            kind: x.kind.clone(),
            representation: x.accept.representation,
            table: TableOptions::read(x.query.first("includeObject"))?,
            empty: x.kind.empty().clone(),
        })
    }

    /// Goes on with the kind as it is defined by now.
    pub fn follow(&mut self, kind: Arc<Kind>) {
        self.kind = kind;
    }

    fn as_stored(&self) -> bool {
        self.representation == Representation::Full && !self.kind.converts()
    }

    /// The frame of an object that is there when the watch begins.
    pub fn existing(&mut self, object: &StoredObject) -> Bytes {
        self.object(EventType::Added, &object.bytes)
    }

    /// The frame of a change, shared by all watchers that see it in its stored form.
    pub fn change(&mut self, event: &ChangeEvent, seen: EventType) -> Bytes {
        match self.as_stored() {
            true => event.frame(seen),
            false => self.object(seen, &event.object_bytes(seen)),
        }
    }

    fn object(&mut self, seen: EventType, bytes: &[u8]) -> Bytes {
        if self.as_stored() {
            return encode_frame(seen, bytes);
        }
        let object = shown(&self.kind, bytes);
        self.shown(seen, object)
    }

    /// The frame of an object in the version of the watcher.
    pub fn shown(&mut self, seen: EventType, object: Value) -> Bytes {
        let value = one(&self.kind, object, self.representation, &self.table);
        self.table.no_headers = true;
        encode_frame(seen, value.to_string().as_bytes())
    }

    /// A bookmark; `complete` marks the end of the initial events.
    pub fn bookmark(&mut self, revision: Revision, complete: bool) -> Bytes {
        let mut object = self.empty.clone();
        let mut meta = json!({"resourceVersion": revision.to_string()});
        if complete {
            meta["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        object["metadata"] = meta;
        let value = match self.representation {
            Representation::Full => object,
            form => one(&self.kind, object, form, &self.table),
        };
        if matches!(self.representation, Representation::Table(_)) {
            self.table.no_headers = true;
        }
        frame("BOOKMARK", &value)
    }
}

fn frame(word: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{{\"type\":\"{word}\",\"object\":{object}}}\n"))
}

/// The frame that ends a watch with a failure.
pub fn error(status: &Status) -> Bytes {
    let value = serde_json::to_vec(status).unwrap_or_default();
    frame("ERROR", &parse(&value))
}
