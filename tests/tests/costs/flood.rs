//! A member under a flood: what keeps the cluster alive is served as if there were none.

use async_trait::async_trait;
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use reddwarf_apiserver::authn::PeerIdentity;
use reddwarf_apiserver::http::ApiBody;
use reddwarf_apiserver::request::UserInfo;
use reddwarf_apiserver::{ApiServer, Limits};
use reddwarf_core::{
    Collection, Committed, ProposeError, ReadError, Revision, Store, View, WatchStream, Write,
};
use reddwarf_tests::memory_api::config;
use reddwarf_tests::memory_store::MemoryStore;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What a write takes in the group of this test.
const WRITE: Duration = Duration::from_millis(20);
/// Seats of the member.
const SEATS: u32 = 60;
/// Clients that write, and clients that list and do not take what they get.
const WRITERS: usize = 300;
const LISTERS: usize = 100;
const MAPS: &str = "/api/v1/namespaces/flood/configmaps";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

/// A store whose writes take their time.
struct Slow(Arc<MemoryStore>);

#[async_trait]
impl Store for Slow {
    fn view(&self) -> View {
        self.0.view()
    }

    async fn read_barrier(&self) -> Result<(), ReadError> {
        self.0.read_barrier().await
    }

    fn view_at(&self, collection: &Collection, revision: Revision) -> Result<View, ReadError> {
        self.0.view_at(collection, revision)
    }

    async fn wait_for(&self, revision: Revision, timeout: Duration) -> bool {
        self.0.wait_for(revision, timeout).await
    }

    async fn propose(&self, write: Write) -> Result<Committed, ProposeError> {
        tokio::time::sleep(WRITE).await;
        self.0.propose(write).await
    }

    fn watch(
        &self,
        collection: &Collection,
        from: Revision,
    ) -> Result<Box<dyn WatchStream>, ReadError> {
        self.0.watch(collection, from)
    }

    fn leading_term(&self) -> Option<u64> {
        self.0.leading_term()
    }
}

fn user(name: &str, groups: &[&str]) -> PeerIdentity {
    let groups = groups.iter().map(|g| (*g).to_owned()).collect();
    PeerIdentity(Arc::new(UserInfo::named(name, groups)))
}

fn node(name: &str) -> PeerIdentity {
    user(name, &["system:nodes", "system:authenticated"])
}

async fn send(
    server: &ApiServer,
    from: &PeerIdentity,
    method: Method,
    path: &str,
    body: &Value,
) -> Response<ApiBody> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().expect("a path");
    request.extensions_mut().insert(from.clone());
    server.handle(request).await
}

async fn whole(response: Response<ApiBody>) -> Bytes {
    response.into_body().collect().await.expect("whole").to_bytes()
}

fn map(name: &str) -> Value {
    json!({"metadata": {"name": name}, "data": {"fill": "x".repeat(1_000)}})
}

async fn member() -> ApiServer {
    let store = Arc::new(Slow(MemoryStore::new()));
    let limits = Limits { seats: SEATS, ..Limits::default() };
    let server = ApiServer::with_limits(config(store, "127.0.0.1:6443".into()), limits);
    let root = user("root", &["system:masters", "system:authenticated"]);
    for namespace in ["flood", "kube-node-lease"] {
        let body = json!({"metadata": {"name": namespace}});
        let made = send(&server, &root, Method::POST, "/api/v1/namespaces", &body).await;
        assert_eq!(made.status(), StatusCode::CREATED);
    }
    let made = (0..1_000).map(|n| {
        let (server, root) = (server.clone(), root.clone());
        let body = map(&format!("m{n}"));
        async move { send(&server, &root, Method::POST, MAPS, &body).await.status() }
    });
    let made = futures::future::join_all(made).await;
    assert!(made.iter().all(|code| *code == StatusCode::CREATED), "masters are never refused");
    server
}

