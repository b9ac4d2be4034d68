//! Who may do what: until roles are served, members of `system:masters` and the nodes.

use crate::registry::Kind;
use crate::request::UserInfo;
use reddwarf_core::{Reason, Status, status::StatusDetails};

const GROUPS: [&str; 2] = ["system:masters", "system:nodes"];
/// Paths that need no identity. The keys that check tokens are no secret.
const PUBLIC: [&str; 6] = [
    "/healthz",
    "/livez",
    "/readyz",
    "/version",
    "/.well-known/openid-configuration",
    "/openid/v1/jwks",
];
/// Where machines that have a token, and no certificate yet, ask to become members.
const ARRIVALS: [&str; 2] = ["/reddwarf/ca", "/reddwarf/join"];
/// Paths that everybody with an identity may read (`system:discovery`).
const DISCOVERY: [&str; 3] = ["/api", "/apis", "/openapi"];
/// What everybody with an identity may ask (`system:basic-user`).
const OF_ONESELF: [(&str, &str); 3] = [
    ("authentication.k8s.io", "selfsubjectreviews"),
    ("authorization.k8s.io", "selfsubjectaccessreviews"),
    ("authorization.k8s.io", "selfsubjectrulesreviews"),
];

/// Whether a path is answered without a client certificate.
pub fn is_public(path: &str) -> bool {
    is_below(path, &PUBLIC) || is_below(path, &ARRIVALS)
}

fn is_below(path: &str, roots: &[&str]) -> bool {
    roots
        .iter()
        .any(|p| path.strip_prefix(p).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

fn is_known(user: &UserInfo) -> bool {
    user.groups.iter().any(|group| group == "system:authenticated")
}

/// Whether the user may use a path outside of the resources.
pub fn may_use(user: &UserInfo, method: &str, path: &str) -> bool {
    is_public(path)
        || allowed(user)
        || (is_known(user) && method.eq_ignore_ascii_case("get") && is_below(path, &DISCOVERY))
}

/// Whether the user may ask a question about oneself.
pub fn may_ask(user: &UserInfo, verb: &str, group: &str, plural: &str) -> bool {
    is_known(user) && verb == "create" && OF_ONESELF.contains(&(group, plural))
}

/// The paths that everybody with an identity may read.
pub fn readable_paths() -> Vec<String> {
    let below = DISCOVERY.iter().flat_map(|path| [(*path).to_owned(), format!("{path}/*")]);
    below.chain(PUBLIC.iter().map(|path| (*path).to_owned())).collect()
}

/// Whether the user may send requests in others' names.
pub fn may_impersonate(user: &UserInfo) -> bool {
    user.groups.iter().any(|group| group == "system:masters")
}

/// Whether the user gets in.
pub fn allowed(user: &UserInfo) -> bool {
    user.groups.iter().any(|g| GROUPS.contains(&g.as_str()))
}

/// 401.
pub fn unauthorized() -> Box<Status> {
    Box::new(Status::failure(Reason::Unauthorized, "Unauthorized"))
}

/// 403 of a path outside of the resources.
pub fn forbidden_path(user: &UserInfo, method: &str, path: &str) -> Box<Status> {
    let verb = method.to_ascii_lowercase();
    let message = format!("forbidden: User {:?} cannot {verb} path {path:?}", user.name);
    Box::new(Status::failure(Reason::Forbidden, message).with_details(StatusDetails::default()))
}

/// 403 of a resource.
pub fn forbidden(
    user: &UserInfo,
    verb: &str,
    kind: &Kind,
    subresource: Option<&str>,
    namespace: Option<&str>,
    name: Option<&str>,
) -> Box<Status> {
    let resource = match subresource {
        Some(sub) => format!("{}/{sub}", kind.plural),
        None => kind.plural.to_string(),
    };
    let named = name.map(|n| format!(" {n:?}")).unwrap_or_default();
    // A namespace is looked at as something in itself.
    let own = name.filter(|_| kind.plural == "namespaces" && kind.group.is_empty());
    let scope = match namespace.or(own) {
        Some(namespace) => format!("in the namespace {namespace:?}"),
        None => "at the cluster scope".to_owned(),
    };
    let message = format!(
        "{}{named} is forbidden: User {:?} cannot {verb} resource {resource:?} in API group {:?} {scope}",
        kind.group_resource(),
        user.name,
        kind.group
    );
    let details = StatusDetails {
        name: name.unwrap_or_default().to_owned(),
        group: kind.group.to_string(),
        kind: kind.plural.to_string(),
        ..Default::default()
    };
    Box::new(Status::failure(Reason::Forbidden, message).with_details(details))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_paths() {
        assert!(is_public("/healthz/ping") && is_public("/version"));
        assert!(is_public("/reddwarf/join") && !is_public("/reddwarf/members"));
        assert!(!is_public("/versions") && !is_public("/api") && !is_public("/metrics"));
    }

    #[test]
    fn what_everybody_may() {
        let user = |group: &str| UserInfo::named("u", vec![group.to_owned()]);
        let known = user("system:authenticated");
        assert!(may_use(&known, "GET", "/apis/apps") && !may_use(&known, "POST", "/apis"));
        assert!(!may_use(&known, "GET", "/metrics"));
        assert!(!may_use(&user("system:unauthenticated"), "GET", "/api"));
        assert!(may_use(&user("system:masters"), "GET", "/metrics"));
    }
}
