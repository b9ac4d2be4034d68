//! The window of recent changes against a full record of everything that happened.

use proptest::prelude::*;
use reddwarf_core::{
    BranchId, Change, ChangeEvent, Collection, ObjectIndex, Proposal, ProposalKind, ReadError,
    RequestId, Revision, View, Write,
};
use reddwarf_versioning::{ChangeWindow, EntryContext, State, WindowLimits};
use std::sync::Arc;

const COLLECTIONS: [&str; 3] = ["pods", "services", "leases"];

fn collection(n: usize) -> Collection {
    Collection::new("", COLLECTIONS[n % COLLECTIONS.len()])
}

/// Commits: each a set of objects that are written, one collection after another.
fn commits() -> impl Strategy<Value = Vec<Vec<(usize, u8)>>> {
    let change = (0..COLLECTIONS.len(), 0..5u8);
    let commit = prop::collection::btree_set(change, 1..6);
    prop::collection::vec(commit.prop_map(|set| set.into_iter().collect()), 1..30)
}

fn apply(state: &mut State, commit: &[(usize, u8)]) -> Vec<Arc<ChangeEvent>> {
    let changes = commit.iter().map(|(which, name)| {
        let key = collection(*which).key("ns", &name.to_string());
        match state.view().get(&key) {
            Some(_) if name.is_multiple_of(2) => Change::Delete { key },
            _ => Change::Put {
                key,
                body: r#"{"metadata":{"resourceVersion":""}}"#.into(),
                version_offset: 32,
                index: ObjectIndex::default(),
                salt: None,
            },
        }
    });
    let write = Write { changes: changes.collect(), ..Write::default() };
    let index = state.applied().index + 1;
    let request_id = RequestId(u128::from(index).to_be_bytes());
    let proposal = Proposal { request_id, made_at: index, kind: ProposalKind::Write(write) };
    let entry = EntryContext { index, term: 1, leader: 1 };
    state.apply(entry, proposal).expect("in order").commit.expect("commits").events
}

fn listed(view: &View, collection: &Collection) -> Vec<(String, Revision)> {
    view.list(collection, None, None).map(|o| (o.key.to_string(), o.revision)).collect()
}

proptest! {
    #[test]
    fn agrees_with_the_full_record(
        commits in commits(),
        collection_events_max in 1usize..20,
        bytes_max in 500usize..30_000,
        batch in 1usize..6,
    ) {
        let mut state = State::new();
        let mut window = ChangeWindow::new(
            Revision::ZERO,
            WindowLimits { collection_events_max, bytes_max },
        );
        let (mut record, mut views) = (Vec::new(), vec![state.view()]);
        for commit in &commits {
            let events = apply(&mut state, commit);
            let mut touched = Vec::new();
            window.push(BranchId::MAIN, &events, |collection| touched.push(collection.clone()));
            let mut expected: Vec<_> = commit.iter().map(|(which, _)| collection(*which)).collect();
            expected.dedup();
            prop_assert_eq!(touched, expected);
            prop_assert!(window.bytes() <= bytes_max);
            record.extend(events);
            views.push(state.view());
        }
        let newest = state.view();
        prop_assert_eq!(window.end(), newest.revision);
        for which in 0..COLLECTIONS.len() {
            let collection = collection(which);
            let floor = window.floor(&collection);
            prop_assert!(views.iter().any(|view| view.revision == floor), "a floor is a commit's end");
            for from in 0..=newest.revision.0 + 2 {
                let from = Revision(from);
                let expected: Vec<Revision> = record
                    .iter()
                    .filter(|e| e.key.collection() == collection.as_str() && e.revision > from)
                    .map(|e| e.revision)
                    .collect();
                let (mut at, mut seen) = (from, Vec::new());
                loop {
                    match window.changes(&collection, at, batch) {
                        Err(ReadError::Gone { .. }) => {
                            prop_assert!(at < floor && at == from);
                            break;
                        }
                        Err(other) => panic!("{other}"),
                        Ok((events, through)) => {
                            prop_assert!(at >= floor);
                            prop_assert!(through >= from && through >= at);
                            seen.extend(events.iter().map(|e| e.revision));
                            if let Some(last) = events.last() {
                                prop_assert!(last.commit_end <= through, "no commit is cut");
                            } else {
                                prop_assert_eq!(&seen, &expected);
                                prop_assert_eq!(through, window.end().max(from));
                                break;
                            }
                            at = through;
                        }
                    }
                }
                prop_assert_eq!(
                    window.changed_after(&collection, from),
                    !expected.is_empty() && !seen.is_empty()
                        || window.changed_after(&collection, from) && from < floor,
                );
                check_view(&window, &newest, &views, &collection, from)?;
            }
        }
    }
}

fn check_view(
    window: &ChangeWindow,
    newest: &View,
    views: &[View],
    collection: &Collection,
    revision: Revision,
) -> Result<(), TestCaseError> {
    match window.undo(newest.clone(), collection, revision) {
        Err(ReadError::Gone { .. }) => prop_assert!(revision < window.floor(collection)),
        Err(ReadError::Future { .. }) => prop_assert!(revision > newest.revision),
        Err(other) => panic!("{other}"),
        Ok(undo) => {
            let view = undo.view();
            let then = views.iter().find(|view| view.revision >= revision).expect("not beyond");
            prop_assert_eq!(listed(&view, collection), listed(then, collection));
        }
    }
    Ok(())
}