#[derive(Default)]
struct Flood {
    over: AtomicBool,
    written: AtomicUsize,
    refused: AtomicUsize,
}

impl Flood {
    async fn write(self: Arc<Self>, server: ApiServer, writer: usize) {
        let from = node("flooding");
        let mut n = 0;
        while !self.over.load(Ordering::Relaxed) {
            n += 1;
            let body = map(&format!("w{writer}-{n}"));
            let response = send(&server, &from, Method::POST, MAPS, &body).await;
            match response.status() {
                StatusCode::TOO_MANY_REQUESTS => {
                    assert!(response.headers().contains_key(RETRY_AFTER));
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                StatusCode::CREATED => {
                    self.written.fetch_add(1, Ordering::Relaxed);
                }
                other => panic!("a write was answered with {other}"),
            }
        }
    }

    /// Asks for lists and holds them without reading.
    async fn list(self: Arc<Self>, server: ApiServer) {
        let from = node("flooding");
        let mut held = Vec::new();
        while !self.over.load(Ordering::Relaxed) {
            let asked = send(&server, &from, Method::GET, MAPS, &Value::Null);
            if let Ok(response) = tokio::time::timeout(Duration::from_secs(2), asked).await {
                held.push(response);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The time of each renewal of a node's lease, one every few milliseconds for a while.
async fn renew(server: &ApiServer, node_name: &str, length: Duration) -> Vec<Duration> {
    let (from, path) = (node(node_name), format!("{LEASES}/{node_name}"));
    let found = whole(send(server, &from, Method::GET, &path, &Value::Null).await).await;
    let mut lease: Value = serde_json::from_slice(&found).expect("JSON");
    if lease["kind"] != "Lease" {
        lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": node_name}, "spec": {"holderIdentity": node_name},
        });
    }
    let (began, mut times) = (Instant::now(), Vec::new());
    for n in 0_u32.. {
        if began.elapsed() > length {
            break;
        }
        lease["spec"]["leaseDurationSeconds"] = (n + 1).into();
        let sent = Instant::now();
        let response = send(server, &from, Method::PUT, &path, &lease).await;
        let code = response.status();
        let body = whole(response).await;
        assert!(code.is_success(), "{code} {}", String::from_utf8_lossy(&body));
        times.push(sent.elapsed());
        lease = serde_json::from_slice(&body).expect("a lease");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    times.sort_unstable();
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_are_renewed_under_a_flood() {
    let server = member().await;
    let calm = renew(&server, "node-1", Duration::from_secs(1)).await;
    let flood = Arc::new(Flood::default());
    let mut clients = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        clients.spawn(flood.clone().write(server.clone(), writer));
    }
    for _ in 0..LISTERS {
        clients.spawn(flood.clone().list(server.clone()));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let renewals = renew(&server, "node-1", Duration::from_secs(4)).await;
    let probe = Instant::now();
    let alive = send(&server, &node("node-1"), Method::GET, "/livez", &Value::Null).await;
    assert_eq!((alive.status(), probe.elapsed() < Duration::from_secs(1)), (StatusCode::OK, true));
    flood.over.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended.expect("no client panics");
    }
    let (written, refused) = (&flood.written, &flood.refused);
    let (written, refused) = (written.load(Ordering::Relaxed), refused.load(Ordering::Relaxed));
    let (middle, last) = (renewals[renewals.len() / 2], renewals[renewals.len() - 1]);
    let calm = calm[calm.len() / 2];
    println!(
        "{written} written, {refused} refused; a renewal took {calm:?} before, {middle:?} then, \
         {last:?} at most"
    );
    assert!(refused > 0, "the flood was larger than the member");
    assert!(written > 0, "it is served, too, as far as it goes");
    assert!(renewals.len() > 15, "{} renewals", renewals.len());
    assert!(middle < WRITE + Duration::from_millis(150), "half of them took {middle:?}");
    assert!(last < Duration::from_secs(2), "one took {last:?}");
}
