//! Who may do what: until roles are served, members of `system:masters` and the nodes.

use crate::registry::Kind;
use crate::request::UserInfo;
use reddwarf_core::{Reason, Status, status::StatusDetails};

const GROUPS: [&str; 2] = ["system:masters", "system:nodes"];
/// Paths that need no identity.
const PUBLIC: [&str; 4] = ["/healthz", "/livez", "/readyz", "/version"];

/// Whether a path is answered without a client certificate.
pub fn is_public(path: &str) -> bool {
    PUBLIC
        .iter()
        .any(|p| path.strip_prefix(p).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
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
    let scope = match namespace {
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
        assert!(!is_public("/versions") && !is_public("/api") && !is_public("/metrics"));
    }
}
