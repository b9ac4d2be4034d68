//! Pods and templates of pods.

use super::super::names;
use super::super::pod::{APP_ARMOR_OF, containers};
use super::super::read::{has, int, items, text};
use super::super::resource_name::amount;
use super::super::{FieldPath, address};
use super::{container, labels, volume};
use crate::registry::prepare;
use serde_json::Value;

/// Annotations of pods that do nothing any more.
const OLD_ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];
const SECCOMP: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_OF: &str = "container.seccomp.security.alpha.kubernetes.io/";
const NO_SECCOMP: &str = "non-functional in v1.27+; use the \"seccompProfile\" field instead";
const NO_APP_ARMOR: &str = "deprecated since v1.30; use the \"appArmorProfile\" field instead";
const MATCHES_NOTHING: &str = "a null labelSelector results in matching no pod";

/// A name that does not do for the host of a pod; `where_used` says where it appears.
pub fn host_name(object: &Value, where_used: &str) -> Option<String> {
    let problems = names::label(text(&object["metadata"], "name"));
    (!problems.is_empty()).then(|| {
        format!(
            "metadata.name: this is used in {where_used}, which can result in surprising behavior; a DNS label is recommended: [{}]",
            problems.join(" ")
        )
    })
}

/// A pod, or a template at `path`.
pub fn all(pod: &Value, path: Option<&FieldPath>) -> Vec<String> {
    let (meta, spec) = (&pod["metadata"], &pod["spec"]);
    let at = below(path, "spec");
    let annotations = below(path, "metadata").child("annotations");
    let mut warnings = labels::selected(spec, "nodeSelector", &at);
    warnings.extend(placement(spec, &at));
    for (annotation, text) in OLD_ANNOTATIONS {
        if has(&meta["annotations"], annotation) {
            warnings.push(format!("{}: {text}", annotations.key(annotation)));
        }
    }
    warnings.extend(volume::old_plugins(spec, &at));
    warnings.extend(volume::overlaps(spec));
    warnings.extend(repeated(spec, &at));
    warnings.extend(addresses(spec, &at));
    warnings.extend(fractions(&spec["overhead"], &at.child("overhead")));
    let has_field = has(&spec["securityContext"], "seccompProfile");
    if !has_field && has(&meta["annotations"], SECCOMP) {
        warnings.push(format!("{}: {NO_SECCOMP}", annotations.key(SECCOMP)));
    }
    let containers = containers(spec, &at);
    for (container, at) in &containers {
        warnings.extend(profiles(container, pod, path.is_some(), &annotations));
        let resources = at.child("resources");
        for (name, list) in AMOUNTS {
            let of = &container["resources"][list];
            warnings.extend(fraction(of, name, &resources.child(list)));
        }
        container::hidden_variables(container, at, &mut warnings);
    }
    container::ports(&containers, &mut warnings);
    if int(spec, "terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0) {
        let at = at.child("terminationGracePeriodSeconds");
        let why = "must be >= 0; negative values are invalid and will be treated as 1";
        warnings.push(format!("{at}: {why}"));
    }
    warnings.extend(matching_nothing(spec, &at));
    warnings
}

/// Addresses in the status of a pod.
pub fn status(status: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    for list in ["podIPs", "hostIPs"] {
        let path = FieldPath::new("status").child(list);
        for (i, address) in items(status, list).iter().enumerate() {
            warnings.extend(address::ip_warning(text(address, "ip"), &path.index(i).child("ip")));
        }
    }
    warnings
}

/// Profiles of AppArmor that are copied from annotations.
pub fn copied_profiles(pod: &Value) -> Vec<String> {
    let annotations = FieldPath::new("metadata").child("annotations");
    let copies = prepare::app_armor_to_copy(pod).into_iter();
    copies.map(|copy| format!("{}: {NO_APP_ARMOR}", annotations.key(&copy.annotation))).collect()
}

fn below(path: Option<&FieldPath>, field: &str) -> FieldPath {
    path.map_or_else(|| FieldPath::new(field), |path| path.child(field))
}

/// Where the amounts that are bytes are looked for, in upstream's order.
const AMOUNTS: [(&str, &str); 4] = [
    ("memory", "limits"),
    ("memory", "requests"),
    ("ephemeral-storage", "limits"),
    ("ephemeral-storage", "requests"),
];

fn fractions(amounts: &Value, path: &FieldPath) -> Vec<String> {
    ["memory", "ephemeral-storage"].iter().filter_map(|n| fraction(amounts, n, path)).collect()
}

/// An amount of bytes that is not whole.
pub fn fraction(amounts: &Value, name: &str, path: &FieldPath) -> Option<String> {
    let amount = amount(amounts.get(name)?)?;
    (amount.milli_value() % 1000 != 0).then(|| {
        let at = path.key(name);
        format!("{at}: fractional byte value \"{amount}\" is invalid, must be an integer")
    })
}

fn placement(spec: &Value, path: &FieldPath) -> Vec<String> {
    let affinity = &spec["affinity"]["nodeAffinity"];
    let at = path.child("affinity").child("nodeAffinity");
    let (required, preferred) = (
        "requiredDuringSchedulingIgnoredDuringExecution",
        "preferredDuringSchedulingIgnoredDuringExecution",
    );
    let mut warnings = labels::terms(&affinity[required], &at.child(required));
    for (i, term) in items(affinity, preferred).iter().enumerate() {
        let at = at.child(preferred).index(i).child("preference");
        warnings.extend(labels::term(&term["preference"], &at));
        warnings.extend(labels::values(&term["preference"], &at));
    }
    let list = path.child("topologySpreadConstraints");
    for (i, constraint) in items(spec, "topologySpreadConstraints").iter().enumerate() {
        let key = text(constraint, "topologyKey");
        if let Some(why) = labels::old(key) {
            let at = list.index(i).child("topologyKey");
            warnings.push(format!("{at}: {key} is {why}"));
        }
        warnings.extend(null_selector(constraint, &list.index(i)));
    }
    warnings
}

