//! Services over views that hold what earlier ones took.

use super::{Extra, ExtraChange, service};
use bytes::Bytes;
use reddwarf_core::{Expectation, ObjectIndex, ObjectKey, Revision, StoredObject, View};
use serde_json::{Value, json};
use std::sync::Arc;

fn store(view: &mut View, key: ObjectKey, object: &Value) {
    view.revision = view.revision.next();
    let stored = StoredObject {
        key: key.clone(),
        revision: view.revision,
        created: view.revision,
        bytes: Bytes::from(object.to_string()),
        version_at: (0, 0),
        index: ObjectIndex::default(),
        salt: None,
        content: Default::default(),
    };
    view.objects.insert(key, Arc::new(stored));
}

/// Applies what the allocation asks for, as the commit would.
fn apply(view: &mut View, extra: &Extra) {
    for precondition in &extra.preconditions {
        let found = view.get(&precondition.key).map(|o| o.revision);
        let holds = match precondition.expect {
            Expectation::Absent => found.is_none(),
            Expectation::Present => found.is_some(),
            Expectation::At(revision) => found == Some(revision),
        };
        assert!(holds, "{precondition:?} over {found:?}");
    }
    for change in &extra.changes {
        match change {
            ExtraChange::Put { key, object } => store(view, key.clone(), object),
            ExtraChange::Delete { key } => {
                view.objects.remove(key).expect("what is deleted is there");
            }
        }
    }
}

fn cidr(range: &str) -> View {
    let mut view = View { revision: Revision(1), ..View::default() };
    let object = json!({"metadata": {"name": "kubernetes"}, "spec": {"cidrs": [range]}});
    let key = ObjectKey::new("networking.k8s.io", "servicecidrs", "", "kubernetes");
    store(&mut view, key, &object);
    view
}

fn service_of(spec: Value) -> Value {
    json!({"metadata": {"name": "s", "namespace": "n"}, "spec": spec})
}

fn held(view: &View, resource: &str) -> usize {
    view.objects.keys().filter(|key| key.resource() == resource).count()
}

#[test]
fn a_service_takes_and_gives_back_an_address() {
    let mut view = cidr("10.0.0.0/24");
    let mut made = service_of(json!({"type": "ClusterIP", "ports": [{"port": 80}]}));
    let extra = service::create(&mut made, &view).expect("an address");
    apply(&mut view, &extra);
    assert_eq!(made["spec"]["clusterIPs"], json!([made["spec"]["clusterIP"]]));
    assert_eq!(made["spec"]["ipFamilies"], json!(["IPv4"]));
    assert_eq!(held(&view, "ipaddresses"), 1);
    let extra = service::remove(&made, &view);
    apply(&mut view, &extra);
    assert_eq!(held(&view, "ipaddresses"), 0);
}

#[test]
fn an_address_is_taken_once() {
    let mut view = cidr("10.0.0.0/24");
    let spec = json!({"type": "ClusterIP", "clusterIP": "10.0.0.9", "ports": [{"port": 80}]});
    let extra = service::create(&mut service_of(spec.clone()), &view).expect("free");
    apply(&mut view, &extra);
    let refused = service::create(&mut service_of(spec), &view).expect_err("taken");
    assert_eq!(
        refused.message,
        "Service \"s\" is invalid: spec.clusterIPs: Invalid value: [\"10.0.0.9\"]: failed to allocate IP 10.0.0.9: provided IP is already allocated"
    );
    let outside = json!({"type": "ClusterIP", "clusterIP": "192.0.2.1"});
    let refused = service::create(&mut service_of(outside), &view).expect_err("outside");
    assert!(refused.message.ends_with("the provided network does not match the current range"));
}

#[test]
fn a_headless_or_external_service_takes_nothing() {
    let view = cidr("10.0.0.0/24");
    let mut headless = service_of(json!({"type": "ClusterIP", "clusterIP": "None"}));
    assert!(service::create(&mut headless, &view).expect("headless").changes.is_empty());
    assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
    let mut external = service_of(json!({"type": "ExternalName", "externalName": "a.b"}));
    assert!(service::create(&mut external, &view).expect("external").changes.is_empty());
    assert!(external["spec"].get("ipFamilies").is_none());
}

