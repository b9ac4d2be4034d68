//! Subresources that lead to a pod's node: `log`, `exec`, `attach`, `portforward`, `proxy`.
//!
//! Nodes are not dialed: what is answered here is all that upstream answers before it would.

use super::reply::bad_request;
use crate::admission::refusal::not_found;
use crate::http::Query;
use crate::object;
use crate::registry::Kind;
use crate::validation::read::{items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, NEGATIVE, invalid};
use reddwarf_core::status::StatusDetails;
use reddwarf_core::{Collection, Reason, Status, View};
use serde_json::Value;

/// The subresources served here.
pub const CONNECTIONS: [&str; 5] = ["attach", "exec", "log", "portforward", "proxy"];

/// A request for a connection.
pub struct Connect<'a> {
    /// The kind of the main resource.
    pub kind: &'a Kind,
    /// The subresource.
    pub subresource: &'a str,
    /// Namespace, empty for a node.
    pub namespace: &'a str,
    /// Name in the path.
    pub name: &'a str,
    /// The parameters.
    pub query: &'a Query,
    /// The stored main object.
    pub current: Option<&'a Value>,
    /// The state in which other objects are looked up.
    pub view: &'a View,
}

/// Answers a request for a connection; `Ok` is an empty answer (the log of a pod that has no
/// node yet).
///
/// # Errors
/// The refusal.
pub fn connect(request: &Connect<'_>) -> Result<(), Box<Status>> {
    if request.subresource == "log" {
        check_log_options(request)?;
    }
    let (resource, name) = (request.kind.plural.as_ref(), request.name);
    let name = if request.subresource == "proxy" { proxied_name(name) } else { name };
    let object = request.current.ok_or_else(|| not_found("", resource, name))?;
    match (resource, request.subresource) {
        ("pods", "proxy") => match text(&object["status"], "podIP") {
            "" => Err(bad_request("address not allowed")),
            ip => Err(unreachable(ip)),
        },
        ("pods", "log") => {
            container(request, object)?;
            match text(&object["spec"], "nodeName") {
                "" => Ok(()),
                node => Err(on_node(request, node)),
            }
        }
        ("pods", other) => {
            if other != "portforward" {
                container(request, object)?;
            }
            match text(&object["spec"], "nodeName") {
                "" => Err(bad_request(format!("pod {name} does not have a host assigned"))),
                node => Err(on_node(request, node)),
            }
        }
        ("services", _) => {
            let message = format!("no endpoints available for service {name:?}");
            Err(Box::new(Status::failure(Reason::ServiceUnavailable, message)))
        }
        _ => Err(unreachable(name)),
    }
}

/// `[scheme:]name[:port]`, as pods, services and nodes are named to be proxied.
pub fn proxied_name(given: &str) -> &str {
    let mut parts = given.split(':');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("http" | "https" | ""), Some(name), Some(_)) => name,
        (Some(name), Some(_), None) => name,
        _ => given,
    }
}

fn on_node(request: &Connect<'_>, node: &str) -> Box<Status> {
    let nodes = Collection::new("", "nodes");
    match request.view.get(&nodes.key("", node)) {
        None => not_found("", "nodes", node),
        Some(_) => unreachable(node),
    }
}

fn unreachable(what: &str) -> Box<Status> {
    let message = format!("error trying to reach service: {what} is not dialed by this server");
    let details = StatusDetails::default();
    Box::new(Status::failure(Reason::ServiceUnavailable, message).with_details(details))
}

/// The container that is asked for, or the only one.
fn container(request: &Connect<'_>, pod: &Value) -> Result<(), Box<Status>> {
    let pod_name = object::name(pod);
    let names = |list: &str| -> Vec<&str> {
        items(&pod["spec"], list).iter().map(|c| text(c, "name")).collect()
    };
    let containers = names("containers");
    let wanted = request.query.text("container");
    let Some(wanted) = wanted else {
        if containers.len() == 1 {
            return Ok(());
        }
        let initial = names("initContainers");
        let mut message = format!(
            "a container name must be specified for pod {pod_name}, choose one of: [{}]",
            containers.join(" ")
        );
        if !initial.is_empty() {
            message.push_str(&format!(" or one of the init containers: [{}]", initial.join(" ")));
        }
        return Err(bad_request(message));
    };
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    match lists.iter().any(|list| names(list).contains(&wanted)) {
        true => Ok(()),
        false => Err(bad_request(format!("container {wanted} is not valid for pod {pod_name}"))),
    }
}

fn check_log_options(request: &Connect<'_>) -> Result<(), Box<Status>> {
    let query = request.query;
    let mut errors = ErrorList::new();
    let at = |name| FieldPath::new(name);
    if let Some(lines) = query.number("tailLines")?.filter(|n| *n < 0) {
        errors.push(FieldError::invalid(at("tailLines"), lines, NEGATIVE));
    }
    if let Some(bytes) = query.number("limitBytes")?.filter(|n| *n < 1) {
        errors.push(FieldError::invalid(at("limitBytes"), bytes, "must be greater than 0"));
    }
    let seconds = query.number("sinceSeconds")?;
    if seconds.is_some() && query.text("sinceTime").is_some() {
        let detail = "at most one of `sinceTime` or `sinceSeconds` may be specified";
        errors.push(FieldError::forbidden(at("[]"), detail));
    } else if let Some(seconds) = seconds.filter(|n| *n < 1) {
        errors.push(FieldError::invalid(at("sinceSeconds"), seconds, "must be greater than 0"));
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Box::new(invalid("", "PodLogOptions", request.name, &errors))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_proxied_objects() {
        for (given, name) in
            [("web", "web"), ("web:80", "web"), ("https:web:443", "web"), ("http:web:", "web")]
        {
            assert_eq!(proxied_name(given), name);
        }
    }
}
