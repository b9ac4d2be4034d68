//! What a [`reddwarf_core::Store`] that has branches must do with them, over every member of a group.

use crate::history_suite::Member;
use reddwarf_core::branch::BRANCHES;
use reddwarf_core::{
    BaseObject, Branch, BranchId, BranchProblem, Change, Collection, Committed, LinePoint, Links,
    ObjectIndex, ObjectKey, ProposeError, Rejection, Revision, Write,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
const SPLICE: &str = r#"{"metadata":{"resourceVersion":""#;

fn things() -> Collection {
    Collection::new("branch.test", "things")
}

fn key(name: &str) -> ObjectKey {
    things().key("ns", name)
}

fn named(name: &str) -> ObjectKey {
    let (group, resource) = BRANCHES.split_once('/').expect("a collection");
    Collection::new(group, resource).key("", name)
}

fn put(key: ObjectKey, text: &str) -> Change {
    Change::Put {
        key,
        body: format!(r#"{SPLICE}"}},"text":"{text}"}}"#).into(),
        version_offset: SPLICE.len() as u32,
        index: ObjectIndex::default(),
        salt: None,
    }
}

fn delete(name: &str) -> Change {
    Change::Delete { key: key(name) }
}

async fn main(member: &Member, changes: Vec<Change>, links: Links) -> Committed {
    let links = (!links.is_empty()).then(|| Box::new(links));
    let write = Write { changes, links, ..Write::default() };
    member.store.propose(write).await.expect("committed")
}

async fn begin(member: &Member, name: &str) -> Committed {
    let links =
        Links { begins: Some(LinePoint::of_main(member.store.view().head)), ..Links::default() };
    main(member, vec![put(named(name), "branch")], links).await
}

fn find(member: &Member, name: &str) -> Arc<Branch> {
    member.store.view().branches.get(name).cloned().expect("the branch")
}

async fn reach(member: &Member, revision: Revision) {
    assert!(member.store.wait_for(revision, PATIENCE).await, "the member lags");
}

/// Proposes a write to a branch with what the base has, as the member reads it.
async fn change(
    member: &Member,
    name: &str,
    changes: Vec<Change>,
) -> Result<Committed, ProposeError> {
    let at = find(member, name).at;
    let base = member.history.state_at(at.base.revision).await.expect("the base");
    let known = |change: &Change| {
        let found = base.get(change.key())?;
        let (revision, created) = (found.revision, found.created);
        Some(BaseObject { key: found.key.clone(), revision, created })
    };
    let base = changes.iter().filter_map(known).collect();
    let links = Some(Box::new(Links { base, ..Links::default() }));
    member.store.propose(Write { branch: at.id, changes, links, ..Write::default() }).await
}

/// Runs all cases.
///
/// # Panics
/// When a store breaks its contract.
pub async fn run(members: Vec<Member>) {
    reads_fall_through_to_the_base(&members).await;
    watches_tell_of_the_branch_alone(&members).await;
    removed_branches_are_gone(&members).await;
}

async fn reads_fall_through_to_the_base(members: &[Member]) {
    let first = &members[0];
    for name in ["a", "b", "c"] {
        main(first, vec![put(key(name), "base")], Links::default()).await;
    }
    let begun = begin(first, "fall").await;
    let on_branch = change(first, "fall", vec![put(key("a"), "branch"), delete("b")]).await;
    let on_branch = on_branch.expect("committed");
    let later = main(first, vec![put(key("c"), "main"), delete("a")], Links::default()).await;
    for member in members {
        reach(member, later.last).await;
        let branch = find(member, "fall");
        assert_eq!(branch.at.head.revision, on_branch.last);
        assert!(branch.at.base.revision < begun.first);
        let base = member.history.state_at(branch.at.base.revision).await.expect("the base");
        let texts: BTreeMap<&str, bool> = ["a", "b", "c"]
            .into_iter()
            .map(|name| {
                let text = base.get(&key(name)).map(|object| object.bytes.clone());
                (name, text.is_some_and(|text| text.ends_with(br#""text":"base"}"#)))
            })
            .collect();
        assert!(texts.values().all(|base| *base), "{texts:?}");
        let changed =
            member.history.changed_between(branch.at.id, branch.at.base.revision, on_branch.last);
        let changed = changed.await.expect("kept");
        let told: Vec<_> = changed.iter().map(|one| (one.before, one.after)).collect();
        let was = |name| base.get(&key(name)).map(|object| object.revision);
        assert_eq!(told, [(was("a"), Some(on_branch.first)), (was("b"), None)]);
        let log = member.history.object_log(branch.at.id, &key("b"), None, 5).await.expect("kept");
        assert_eq!((log.len(), log[0].deleted, log[0].revision), (1, true, on_branch.last));
        let commits = member.history.commits(branch.at.id, Revision::ZERO, Revision::MAX, 10).await;
        let commits = commits.expect("kept").commits;
        assert_eq!(commits.len(), 1);
        assert_eq!(commits[0].header.parents, [branch.at.base.commit]);
        let found = member.history.version(on_branch.first).await.expect("kept").expect("stored");
        assert_eq!(found.key, key("a"));
    }
}

async fn watches_tell_of_the_branch_alone(members: &[Member]) {
    let first = &members[0];
    let begun = begin(first, "watched").await;
    let mut watches = Vec::new();
    for member in members {
        reach(member, begun.last).await;
        let id = find(member, "watched").at.id;
        let on_branch = member.store.watch_branch(id, &things(), begun.last).expect("recent");
        let on_main = member.store.watch(&things(), begun.last).expect("recent");
        watches.push((on_branch, on_main));
    }
    let other = main(first, vec![put(key("w"), "main")], Links::default()).await;
    let made = change(first, "watched", vec![put(key("w"), "branch")]).await.expect("committed");
    let again = main(first, vec![put(key("w"), "again")], Links::default()).await;
    for (mut on_branch, mut on_main) in watches {
        let batch = tokio::time::timeout(PATIENCE, on_branch.next()).await.expect("in time");
        let told: Vec<_> = batch.expect("open").events.iter().map(|e| e.revision).collect();
        assert_eq!(told, [made.first]);
        let mut told = Vec::new();
        while told.len() < 2 {
            let batch = tokio::time::timeout(PATIENCE, on_main.next()).await.expect("in time");
            told.extend(batch.expect("open").events.iter().map(|event| event.revision));
        }
        assert_eq!(told, [other.first, again.first]);
    }
}

async fn removed_branches_are_gone(members: &[Member]) {
    let first = &members[0];
    begin(first, "gone").await;
    let id = find(first, "gone").at.id;
    change(first, "gone", vec![put(key("x"), "branch")]).await.expect("committed");
    let removed = main(first, vec![Change::Delete { key: named("gone") }], Links::default()).await;
    for member in members {
        reach(member, removed.last).await;
        assert!(!member.store.view().branches.contains_key("gone"));
        let changes = vec![put(key("y"), "late")];
        let write = Write { branch: id, changes, ..Write::default() };
        let refused = member.store.propose(write).await;
        let gone = Rejection::Branch(BranchProblem::Gone);
        assert!(matches!(refused, Err(ProposeError::Rejected(r)) if r == gone));
        let log = member.history.object_log(id, &key("x"), None, 1).await;
        assert!(log.is_err(), "{log:?}");
    }
    assert_ne!(id, BranchId::MAIN);
}
