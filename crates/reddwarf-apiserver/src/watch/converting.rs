//! Watches of kinds whose versions a webhook converts.
//!
//! All that is ready together is converted in one go, and selected by what the watcher's version
//! shows of it. Where nothing has to be converted a watch goes the way of all others.

use super::{Joined, Watcher, framing};
use crate::custom::conversion::Converter;
use crate::errors::watch_conversion_failed;
use bytes::Bytes;
use reddwarf_core::event::EventType;
use reddwarf_core::{ChangeEvent, WatchBatch};
use serde_json::Value;
use std::sync::Arc;

/// Objects of the beginning that are converted at a time.
const EXISTING: usize = 256;

/// One change, with the bytes of what is to be shown of it.
struct Sides<'e> {
    event: &'e ChangeEvent,
    before: Option<Bytes>,
    after: Option<Bytes>,
}

impl Watcher {
    /// Whether the kind has a webhook.
    pub(super) fn may_convert(&self) -> bool {
        Converter::of(self.server.webhooks(), &self.kind).is_some()
    }

    /// Objects as the watcher's version shows them; `None` when the watch ends instead.
    async fn shown(&mut self, objects: Vec<Bytes>) -> Option<Vec<Value>> {
        let converter = Converter::of(self.server.webhooks(), &self.kind)?;
        let shown = tokio::select! {
            biased;
            shown = converter.show_all(objects) => Some(shown),
            _ = self.stopping.wait_for(|stopping| *stopping) => None,
        };
        match shown {
            Some(Ok(shown)) => return Some(shown),
            Some(Err(error)) => {
                self.failed = Some(framing::error(&watch_conversion_failed(error)));
            }
            None => {}
        }
        self.end();
        None
    }

    /// Sends nothing more.
    fn end(&mut self) {
        self.stream = None;
        self.existing = Vec::new().into_iter();
        self.complete_at = None;
    }

    /// The frames of some of the objects that are there when the watch begins.
    pub(super) async fn push_existing(&mut self, out: &mut Joined) {
        let some: Vec<_> = self.existing.by_ref().take(EXISTING).collect();
        let stored = some.iter().map(|object| object.bytes.clone()).collect();
        let Some(shown) = self.shown(stored).await else { return };
        for (stored, object) in some.iter().zip(shown) {
            if self.selection.matches_shown(&stored.key, &object) {
                out.push(self.framing.shown(EventType::Added, object));
            }
        }
    }

    /// The frames of a batch.
    pub(super) async fn push_converted(&mut self, batch: &WatchBatch, out: &mut Joined) {
        let inside = self.selection.looks_inside();
        let here = |event: &&Arc<ChangeEvent>| self.selection.matches_key(&event.key);
        let sides = batch.events.iter().filter(here).map(|event| Sides::of(event, inside));
        let sides: Vec<Sides<'_>> = sides.collect();
        let asked = sides.iter().flat_map(|s| [&s.before, &s.after]).flatten().cloned().collect();
        let Some(shown) = self.shown(asked).await else { return };
        let mut shown = shown.into_iter();
        for Sides { event, before, after } in sides {
            let before = before.and_then(|_| shown.next());
            let after = after.and_then(|_| shown.next());
            out.extend(self.frame_of(event, before, after));
        }
    }

    fn frame_of(
        &mut self,
        event: &ChangeEvent,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Option<Bytes> {
        let meant = |object: &Value| self.selection.matches_shown(&event.key, object);
        let was_in = before.as_ref().map_or(event.before.is_some(), meant);
        let is_in = after.as_ref().is_some_and(meant);
        let seen = event.event_type(was_in, is_in)?;
        let object = if seen == EventType::Deleted { before } else { after };
        Some(self.framing.shown(seen, object?))
    }
}

impl<'e> Sides<'e> {
    /// What was is shown where the object may leave the view: as it was, with the revision of
    /// the change.
    fn of(event: &'e ChangeEvent, inside: bool) -> Self {
        let before = event.before.as_ref().filter(|_| inside || event.after.is_none());
        Sides {
            event,
            before: before.map(|stored| stored.bytes_at(event.revision)),
            after: event.after.as_ref().map(|stored| stored.bytes.clone()),
        }
    }
}