fn null_selector(of: &Value, path: &FieldPath) -> Option<String> {
    (!has(of, "labelSelector"))
        .then(|| format!("{}: {MATCHES_NOTHING}", path.child("labelSelector")))
}

fn matching_nothing(spec: &Value, path: &FieldPath) -> Vec<String> {
    let mut warnings = Vec::new();
    for kind in ["podAffinity", "podAntiAffinity"] {
        let affinity = &spec["affinity"][kind];
        let path = path.child("affinity").child(kind);
        let list = "requiredDuringSchedulingIgnoredDuringExecution";
        for (i, term) in items(affinity, list).iter().enumerate() {
            warnings.extend(null_selector(term, &path.child(list).index(i)));
        }
        let list = "preferredDuringSchedulingIgnoredDuringExecution";
        for (i, weighted) in items(affinity, list).iter().enumerate() {
            let at = path.child(list).index(i).child("podAffinityTerm");
            warnings.extend(null_selector(&weighted["podAffinityTerm"], &at));
        }
    }
    warnings
}

/// Aliases of hosts and secrets that are named twice or not at all.
fn repeated(spec: &Value, path: &FieldPath) -> Vec<String> {
    let mut warnings = Vec::new();
    for (list, field, noun) in [("hostAliases", "ip", "ip"), ("imagePullSecrets", "name", "name")] {
        let path = path.child(list);
        let all = items(spec, list);
        for (i, item) in all.iter().enumerate() {
            let name = text(item, field);
            if all.iter().take(i).any(|other| text(other, field) == name) {
                let at = path.index(i).child(field);
                warnings.push(format!("{at}: duplicate {noun} {name:?}"));
            }
        }
    }
    let path = path.child("imagePullSecrets");
    for (i, secret) in items(spec, "imagePullSecrets").iter().enumerate() {
        if text(secret, "name").is_empty() {
            warnings.push(format!("{}: invalid empty name \"\"", path.index(i).child("name")));
        }
    }
    warnings
}

fn addresses(spec: &Value, path: &FieldPath) -> Vec<String> {
    let servers = path.child("dnsConfig").child("nameservers");
    let aliases = path.child("hostAliases");
    let of_servers = items(&spec["dnsConfig"], "nameservers").iter().enumerate();
    let of_aliases = items(spec, "hostAliases").iter().enumerate();
    let servers = of_servers.filter_map(|(i, server)| {
        address::ip_warning(server.as_str().unwrap_or_default(), &servers.index(i))
    });
    let aliases = of_aliases
        .filter_map(|(i, a)| address::ip_warning(text(a, "ip"), &aliases.index(i).child("ip")));
    servers.chain(aliases).collect()
}

/// Profiles of a container that stand in annotations alone. Those of a pod's AppArmor profiles
/// are told of where they are copied to the field.
fn profiles(
    container: &Value,
    pod: &Value,
    is_template: bool,
    annotations: &FieldPath,
) -> Vec<String> {
    let context = &container["securityContext"];
    let of_pod = &pod["spec"]["securityContext"];
    let mut warnings = Vec::new();
    let mut check = |is_given: bool, prefix: &str, why: &str| {
        let key = format!("{prefix}{}", text(container, "name"));
        if !is_given && has(&pod["metadata"]["annotations"], &key) {
            warnings.push(format!("{}: {why}", annotations.key(&key)));
        }
    };
    check(has(context, "seccompProfile"), SECCOMP_OF, NO_SECCOMP);
    let is_given = has(of_pod, "appArmorProfile") || has(context, "appArmorProfile");
    check(!is_template || is_given, APP_ARMOR_OF, NO_APP_ARMOR);
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_pod_should_not_have() {
        let pod = json!({
            "metadata": {"name": "a.b", "annotations": {SECCOMP: "unconfined"}},
            "spec": {
                "terminationGracePeriodSeconds": -1,
                "affinity": {
                    "nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                        {"weight": 1, "preference": {"matchExpressions": [
                            {"key": "beta.kubernetes.io/os", "operator": "In", "values": ["-"]}]}}]},
                    "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "k"}]},
                },
                "topologySpreadConstraints": [{"topologyKey": "failure-domain.beta.kubernetes.io/zone"}],
                "imagePullSecrets": [{"name": ""}, {}],
                "overhead": {"memory": "1m"},
                "dnsConfig": {"nameservers": ["::0001"]},
                "containers": [{"name": "c", "resources": {"limits": {"memory": "1500m"}}}],
            },
        });
        let warnings = all(&pod, None);
        let fields: Vec<&str> = warnings.iter().filter_map(|w| w.split(": ").next()).collect();
        let preferred = "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0]";
        assert_eq!(
            fields,
            [
                format!("{preferred}.key").as_str(),
                format!("{preferred}.values[0]").as_str(),
                "spec.topologySpreadConstraints[0].topologyKey",
                "spec.topologySpreadConstraints[0].labelSelector",
                "spec.imagePullSecrets[1].name",
                "spec.imagePullSecrets[0].name",
                "spec.imagePullSecrets[1].name",
                "spec.dnsConfig.nameservers[0]",
                "spec.overhead[memory]",
                "metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]",
                "spec.containers[0].resources.limits[memory]",
                "spec.terminationGracePeriodSeconds",
                "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector",
            ]
        );
        assert!(host_name(&pod, "the Pod's hostname").is_some());
        assert_eq!(host_name(&json!({"metadata": {"name": "a"}}), ""), None);
    }
}
