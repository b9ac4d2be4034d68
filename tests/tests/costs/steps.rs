//! What the steps of a write cost: decode, default, validate, patch, encode. A measurement, run by
//! hand: `cargo test --release -p reddwarf-tests --test costs steps -- --ignored --nocapture`.

use reddwarf_apiserver::object::encode;
use reddwarf_apiserver::patch::{self, PatchType};
use reddwarf_apiserver::registry::Registry;
use reddwarf_apiserver::request::FieldValidation;
use reddwarf_apiserver::schema::{BodyFormat, decode};
use reddwarf_apiserver::validation;
use serde_json::{Value, json};
use std::hint::black_box;
use std::time::Instant;

const ROUNDS: u32 = 2_000;

fn each<T>(what: &str, mut run: impl FnMut() -> T) {
    black_box(run());
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        black_box(run());
    }
    println!("{what}: {:.1} µs", begun.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS));
}

/// About 4 KiB with its defaults.
fn deployment() -> Value {
    let env: Vec<Value> = (0..12)
        .map(|n| json!({"name": format!("SETTING_{n}"), "value": format!("value-{n}")}))
        .collect();
    let probe = json!({"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5});
    let container = |name: &str| {
        json!({
            "name": name, "image": format!("registry.example/{name}:1"), "env": env,
            "ports": [{"name": "http", "containerPort": 8080}],
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}},
            "livenessProbe": probe, "readinessProbe": probe,
        })
    };
    json!({
        "kind": "Deployment", "apiVersion": "apps/v1",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {
            "replicas": 3, "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [container("app"), container("side")]},
            },
        },
    })
}

#[test]
#[ignore = "a measurement"]
fn steps_of_a_write() {
    let registry = Registry::builtin();
    let kind = registry.resource("apps", "v1", "deployments").expect("it is served");
    let body = deployment().to_string();
    let decoded = || decode(kind, body.as_bytes(), BodyFormat::Json, FieldValidation::Strict);
    let bare = decoded().expect("it decodes").object;
    let mut object = bare.clone();
    kind.fill_defaults(&mut object);
    println!("a deployment of {} bytes, {} with defaults", body.len(), object.to_string().len());
    assert_eq!(validation::create(kind, &object), vec![]);
    let patch = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "side", "image": "registry.example/side:2", "env": [{"name": "NEW", "value": "1"}]},
    ]}}}});
    let (strategic, merge) = (patch.to_string(), json!({"spec": {"replicas": 5}}).to_string());
    let patched = |ty: PatchType, patch: &str| {
        patch::apply(kind, ty, &object, patch.as_bytes()).expect("it applies")
    };

    each("decode", || decoded().expect("it decodes"));
    each("a copy", || bare.clone());
    each("default, with a copy", || {
        let mut object = bare.clone();
        kind.fill_defaults(&mut object);
        object
    });
    each("validate a new one", || validation::create(kind, &object));
    each("validate an update", || validation::update(kind, &object, &object));
    each("merge patch, with a copy", || patched(PatchType::Merge, &merge));
    each("strategic patch, with a copy", || patched(PatchType::Strategic, &strategic));
    each("encode", || encode("apps/v1", "Deployment", &object));
}
