//! Where a load balancer lets traffic in.

use super::read::{has, items, text};
use super::{ErrorList, FieldError, FieldPath, address, check, names};
use serde_json::Value;

const MODES: [&str; 2] = ["Proxy", "VIP"];

/// Checks an update of a service's status.
pub fn status(new: &Value, old: &Value) -> ErrorList {
    let list = FieldPath::new("status").child("loadBalancer").child("ingress");
    let points = items(&new["status"]["loadBalancer"], "ingress");
    if !points.is_empty() && text(&new["spec"], "type") != "LoadBalancer" {
        let detail = "may only be used when `spec.type` is 'LoadBalancer'";
        return vec![FieldError::forbidden(list, detail)];
    }
    let before = items(&old["status"]["loadBalancer"], "ingress");
    let points = points.iter().enumerate();
    points.flat_map(|(at, of)| point(of, before, &list.index(at))).collect()
}

fn point(point: &Value, before: &[Value], path: &FieldPath) -> ErrorList {
    let (ip, host) = (text(point, "ip"), text(point, "hostname"));
    let mut errors = ErrorList::new();
    if !ip.is_empty() && !before.iter().any(|old| text(old, "ip") == ip) {
        errors.extend(address::ip(ip, &path.child("ip")));
    }
    let mode = path.child("ipMode");
    match (has(point, "ipMode"), ip.is_empty()) {
        (false, false) => {
            errors.push(FieldError::required(mode, "must be specified when `ip` is set"));
        }
        (true, true) => {
            let detail = "may not be specified when `ip` is not set";
            errors.push(FieldError::forbidden(mode, detail));
        }
        (true, false) => errors.extend(check::one_of(point, "ipMode", &MODES, path)),
        (false, true) => (),
    }
    if !host.is_empty() {
        let at = path.child("hostname");
        errors.extend(check::named(names::subdomain, host, &at));
        if address::sloppy_ip(host).is_some() {
            let detail = "must be a DNS name, not an IP address";
            errors.push(FieldError::invalid(at, host, detail));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn points_of_entry() {
        let of = |kind: &str, point: Value| {
            let new =
                json!({"spec": {"type": kind}, "status": {"loadBalancer": {"ingress": [point]}}});
            let errors = status(&new, &json!({}));
            errors.iter().map(|e| e.field.to_string()).collect::<Vec<_>>()
        };
        let path = "status.loadBalancer.ingress";
        assert_eq!(of("ClusterIP", json!({"hostname": "a"})), [path]);
        assert!(of("LoadBalancer", json!({"ip": "192.0.2.1", "ipMode": "VIP"})).is_empty());
        assert_eq!(
            of("LoadBalancer", json!({"ip": "x", "ipMode": "Odd"})),
            [format!("{path}[0].ip"), format!("{path}[0].ipMode")]
        );
        assert_eq!(of("LoadBalancer", json!({"ip": "192.0.2.1"})), [format!("{path}[0].ipMode")]);
        assert_eq!(
            of("LoadBalancer", json!({"hostname": "192.0.2.1", "ipMode": "VIP"})),
            [format!("{path}[0].ipMode"), format!("{path}[0].hostname")]
        );
    }
}
