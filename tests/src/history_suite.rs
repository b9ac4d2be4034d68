//! What every [`History`] must do, as a set of cases over a model: the plain list of states.
//!
//! [`run`] takes the members of one group (for a store of one process, the same one several
//! times), writes through them at random, and then compares every operation on every member with
//! the model. The group may hold other objects, but nobody else may write to it meanwhile.

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use reddwarf_core::history::CANDIDATES_MAX;
use reddwarf_core::{
    Author, BranchId, Change, ChangedObject, Collection, Commit, CommitId, CommitRef, Committed,
    History, HistoryError, ObjectIndex, ObjectKey, ObjectLogEntry, Revision, Store, Write,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);
const SPLICE: &str = r#"{"metadata":{"resourceVersion":""#;
const MAIN: BranchId = BranchId::MAIN;
const WRITES: usize = 200;
/// Times begin here, after whatever the group held before.
const TIME_MS: u64 = 1_700_000_000_000;

/// One member: the same store's present and past.
#[derive(Clone)]
pub struct Member {
    /// The present.
    pub store: Arc<dyn Store>,
    /// The past.
    pub history: Arc<dyn History>,
}

/// What the model knows of an object: the revision of its version, and the number in it.
type State = BTreeMap<ObjectKey, (Revision, u32)>;

/// One commit of the model, with the state after it.
struct Step {
    committed: Committed,
    time_ms: u64,
    write: Write,
    state: State,
}

/// See the module's text.
struct Model {
    /// The newest revision before the suite began.
    base: Revision,
    steps: Vec<Step>,
}

/// Runs all cases; `seed` decides what is written and asked.
///
/// # Panics
/// When a history breaks its contract.
pub async fn run(members: Vec<Member>, seed: u64) {
    println!("seed {seed}");
    let mut rng = SmallRng::seed_from_u64(seed);
    let base = members[0].store.view().revision;
    let mut model = Model { base, steps: Vec::new() };
    write(&members, &mut model, &mut rng).await;
    for member in &members {
        assert!(member.store.wait_for(model.newest(), PATIENCE).await, "catches up");
        commits_by_name(member, &model).await;
        pages_of_commits(member, &model, &mut rng).await;
        watched_commits(member, &model, &mut rng).await;
        times(member, &model).await;
        object_logs(member, &model, &mut rng).await;
        versions(member, &model).await;
        objects_in_the_past(member, &model, &mut rng).await;
        collections_in_the_past(member, &model, &mut rng).await;
        changes_between_states(member, &model, &mut rng).await;
    }
    ambiguous_prefixes(&members).await;
}

fn collections() -> [Collection; 3] {
    // One's name is the beginning of another's.
    ["past", "pasta", "other"].map(|name| Collection::new("suite.test", name))
}

fn keys() -> Vec<ObjectKey> {
    let names = ["a", "a-b", "a.b", "b"];
    let namespaces = ["", "ns", "ns-2"];
    let of_collection = |collection: &Collection| {
        let keys = namespaces.iter().flat_map(|namespace| names.map(|name| (*namespace, name)));
        keys.map(|(namespace, name)| collection.key(namespace, name)).collect::<Vec<_>>()
    };
    collections().iter().flat_map(of_collection).collect()
}

