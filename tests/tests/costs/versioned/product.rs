//! The product's side: a group of one in this process.

use super::{
    APART, Figures, LOG_MAX, MERGED, Plan, Took, Versions, group, name, no_times, scattered, text,
};
use crate::versioned::NAMESPACES;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use reddwarf_apiserver::ApiServer;
use reddwarf_apiserver::authn::PeerIdentity;
use reddwarf_apiserver::request::UserInfo;
use reddwarf_core::{
    Author, BranchId, Change, Collection, CommitId, CommitRef, Committed, ObjectIndex, Store, Write,
};
use reddwarf_raft::{Node, NodeConfig};
use reddwarf_tests::memory_api::server;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Writes in flight while it is filled.
const AT_ONCE: usize = 64;
const HISTORY: &str = "/apis/history.reddwarf.dev/v1alpha1";

/// A running group of one and its API.
pub struct Product {
    node: Arc<Node>,
    store: Arc<dyn Store>,
    server: ApiServer,
    folder: PathBuf,
}

impl Product {
    /// Measures everything.
    pub fn measure(plan: &Plan, folder: &Path) -> Figures {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let product = Product::start(&folder.join("many")).await;
            let (mut figures, ids) = product.fill(plan).await;
            figures.took = product.operations(plan, &ids).await;
            product.stop().await;
            figures.bytes = bytes_of(&folder.join("many"), is_state);
            figures.bytes_a_version = versions(plan, &folder.join("one")).await;
            figures
        })
    }

    async fn start(folder: &Path) -> Product {
        let config = NodeConfig::single("one", "127.0.0.1:6443", folder.to_owned());
        let node = Node::start(config).await.expect("starts");
        node.ready().await.expect("it leads itself");
        let store = node.store();
        let server = server(store.clone(), "127.0.0.1:6443".into());
        let product = Product { node, store, server, folder: folder.to_owned() };
        for n in 0..NAMESPACES {
            let namespace = json!({"metadata": {"name": format!("ns-{n}")}});
            product.post("/api/v1/namespaces", &namespace).await;
        }
        product
    }

    /// Everything is in the durable store afterwards.
    async fn stop(&self) {
        self.node.shutdown().await;
        assert!(bytes_of(&self.folder, is_state) > 0, "the state is a file");
    }

    async fn fill(&self, plan: &Plan) -> (Figures, Vec<Committed>) {
        let begun = Instant::now();
        let commits = stream::iter(1..=plan.commits).map(|n| {
            let object = plan.object_of(n);
            self.store.propose(write(object, &text(object, n)))
        });
        let committed = commits.buffered(AT_ONCE).map(|done| done.expect("written"));
        let committed: Vec<Committed> = committed.collect().await;
        let fill = begun.elapsed();
        let figures = Figures { fill, took: Vec::new(), bytes: 0, bytes_a_version: Vec::new() };
        (figures, committed)
    }

    /// In the order of the rows.
    async fn operations(&self, plan: &Plan, commits: &[Committed]) -> Vec<Took> {
        let mut took = no_times();
        let history = self.node.history();
        for n in 0..200 {
            let begun = Instant::now();
            let object = scattered(n, plan.objects);
            self.store.propose(write(object, &text(object, plan.commits + n))).await.expect("ok");
            took[0].add(begun);
        }
        for n in 0..50 {
            let begun = Instant::now();
            self.post(&format!("{HISTORY}/branches"), &branch(&format!("b-{n}"))).await;
            took[1].add(begun);
        }
        for n in 0..500 {
            let at = scattered(n, commits.len() - APART);
            let namespace = group(plan.object_of(at + 1));
            let begun = Instant::now();
            let found = history.commit(&CommitRef::Id(commits[at].id)).await.expect("reads");
            took[2].add(begun);
            assert_eq!(found.map(|commit| commit.id), Some(commits[at].id));
            let begun = Instant::now();
            let commit = self.commit(&namespace, commits[at].id).await;
            took[3].add(begun);
            assert!(commit["changes"].as_array().is_some_and(|changes| changes.len() == 1));
        }
        for n in 0..100 {
            let begun = Instant::now();
            self.log(1 + scattered(n, plan.objects - 1)).await;
            took[4].add(begun);
            let begun = Instant::now();
            self.log(0).await;
            took[5].add(begun);
        }
        for n in 0..5 {
            let merge = self.ready_to_merge(plan, n).await;
            let begun = Instant::now();
            let answer = self.post(&merge, &set(json!({}))).await;
            took[6].add(begun);
            assert_eq!(answer["status"]["objects"].as_array().map(Vec::len), Some(MERGED));
        }
        for n in 0..20 {
            let at = scattered(n, commits.len() - APART);
            let (from, to) = (commits[at].last.to_string(), commits[at + APART].last.to_string());
            let body = json!({"apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "Diff",
                "spec": {"from": from, "to": to}});
            let begun = Instant::now();
            let answer = self.post(&format!("{HISTORY}/diffs"), &body).await;
            took[7].add(begun);
            assert!(
                answer["status"]["objects"].as_array().is_some_and(|all| all.len() > APART / 2)
            );
        }
        for n in 0..200 {
            let at = scattered(n, commits.len());
            let object = plan.object_of(at + 1);
            let path = format!("/at/{}{}", commits[at].last, path_of(object));
            let key = Collection::new("", "configmaps").key(&group(object), &name(object));
            let begun = Instant::now();
            let then = history.object_at(BranchId::MAIN, &key, commits[at].last).await;
            took[8].add(begun);
            assert!(then.expect("reads").is_some());
            let begun = Instant::now();
            let found = self.send(Method::GET, &path, None).await;
            took[9].add(begun);
            assert_eq!(found["data"]["k"], text(object, at + 1));
        }
        took.into()
    }

    async fn commit(&self, namespace: &str, id: CommitId) -> Value {
        let id = &id.to_string()[..16];
        let path = format!("{HISTORY}/namespaces/{namespace}/commits/{id}");
        self.send(Method::GET, &path, None).await
    }

    async fn log(&self, object: usize) -> Value {
        let (group, name) = (group(object), name(object));
        let path = format!(
            "{HISTORY}/commits?fieldSelector=object%3Dconfigmaps/{group}/{name}&limit={LOG_MAX}"
        );
        let log = self.send(Method::GET, &path, None).await;
        assert!(log["items"].as_array().is_some_and(|items| !items.is_empty()), "{log}");
        log
    }

    /// A branch that changed some objects while main changed others; gives where it is merged.
    async fn ready_to_merge(&self, plan: &Plan, round: usize) -> String {
        let name = format!("m-{round}");
        self.post(&format!("{HISTORY}/branches"), &branch(&name)).await;
        let on_branch = format!("/branches/{name}{HISTORY}/changesets");
        self.post(&on_branch, &changes(1, "branch", round)).await;
        self.post(&format!("{HISTORY}/changesets"), &changes(1 + MERGED, "main", round)).await;
        assert!(plan.objects > 2 * MERGED);
        format!("{HISTORY}/branches/{name}/merge")
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let bytes = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = Request::builder().method(method).uri(path).body(Full::new(bytes));
        let mut request = request.expect("a request");
        let user = UserInfo::named("ann", vec!["system:masters".to_owned()]);
        request.extensions_mut().insert(PeerIdentity(Arc::new(user)));
        let response = self.server.handle(request).await;
        let status = response.status();
        let body = response.into_body().collect().await.expect("whole").to_bytes();
        assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).expect("JSON")
    }
}

