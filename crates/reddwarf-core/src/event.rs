//! Changes as watchers see them.

use crate::{ObjectKey, Revision, StoredObject};
use bytes::Bytes;
use std::sync::{Arc, OnceLock};

/// One object's change, kept in memory within the window of recent changes and shared by all
/// watchers.
#[derive(Debug)]
pub struct ChangeEvent {
    /// The object.
    pub key: ObjectKey,
    /// The revision that the change took.
    pub revision: Revision,
    /// Last revision of the commit to which the change belongs; no bookmark and no close
    /// falls between the events of one commit.
    pub commit_end: Revision,
    /// The object before, `None` when it was created.
    pub before: Option<Arc<StoredObject>>,
    /// The object after. For a deletion this is `None`.
    pub after: Option<Arc<StoredObject>>,
    /// On a branch, when this is its first change of an object of its base: the object before is
    /// the base's, and is not held here.
    pub changes_base: bool,
    /// Watch frames in the storage version, encoded on first use and shared:
    /// `ADDED`, `MODIFIED`, `DELETED`.
    frames: [OnceLock<Bytes>; 3],
}

/// The type of a watch event as a particular watcher sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// The object came into the watcher's view.
    Added = 0,
    /// The object changed within the view.
    Modified = 1,
    /// The object left the view.
    Deleted = 2,
}

impl EventType {
    /// The word of the watch protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            EventType::Added => "ADDED",
            EventType::Modified => "MODIFIED",
            EventType::Deleted => "DELETED",
        }
    }
}

impl ChangeEvent {
    /// Records one change.
    pub fn new(
        key: ObjectKey,
        revision: Revision,
        commit_end: Revision,
        before: Option<Arc<StoredObject>>,
        after: Option<Arc<StoredObject>>,
    ) -> Self {
        ChangeEvent {
            key,
            revision,
            commit_end,
            before,
            after,
            changes_base: false,
            frames: Default::default(),
        }
    }

    /// What a watcher sees whose filter matches the object before (`was_in`) and after
    /// (`is_in`); `None` when it sees nothing.
    pub fn event_type(&self, was_in: bool, is_in: bool) -> Option<EventType> {
        match (was_in, is_in) {
            (false, true) => Some(EventType::Added),
            (true, true) => Some(EventType::Modified),
            (true, false) => Some(EventType::Deleted),
            (false, false) => None,
        }
    }

    /// The object's JSON as the event shows it: the new version, or, when it left the view,
    /// the last version with this change's revision.
    pub fn object_bytes(&self, event: EventType) -> Bytes {
        match (&self.after, &self.before, event) {
            (Some(after), _, EventType::Added | EventType::Modified) => after.bytes.clone(),
            (_, Some(before), _) => before.bytes_at(self.revision),
            (Some(after), None, _) => after.bytes.clone(),
            (None, None, _) => Bytes::from_static(b"{}"),
        }
    }

    /// `{"type":…,"object":…}` and a line feed, encoded once.
    pub fn frame(&self, event: EventType) -> Bytes {
        self.frames[event as usize]
            .get_or_init(|| encode_frame(event, &self.object_bytes(event)))
            .clone()
    }
}

/// One line of a watch response: `{"type":…,"object":…}\n`.
pub fn encode_frame(event: EventType, object: &[u8]) -> Bytes {
    let word = event.as_str();
    let mut out = Vec::with_capacity(object.len() + word.len() + 24);
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(word.as_bytes());
    out.extend_from_slice(b"\",\"object\":");
    out.extend_from_slice(object);
    out.extend_from_slice(b"}\n");
    Bytes::from(out)
}