fn put(key: &ObjectKey, number: u32) -> Change {
    Change::Put {
        key: key.clone(),
        body: format!(r#"{SPLICE}"}},"number":{number}}}"#).into(),
        version_offset: SPLICE.len() as u32,
        index: ObjectIndex::default(),
        salt: None,
    }
}

fn text(revision: Revision, number: u32) -> String {
    format!(r#"{SPLICE}{revision}"}},"number":{number}}}"#)
}

async fn propose(store: &Arc<dyn Store>, write: Write) -> Committed {
    let proposed = tokio::time::timeout(PATIENCE, store.propose(write)).await;
    proposed.expect("answers in time").expect("commits")
}

impl Model {
    fn newest(&self) -> Revision {
        self.steps.last().map_or(self.base, |step| step.committed.last)
    }

    fn state(&self) -> State {
        self.steps.last().map(|step| step.state.clone()).unwrap_or_default()
    }

    /// Any revision of the model's, the one before it included.
    fn any_revision(&self, rng: &mut SmallRng) -> Revision {
        Revision(rng.random_range(self.base.0..=self.newest().0))
    }

    /// The step whose range covers `revision`; `None` for the state before all.
    fn at(&self, revision: Revision) -> Option<&Step> {
        let covers = |step: &&Step| step.committed.first <= revision;
        self.steps.iter().rev().find(covers)
    }

    fn state_at(&self, revision: Revision) -> State {
        self.at(revision).map(|step| step.state.clone()).unwrap_or_default()
    }

    fn end_of(&self, revision: Revision) -> Revision {
        self.at(revision).map_or(revision, |step| step.committed.last)
    }

    /// Records what the group answered to `write`.
    fn push(&mut self, write: Write, committed: Committed) {
        let mut state = self.state();
        let revisions = (committed.first.0..=committed.last.0).map(Revision);
        for (change, revision) in write.changes.iter().zip(revisions) {
            match change {
                Change::Put { key, body, .. } => {
                    state.insert(key.clone(), (revision, number(body)))
                }
                Change::Delete { key } => state.remove(key),
            };
        }
        let earliest = self.steps.last().map_or(0, |step| step.time_ms);
        let time_ms = write.time_ms.max(earliest);
        self.steps.push(Step { committed, time_ms, write, state });
    }
}

fn number(body: &[u8]) -> u32 {
    let text = String::from_utf8_lossy(body);
    let digits = text.rsplit(':').next().map(|rest| rest.trim_end_matches('}'));
    digits.and_then(|digits| digits.parse().ok()).expect("a number at the end")
}

fn random_write(model: &Model, rng: &mut SmallRng) -> Write {
    let (state, keys) = (model.state(), keys());
    let chosen: BTreeSet<_> = (0..rng.random_range(1..5)).map(|_| keys.choose(rng)).collect();
    let change = |key: &ObjectKey, rng: &mut SmallRng| match state.contains_key(key) {
        true if rng.random_bool(0.3) => Change::Delete { key: key.clone() },
        _ => put(key, rng.random_range(0..1_000)),
    };
    let changes = chosen.into_iter().flatten().map(|key| change(key, rng)).collect();
    let at = model.steps.len() as u64;
    Write {
        author: Author { user: format!("user-{}", at % 3), ..Author::default() },
        verb: "update".into(),
        message: at.is_multiple_of(4).then(|| format!("message {at}")),
        // Clocks differ, and several commits may have one time.
        time_ms: TIME_MS + (at / 2 * 2 * 100).saturating_sub(rng.random_range(0..1_000)),
        changes,
        ..Write::default()
    }
}

/// Writes at random; what was acknowledged is there at once, where it was acknowledged.
async fn write(members: &[Member], model: &mut Model, rng: &mut SmallRng) {
    for at in 0..WRITES {
        let write = random_write(model, rng);
        let member = members.choose(rng).expect("a member");
        let committed = propose(&member.store, write.clone()).await;
        model.push(write, committed);
        if at % 4 == 0 {
            acknowledged(member, model, at).await;
        }
    }
}

async fn acknowledged(member: &Member, model: &Model, at: usize) {
    let step = model.steps.last().expect("written before");
    let (id, last) = (step.committed.id, step.committed.last);
    let key = step.write.changes[0].key();
    let history = &member.history;
    let found = match at % 3 {
        0 => history.commit(&CommitRef::Id(id)).await.expect("reads").map(|commit| commit.id),
        1 => {
            let page = history.commits(MAIN, model.base, Revision::MAX, 1).await.expect("reads");
            page.commits.first().map(|commit| commit.id)
        }
        _ => {
            let log = history.object_log(MAIN, key, None, 1).await.expect("reads");
            (log[0].revision == step.committed.first).then_some(id)
        }
    };
    assert_eq!(found, Some(id), "the commit that ends at {last} is acknowledged");
}

/// Checks what a commit says of itself.
fn check_commit(commit: &Commit, model: &Model, at: usize) {
    let (step, header) = (&model.steps[at], &commit.header);
    let Committed { id, first, last } = step.committed;
    assert_eq!((commit.id, header.first, header.last), (id, first, last));
    assert_eq!(header.time_ms, step.time_ms);
    assert_eq!((&header.author, &header.verb), (&step.write.author, &step.write.verb));
    assert_eq!(header.message, step.write.message);
    if let Some(before) = at.checked_sub(1) {
        assert_eq!(header.parents, [model.steps[before].committed.id]);
    }
    let before = at.checked_sub(1).map(|at| &model.steps[at].state);
    let changes: Vec<_> = header.changes.iter().map(|c| (&c.key, c.before, c.deleted)).collect();
    let expected = step.write.changes.iter().map(|change| {
        let key = change.key();
        let before = before.and_then(|state| state.get(key)).map(|(revision, _)| *revision);
        (key, before, matches!(change, Change::Delete { .. }))
    });
    assert_eq!(changes, expected.collect::<Vec<_>>());
}

async fn commits_by_name(member: &Member, model: &Model) {
    let history = &member.history;
    for (at, step) in model.steps.iter().enumerate() {
        let Committed { id, first, last } = step.committed;
        let prefix = id.to_string()[..20].parse().expect("a prefix");
        for name in [
            CommitRef::Revision(first),
            CommitRef::Revision(last),
            CommitRef::Id(id),
            CommitRef::Prefix(prefix),
        ] {
            let found = history.commit(&name).await.expect("reads");
            check_commit(&found.unwrap_or_else(|| panic!("{name} is there")), model, at);
        }
    }
    let found = async |name: CommitRef| history.commit(&name).await;
    assert!(found(CommitRef::Id(CommitId([7; 32]))).await.expect("reads").is_none());
    let nobodys = "0123456789abcdef0123".parse().expect("a prefix");
    assert!(found(CommitRef::Prefix(nobodys)).await.expect("reads").is_none());
    assert!(found(CommitRef::Revision(Revision::ZERO)).await.expect("reads").is_none());
    let ahead = Revision(model.newest().0 + 1_000_000);
    let answer = found(CommitRef::Revision(ahead)).await;
    let Err(HistoryError::Future { asked, current }) = answer else { panic!("{answer:?}") };
    assert_eq!((asked, current), (ahead, model.newest()));
    assert!(history.floor().await.expect("reads") <= model.base);
}

async fn pages_of_commits(member: &Member, model: &Model, rng: &mut SmallRng) {
    for round in 0..30 {
        let (after, through) = match round {
            0 => (model.base, Revision::MAX),
            _ => (model.any_revision(rng), model.any_revision(rng)),
        };
        let limit = rng.random_range(1..40);
        let (mut next, mut seen) = (Some(through), Vec::new());
        while let Some(through) = next {
            let page = member.history.commits(MAIN, after, through, limit).await.expect("reads");
            assert!(page.commits.len() <= limit);
            seen.extend(page.commits);
            next = page.next;
        }
        let within = |last: Revision| after < last && last <= through;
        let places = (0..model.steps.len()).filter(|at| within(model.steps[*at].committed.last));
        let places: Vec<_> = places.rev().collect();
        assert_eq!(seen.len(), places.len(), "({after}, {through}] in pages of {limit}");
        seen.iter().zip(places).for_each(|(commit, at)| check_commit(commit, model, at));
    }
    let unknown = member.history.commits(BranchId(77), model.base, Revision::MAX, 1).await;
    assert!(matches!(unknown, Err(HistoryError::NoBranch(BranchId(77)))));
}

/// A watch of commits from any revision tells those after it, each once.
async fn watched_commits(member: &Member, model: &Model, rng: &mut SmallRng) {
    for _ in 0..20 {
        let from = model.any_revision(rng);
        let later = model.steps.iter().filter(|step| step.committed.last > from);
        let wanted: Vec<CommitId> = later.map(|step| step.committed.id).collect();
        let mut watch = member.store.watch_commits(MAIN, from).expect("recent");
        let mut told = Vec::new();
        while told.len() < wanted.len() {
            let next = tokio::time::timeout(PATIENCE, watch.next()).await.expect("in time");
            told.extend(next.expect("open"));
        }
        assert_eq!(told.iter().map(|commit| commit.id).collect::<Vec<_>>(), wanted, "from {from}");
        assert_eq!(watch.progress(), model.newest(), "from {from}");
        if let Some(first) = told.first() {
            let found = member.history.commit(&CommitRef::Id(first.id)).await.expect("kept");
            assert_eq!(found.as_ref(), Some(first));
        }
    }
}

async fn times(member: &Member, model: &Model) {
    let resolve = async |time_ms| member.history.resolve_time(time_ms).await;
    let first = model.steps[0].time_ms;
    let until = |time_ms| {
        let steps = model.steps.iter().rev();
        let mut steps = steps.skip_while(|step| step.time_ms > time_ms);
        steps.next().map(|step| step.committed.last)
    };
    let times: BTreeSet<_> = model.steps.iter().map(|step| step.time_ms).collect();
    for time_ms in times.iter().flat_map(|time_ms| [*time_ms - 1, *time_ms, *time_ms + 1]) {
        if time_ms >= first {
            let found = resolve(time_ms).await.expect("reads");
            assert_eq!(Some(found), until(time_ms), "at {time_ms}");
        }
    }
    assert_eq!(resolve(u64::MAX).await.expect("reads"), model.newest());
    if model.base == Revision::ZERO {
        let answer = resolve(first - 1).await;
        let Err(HistoryError::BeforeFirst { asked_ms, first: named, first_ms }) = answer else {
            panic!("{answer:?}")
        };
        let expected = (first - 1, model.steps[0].committed.last, first);
        assert_eq!((asked_ms, named, first_ms), expected);
    }
}

fn log_of(model: &Model, key: &ObjectKey) -> Vec<ObjectLogEntry> {
    let mut log = Vec::new();
    for step in &model.steps {
        let revisions = (step.committed.first.0..).map(Revision);
        for (change, revision) in step.write.changes.iter().zip(revisions) {
            let deleted = matches!(change, Change::Delete { .. });
            log.extend((change.key() == key).then_some(ObjectLogEntry { revision, deleted }));
        }
    }
    log.reverse();
    log
}

async fn object_logs(member: &Member, model: &Model, rng: &mut SmallRng) {
    let history = &member.history;
    for key in keys() {
        let expected = log_of(model, &key);
        let log = history.object_log(MAIN, &key, None, usize::MAX).await.expect("reads");
        assert_eq!(log, expected, "{key}");

        let limit = rng.random_range(1..6);
        let (mut before, mut paged) = (None, Vec::new());
        loop {
            let page = history.object_log(MAIN, &key, before, limit).await.expect("reads");
            let Some(oldest) = page.last() else { break };
            before = Some(oldest.revision);
            paged.extend(page);
        }
        assert_eq!(paged, expected, "{key} in pages of {limit}");

        let before = model.any_revision(rng);
        let log = history.object_log(MAIN, &key, Some(before), usize::MAX).await.expect("reads");
        let older = expected.iter().copied().filter(|entry| entry.revision < before);
        assert_eq!(log, older.collect::<Vec<_>>(), "{key} before {before}");
    }
    let nobody = collections()[0].key("ns", "nobody");
    assert!(history.object_log(MAIN, &nobody, None, 9).await.expect("reads").is_empty());
}

async fn versions(member: &Member, model: &Model) {
    for step in &model.steps {
        let revisions = (step.committed.first.0..).map(Revision);
        for (change, revision) in step.write.changes.iter().zip(revisions) {
            let version = member.history.version(revision).await.expect("reads");
            let version = version.map(|object| (object.key.clone(), object.bytes.clone()));
            let expected = match change {
                Change::Put { key, body, .. } => {
                    Some((key.clone(), text(revision, number(body)).into()))
                }
                Change::Delete { .. } => None,
            };
            assert_eq!(version, expected, "at {revision}");
        }
    }
    let ahead = member.history.version(Revision(model.newest().0 + 1)).await;
    assert!(matches!(ahead, Err(HistoryError::Future { .. })));
}

async fn objects_in_the_past(member: &Member, model: &Model, rng: &mut SmallRng) {
    let keys = keys();
    for _ in 0..300 {
        let key = keys.choose(rng).expect("a key");
        let revision = model.any_revision(rng);
        let found = member.history.object_at(MAIN, key, revision).await.expect("reads");
        let found = found.map(|object| (object.revision, object.bytes.clone()));
        let expected = model.state_at(revision).get(key).copied();
        let expected = expected.map(|(at, number)| (at, text(at, number).into()));
        assert_eq!(found, expected, "{key} at {revision}");
    }
    let ahead = Revision(model.newest().0 + 1);
    let answer = member.history.object_at(MAIN, &keys[0], ahead).await;
    assert!(matches!(answer, Err(HistoryError::Future { .. })));
}

async fn collections_in_the_past(member: &Member, model: &Model, rng: &mut SmallRng) {
    for _ in 0..60 {
        let collection = collections().choose(rng).expect("a collection").clone();
        let namespace = [None, Some("ns"), Some(""), Some("elsewhere")].choose(rng).copied();
        let namespace = namespace.flatten();
        let revision = model.any_revision(rng);
        let view = member.history.collection_at(MAIN, &collection, namespace, revision).await;
        let view = view.expect("reads");
        assert_eq!(view.revision, model.end_of(revision), "rounded up to the commit's end");
        let objects: BTreeMap<_, _> = view
            .objects
            .iter()
            .map(|(key, object)| (key.clone(), (object.revision, object.bytes.clone())))
            .collect();
        let wanted = |key: &ObjectKey| {
            let collected = key.collection() == collection.as_str();
            collected && namespace.is_none_or(|namespace| key.namespace() == namespace)
        };
        let expected = model.state_at(revision).into_iter().filter(|(key, _)| wanted(key));
        let expected = expected.map(|(key, (at, number))| (key, (at, text(at, number).into())));
        assert_eq!(objects, expected.collect(), "{collection} {namespace:?} at {revision}");
    }
}

async fn changes_between_states(member: &Member, model: &Model, rng: &mut SmallRng) {
    for round in 0..60 {
        let (from, to) = match round {
            0 => (model.base, model.newest()),
            1 => (model.newest(), model.newest()),
            _ => (model.any_revision(rng), model.any_revision(rng)),
        };
        let changed = member.history.changed_between(MAIN, from, to).await.expect("reads");
        let (before, after) = (model.state_at(from), model.state_at(to));
        let revision = |state: &State, key| state.get(key).map(|(revision, _)| *revision);
        let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let expected = keys.into_iter().map(|key| ChangedObject {
            key: key.clone(),
            before: revision(&before, key),
            after: revision(&after, key),
        });
        let expected: Vec<_> = expected.filter(|object| object.before != object.after).collect();
        assert_eq!(changed, expected, "from {from} to {to}");
    }
}

/// Writes until the ids of two commits begin alike.
async fn ambiguous_prefixes(members: &[Member]) {
    const COMMITS_MAX: usize = 5_000;
    let Member { store, history } = &members[0];
    let key = collections()[0].key("ns", "again");
    let mut ids: BTreeMap<String, CommitId> = BTreeMap::new();
    for n in 0..COMMITS_MAX {
        let write = Write { changes: vec![put(&key, n as u32)], ..Write::default() };
        let id = propose(store, write).await.id;
        let prefix = id.to_string()[..4].to_owned();
        let Some(other) = ids.insert(prefix.clone(), id) else { continue };
        let answer = history.commit(&CommitRef::Prefix(prefix.parse().expect("a prefix"))).await;
        let Err(HistoryError::Ambiguous { prefix: named, candidates }) = answer else {
            panic!("{prefix}: {answer:?}")
        };
        assert_eq!(named.as_str(), prefix);
        assert!(candidates.contains(&id) && candidates.contains(&other));
        assert!(candidates.len() < CANDIDATES_MAX && candidates.is_sorted());
        return;
    }
    panic!("{COMMITS_MAX} ids all differ in their first 4 digits");
}
