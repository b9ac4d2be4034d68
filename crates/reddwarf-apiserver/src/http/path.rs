//! What a request's path names, as upstream's `RequestInfoResolver` reads it.

use super::Query;
use http::Method;
use percent_encoding::percent_decode_str;

/// Where a path points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Below `/api/{version}/` or `/apis/{group}/{version}/`.
    Resource(RequestInfo),
    /// Anything else; the path without its trailing slash.
    Other(String),
}

/// The parts of a resource path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestInfo {
    /// API group, empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// The deprecated `/watch/` stood before the resource.
    pub watch: bool,
    /// Namespace, `None` outside of `/namespaces/{namespace}/`.
    pub namespace: Option<String>,
    /// Plural resource.
    pub resource: String,
    /// Object name.
    pub name: Option<String>,
    /// Subresource.
    pub subresource: Option<String>,
    /// Path segments after the subresource (of `proxy`).
    pub rest: Vec<String>,
}

impl Place {
    /// Reads a path; segments are percent-decoded.
    pub fn parse(path: &str) -> Place {
        let trimmed = path.strip_suffix('/').unwrap_or(path);
        let other = || Place::Other(if trimmed.is_empty() { "/" } else { trimmed }.to_owned());
        let mut segments = trimmed.strip_prefix('/').unwrap_or(trimmed).split('/');
        let (group, version) = match segments.next() {
            Some("api") => ("", segments.next()),
            Some("apis") => match segments.next() {
                Some(group) => (group, segments.next()),
                None => return other(),
            },
            _ => return other(),
        };
        let Some(version) = version else { return other() };
        let mut parts: Vec<String> = segments
            .map(|s| match s.contains('%') {
                true => percent_decode_str(s).decode_utf8_lossy().into_owned(),
                false => s.to_owned(),
            })
            .collect();
        let watch = parts.first().is_some_and(|p| p == "watch");
        if watch {
            parts.remove(0);
        }
        if parts.is_empty() {
            return other();
        }
        let (group, version) = (group.to_owned(), version.to_owned());
        Place::Resource(RequestInfo { group, version, watch, ..below_version(parts) })
    }
}

impl RequestInfo {
    /// What a request asks for, as far as method, path and parameters tell; `""` for methods of
    /// which upstream has no verb.
    pub fn verb(&self, method: &Method, query: &Query) -> &'static str {
        match *method {
            Method::GET | Method::HEAD if self.watch => "watch",
            Method::GET | Method::HEAD if self.name.is_some() => "get",
            Method::GET | Method::HEAD if query.flag("watch").unwrap_or(false) => "watch",
            Method::GET | Method::HEAD => "list",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if self.name.is_some() => "delete",
            Method::DELETE => "deletecollection",
            _ => "",
        }
    }
}

/// Subresources of the namespace itself; any other third segment is a resource inside it.
const OF_NAMESPACE: [&str; 2] = ["status", "finalize"];

fn below_version(parts: Vec<String>) -> RequestInfo {
    let inside = parts[0] == "namespaces"
        && parts.len() > 2
        && !(parts.len() == 3 && OF_NAMESPACE.contains(&parts[2].as_str()));
    let mut parts = parts.into_iter();
    let namespace = if inside { parts.nth(1) } else { None };
    RequestInfo {
        namespace,
        resource: parts.next().unwrap_or_default(),
        name: parts.next(),
        subresource: parts.next(),
        rest: parts.collect(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str) -> String {
        match Place::parse(path) {
            Place::Other(path) => format!("other {path}"),
            Place::Resource(i) => format!(
                "{}/{} {:?} {} {:?} {:?}{}",
                i.group,
                i.version,
                i.namespace.unwrap_or_default(),
                i.resource,
                i.name.unwrap_or_default(),
                i.subresource.unwrap_or_default(),
                if i.watch { " watch" } else { "" }
            ),
        }
    }

    #[test]
    fn verbs() {
        for (method, path, query, want) in [
            (Method::GET, "/api/v1/pods", "", "list"),
            (Method::GET, "/api/v1/pods", "watch=1", "watch"),
            (Method::GET, "/api/v1/pods", "watch=false", "list"),
            (Method::GET, "/api/v1/watch/pods", "", "watch"),
            (Method::GET, "/api/v1/namespaces/a/pods/p", "watch=true", "get"),
            (Method::DELETE, "/api/v1/namespaces/a/pods", "", "deletecollection"),
            (Method::DELETE, "/api/v1/namespaces/a/pods/p", "", "delete"),
            (Method::OPTIONS, "/api/v1/pods", "", ""),
        ] {
            let Place::Resource(info) = Place::parse(path) else { panic!("{path} is a resource") };
            assert_eq!(info.verb(&method, &Query::parse(Some(query))), want, "{method} {path}");
        }
    }

    #[test]
    fn paths() {
        for (path, want) in [
            ("/", "other /"),
            ("/healthz/", "other /healthz"),
            ("/api", "other /api"),
            ("/apis/apps", "other /apis/apps"),
            ("/apis/apps/v1", "other /apis/apps/v1"),
            ("/api/v1/pods", r#"/v1 "" pods "" """#),
            ("/api/v1/nodes/n/status", r#"/v1 "" nodes "n" "status""#),
            ("/api/v1/namespaces", r#"/v1 "" namespaces "" """#),
            ("/api/v1/namespaces/a", r#"/v1 "" namespaces "a" """#),
            ("/api/v1/namespaces/a/finalize", r#"/v1 "" namespaces "a" "finalize""#),
            ("/api/v1/namespaces/a/pods/", r#"/v1 "a" pods "" """#),
            (
                "/apis/apps/v1/namespaces/a/deployments/d/scale",
                r#"apps/v1 "a" deployments "d" "scale""#,
            ),
            ("/api/v1/watch/namespaces/a", r#"/v1 "" namespaces "a" "" watch"#),
            ("/api/v1/watch/namespaces/a/pods/p", r#"/v1 "a" pods "p" "" watch"#),
            ("/apis/rbac/v1/roles/system%3Aa%20b", r#"rbac/v1 "" roles "system:a b" """#),
        ] {
            assert_eq!(shown(path), want, "{path}");
        }
    }
}
