//! The leader is killed while a merge of many objects is on its way: before, amid and after its
//! proposal. Every list and every watch on every member sees all of the merge or nothing of it, and
//! it lands once.

use bytes::Bytes;
use http::Method;
use reddwarf_tests::cluster::{Cluster, eventually};
use reddwarf_tests::watcher::{Seen, Watcher};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Objects of each merge.
const OBJECTS: usize = 500;
/// When the leader is killed, in tenths of what a merge takes; it is proposed near the end of that.
const KILLS: [u32; 7] = [0, 4, 7, 8, 9, 10, 11];
/// How long a request may take before its outcome counts as unknown.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Between two lists of one member.
const PAUSE: Duration = Duration::from_millis(30);
/// Of the objects, and of nothing else.
const LIST: &str = "/api/v1/namespaces/default/configmaps?labelSelector=app%3Dfire";
const GROUP: &str = "/apis/history.reddwarf.dev/v1alpha1";

/// What became of a merge, as far as who sent it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Landed,
    /// 4xx: it never will.
    Refused,
    Unknown,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_merge_lands_whole_or_not_at_all_when_the_leader_is_killed() {
    let fire = Fire::start().await;
    let took = fire.merge_in_peace().await;
    let mut open = 0;
    for (round, tenths) in KILLS.into_iter().enumerate() {
        open += u32::from(fire.round(round + 2, took * tenths / 10).await);
    }
    assert!(open >= 2, "only {open} merges were on their way when the leader was killed");
    fire.check(KILLS.len() + 1).await;
}

/// A group with many objects, of which the branches change `data.n`.
struct Fire {
    cluster: Arc<Cluster>,
    watchers: Vec<Watcher>,
    listers: Vec<JoinHandle<usize>>,
    stop: Arc<AtomicBool>,
}

impl Fire {
    async fn start() -> Fire {
        let cluster = Arc::new(Cluster::start(3).await);
        let made = post(&cluster, 1, &format!("{GROUP}/changesets"), &change_set(0)).await;
        assert_eq!(told(made.as_ref()), Told::Landed, "{made:?}");
        let version = version(&cluster.get(1, LIST).await);
        let stop = Arc::new(AtomicBool::new(false));
        let watch = |i| Watcher::start(cluster.clone(), i, LIST, version);
        let watchers = (1..=3).map(watch).collect();
        let list = |i| tokio::spawn(list_often(cluster.clone(), i, stop.clone()));
        let listers = (1..=3).map(list).collect();
        Fire { cluster, watchers, listers, stop }
    }

    /// The first merge, which shows how long one takes.
    async fn merge_in_peace(&self) -> Duration {
        self.branch(1).await;
        let begun = Instant::now();
        let merged = merge(&self.cluster, 2, 1).await;
        assert_eq!(merged, Told::Landed);
        let took = begun.elapsed();
        println!("a merge of {OBJECTS} objects took {took:?}");
        took
    }

    /// Makes a branch on which every object has `n`.
    async fn branch(&self, n: usize) {
        let name = branch_name(n);
        let branch = json!({"apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "Branch",
            "metadata": {"name": name}});
        let changes = format!("/branches/{name}{GROUP}/changesets");
        for (path, body) in [(format!("{GROUP}/branches"), branch), (changes, change_set(n))] {
            let answer = self.cluster.ask(1, Method::POST, &path, Some(&body)).await;
            let answer = answer.expect("an answer");
            assert_eq!(answer.status, 201, "{path}: {:?}", answer.body);
        }
    }

    /// Kills the leader a while after a merge was sent, by turns to it and to another; whether the
    /// merge had not been answered by then.
    async fn round(&self, n: usize, delay: Duration) -> bool {
        self.branch(n).await;
        let leader = self.cluster.leader().await;
        let asked = if n.is_multiple_of(2) { leader } else { leader % 3 + 1 };
        let cluster = self.cluster.clone();
        let merging = tokio::spawn(async move { merge(&cluster, asked, n).await });
        tokio::time::sleep(delay).await;
        let open = !merging.is_finished();
        self.cluster.kill(leader).await;
        let told = merging.await.expect("the request ends");
        let landed = self.look(n, leader % 3 + 1).await;
        match told {
            Told::Landed => assert!(landed, "an acknowledged merge is not there"),
            Told::Refused => assert!(!landed, "a refused merge is there"),
            Told::Unknown => {}
        }
        let at = if asked == leader { "the leader" } else { "another" };
        println!("killed after {delay:?}, asked {at}: {told:?}, there: {landed}");
        self.cluster.start_missing().await;
        for i in 1..=3 {
            assert_eq!(self.look(n, i).await, landed, "node-{i} differs");
        }
        self.land(n, landed).await;
        open
    }

    /// Whether a merge is there, by what lists and commits of a member say; they must agree.
    async fn look(&self, n: usize, i: u16) -> bool {
        let mut values = BTreeSet::new();
        eventually("the group serves", async || {
            let list = self.cluster.ask(i, Method::GET, LIST, None).await;
            let list = list.ok().filter(|list| list.status.is_success());
            values = list.map(|list| seen_in(&list.body)).unwrap_or_default();
            !values.is_empty()
        })
        .await;
        let values: Vec<usize> = values.into_iter().collect();
        assert!(values == [n] || values == [n - 1], "node-{i} shows {values:?} in round {n}");
        let commits = self.commits(n, i).await;
        assert_eq!(commits, usize::from(values == [n]), "commits of merge {n} on node-{i}");
        commits == 1
    }

