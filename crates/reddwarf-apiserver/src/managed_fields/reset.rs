//! Fields that a request through some path cannot change, and therefore does not own.
//!
//! What upstream's strategies call reset fields: the main resource leaves the status alone,
//! `/status` everything that it resets when it updates.

use super::set::Set;
use crate::registry::Kind;

/// The fields that a request to `subresource` of `kind` (empty: the main resource) leaves alone.
pub fn fields(kind: &Kind, subresource: &str) -> Set<'static> {
    let paths: &[&str] = match (kind.group.as_ref(), kind.plural.as_ref(), subresource) {
        ("certificates.k8s.io", "certificatesigningrequests", "") => &["spec", "status"],
        ("certificates.k8s.io", "certificatesigningrequests", "status") => {
            &["spec", "status.conditions"]
        }
        ("certificates.k8s.io", "certificatesigningrequests", "approval") => {
            &["spec", "status.certificate"]
        }
        ("", "namespaces", "finalize") => &["status"],
        ("", "pods", "status") => {
            &["spec", "metadata.deletionTimestamp", "metadata.ownerReferences"]
        }
        ("apps", "deployments", "status") => &["spec", "metadata.labels"],
        (_, _, "status") if kind.strategy.status_keeps_metadata => &["spec", "metadata"],
        (_, _, "status") => &["spec"],
        (_, _, "") if kind.strategy.status => &["status"],
        _ => &[],
    };
    Set::of_paths(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    fn of(group: &str, plural: &str, subresource: &str) -> Vec<String> {
        let registry = Registry::builtin();
        let kind = registry.resource(group, "v1", plural).expect("a kind");
        let mut paths = Vec::new();
        fields(kind, subresource).each_path(&mut |path| paths.push(path.to_owned()));
        paths
    }

    #[test]
    fn status_is_left_alone_by_the_main_resource_and_the_rest_by_status() {
        assert_eq!(of("apps", "replicasets", ""), [".status"]);
        assert_eq!(of("apps", "replicasets", "status"), [".spec"]);
        assert_eq!(
            of("flowcontrol.apiserver.k8s.io", "flowschemas", "status"),
            [".metadata", ".spec"]
        );
        assert!(of("", "configmaps", "").is_empty());
        assert!(of("apps", "replicasets", "scale").is_empty());
    }
}
