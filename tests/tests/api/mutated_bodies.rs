//! Bodies that are nearly right: whatever stands where, the answer is a `Status` and no panic.
//!
//! The requests of the recorded scenarios are sent to a server over memory, each as it is and
//! then several times with one value of its body replaced, removed or put elsewhere.

use bytes::Bytes;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use reddwarf_apiserver::LocalClient;
use reddwarf_core::api::ApiClient;
use reddwarf_tests::memory_api::server;
use reddwarf_tests::memory_store::MemoryStore;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// How often each body is sent in another form.
const FORMS: usize = 6;
/// Which forms; another seed tries others.
const SEED: &str = "REDDWARF_SEED";

struct Sent {
    scenario: String,
    method: String,
    path: String,
    kind: Option<String>,
    body: Value,
}

fn scenarios(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            scenarios(&path, found);
        } else if path.extension().is_some_and(|end| end == "json") {
            found.push(path);
        }
    }
}

fn requests_of(steps: &[Value], scenario: &str, out: &mut Vec<Sent>) {
    for step in steps {
        let request = &step["request"];
        if let (Some(method), Some(path)) = (request["method"].as_str(), request["path"].as_str())
            && request["body"].is_object()
        {
            let kind = request["headers"]["Content-Type"].as_str();
            out.push(Sent {
                scenario: scenario.to_owned(),
                method: method.to_owned(),
                path: path.to_owned(),
                kind: kind.map(str::to_owned),
                body: request["body"].clone(),
            });
        }
        requests_of(step["during"].as_array().map_or(&[], Vec::as_slice), scenario, out);
    }
}

fn made(path: &str, name: &str) -> Sent {
    Sent {
        scenario: "beforehand".to_owned(),
        method: "POST".to_owned(),
        path: path.to_owned(),
        kind: None,
        body: json!({"metadata": {"name": name}}),
    }
}

/// All requests with a body, scenario by scenario, each in a namespace of its own.
fn recorded() -> Vec<Sent> {
    let mut files = Vec::new();
    scenarios(&Path::new(env!("CARGO_MANIFEST_DIR")).join("compat/scenarios"), &mut files);
    files.sort();
    let mut out = Vec::new();
    for (n, file) in files.into_iter().enumerate() {
        let (namespace, run) = (format!("ns-{n}"), format!("run-{n}"));
        let text = fs::read_to_string(&file).expect("readable");
        let text = text.replace("$NS", &namespace).replace("$RUN", &run);
        out.push(made("/api/v1/namespaces", &namespace));
        let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        out.push(made(&accounts, "default"));
        let scenario: Value = serde_json::from_str(&text).expect("JSON");
        let name = scenario["name"].as_str().unwrap_or_default();
        requests_of(scenario["steps"].as_array().expect("steps"), name, &mut out);
    }
    out
}

/// Values that do not belong where they come to stand.
fn odd(rng: &mut SmallRng) -> Value {
    let all = [
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1.5e300),
        json!(""),
        json!("-"),
        json!("\u{0}é\u{10ffff}"),
        json!("x".repeat(300)),
        json!("1e9Ei"),
        json!("2026-13-45T99:99:99Z"),
        json!([]),
        json!({}),
        json!([null]),
        json!([{}]),
        json!([{}, {}]),
        json!([[[]]]),
        json!({"": null}),
        json!({"a": {"b": [{"c": null}]}}),
        json!({"$patch": "delete"}),
        json!([{"$patch": "replace"}, {"$retainKeys": [1]}]),
    ];
    all[rng.random_range(0..all.len())].clone()
}

/// Places of a value: itself and everything below it.
fn places(value: &Value, at: String, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                places(value, format!("{at}/{key}"), out);
            }
        }
        Value::Array(list) => {
            for (n, value) in list.iter().enumerate() {
                places(value, format!("{at}/{n}"), out);
            }
        }
        _ => {}
    }
    out.push(at);
}

/// The body with one thing wrong.
fn another_form(body: &Value, rng: &mut SmallRng) -> Value {
    let mut all = Vec::new();
    places(body, String::new(), &mut all);
    let place = &all[rng.random_range(0..all.len())];
    let mut body = body.clone();
    let taken = body.pointer(place).cloned().unwrap_or_default();
    let Some(target) = body.pointer_mut(place) else { return body };
    match rng.random_range(0..4) {
        0 => *target = json!([taken.clone(), taken]),
        1 => {
            let mut inner = Map::new();
            inner.insert("inner".into(), taken);
            *target = Value::Object(inner);
        }
        _ => *target = odd(rng),
    }
    body
}

fn is_test(thread: &str) -> bool {
    thread.contains("::")
}

#[tokio::test]
async fn no_body_makes_the_server_panic() {
    let panics = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&panics);
    let mine = std::thread::current().name().map(str::to_owned);
    std::panic::set_hook(Box::new(move |info| {
        // The threads of tests have their names; what panics in another one is its own affair.
        let thread = std::thread::current();
        let other = thread.name() != mine.as_deref() && thread.name().is_some_and(is_test);
        if !other {
            seen.lock().expect("no panic within").push(info.to_string());
        }
    }));
    let given = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = given.unwrap_or_else(rand::random);
    println!("{SEED}={seed}");
    let mut rng = SmallRng::seed_from_u64(seed);
    let server = server(MemoryStore::new(), "127.0.0.1:6443".into());
    let client = LocalClient::privileged(server, "test", "test");
    let (mut taken, mut refused) = (0, 0);
    for sent in recorded() {
        let count = if sent.scenario == "beforehand" { 0 } else { FORMS };
        let forms = (0..count).map(|_| another_form(&sent.body, &mut rng));
        for body in std::iter::once(sent.body.clone()).chain(forms.collect::<Vec<_>>()) {
            let bytes = Bytes::from(body.to_string());
            let kind = sent.kind.as_deref();
            match client.request(&sent.method, &sent.path, kind, Some(bytes)).await {
                Ok(_) => taken += 1,
                Err(_) => refused += 1,
            }
            // Not held while it is judged: a failure panics, and the hook takes it again.
            let found = panics.lock().expect("no panic within").clone();
            assert!(
                found.is_empty(),
                "{SEED}={seed} {}: {} {} {body}\n{found:?}",
                sent.scenario,
                sent.method,
                sent.path
            );
        }
    }
    println!("{taken} taken, {refused} refused");
    assert!(taken > 1_000 && refused > 1_000, "{taken} taken, {refused} refused");
}