    /// How many commits say that they merge a round's branch.
    async fn commits(&self, n: usize, i: u16) -> usize {
        let path = format!("{GROUP}/commits?fieldSelector=verb%3Dmerge");
        let list = self.cluster.get(i, &path).await;
        let message = format!("Merge branch {}", branch_name(n));
        let items = list["items"].as_array().expect("a list");
        items.iter().filter(|commit| commit["message"] == *message).count()
    }

    /// Merges once more, which does something if and only if it had not been done.
    async fn land(&self, n: usize, landed: bool) {
        let path = format!("{GROUP}/branches/{}/merge", branch_name(n));
        let answer = post(&self.cluster, 2, &path, &set(&json!({}))).await.expect("an answer");
        assert_eq!(answer.0, 201, "{}", answer.1);
        assert_eq!(answer.1["status"]["commit"].is_null(), landed, "{}", answer.1["status"]);
        assert!(self.look(n, 3).await);
    }

    /// Checks what watchers were told of all rounds, and ends everything.
    async fn check(self, rounds: usize) {
        // A list's own version may be that of a later write to a branch.
        let list = self.cluster.get(1, LIST).await;
        let newest = list["items"].as_array().into_iter().flatten().map(version).max();
        let newest = newest.expect("objects");
        for watcher in &self.watchers {
            eventually("the watcher catches up", async || watcher.newest() >= newest).await;
            check_seen(&watcher.seen(), rounds);
        }
        self.stop.store(true, Ordering::Relaxed);
        let mut lists = Vec::new();
        for lister in self.listers {
            lists.push(lister.await.expect("no list was torn"));
        }
        println!("lists on each member: {lists:?}");
        assert!(lists.iter().all(|count| *count > rounds), "too few lists: {lists:?}");
    }
}

fn branch_name(n: usize) -> String {
    format!("fire-{n}")
}

fn set(spec: &Value) -> Value {
    json!({"apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "ChangeSet", "spec": spec})
}

/// All objects with `n`.
fn change_set(n: usize) -> Value {
    let object = |at: usize| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("fire-{at:03}"), "labels": {"app": "fire"}},
            "data": {"n": n.to_string()}})
    };
    let objects: Vec<Value> = (0..OBJECTS).map(object).collect();
    set(&json!({"objects": objects, "namespace": "default", "fieldManager": "fire"}))
}

/// The version of a list or an object.
fn version(of: &Value) -> u64 {
    let version = of["metadata"]["resourceVersion"].as_str();
    version.and_then(|version| version.parse().ok()).expect("a version")
}

/// The values of `data.n` in a list of all objects.
fn seen_in(list: &[u8]) -> BTreeSet<usize> {
    let list: Value = serde_json::from_slice(list).expect("JSON");
    let items = list["items"].as_array().expect("a list");
    assert_eq!(items.len(), OBJECTS);
    let value = |item: &Value| item["data"]["n"].as_str()?.parse().ok();
    items.iter().map(|item| value(item).expect("a number")).collect()
}

/// Sends a request that is not sent again; the code and the body, if they come in time.
async fn post(cluster: &Cluster, i: u16, path: &str, body: &Value) -> Option<(u16, Value)> {
    let sent = async {
        let mut connection = cluster.connect(i).await.ok()?;
        let body = Bytes::from(body.to_string());
        connection.send(Method::POST, path, Some("application/json"), body).await.ok()
    };
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, sent).await.ok()??;
    Some((answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap_or_default()))
}

fn told(answer: Option<&(u16, Value)>) -> Told {
    match answer.map(|(code, _)| code) {
        Some(201) => Told::Landed,
        Some(400..500) => Told::Refused,
        _ => Told::Unknown,
    }
}

async fn merge(cluster: &Cluster, i: u16, n: usize) -> Told {
    let path = format!("{GROUP}/branches/{}/merge", branch_name(n));
    told(post(cluster, i, &path, &set(&json!({}))).await.as_ref())
}

/// Lists on one member, newest and as it has it by turns, until told to stop; each list must show
/// one value in all objects. Gives how many lists there were.
async fn list_often(cluster: Arc<Cluster>, i: u16, stop: Arc<AtomicBool>) -> usize {
    let mut count = 0;
    let mut connection = None;
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(PAUSE).await;
        let open = match connection.as_mut() {
            Some(open) => open,
            None => match cluster.connect(i).await {
                Ok(open) => connection.insert(open),
                Err(_) => continue,
            },
        };
        let local = if count % 2 == 0 { "" } else { "&resourceVersion=0" };
        let path = format!("{LIST}{local}");
        let sent = open.send(Method::GET, &path, None, Bytes::new());
        match tokio::time::timeout(ANSWER_TIMEOUT, sent).await {
            Ok(Ok(answer)) if answer.status.is_success() => {
                let values = seen_in(&answer.body);
                assert_eq!(values.len(), 1, "node-{i} shows a part of a merge: {values:?}");
                count += 1;
            }
            Ok(Ok(_)) => {}
            _ => connection = None,
        }
    }
    count
}

/// The events of each merge are of all objects, once each, and of one range of revisions.
fn check_seen(seen: &[Seen], rounds: usize) {
    assert_eq!(seen.len(), rounds * OBJECTS, "an event for each object and merge");
    for (round, events) in seen.chunks(OBJECTS).enumerate() {
        let first = events[0].version;
        for (at, event) in events.iter().enumerate() {
            let expected = (first + at as u64, Some(round as u64 + 1));
            assert_eq!((event.version, event.n), expected, "event {at} of merge {}", round + 1);
        }
        let names: BTreeSet<&str> = events.iter().map(|event| event.name.as_str()).collect();
        assert_eq!(names.len(), OBJECTS, "merge {} tells each object once", round + 1);
    }
}
