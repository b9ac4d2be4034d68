//! Which requests a flow schema means.

use crate::http::RequestInfo;
use crate::request::UserInfo;
use serde::Deserialize;

/// What of a request decides where it belongs.
pub struct Digest<'a> {
    /// Who sends it.
    pub user: &'a UserInfo,
    /// The verb; outside of the resources the method in small letters.
    pub verb: &'a str,
    /// The path.
    pub path: &'a str,
    /// The resource, unless the path names none.
    pub resource: Option<&'a RequestInfo>,
}

/// `PolicyRulesWithSubjects`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    subjects: Vec<Subject>,
    resource_rules: Vec<ResourceRule>,
    non_resource_rules: Vec<PathRule>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind")]
enum Subject {
    User {
        user: Named,
    },
    Group {
        group: Named,
    },
    ServiceAccount {
        #[serde(rename = "serviceAccount")]
        account: Account,
    },
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Account {
    namespace: String,
    name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ResourceRule {
    verbs: Vec<String>,
    api_groups: Vec<String>,
    resources: Vec<String>,
    cluster_scope: bool,
    namespaces: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PathRule {
    verbs: Vec<String>,
    #[serde(rename = "nonResourceURLs")]
    paths: Vec<String>,
}

impl Rule {
    /// Whether a request is meant.
    pub fn means(&self, digest: &Digest<'_>) -> bool {
        self.subjects.iter().any(|subject| subject.means(digest.user))
            && match digest.resource {
                Some(info) => self.resource_rules.iter().any(|r| r.means(digest.verb, info)),
                None => self.non_resource_rules.iter().any(|r| r.means(digest.verb, digest.path)),
            }
    }
}

impl Subject {
    fn means(&self, user: &UserInfo) -> bool {
        match self {
            Subject::User { user: named } => named.name == "*" || named.name == user.name,
            Subject::Group { group } => group.name == "*" || user.groups.contains(&group.name),
            Subject::ServiceAccount { account } => account.means(&user.name),
            Subject::Unknown => false,
        }
    }
}

impl Account {
    fn means(&self, user: &str) -> bool {
        let Some(rest) = user.strip_prefix("system:serviceaccount:") else { return false };
        let Some((namespace, name)) = rest.split_once(':') else { return false };
        namespace == self.namespace && (self.name == "*" || self.name == name)
    }
}

impl ResourceRule {
    fn means(&self, verb: &str, info: &RequestInfo) -> bool {
        listed(&self.verbs, verb)
            && listed(&self.api_groups, &info.group)
            && self.means_resource(info)
            && match info.namespace.as_deref().filter(|n| !n.is_empty()) {
                None => self.cluster_scope,
                Some(namespace) => listed(&self.namespaces, namespace),
            }
    }

    fn means_resource(&self, info: &RequestInfo) -> bool {
        match info.subresource.as_deref() {
            None => listed(&self.resources, &info.resource),
            Some(sub) => self.resources.iter().any(|resource| {
                let rest = resource.strip_prefix(info.resource.as_str());
                resource == "*" || rest.and_then(|r| r.strip_prefix('/')) == Some(sub)
            }),
        }
    }
}

impl PathRule {
    fn means(&self, verb: &str, path: &str) -> bool {
        listed(&self.verbs, verb)
            && self.paths.iter().any(|wanted| {
                let folder = wanted.strip_suffix('*').unwrap_or(wanted);
                let folder = folder.strip_suffix('/').unwrap_or(folder);
                let below = || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
                wanted == "*" || wanted == path || below()
            })
    }
}

/// A star means all; it stands alone.
fn listed(list: &[String], value: &str) -> bool {
    list.iter().any(|item| item == "*" || item == value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Place, Query};
    use http::Method;
    use serde_json::{Value, json};

    fn means(rule: Value, user: &str, groups: &[&str], verb_path: &str) -> bool {
        let rule: Rule = serde_json::from_value(rule).expect("a rule");
        let user = UserInfo::named(user, groups.iter().map(|g| (*g).to_owned()).collect());
        let (method, path) = verb_path.split_once(' ').expect("method and path");
        let method: Method = method.parse().expect("a method");
        let place = Place::parse(path);
        let (verb, resource) = match &place {
            Place::Resource(info) => (info.verb(&method, &Query::default()), Some(info)),
            Place::Other(_) => ("get", None),
        };
        rule.means(&Digest { user: &user, verb, path, resource })
    }

    #[test]
    fn subjects() {
        let of = |subject: Value| {
            json!({"subjects": [subject], "nonResourceRules":
                [{"verbs": ["*"], "nonResourceURLs": ["*"]}]})
        };
        let account = |name: &str| {
            of(json!({"kind": "ServiceAccount",
                "serviceAccount": {"namespace": "kube-system", "name": name}}))
        };
        let user = |name: &str| of(json!({"kind": "User", "user": {"name": name}}));
        let group = |name: &str| of(json!({"kind": "Group", "group": {"name": name}}));
        for (rule, name, wanted) in [
            (user("a"), "a", true),
            (user("*"), "a", true),
            (user("b"), "a", false),
            (group("g"), "a", true),
            (group("*"), "a", true),
            (group("h"), "a", false),
            (account("*"), "system:serviceaccount:kube-system:x", true),
            (account("x"), "system:serviceaccount:kube-system:x", true),
            (account("y"), "system:serviceaccount:kube-system:x", false),
            (account("*"), "system:serviceaccount:kube-system2:x", false),
            (of(json!({"kind": "Other"})), "a", false),
        ] {
            assert_eq!(means(rule.clone(), name, &["g"], "GET /version"), wanted, "{rule} {name}");
        }
    }

    #[test]
    fn resources() {
        let of = |rule: Value| {
            json!({"subjects": [{"kind": "Group", "group": {"name": "*"}}],
                "resourceRules": [rule]})
        };
        let nodes = json!({"verbs": ["*"], "apiGroups": [""],
            "resources": ["nodes", "nodes/status"], "namespaces": ["*"], "clusterScope": true});
        let leases = json!({"verbs": ["get", "update"], "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"], "namespaces": ["a"]});
        let lease = "/apis/coordination.k8s.io/v1/namespaces/a/leases/l";
        for (rule, path, wanted) in [
            (&nodes, "GET /api/v1/nodes/n", true),
            (&nodes, "PUT /api/v1/nodes/n/status", true),
            (&nodes, "GET /api/v1/nodes/n/proxy", false),
            (&nodes, "GET /api/v1/namespaces/a/pods", false),
            (&nodes, "GET /version", false),
            (&leases, &format!("PUT {lease}"), true),
            (&leases, &format!("DELETE {lease}"), false),
            (&leases, "GET /apis/coordination.k8s.io/v1/namespaces/b/leases/l", false),
            (&leases, "GET /apis/coordination.k8s.io/v1/leases", false),
        ] {
            assert_eq!(means(of(rule.clone()), "a", &[], path), wanted, "{path}");
        }
    }

    #[test]
    fn paths() {
        let of = |path: &str| {
            json!({"subjects": [{"kind": "Group", "group": {"name": "*"}}],
                "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": [path]}]})
        };
        for (rule, path, wanted) in [
            ("/healthz", "/healthz", true),
            ("/healthz", "/healthz/ping", true),
            ("/healthz", "/healthzz", false),
            ("/api/*", "/api/v1", true),
            ("*", "/anything", true),
            ("/livez", "/healthz", false),
        ] {
            assert_eq!(means(of(rule), "a", &[], &format!("GET {path}")), wanted, "{rule} {path}");
        }
    }
}
