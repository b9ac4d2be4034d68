//! Events go an hour after their last change.
//!
//! Age counts the replicated cluster clock, not anybody's wall clock. An object does not say
//! at which clock it was written, so the leader notes once a minute which revision the clock
//! had reached; whatever has a revision at or below a note of an hour ago is old enough. The
//! notes are a replicated object that the API does not serve, so a new leader goes on with
//! them.

use super::Background;
use reddwarf_core::limits::PROPOSAL_OBJECTS_MAX;
use reddwarf_core::{
    Author, Change, Collection, Expectation, Fence, ObjectIndex, ObjectKey, Precondition,
    ProposeError, Rejection, Revision, View, Write,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long an event stays after its last change.
const EVENT_LIFE_MS: u64 = 60 * 60 * 1_000;
/// How often the clock is noted and old events are looked for.
const ROUND: Duration = Duration::from_secs(60);
/// Where the notes are stored.
const NOTES: (&str, &str, &str) = ("reddwarf.dev", "clocknotes", "events");

/// Which revision the cluster clock had reached when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Notes {
    /// `(clock in milliseconds, revision)`, oldest first.
    notes: Vec<(u64, Revision)>,
}

impl Notes {
    fn key() -> ObjectKey {
        ObjectKey::new(NOTES.0, NOTES.1, "", NOTES.2)
    }

    fn read(view: &View) -> Self {
        view.get(&Self::key())
            .and_then(|stored| serde_json::from_slice(&stored.bytes).ok())
            .unwrap_or_default()
    }

    /// The newest revision that is old enough, and the notes without those before it.
    fn expired(&self, clock_ms: u64) -> Option<Revision> {
        let old = |(at, _): &&(u64, Revision)| at.saturating_add(EVENT_LIFE_MS) <= clock_ms;
        self.notes.iter().take_while(old).last().map(|(_, revision)| *revision)
    }

    /// Adds a note and forgets those that a later old one makes useless.
    fn noted(&self, clock_ms: u64, revision: Revision) -> Self {
        let old = self
            .notes
            .iter()
            .take_while(|(at, _)| at.saturating_add(EVENT_LIFE_MS) <= clock_ms)
            .count();
        let mut notes = self.notes[old.saturating_sub(1)..].to_vec();
        notes.push((clock_ms, revision));
        Notes { notes }
    }

    /// The object, and where its empty `resourceVersion` begins.
    fn encode(&self) -> (String, u32) {
        let head = r#"{"kind":"ClockNotes","apiVersion":"reddwarf.dev/v1","metadata":{"name":"events","resourceVersion":""#;
        let notes = serde_json::to_string(&self.notes).expect("invariant: numbers encode");
        (format!("{head}\"}},\"notes\":{notes}}}"), head.len() as u32)
    }
}

pub(super) async fn run(background: &Background) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        if let Err(error) = round(background).await {
            tracing::warn!(%error, "old events were not removed");
        }
    }
}

async fn round(background: &Background) -> Result<(), ProposeError> {
    let view = background.store.view();
    let events = Collection::new("", "events");
    if view.list(&events, None, None).next().is_none() {
        return Ok(());
    }
    let notes = Notes::read(&view);
    if let Some(until) = notes.expired(view.clock_ms) {
        expire(background, &events, until).await?;
    }
    let behind = notes.notes.last().is_none_or(|(at, _)| *at < view.clock_ms);
    if behind { note(background, &view, &notes).await } else { Ok(()) }
}

/// Removes events whose last change is at or below `until`, batch by batch.
async fn expire(
    background: &Background,
    events: &Collection,
    until: Revision,
) -> Result<(), ProposeError> {
    loop {
        let view = background.store.view();
        let batch = expiry_batch(&view, events, until);
        if batch.is_empty() {
            return Ok(());
        }
        match background.store.propose(removal(background.term, batch)).await {
            // An event changed meanwhile: it lives on, and the next batch leaves it out.
            Ok(_) | Err(ProposeError::Rejected(Rejection::Precondition { .. })) => {}
            Err(error) => return Err(error),
        }
    }
}

fn expiry_batch(view: &View, events: &Collection, until: Revision) -> Vec<Precondition> {
    view.list(events, None, None)
        .filter(|event| event.revision <= until)
        .take(PROPOSAL_OBJECTS_MAX)
        .map(|event| Precondition {
            key: event.key.clone(),
            expect: Expectation::At(event.revision),
        })
        .collect()
}

fn removal(term: u64, preconditions: Vec<Precondition>) -> Write {
    let changes = preconditions.iter().map(|p| Change::Delete { key: p.key.clone() }).collect();
    Write { verb: "delete".into(), preconditions, changes, ..write(term) }
}

async fn note(background: &Background, view: &View, notes: &Notes) -> Result<(), ProposeError> {
    let (body, version_offset) = notes.noted(view.clock_ms, view.revision).encode();
    let key = Notes::key();
    let expect = match view.get(&key) {
        None => Expectation::Absent,
        Some(stored) => Expectation::At(stored.revision),
    };
    let change = Change::Put {
        key: key.clone(),
        body: body.into(),
        version_offset,
        index: ObjectIndex::default(),
        salt: None,
    };
    let write = Write {
        verb: "update".into(),
        preconditions: vec![Precondition { key, expect }],
        changes: vec![change],
        ..write(background.term)
    };
    background.store.propose(write).await.map(drop)
}

fn write(term: u64) -> Write {
    let now = jiff::Timestamp::now().as_millisecond();
    Write {
        author: Author {
            user: "system:apiserver".into(),
            user_agent: "reddwarf/event-expiry".into(),
            ..Author::default()
        },
        time_ms: u64::try_from(now).unwrap_or_default(),
        fence: Some(Fence { term }),
        ..Write::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn notes(pairs: &[(u64, u64)]) -> Notes {
        Notes { notes: pairs.iter().map(|(at, r)| (*at, Revision(*r))).collect() }
    }

    #[test]
    fn an_hour_by_the_cluster_clock() {
        let notes = notes(&[(0, 10), (MINUTE, 20), (2 * MINUTE, 30)]);
        assert_eq!(notes.expired(EVENT_LIFE_MS - 1), None);
        assert_eq!(notes.expired(EVENT_LIFE_MS), Some(Revision(10)));
        assert_eq!(notes.expired(EVENT_LIFE_MS + MINUTE), Some(Revision(20)));
    }

    #[test]
    fn useless_notes_are_forgotten() {
        let kept = notes(&[(0, 10), (MINUTE, 20), (2 * MINUTE, 30)])
            .noted(EVENT_LIFE_MS + MINUTE, Revision(99));
        assert_eq!(kept, notes(&[(MINUTE, 20), (2 * MINUTE, 30), (EVENT_LIFE_MS + MINUTE, 99)]));
    }

    #[test]
    fn the_object_reads_back_and_has_its_version_where_it_says() {
        let notes = notes(&[(1, 2)]);
        let (body, at) = notes.encode();
        assert!(
            body[..at as usize].ends_with("\"resourceVersion\":\"")
                && body[at as usize..].starts_with('"')
        );
        assert_eq!(serde_json::from_str::<Notes>(&body).expect("reads"), notes);
    }
}
