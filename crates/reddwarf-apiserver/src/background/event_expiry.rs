//! Events go an hour after their last change.
//!
//! Age counts the replicated cluster clock, not anybody's wall clock. An object does not say
//! at which clock it was written, but the state has marks of which revision the clock had reached
//! when; whatever has a revision at or below a mark of an hour ago is old enough.

use super::Background;
use reddwarf_core::limits::PROPOSAL_OBJECTS_MAX;
use reddwarf_core::{
    Author, Change, Collection, Expectation, Fence, Precondition, ProposeError, Rejection,
    Revision, View, Write,
};
use std::time::Duration;

/// How long an event stays after its last change.
const EVENT_LIFE_MS: u64 = 60 * 60 * 1_000;
/// How often old events are looked for.
const ROUND: Duration = Duration::from_secs(60);

/// The newest revision that is old enough.
fn expired(marks: &[(u64, Revision)], clock_ms: u64) -> Option<Revision> {
    let old = |(at, _): &&(u64, Revision)| at.saturating_add(EVENT_LIFE_MS) <= clock_ms;
    marks.iter().take_while(old).last().map(|(_, revision)| *revision)
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
    match expired(&view.marks, view.clock_ms) {
        Some(until) => expire(background, &events, until).await,
        None => Ok(()),
    }
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

    #[test]
    fn an_hour_by_the_cluster_clock() {
        let marks = [(0, 10), (MINUTE, 20), (2 * MINUTE, 30)];
        let marks = marks.map(|(at, revision)| (at, Revision(revision)));
        assert_eq!(expired(&marks, EVENT_LIFE_MS - 1), None);
        assert_eq!(expired(&marks, EVENT_LIFE_MS), Some(Revision(10)));
        assert_eq!(expired(&marks, EVENT_LIFE_MS + MINUTE), Some(Revision(20)));
    }
}