#[test]
fn node_ports_follow_the_type() {
    let mut view = cidr("10.0.0.0/24");
    let spec = json!({"type": "ClusterIP", "ports": [{"port": 80, "protocol": "TCP"}, {"port": 81, "protocol": "TCP"}]});
    let mut old = service_of(spec);
    let extra = service::create(&mut old, &view).expect("made");
    apply(&mut view, &extra);

    let mut balanced = old.clone();
    balanced["spec"]["type"] = json!("LoadBalancer");
    balanced["spec"]["externalTrafficPolicy"] = json!("Local");
    let extra = service::update(&mut balanced, &old, &view).expect("ports");
    apply(&mut view, &extra);
    assert_eq!(held(&view, "nodeports"), 3, "two ports and the health check");

    let mut renamed = balanced.clone();
    for port in renamed["spec"]["ports"].as_array_mut().expect("ports") {
        port["nodePort"] = json!(0);
    }
    renamed["spec"]["clusterIP"] = json!("");
    renamed["spec"]["clusterIPs"] = json!([]);
    let extra = service::update(&mut renamed, &balanced, &view).expect("kept");
    assert!(extra.changes.is_empty(), "{extra:?}");
    assert_eq!(renamed["spec"]["ports"], balanced["spec"]["ports"]);
    assert_eq!(renamed["spec"]["clusterIP"], balanced["spec"]["clusterIP"]);

    let mut plain = balanced.clone();
    plain["spec"]["type"] = json!("ClusterIP");
    let extra = service::update(&mut plain, &balanced, &view).expect("given back");
    apply(&mut view, &extra);
    assert_eq!(held(&view, "nodeports"), 0);
    let spec = &plain["spec"];
    assert!(spec["ports"][0].get("nodePort").is_none());
    assert!(
        spec.get("healthCheckNodePort").is_none() && spec.get("externalTrafficPolicy").is_none()
    );
}

#[test]
fn a_port_is_asked_for_and_refused() {
    let mut view = cidr("10.0.0.0/24");
    let spec = |port: i64| json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": port}]});
    let refused = service::create(&mut service_of(spec(80)), &view).expect_err("outside");
    assert!(refused.message.ends_with("The range of valid ports is 30000-32767"));
    let extra = service::create(&mut service_of(spec(30_080)), &view).expect("free");
    apply(&mut view, &extra);
    let refused = service::create(&mut service_of(spec(30_080)), &view).expect_err("taken");
    assert!(refused.message.ends_with("provided port is already allocated"));
}

#[test]
fn an_external_name_gives_its_address_back() {
    let mut view = cidr("10.0.0.0/24");
    let mut old = service_of(json!({"type": "ClusterIP", "ports": [{"port": 80}]}));
    let extra = service::create(&mut old, &view).expect("made");
    apply(&mut view, &extra);
    let mut external =
        service_of(json!({"type": "ExternalName", "externalName": "a.b", "ports": [{"port": 80}]}));
    for field in ["ipFamilies", "ipFamilyPolicy"] {
        external["spec"][field] = old["spec"][field].clone();
    }
    let extra = service::update(&mut external, &old, &view).expect("external");
    apply(&mut view, &extra);
    assert_eq!(held(&view, "ipaddresses"), 0);
    let spec = external["spec"].as_object().expect("an object");
    let mut fields: Vec<&str> = spec.keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["externalName", "ports", "type"]);
}

#[test]
fn a_cluster_without_ipv6() {
    let view = cidr("10.0.0.0/24");
    let refused =
        |spec: Value| service::create(&mut service_of(spec), &view).expect_err("refused").message;
    assert!(refused(json!({"ipFamilies": ["IPv6"]})).ends_with("not configured on this cluster"));
    assert!(
        refused(json!({"ipFamilyPolicy": "RequireDualStack"}))
            .ends_with("this cluster is not configured for dual-stack services")
    );
}
