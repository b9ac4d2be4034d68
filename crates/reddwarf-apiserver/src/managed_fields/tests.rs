//! Objects that several managers write, one after the other.

use super::{Applied, ApplyError, NotApplied, Tracker, Updater, Versions, conflict, reset};
use crate::object::{meta_mut, set_meta};
use crate::registry::{Kind, Registry};
use crate::request::FieldValidation;
use crate::schema::normalize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

const EARLIER: &str = "2026-01-02T03:04:05Z";
const LATER: &str = "2026-01-02T03:04:06Z";

/// An object as the verbs would treat it, without a server.
struct Shared {
    registry: Registry,
    kind: Arc<Kind>,
    subresource: &'static str,
    now: &'static str,
    live: Option<Value>,
}

impl Shared {
    fn new(group: &str, plural: &str) -> Self {
        let registry = Registry::builtin();
        let kind = registry.resource(group, "v1", plural).expect("a kind").clone();
        Shared { registry, kind, subresource: "", now: EARLIER, live: None }
    }

    fn tracked<T>(&self, manager: &str, with: impl FnOnce(&Tracker<'_>) -> T) -> T {
        let api_version = self.kind.api_version();
        let empty = self.normal(json!({"metadata": {}}));
        with(&Tracker {
            updater: Updater {
                versions: Versions::of_kind(&self.registry, &self.kind, &api_version),
                reset: reset::fields(&self.kind, self.subresource),
            },
            manager,
            subresource: self.subresource,
            empty: &empty,
            now: self.now.to_owned(),
        })
    }

    fn normal(&self, mut object: Value) -> Value {
        object["kind"] = self.kind.kind.as_ref().into();
        object["apiVersion"] = self.kind.api_version().into();
        normalize(&self.kind, object, FieldValidation::Ignore).expect("decodes").object
    }

    fn defaulted(&self, object: Value) -> Value {
        let mut object = self.normal(object);
        (self.kind.hooks.default)(&mut object);
        object
    }

    /// A PUT by `manager`, or a POST when there is nothing yet.
    fn put(&mut self, manager: &str, object: Value) {
        let mut object = self.defaulted(object);
        let managed = self.tracked(manager, |t| t.updated(self.live.as_ref(), &object));
        set_meta(&mut object, "managedFields", managed);
        set_meta(&mut object, "uid", Some("u".into()));
        self.live = Some(object);
    }

    /// A PATCH by `manager`, which changes the live object as `change` does.
    fn patch(&mut self, manager: &str, change: impl FnOnce(&mut Value)) {
        let mut object = self.live.clone().expect("something to patch");
        change(&mut object);
        self.put(manager, object);
    }

    fn try_apply(
        &mut self,
        manager: &str,
        force: bool,
        mut config: Value,
    ) -> Result<(), ApplyError> {
        config["kind"] = self.kind.kind.as_ref().into();
        config["apiVersion"] = self.kind.api_version().into();
        config["metadata"]["name"] = "a".into();
        let Applied { object, managed } =
            self.tracked(manager, |t| t.applied(self.live.as_ref(), &config, force))?;
        let mut object = match object {
            Some(object) => self.defaulted(object),
            None => self.live.clone().expect("an apply to nothing makes an object"),
        };
        set_meta(&mut object, "managedFields", managed);
        set_meta(&mut object, "uid", Some("u".into()));
        self.live = Some(object);
        Ok(())
    }

    fn apply(&mut self, manager: &str, config: Value) {
        self.try_apply(manager, false, config).expect("applies");
    }

    fn force(&mut self, manager: &str, config: Value) {
        self.try_apply(manager, true, config).expect("applies");
    }

    /// The message of the refusal.
    fn refused(&mut self, manager: &str, config: Value) -> String {
        match self.try_apply(manager, false, config).expect_err("refused") {
            ApplyError::NotApplied(NotApplied::Conflicts(conflicts)) => {
                conflict::status(conflicts).message
            }
            other => other.to_string(),
        }
    }

    fn entries(&self) -> Vec<Value> {
        let managed = self.live.as_ref().and_then(|o| o["metadata"].get("managedFields"));
        managed.and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// Fields by manager; appliers are marked with `+`.
    fn owners(&self) -> Value {
        let owners: BTreeMap<String, Value> = self
            .entries()
            .into_iter()
            .map(|entry| {
                let applier = if entry["operation"] == "Apply" { "+" } else { "" };
                let name = entry["manager"].as_str().unwrap_or_default();
                let sub = entry["subresource"].as_str().map(|s| format!("/{s}"));
                let name = format!("{applier}{name}{}", sub.unwrap_or_default());
                (name, entry["fieldsV1"].clone())
            })
            .collect();
        json!(owners)
    }

    fn at(&self, pointer: &str) -> Value {
        self.live.as_ref().and_then(|o| o.pointer(pointer)).cloned().unwrap_or_default()
    }
}

fn config_map() -> Shared {
    Shared::new("", "configmaps")
}

fn data(data: Value) -> Value {
    json!({"metadata": {}, "data": data})
}

#[test]
fn a_creation_owns_what_it_says_and_nothing_of_the_server() {
    let mut map = config_map();
    map.put("m", json!({
        "metadata": {"name": "a", "namespace": "n", "uid": "u", "generation": 3, "labels": {"l": "1"}},
        "data": {"x": "1"},
    }));
    assert_eq!(
        map.owners(),
        json!({"m": {
            "f:metadata": {"f:labels": {".": {}, "f:l": {}}}, "f:data": {".": {}, "f:x": {}},
        }})
    );
    assert_eq!(map.entries()[0]["time"], EARLIER);
    assert_eq!(map.entries()[0]["apiVersion"], "v1");
}

#[test]
fn an_update_takes_what_it_changes() {
    let mut map = config_map();
    map.put("a", data(json!({"x": "1", "y": "1", "z": "1"})));
    map.now = LATER;
    map.put("b", data(json!({"x": "2", "y": "1"})));
    assert_eq!(
        map.owners(),
        json!({"a": {"f:data": {".": {}, "f:y": {}}}, "b": {"f:data": {"f:x": {}}}})
    );
    assert_eq!(map.entries()[0]["time"], EARLIER);
    map.now = "2030-01-01T00:00:00Z";
    let before = map.entries();
    map.put("b", data(json!({"x": "2", "y": "1"})));
    assert_eq!(map.entries(), before, "what changes nothing leaves the times");
}

#[test]
fn an_apply_owns_leaves_and_not_the_maps_around_them() {
    let mut map = config_map();
    map.apply("alice", data(json!({"x": "1"})));
    assert_eq!(map.owners(), json!({"+alice": {"f:data": {"f:x": {}}}}));
    map.apply("alice", json!({"metadata": {}}));
    assert_eq!((map.owners(), map.at("/data")), (json!({}), Value::Null));
}

#[test]
fn conflicts_and_force() {
    let mut map = config_map();
    map.apply("alice", json!({"metadata": {"labels": {"l": "1"}}, "data": {"x": "1", "y": "2"}}));
    let bobs = data(json!({"x": "b"}));
    assert_eq!(
        map.refused("bob", bobs.clone()),
        "Apply failed with 1 conflict: conflict with \"alice\": .data.x"
    );
    map.force("bob", bobs);
    assert_eq!(map.owners()["+alice"]["f:data"], json!({"f:y": {}}));
    map.patch("carol", |o| o["data"]["y"] = "c".into());
    assert_eq!(
        map.refused("dave", data(json!({"x": "z", "y": "z"}))),
        "Apply failed with 2 conflicts: conflicts with \"bob\":\n- .data.x\nconflicts with \"carol\" using v1:\n- .data.y"
    );
}

#[test]
fn a_shared_field_stays_until_all_drop_it() {
    let mut map = config_map();
    map.apply("alice", data(json!({"s": "1", "a": "1"})));
    map.now = LATER;
    map.apply("bob", data(json!({"s": "1"})));
    let bob = map.entries().into_iter().find(|e| e["manager"] == "bob").expect("an entry");
    assert_eq!(bob.get("time"), None, "who changed nothing has no time");
    map.apply("alice", data(json!({"a": "1"})));
    assert_eq!(map.at("/data"), json!({"s": "1", "a": "1"}));
    map.apply("bob", data(json!({})));
    assert_eq!(map.at("/data"), json!({"a": "1"}));
    // What an update made is nobody's to remove.
    map.patch("carol", |o| o["data"]["c"] = "1".into());
    map.apply("bob", data(json!({"c": "1"})));
    map.apply("bob", data(json!({})));
    assert_eq!(map.at("/data"), json!({"a": "1", "c": "1"}));
}

#[test]
fn what_nobody_owns_is_nobodys_to_remove() {
    let mut map = config_map();
    map.apply("alice", data(json!({"x": "1", "y": "1"})));
    map.patch("carol", |o| o["data"]["c"] = "1".into());
    map.patch("carol", |o| {
        let managed = o["metadata"]["managedFields"].as_array_mut().expect("entries");
        managed.retain(|entry| entry["manager"] == "alice");
    });
    assert_eq!(map.owners(), json!({"+alice": {"f:data": {"f:x": {}, "f:y": {}}}}));
    map.apply("alice", data(json!({"x": "1"})));
    assert_eq!(map.at("/data"), json!({"x": "1", "c": "1"}));
}

#[test]
fn what_was_there_before_the_first_apply() {
    let mut map = config_map();
    map.put("someone", data(json!({"y": "1"})));
    map.patch("someone", |o| set_meta(o, "managedFields", Some(json!([{}]))));
    assert!(map.entries().is_empty());
    map.patch("someone", |o| o["data"]["z"] = "1".into());
    assert!(map.entries().is_empty(), "an update of an object without owners gives it none");
    assert_eq!(
        map.refused("dave", data(json!({"y": "other"}))),
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: .data.y"
    );
    map.apply("dave", data(json!({"q": "1"})));
    assert_eq!(
        map.owners(),
        json!({
            "+dave": {"f:data": {"f:q": {}}},
            "before-first-apply": {"f:data": {".": {}, "f:y": {}, "f:z": {}}},
        })
    );
}

#[test]
fn a_client_may_write_the_entries_itself() {
    let mut map = config_map();
    map.put("a", data(json!({"x": "1"})));
    // As kubectl does when it goes over from client-side apply.
    map.patch("kubectl", |o| {
        let entry = &mut o["metadata"]["managedFields"][0];
        entry["manager"] = "kubectl".into();
        entry["operation"] = "Apply".into();
    });
    assert_eq!(map.owners(), json!({"+kubectl": {"f:data": {".": {}, "f:x": {}}}}));
    let before = map.entries();
    map.patch("b", |o| o["metadata"]["managedFields"][0]["operation"] = "Nonsense".into());
    assert_eq!(map.entries(), before, "what does not parse is ignored");
    map.put("b", data(json!({"x": "1"})));
    assert_eq!(map.entries(), before, "what is left out stays");
    map.subresource = "status";
    map.patch("b", |o| set_meta(o, "managedFields", Some(json!([]))));
    assert_eq!(map.entries(), before, "a subresource does not write them");
}

#[test]
fn items_are_merged_and_removed_by_key() {
    let mut template = Shared::new("", "podtemplates");
    let of = |spec: Value| json!({"metadata": {}, "template": {"spec": spec}});
    let containers = "/template/spec/containers";
    template.apply(
        "alice",
        of(json!({"containers": [
            {"name": "a", "image": "i1", "env": [{"name": "X", "value": "1"}]},
        ]})),
    );
    template.apply(
        "bob",
        of(json!({"containers": [
            {"name": "a", "env": [{"name": "Y", "value": "2"}]}, {"name": "b", "image": "i2"},
        ]})),
    );
    assert_eq!(template.at(&format!("{containers}/0/env/1/name")), "Y");
    template.apply("alice", of(json!({"containers": [{"name": "a", "image": "i1"}]})));
    assert_eq!(template.at(&format!("{containers}/0/env")), json!([{"name": "Y", "value": "2"}]));
    template.apply(
        "bob",
        of(json!({"containers": [
            {"name": "a", "env": [{"name": "Y", "value": "2"}]},
        ]})),
    );
    assert_eq!(template.at(containers).as_array().map(Vec::len), Some(1));
    assert_eq!(
        template.refused("bob", of(json!({"containers": [{"name": "a", "image": "other"}]}))),
        "Apply failed with 1 conflict: conflict with \"alice\": .template.spec.containers[name=\"a\"].image"
    );
    let twice = of(json!({"containers": [{"name": "a"}, {"name": "a"}]}));
    assert_eq!(
        template.refused("alice", twice),
        ".template.spec.containers: duplicate entries for key [name=\"a\"]"
    );
}

#[test]
fn defaults_are_owned_by_updates_and_not_by_applies() {
    let spec = json!({"metadata": {}, "spec": {"ports": [{"port": 80}]}});
    let mut service = Shared::new("", "services");
    service.apply("alice", spec.clone());
    let key = "k:{\"port\":80,\"protocol\":\"TCP\"}";
    assert_eq!(
        service.owners()["+alice"]["f:spec"]["f:ports"][key],
        json!({".": {}, "f:port": {}})
    );
    assert_eq!(service.at("/spec/ports/0/protocol"), "TCP");
    let mut service = Shared::new("", "services");
    service.put("m", spec);
    assert_eq!(
        service.owners()["m"]["f:spec"]["f:ports"][key],
        json!({".": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {}})
    );
}

#[test]
fn status_and_the_rest_are_owned_through_their_own_paths() {
    let mut pod = Shared::new("", "pods");
    let both = |message: &str, image: &str| json!({"metadata": {}, "spec": {"containers": [{"name": "c", "image": image}]}, "status": {"message": message}});
    pod.apply("alice", both("ignored", "i"));
    assert_eq!(pod.owners()["+alice"].get("f:status"), None);
    pod.subresource = "status";
    pod.apply("alice", both("m", "ignored"));
    assert_eq!(pod.owners()["+alice/status"], json!({"f:status": {"f:message": {}}}));
    assert_eq!(
        pod.refused("bob", json!({"metadata": {}, "status": {"message": "n"}})),
        "Apply failed with 1 conflict: conflict with \"alice\" with subresource \"status\": .status.message"
    );
}

#[test]
fn kubectl_goes_over_from_client_side_apply() {
    const LAST: &str = "kubectl.kubernetes.io/last-applied-configuration";
    let with_annotation = |x: &str, last: &str| {
        let mut object = data(json!({"x": x, "y": "1"}));
        meta_mut(&mut object).insert("annotations".to_owned(), json!({LAST: last}));
        object
    };
    let last = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"1"}}"#;
    let mut map = config_map();
    map.put("kubectl-client-side-apply", with_annotation("1", last));
    map.apply("kubectl", data(json!({"x": "2"})));
    assert_eq!(map.at("/data/x"), "2");
    let renewed = map.at("/metadata/annotations");
    assert_eq!(
        renewed[LAST],
        "{\"apiVersion\":\"v1\",\"data\":{\"x\":\"2\"},\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"}}\n"
    );
    // Only what it applied itself, and under this name only.
    assert!(map.refused("kubectl", data(json!({"x": "2", "y": "2"}))).ends_with(".data.y"));
    let mut map = config_map();
    map.put("kubectl-client-side-apply", with_annotation("1", last));
    assert!(map.refused("other", data(json!({"x": "2"}))).ends_with(".data.x"));
}

