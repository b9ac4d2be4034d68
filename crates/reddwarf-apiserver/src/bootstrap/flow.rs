//! The flow schemas and priority levels that every cluster has: two of each are mandatory, the
//! others are upstream's suggestions.

use serde_json::{Value, json};

const GROUP_VERSION: &str = "flowcontrol.apiserver.k8s.io/v1";
const MANDATORY: [&str; 2] = ["exempt", "catch-all"];

/// Priority levels that queue: name, shares, percentage to lend, queues, size of a hand.
const QUEUED: [(&str, i64, i64, i64, i64); 6] = [
    ("system", 30, 33, 64, 6),
    ("node-high", 40, 25, 64, 6),
    ("leader-election", 10, 0, 16, 4),
    ("workload-high", 40, 50, 128, 6),
    ("workload-low", 100, 90, 128, 6),
    ("global-default", 20, 50, 128, 6),
];

/// All of them with the collections to which they are posted; levels come first.
pub fn all() -> Vec<(String, Value)> {
    let levels = priority_levels().into_iter().map(|(name, spec)| {
        object("PriorityLevelConfiguration", "prioritylevelconfigurations", name, spec)
    });
    let schemas = flow_schemas()
        .into_iter()
        .map(|(name, spec)| object("FlowSchema", "flowschemas", name, spec));
    levels.chain(schemas).collect()
}

/// The specification that an object of this name must have, if it is a mandatory one.
pub fn mandatory_flow_spec(kind: &str, name: &str) -> Option<Value> {
    if !MANDATORY.contains(&name) {
        return None;
    }
    let all = if kind == "FlowSchema" { flow_schemas() } else { priority_levels() };
    all.into_iter().find(|(of, _)| *of == name).map(|(_, spec)| spec)
}

fn object(kind: &str, plural: &str, name: &str, spec: Value) -> (String, Value) {
    let metadata =
        json!({"name": name, "annotations": {"apf.kubernetes.io/autoupdate-spec": "true"}});
    let object =
        json!({"apiVersion": GROUP_VERSION, "kind": kind, "metadata": metadata, "spec": spec});
    (format!("/apis/{GROUP_VERSION}/{plural}"), object)
}

fn priority_levels() -> Vec<(&'static str, Value)> {
    let exempt = json!({"type": "Exempt",
        "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}});
    let rest = json!({"type": "Limited", "limited": {"nominalConcurrencyShares": 5,
        "lendablePercent": 0, "limitResponse": {"type": "Reject"}}});
    let queued = QUEUED.into_iter().map(|(name, shares, lend, queues, hand)| {
        let queuing = json!({"queues": queues, "handSize": hand, "queueLengthLimit": 50});
        let limited = json!({"nominalConcurrencyShares": shares, "lendablePercent": lend,
            "limitResponse": {"type": "Queue", "queuing": queuing}});
        (name, json!({"type": "Limited", "limited": limited}))
    });
    [("exempt", exempt), ("catch-all", rest)].into_iter().chain(queued).collect()
}

fn flow_schemas() -> Vec<(&'static str, Value)> {
    let (user, namespace) = (Some("ByUser"), Some("ByNamespace"));
    let anyone = || groups(&["system:unauthenticated", "system:authenticated"]);
    let nodes = || groups(&["system:nodes"]);
    let leases =
        || resources(&["get", "create", "update"], "coordination.k8s.io", &["leases"], false);
    let node_leases = resources(&["*"], "coordination.k8s.io", &["leases"], false);
    let node_status = resources(&["*"], "", &["nodes", "nodes/status"], true);
    let probes = json!([{"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}]);
    let mut leaders = users(&["system:kube-controller-manager", "system:kube-scheduler"]);
    leaders.extend(system_accounts());
    vec![
        ("exempt", spec("exempt", 1, None, everything(groups(&["system:masters"])))),
        ("catch-all", spec("catch-all", 10_000, user, everything(anyone()))),
        (
            "probes",
            spec("exempt", 2, None, json!({"subjects": anyone(), "nonResourceRules": probes})),
        ),
        (
            "system-leader-election",
            spec(
                "leader-election",
                100,
                user,
                json!({"subjects": leaders, "resourceRules": [leases()]}),
            ),
        ),
        (
            "system-node-high",
            spec(
                "node-high",
                400,
                user,
                json!({"subjects": nodes(), "resourceRules": [node_status, node_leases]}),
            ),
        ),
        ("system-nodes", spec("system", 500, user, everything(nodes()))),
        (
            "kube-controller-manager",
            spec(
                "workload-high",
                800,
                namespace,
                everything(users(&["system:kube-controller-manager"])),
            ),
        ),
        (
            "kube-scheduler",
            spec("workload-high", 800, namespace, everything(users(&["system:kube-scheduler"]))),
        ),
        (
            "kube-system-service-accounts",
            spec("workload-high", 900, namespace, everything(system_accounts())),
        ),
        (
            "service-accounts",
            spec("workload-low", 9_000, user, everything(groups(&["system:serviceaccounts"]))),
        ),
        ("global-default", spec("global-default", 9_900, user, everything(anyone()))),
    ]
}

fn spec(level: &str, precedence: i64, method: Option<&str>, rules: Value) -> Value {
    let mut spec = json!({"priorityLevelConfiguration": {"name": level},
        "matchingPrecedence": precedence, "rules": [rules]});
    if let Some(method) = method {
        spec["distinguisherMethod"] = json!({ "type": method });
    }
    spec
}

/// Rules for every request of the subjects.
fn everything(subjects: Vec<Value>) -> Value {
    json!({
        "subjects": subjects,
        "resourceRules": [resources(&["*"], "*", &["*"], true)],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    })
}

fn resources(verbs: &[&str], group: &str, resources: &[&str], cluster: bool) -> Value {
    let mut rule = json!({"verbs": verbs, "apiGroups": [group], "resources": resources,
        "namespaces": ["*"]});
    if cluster {
        rule["clusterScope"] = json!(true);
    }
    rule
}

fn groups(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"kind": "Group", "group": {"name": name}})).collect()
}

fn users(names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| json!({"kind": "User", "user": {"name": name}})).collect()
}

fn system_accounts() -> Vec<Value> {
    vec![
        json!({"kind": "ServiceAccount", "serviceAccount": {"name": "*", "namespace": "kube-system"}}),
    ]
}
