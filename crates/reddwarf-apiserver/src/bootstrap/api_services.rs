//! The API services of the groups that the API server serves itself.

use serde_json::{Value, json};

/// Where they are posted.
const COLLECTION: &str = "/apis/apiregistration.k8s.io/v1/apiservices";

/// Group, version, and upstream's priorities of both. The group of API services itself has none.
const SERVED: [(&str, &str, i64, i64); 21] = [
    ("", "v1", 18_000, 1),
    ("apps", "v1", 17_800, 15),
    ("events.k8s.io", "v1", 17_750, 15),
    ("authentication.k8s.io", "v1", 17_700, 15),
    ("authorization.k8s.io", "v1", 17_600, 15),
    ("autoscaling", "v2", 17_500, 30),
    ("autoscaling", "v1", 17_500, 15),
    ("batch", "v1", 17_400, 15),
    ("certificates.k8s.io", "v1", 17_300, 15),
    ("networking.k8s.io", "v1", 17_200, 15),
    ("policy", "v1", 17_100, 15),
    ("rbac.authorization.k8s.io", "v1", 17_000, 15),
    ("storage.k8s.io", "v1", 16_800, 15),
    ("apiextensions.k8s.io", "v1", 16_700, 15),
    ("admissionregistration.k8s.io", "v1", 16_700, 15),
    ("scheduling.k8s.io", "v1", 16_600, 15),
    ("coordination.k8s.io", "v1", 16_500, 15),
    ("node.k8s.io", "v1", 16_300, 15),
    ("discovery.k8s.io", "v1", 16_200, 15),
    ("resource.k8s.io", "v1", 16_200, 15),
    ("flowcontrol.apiserver.k8s.io", "v1", 16_100, 21),
];

/// All of them with the collection to which they are posted.
pub fn all() -> Vec<(String, Value)> {
    let services = SERVED.into_iter().map(|(group, version, of_group, of_version)| {
        json!({
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": {
                "name": format!("{version}.{group}"),
                "labels": {"kube-aggregator.kubernetes.io/automanaged": "onstart"},
            },
            "spec": {"group": group, "version": version, "groupPriorityMinimum": of_group,
                "versionPriority": of_version},
        })
    });
    services.map(|service| (COLLECTION.to_owned(), service)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;
    use std::collections::BTreeSet;

    #[test]
    fn what_is_served_has_a_service() {
        let registry = Registry::builtin();
        let served: BTreeSet<(String, String)> = registry
            .kinds()
            .filter(|kind| kind.group != "apiregistration.k8s.io")
            .map(|kind| (kind.group.to_string(), kind.version.to_string()))
            .collect();
        let of =
            |(group, version, ..): &(&str, &str, i64, i64)| ((*group).into(), (*version).into());
        assert_eq!(SERVED.iter().map(of).collect::<BTreeSet<(String, String)>>(), served);
    }
}