#[test]
fn a_manager_of_another_version() {
    let mut scaler = Shared::new("autoscaling", "horizontalpodautoscalers");
    let target = json!({"kind": "Deployment", "name": "d"});
    let v1 =
        |max: u32| json!({"metadata": {}, "spec": {"maxReplicas": max, "scaleTargetRef": target}});
    scaler.put("old", v1(3));
    let v2 = scaler.registry.resource("autoscaling", "v2", "horizontalpodautoscalers");
    scaler.kind = v2.expect("a kind").clone();
    scaler.live = scaler.live.take().map(|mut object| {
        let managed = object["metadata"]["managedFields"].take();
        let v1 = scaler.registry.resource("autoscaling", "v1", "horizontalpodautoscalers");
        (v1.expect("a kind").hooks.to_storage)(&mut object);
        object["metadata"]["managedFields"] = managed;
        object
    });
    scaler.patch("new", |o| o["spec"]["maxReplicas"] = json!(4));
    assert_eq!(scaler.owners()["old"]["f:spec"].get("f:maxReplicas"), None);
    assert!(scaler.owners()["old"]["f:spec"].get("f:scaleTargetRef").is_some());
    assert_eq!(scaler.owners()["new"], json!({"f:spec": {"f:maxReplicas": {}}}));
    assert_eq!(
        scaler.refused(
            "third",
            json!({"metadata": {}, "spec": {"scaleTargetRef": {"kind": "X", "name": "d"}}})
        ),
        "Apply failed with 1 conflict: conflict with \"old\" using autoscaling/v1: .spec.scaleTargetRef"
    );
}

