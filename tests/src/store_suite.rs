//! What every [`Store`] must do: the contract of the trait as a set of cases.
//!
//! [`run`] takes the members of one group (for a store of one process, the same one several
//! times), and each case spreads its work over them. Cases keep to collections of their own,
//! so that the group may hold other objects and be written to meanwhile.

use futures::future::join_all;
use reddwarf_core::{
    Author, Change, Collection, Committed, Expectation, ObjectIndex, ObjectKey, Precondition,
    ProposeError, ReadError, Rejection, Revision, Store, WatchClosed, WatchStream, Write,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Longer than any step may take on a busy machine; a case that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(20);
const SPLICE: &str = r#"{"metadata":{"resourceVersion":""#;

/// The members of a group, taken in turn.
#[derive(Clone)]
pub struct Group(Vec<Arc<dyn Store>>);

impl Group {
    fn member(&self, n: usize) -> &Arc<dyn Store> {
        &self.0[n % self.0.len()]
    }
}

/// Runs all cases that need no small window.
///
/// # Panics
/// When the store breaks its contract.
pub async fn run(members: Vec<Arc<dyn Store>>) {
    let group = Group(members);
    create_update_delete(&group).await;
    preconditions(&group).await;
    malformed_writes(&group).await;
    commits_are_seen_whole(&group).await;
    watches_see_each_change_once(&group).await;
    watches_resume_anywhere(&group).await;
    progress_passes_other_collections(&group).await;
    watches_may_begin_ahead(&group).await;
    dropped_reads_lose_nothing(&group).await;
    past_views(&group).await;
    waiting_for_a_revision(&group).await;
    optimistic_concurrency(&group).await;
    barriers_see_acknowledged_writes(&group).await;
}

/// A collection that no other case uses.
fn collection(name: &str) -> Collection {
    Collection::new("suite.test", name)
}

fn put(key: &ObjectKey, text: &str) -> Change {
    Change::Put {
        key: key.clone(),
        body: format!(r#"{SPLICE}"}},"text":"{text}"}}"#).into(),
        version_offset: SPLICE.len() as u32,
        index: ObjectIndex::default(),
        salt: None,
    }
}

fn delete(key: &ObjectKey) -> Change {
    Change::Delete { key: key.clone() }
}

fn when(key: &ObjectKey, expect: Expectation) -> Precondition {
    Precondition { key: key.clone(), expect }
}

fn write(preconditions: Vec<Precondition>, changes: Vec<Change>) -> Write {
    let author = Author { user: "suite".into(), ..Author::default() };
    Write { author, verb: "update".into(), preconditions, changes, ..Write::default() }
}

async fn propose(store: &Arc<dyn Store>, write: Write) -> Result<Committed, ProposeError> {
    tokio::time::timeout(PATIENCE, store.propose(write)).await.expect("answers in time")
}

async fn commit(store: &Arc<dyn Store>, changes: Vec<Change>) -> Committed {
    propose(store, write(vec![], changes)).await.expect("commits")
}

async fn reach(store: &Arc<dyn Store>, revision: Revision) {
    assert!(store.wait_for(revision, PATIENCE).await, "revision {revision} is reached");
}

fn text_of(object: &reddwarf_core::StoredObject) -> String {
    String::from_utf8_lossy(&object.bytes).into_owned()
}

fn expected_text(text: &str, revision: Revision) -> String {
    format!(r#"{SPLICE}{revision}"}},"text":"{text}"}}"#)
}

/// Reads events until `count` are there.
async fn read_events(
    watch: &mut Box<dyn WatchStream>,
    count: usize,
) -> Vec<Arc<reddwarf_core::ChangeEvent>> {
    let mut events = Vec::new();
    while events.len() < count {
        let next = tokio::time::timeout(PATIENCE, watch.next()).await.expect("events in time");
        let batch = next.expect("the watch stays open");
        assert!(!batch.events.is_empty(), "a batch has events");
        let last = batch.events.last().map(|event| event.commit_end);
        assert!(last.is_some_and(|end| end <= batch.through), "a batch ends with its commit");
        events.extend(batch.events);
    }
    events
}

async fn create_update_delete(group: &Group) {
    let key = collection("lives").key("ns", "a");
    let store = group.member(0);
    let created = commit(store, vec![put(&key, "one")]).await;
    assert_eq!(created.first, created.last);
    let object = store.view().get(&key).cloned().expect("there once acknowledged");
    assert_eq!(text_of(&object), expected_text("one", created.first));
    assert_eq!((object.revision, object.created), (created.first, created.first));
    let (at, digits) = object.version_at;
    let version = &object.bytes[at as usize..at as usize + usize::from(digits)];
    assert_eq!(version, created.first.to_string().as_bytes());

    let updated = commit(group.member(1), vec![put(&key, "two")]).await;
    assert!(updated.first > created.last);
    assert_ne!(updated.id, created.id);
    let object = group.member(1).view().get(&key).cloned().expect("there once acknowledged");
    assert_eq!((object.revision, object.created), (updated.first, created.first));

    let deleted = commit(group.member(2), vec![delete(&key)]).await;
    assert!(deleted.first > updated.last);
    assert!(group.member(2).view().get(&key).is_none());
    reach(store, deleted.last).await;
    assert!(store.view().get(&key).is_none());

    let again = commit(store, vec![put(&key, "three")]).await;
    let object = store.view().get(&key).cloned().expect("there once acknowledged");
    assert_eq!(object.created, again.first, "a new object of an old name begins anew");
}

async fn preconditions(group: &Group) {
    let (key, other) = (collection("guarded").key("ns", "a"), collection("guarded").key("", "ns"));
    let store = group.member(1);
    let absent = || when(&key, Expectation::Absent);
    let first = propose(store, write(vec![absent()], vec![put(&key, "one")])).await.expect("free");

    let before = store.view().revision;
    let cases = [
        (vec![absent()], 0, &key, Some(first.first)),
        (
            vec![when(&key, Expectation::At(Revision(first.first.0 + 1)))],
            0,
            &key,
            Some(first.first),
        ),
        (
            vec![when(&key, Expectation::Present), when(&other, Expectation::Present)],
            1,
            &other,
            None,
        ),
        (vec![when(&other, Expectation::At(first.first))], 0, &other, None),
    ];
    for (conditions, at, failing, found) in cases {
        let answer = propose(store, write(conditions, vec![put(&key, "two")])).await;
        let Err(ProposeError::Rejected(Rejection::Precondition { at: a, key: k, found: f })) =
            answer
        else {
            panic!("a conflict, not {answer:?}")
        };
        assert_eq!((a, &k, f), (at, failing, found));
    }
    let object = store.view().get(&key).cloned().expect("still there");
    assert_eq!(object.revision, first.first, "a rejected write changes nothing");
    assert!(store.view().revision >= before);

    let holds = vec![when(&key, Expectation::At(first.first)), when(&other, Expectation::Absent)];
    propose(store, write(holds, vec![put(&key, "two")])).await.expect("all hold");
}

async fn malformed_writes(group: &Group) {
    let key = |name| collection("malformed").key("ns", name);
    let store = group.member(0);
    let misplaced = match put(&key("b"), "one") {
        Change::Put { key, body, version_offset, index, salt } => {
            Change::Put { key, body, version_offset: version_offset + 1, index, salt }
        }
        other => other,
    };
    for changes in [
        vec![],
        vec![put(&key("a"), "one"), put(&key("a"), "two")],
        vec![put(&key("a"), "one"), delete(&key("missing"))],
        vec![put(&key("a"), "one"), misplaced],
    ] {
        let answer = propose(store, write(vec![], changes)).await;
        let malformed = matches!(answer, Err(ProposeError::Rejected(Rejection::Malformed(_))));
        assert!(malformed, "{answer:?}");
    }
    let nothing = store.view().list(&collection("malformed"), None, None).next().is_none();
    assert!(nothing, "all or nothing");
}

async fn commits_are_seen_whole(group: &Group) {
    const COMMITS: usize = 60;
    let collection = collection("atomic");
    let keys: Vec<_> = ["a", "b", "c"].iter().map(|name| collection.key("ns", name)).collect();
    let changes = |n: usize| keys.iter().map(|key| put(key, &n.to_string())).collect();
    let first = commit(group.member(0), changes(0)).await;
    assert_eq!(first.last.0 - first.first.0, 2, "a contiguous range");
    let writing = async {
        for n in 1..=COMMITS {
            commit(group.member(n), changes(n)).await;
            tokio::task::yield_now().await;
        }
    };
    let reading = |n: usize| {
        let (store, collection) = (group.member(n).clone(), collection.clone());
        async move {
            reach(&store, first.last).await;
            let mut watch = store.watch(&collection, first.last).expect("within the window");
            let mut seen = 0;
            while seen < 3 * COMMITS {
                let view = store.view();
                let texts: Vec<_> = view
                    .list(&collection, None, None)
                    .map(|object| text_of(object).split_once("\"text\"").map(|t| t.1.to_owned()))
                    .collect();
                assert_eq!(texts.len(), 3);
                assert!(texts.iter().all(|text| *text == texts[0]), "{texts:?}");
                let events = read_events(&mut watch, 1).await;
                assert_eq!(events.len() % 3, 0, "a batch never splits a commit");
                for whole in events.chunks(3) {
                    assert!(whole.iter().all(|event| event.commit_end == whole[2].revision));
                }
                seen += events.len();
            }
            let versions: Vec<_> =
                store.view().list(&collection, None, None).map(|o| o.revision.0).collect();
            assert_eq!(versions[2] - versions[0], 2);
        }
    };
    futures::join!(writing, join_all((0..3).map(reading)));
}

async fn watches_see_each_change_once(group: &Group) {
    const WRITERS: usize = 4;
    const WRITES: usize = 50;
    let collection = collection("watched");
    let noise = self::collection("noise");
    let start = commit(group.member(0), vec![put(&collection.key("ns", "first"), "")]).await.last;
    let watching = |n: usize| {
        let (store, collection) = (group.member(n).clone(), collection.clone());
        async move {
            reach(&store, start).await;
            let mut watch = store.watch(&collection, start).expect("within the window");
            read_events(&mut watch, WRITERS * WRITES).await
        }
    };
    let writing = |writer: usize| {
        let (collection, noise) = (collection.clone(), noise.clone());
        async move {
            let mut committed = Vec::new();
            for n in 0..WRITES {
                let store = group.member(writer + n);
                let key = collection.key("ns", &format!("{writer}-{}", n % 5));
                committed.push(commit(store, vec![put(&key, &n.to_string())]).await.first);
                commit(store, vec![put(&noise.key("ns", &writer.to_string()), "")]).await;
            }
            committed
        }
    };
    let (seen, written) =
        futures::join!(join_all((0..6).map(watching)), join_all((0..WRITERS).map(writing)),);
    let mut written: Vec<_> = written.concat();
    written.sort_unstable();
    for events in seen {
        let revisions: Vec<_> = events.iter().map(|event| event.revision).collect();
        assert_eq!(revisions, written, "each change once, in order");
        let mut last: BTreeMap<ObjectKey, Revision> = BTreeMap::new();
        for event in events {
            assert_eq!(event.key.collection(), collection.as_str());
            let before = event.before.as_ref().map(|before| before.revision);
            assert_eq!(before, last.insert(event.key.clone(), event.revision));
        }
    }
}

async fn watches_resume_anywhere(group: &Group) {
    let collection = collection("resumed");
    let keys: Vec<_> = (0..4).map(|n| collection.key("ns", &n.to_string())).collect();
    let base = commit(group.member(0), vec![put(&collection.key("ns", "x"), "")]).await.last;
    let mut all = Vec::new();
    for n in 0..10 {
        let changes = keys.iter().map(|key| put(key, &n.to_string())).collect();
        let committed = commit(group.member(n), changes).await;
        all.extend((committed.first.0..=committed.last.0).map(Revision));
    }
    let newest = *all.last().expect("written above");
    for (n, from) in std::iter::once(&base).chain(&all).enumerate() {
        let store = group.member(n);
        reach(store, newest).await;
        let mut watch = store.watch(&collection, *from).expect("within the window");
        let rest: Vec<_> = all.iter().copied().filter(|revision| revision > from).collect();
        let events = read_events(&mut watch, rest.len()).await;
        let seen: Vec<_> = events.iter().map(|event| event.revision).collect();
        assert_eq!(seen, rest, "from {from}, which may lie within a commit");
    }
}

async fn progress_passes_other_collections(group: &Group) {
    let (quiet, busy) = (collection("quiet"), collection("busy"));
    let store = group.member(1);
    let start = commit(store, vec![put(&quiet.key("ns", "a"), "")]).await.last;
    let mut watch = store.watch(&quiet, start).expect("within the window");
    assert!(watch.progress() >= start);
    let end =
        commit(store, vec![put(&busy.key("ns", "a"), ""), put(&busy.key("ns", "b"), "")]).await;
    let progress = watch.progress();
    assert!(progress >= end.last, "an idle watch passes other collections' commits");

    let change = commit(store, vec![put(&quiet.key("ns", "a"), "again")]).await;
    commit(store, vec![put(&busy.key("ns", "a"), "")]).await;
    let held = watch.progress();
    assert!(held < change.first, "progress does not pass an undelivered change");
    let events = read_events(&mut watch, 1).await;
    assert_eq!(events[0].revision, change.first);
    assert!(watch.progress() > change.last);
}

async fn watches_may_begin_ahead(group: &Group) {
    let collection = collection("ahead");
    let store = group.member(2);
    let key = collection.key("ns", "a");
    let now = commit(store, vec![put(&key, "0")]).await.last;
    let from = Revision(now.0 + 2);
    let mut watch = store.watch(&collection, from).expect("may lie ahead");
    let mut after = Vec::new();
    while after.len() < 2 {
        let committed = commit(store, vec![put(&key, "1")]).await;
        after.extend((committed.first > from).then_some(committed.first));
    }
    let events = read_events(&mut watch, 2).await;
    let seen: Vec<_> = events.iter().map(|event| event.revision).collect();
    assert_eq!(seen, after);
}

async fn dropped_reads_lose_nothing(group: &Group) {
    const WRITES: usize = 40;
    let collection = collection("dropped");
    let store = group.member(0);
    let key = collection.key("ns", "a");
    let start = commit(store, vec![put(&key, "")]).await.last;
    let mut watch = store.watch(&collection, start).expect("within the window");
    let mut written = Vec::new();
    let mut seen = Vec::new();
    for n in 0..WRITES {
        // Polled once or a few times, then dropped.
        if let Ok(batch) = tokio::time::timeout(Duration::ZERO, watch.next()).await {
            seen.extend(batch.expect("stays open").events.iter().map(|event| event.revision));
        }
        written.push(commit(group.member(n), vec![put(&key, &n.to_string())]).await.first);
    }
    let rest = read_events(&mut watch, WRITES - seen.len()).await;
    seen.extend(rest.iter().map(|event| event.revision));
    assert_eq!(seen, written);
}

async fn past_views(group: &Group) {
    let collection = collection("past");
    let keys: Vec<_> = (0..3).map(|n| collection.key("ns", &n.to_string())).collect();
    let mut states: Vec<(Committed, BTreeMap<ObjectKey, Revision>)> = Vec::new();
    let mut now = BTreeMap::new();
    for n in 0..12usize {
        let gone = now.contains_key(&keys[n % 3]) && n % 4 == 3;
        let change = if gone { delete(&keys[n % 3]) } else { put(&keys[n % 3], "") };
        let committed =
            commit(group.member(n), vec![change, put(&keys[(n + 1) % 3], "again")]).await;
        match gone {
            true => now.remove(&keys[n % 3]),
            false => now.insert(keys[n % 3].clone(), committed.first),
        };
        now.insert(keys[(n + 1) % 3].clone(), committed.last);
        states.push((committed, now.clone()));
    }
    let newest = states.last().expect("written above").0.last;
    for (n, (committed, state)) in states.iter().enumerate() {
        let store = group.member(n);
        reach(store, newest).await;
        for revision in [committed.first, committed.last] {
            let view = store.view_at(&collection, revision).expect("within the window");
            assert_eq!(view.revision, committed.last, "rounded up to the commit's end");
            let listed: BTreeMap<_, _> = view
                .list(&collection, None, None)
                .map(|object| (object.key.clone(), object.revision))
                .collect();
            assert_eq!(&listed, state, "as of {revision}");
        }
    }
    let ahead = Revision(newest.0 + 1_000_000);
    let answer = group.member(0).view_at(&collection, ahead);
    assert!(matches!(answer, Err(ReadError::Future { asked, .. }) if asked == ahead));
}

async fn waiting_for_a_revision(group: &Group) {
    let key = collection("awaited").key("ns", "a");
    let store = group.member(0);
    let now = commit(store, vec![put(&key, "")]).await.last;
    assert!(store.wait_for(now, Duration::ZERO).await, "already there");
    let far = Revision(now.0 + 1_000_000);
    assert!(!store.wait_for(far, Duration::from_millis(20)).await, "not there in time");
    for n in 0..3 {
        let waiting = group.member(n + 1).clone();
        let target = Revision(store.view().revision.0 + 1);
        let waiter = tokio::spawn(async move { waiting.wait_for(target, PATIENCE).await });
        tokio::task::yield_now().await;
        commit(store, vec![put(&key, &n.to_string())]).await;
        assert!(waiter.await.expect("does not panic"), "woken by the write");
    }
}

async fn optimistic_concurrency(group: &Group) {
    const WRITERS: usize = 6;
    const WINS: usize = 10;
    let key = collection("counter").key("ns", "a");
    let first = commit(group.member(0), vec![put(&key, "0")]).await.first;
    let counting = |writer: usize| {
        let key = key.clone();
        async move {
            let store = group.member(writer);
            reach(store, first).await;
            let mut won = 0;
            while won < WINS {
                let object = store.view().get(&key).cloned().expect("never deleted");
                let text = text_of(&object);
                let count: usize = text
                    .rsplit_once(':')
                    .and_then(|(_, count)| count.trim_matches(['"', '}']).parse().ok())
                    .expect("a count");
                let condition = when(&key, Expectation::At(object.revision));
                let next = put(&key, &(count + 1).to_string());
                match propose(store, write(vec![condition], vec![next])).await {
                    Ok(_) => won += 1,
                    Err(ProposeError::Rejected(Rejection::Precondition { found, .. })) => {
                        reach(store, found.expect("never deleted")).await;
                    }
                    Err(other) => panic!("{other}"),
                }
                tokio::task::yield_now().await;
            }
        }
    };
    join_all((0..WRITERS).map(counting)).await;
    group.member(0).read_barrier().await.expect("confirmed");
    let object = group.member(0).view().get(&key).cloned().expect("never deleted");
    assert_eq!(
        text_of(&object),
        expected_text(&(WRITERS * WINS).to_string(), object.revision),
        "every acknowledged increment counts once"
    );
}

async fn barriers_see_acknowledged_writes(group: &Group) {
    let key = collection("barrier").key("ns", "a");
    for n in 0..20 {
        let committed = commit(group.member(n), vec![put(&key, &n.to_string())]).await;
        let reader = group.member(n + 1);
        reader.read_barrier().await.expect("confirmed");
        let view = reader.view();
        let found = view.get(&key).map(|object| object.revision);
        assert_eq!(found, Some(committed.first));
        assert!(view.revision >= committed.last);
    }
}

/// What a store with a window of `events` changes a collection does when a reader falls behind
/// it, and what another collection's readers do not notice.
///
/// # Panics
/// When the store breaks its contract.
pub async fn run_beyond_window(store: Arc<dyn Store>, events: usize) {
    let (busy, quiet) = (collection("turns-over"), collection("keeps"));
    let start = commit(&store, vec![put(&quiet.key("ns", "a"), "")]).await.last;
    let old = commit(&store, vec![put(&busy.key("ns", "a"), "")]).await.last;
    let mut slow = store.watch(&busy, old).expect("within the window");
    let mut calm = store.watch(&quiet, start).expect("within the window");
    for n in 0..events + 2 {
        commit(&store, vec![put(&busy.key("ns", "a"), &n.to_string())]).await;
    }
    assert_eq!(slow.next().await.expect_err("closed"), WatchClosed::TooSlow);
    let Err(ReadError::Gone { asked, floor }) = store.watch(&busy, old).map(drop) else {
        panic!("a watch below the floor is refused")
    };
    assert_eq!(asked, old);
    assert!(matches!(store.view_at(&busy, old), Err(ReadError::Gone { .. })));
    store.view_at(&busy, floor).expect("the floor itself is there");
    let mut resumed = store.watch(&busy, floor).expect("the floor itself is there");
    read_events(&mut resumed, events.min(10)).await;

    let change = commit(&store, vec![put(&quiet.key("ns", "a"), "late")]).await;
    let events = read_events(&mut calm, 1).await;
    assert_eq!(events[0].revision, change.first, "a quiet collection's watch goes on");
    store.watch(&quiet, start).expect("and resumes from long ago");
}