fn path_of(object: usize) -> String {
    format!("/api/v1/namespaces/{}/configmaps/{}", group(object), name(object))
}

/// A change of one object, as the API makes it.
fn write(object: usize, content: &str) -> Write {
    let (group, name) = (group(object), name(object));
    let head = format!(
        "{{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"{name}\",\"namespace\":\"{group}\",\"uid\":\"00000000-0000-0000-0000-{object:012}\",\"resourceVersion\":\""
    );
    let version_offset = u32::try_from(head.len()).expect("short");
    let rest = format!(
        "\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\"}},\"data\":{{\"k\":\"{content}\"}}}}"
    );
    let put = Change::Put {
        key: Collection::new("", "configmaps").key(&group, &name),
        body: (head + &rest).into(),
        version_offset,
        index: ObjectIndex::default(),
        salt: None,
    };
    Write {
        branch: BranchId::MAIN,
        author: Author::default(),
        verb: "update".into(),
        time_ms: 1,
        changes: vec![put],
        ..Write::default()
    }
}

fn branch(name: &str) -> Value {
    json!({"apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "Branch",
        "metadata": {"name": name}})
}

fn set(spec: Value) -> Value {
    json!({"apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "ChangeSet", "spec": spec})
}

/// A set that changes as many objects as are merged, from `first` on.
fn changes(first: usize, by: &str, round: usize) -> Value {
    let object = |at: usize| {
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": name(at), "namespace": group(at)},
            "data": {by: round.to_string()}})
    };
    let objects: Vec<Value> = (first..first + MERGED).map(object).collect();
    set(json!({"objects": objects, "fieldManager": by, "force": true}))
}

/// Bytes a version of an object of many versions.
async fn versions(plan: &Plan, folder: &Path) -> Vec<(&'static str, f64)> {
    let product = Product::start(folder).await;
    let mut versions = Versions::new();
    let mut texts = Vec::new();
    for _ in 0..plan.versions {
        texts.push(versions.next());
    }
    let writes = stream::iter(&texts).map(|text| product.store.propose(write(0, text)));
    let written: Vec<_> = writes.buffered(AT_ONCE).collect().await;
    assert!(written.iter().all(Result::is_ok));
    product.stop().await;
    let bytes = bytes_of(folder, is_state);
    vec![("reddwarf, the durable store", bytes as f64 / plan.versions as f64)]
}

/// Whether a file is the durable state; the log beside it is of a fixed size.
fn is_state(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "redb")
}

/// Bytes of the files below a folder that are wanted.
fn bytes_of(folder: &Path, wanted: fn(&Path) -> bool) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let bytes = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => bytes_of(&path, wanted),
            false if wanted(&path) => std::fs::metadata(&path).map_or(0, |file| file.len()),
            false => 0,
        }
    });
    bytes.sum()
}