/// A deployment of about 4 KiB.
fn large_deployment() -> Value {
    let env: Vec<Value> =
        (0..24).map(|n| json!({"name": format!("SETTING_{n}"), "value": "some value"})).collect();
    let container = |name: &str| {
        json!({
            "name": name, "image": "registry.example.com/team/app:1.2.3", "env": env,
            "ports": [{"containerPort": 8080, "name": "http"}, {"containerPort": 9090, "name": "metrics"}],
            "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 10},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}],
        })
    };
    json!({
        "metadata": {"labels": {"app": "web", "tier": "front"}, "annotations": {"team": "a"}},
        "spec": {
            "replicas": 3, "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "containers": [container("app"), container("side")],
                    "volumes": [{"name": "config", "configMap": {"name": "c"}}],
                },
            },
        },
    })
}

/// Prints what tracking and applying cost; run with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let each = |what: &str, rounds: u32, run: &mut dyn FnMut()| {
        run();
        let begun = Instant::now();
        (0..rounds).for_each(|_| run());
        println!("{what}: {:.1} µs", begun.elapsed().as_secs_f64() * 1e6 / f64::from(rounds));
    };
    let map = config_map();
    let small = map.defaulted(
        json!({"metadata": {"name": "a", "namespace": "n"}, "data": {"a": "1", "b": "2"}}),
    );
    map.tracked("m", |tracker| {
        each("create of a small config map", 20_000, &mut || drop(tracker.updated(None, &small)));
    });
    let mut deployment = Shared::new("apps", "deployments");
    let mut config = large_deployment();
    println!("a deployment of {} bytes", config.to_string().len());
    deployment.apply("alice", config.clone());
    let live = deployment.live.clone().expect("applied");
    println!("stored {} bytes", live.to_string().len());
    config["kind"] = "Deployment".into();
    config["apiVersion"] = "apps/v1".into();
    config["metadata"]["name"] = "a".into();
    let mut changed = config.clone();
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "other".into();
    let mut shrunk = config.clone();
    shrunk["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().expect("env").pop();
    let plain = deployment.defaulted(large_deployment());
    deployment.tracked("alice", |tracker| {
        for (what, config) in
            [("nothing new", &config), ("one change", &changed), ("one removal", &shrunk)]
        {
            each(&format!("apply, {what}"), 500, &mut || {
                drop(tracker.applied(Some(&live), config, false));
            });
        }
        each("create", 500, &mut || drop(tracker.updated(None, &plain)));
        each("update, nothing new", 500, &mut || drop(tracker.updated(Some(&live), &live)));
    });
}
