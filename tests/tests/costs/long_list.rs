//! What a list of 100,000 objects costs a member. A measurement: it takes a minute and is run by
//! hand, `cargo test --release -p reddwarf-tests --test costs long_list -- --ignored --nocapture`.
//!
//! Server and client are one process; the client throws away what it reads, slowly, so that a
//! list that were made in advance would pile up.

use http::header::{ACCEPT, ACCEPT_ENCODING, USER_AGENT};
use http::{Method, Request};
use http_body_util::BodyExt;
use reddwarf_apiserver::ApiServer;
use reddwarf_apiserver::authn::PeerIdentity;
use reddwarf_apiserver::request::UserInfo;
use reddwarf_core::{Author, BranchId, Change, Collection, ObjectIndex, Store, Write};
use reddwarf_tests::memory_api::server;
use reddwarf_tests::memory_store::MemoryStore;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

const OBJECTS: usize = 100_000;
const AT_ONCE: usize = 1_000;
/// What the answer may add to the member's memory.
const RISE_MIB_MAX: f64 = 50.0;

/// A map of a usual size, as the API stores it.
fn stored(name: &str) -> (String, u32) {
    let head = format!(
        "{{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"{name}\",\"namespace\":\"long\",\"uid\":\"00000000-0000-0000-0000-000000000000\",\"resourceVersion\":\""
    );
    let rest = format!(
        "\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\"}},\"data\":{{\"fill\":\"{}\"}}}}",
        "x".repeat(1_000)
    );
    let offset = u32::try_from(head.len()).expect("short");
    (head + &rest, offset)
}

async fn fill(store: &MemoryStore) {
    let collection = Collection::new("", "configmaps");
    for first in (0..OBJECTS).step_by(AT_ONCE) {
        let changes = (first..first + AT_ONCE).map(|n| {
            let name = format!("m{n:06}");
            let (body, version_offset) = stored(&name);
            let (key, index) = (collection.key("long", &name), ObjectIndex::default());
            Change::Put { key, body: body.into(), version_offset, index, salt: None }
        });
        let write = Write {
            branch: BranchId::MAIN,
            author: Author::default(),
            verb: "create".into(),
            message: None,
            time_ms: 1,
            fence: None,
            preconditions: Vec::new(),
            changes: changes.collect(),
            links: None,
            excised: Vec::new(),
        };
        store.propose(write).await.expect("written");
    }
}

/// A line of `/proc/self/status` in MiB.
fn memory(line: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let found = status.lines().find_map(|l| l.strip_prefix(line)).expect("the line");
    let kib: f64 = found.trim().trim_end_matches(" kB").parse().expect("a number");
    kib / 1024.0
}

/// Lists all objects; bytes, and MiB by which memory rose at its highest.
async fn measure(server: &ApiServer, headers: &[(http::HeaderName, &'static str)]) -> (usize, f64) {
    // From here on the highest memory is counted anew.
    fs::write("/proc/self/clear_refs", "5").expect("own memory");
    let before = memory("VmRSS:");
    let mut request = Request::new(String::new());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = "/api/v1/namespaces/long/configmaps".parse().expect("a path");
    for (name, value) in headers {
        request.headers_mut().insert(name, http::HeaderValue::from_static(value));
    }
    let groups = vec!["system:masters".to_owned()];
    let user = UserInfo::named("root", groups);
    request.extensions_mut().insert(PeerIdentity(Arc::new(user)));
    let mut body = server.handle(request).await.into_body();
    let (mut bytes, mut frames) = (0, 0);
    while let Some(frame) = body.frame().await {
        bytes += frame.expect("whole").into_data().map_or(0, |data| data.len());
        frames += 1;
        if frames % 64 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    (bytes, memory("VmHWM:") - before)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement of a minute"]
async fn a_list_of_100_000_objects_needs_little_memory() {
    let store = MemoryStore::new();
    fill(&store).await;
    let server = server(store, "127.0.0.1:6443".into());
    println!("{:.0} MiB with {OBJECTS} objects", memory("VmRSS:"));
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let partial = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let mut failed = Vec::new();
    for (name, headers) in [
        ("as stored", vec![]),
        ("as stored, gzip", vec![(ACCEPT_ENCODING, "gzip")]),
        ("table", vec![(ACCEPT, table)]),
        ("metadata only", vec![(ACCEPT, partial)]),
        ("indented", vec![(USER_AGENT, "curl/8")]),
        ("YAML", vec![(ACCEPT, "application/yaml")]),
    ] {
        let began = Instant::now();
        let (bytes, rise) = measure(&server, &headers).await;
        let (took, mib) = (began.elapsed(), bytes as f64 / 1024.0 / 1024.0);
        println!("{name}: {mib:.1} MiB in {took:.1?}, memory rose by {rise:.1} MiB");
        if rise > RISE_MIB_MAX {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "these took more than {RISE_MIB_MAX} MiB: {failed:?}");
}
