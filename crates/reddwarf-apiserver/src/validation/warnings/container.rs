//! Variables and ports of containers.

use super::super::FieldPath;
use super::super::read::{has, int, items, text};
use serde_json::Value;

/// Variables that are defined again without use of what they were.
pub fn hidden_variables(container: &Value, path: &FieldPath, warnings: &mut Vec<String>) {
    let mut seen: Vec<&str> = Vec::new();
    for (at, variable) in items(container, "env").iter().enumerate() {
        let (name, value) = (text(variable, "name"), text(variable, "value"));
        if !seen.contains(&name) {
            seen.push(name);
            continue;
        }
        let reference = format!("$({name})");
        if has(variable, "valueFrom") || value == reference || !value.contains(&reference) {
            warnings.push(format!(
                "{}: hides previous definition of {name:?}, which may be dropped when using apply",
                path.child("env").index(at)
            ));
        }
    }
}

/// Ports that stand in each other's way.
pub fn ports(containers: &[(&Value, FieldPath)], warnings: &mut Vec<String>) {
    let mut seen: Vec<(&Value, FieldPath)> = Vec::new();
    for (container, path) in containers {
        for (at, port) in items(container, "ports").iter().enumerate() {
            let path = path.child("ports").index(at);
            let host_ip = text(port, "hostIP");
            if !host_ip.is_empty() && number(port, "hostPort") == 0 {
                let number = number(port, "containerPort");
                warnings.push(format!(
                    "{path}: hostIP set without hostPort: {{Name:{} HostPort:0 ContainerPort:{number} Protocol:{} HostIP:{host_ip}}}",
                    text(port, "name"), text(port, "protocol"),
                ));
            }
            for (other, place) in &seen {
                if let Some(word) = conflict(port, other) {
                    warnings.push(format!("{path}: {word} port definition with {place}"));
                }
            }
            seen.push((port, path));
        }
    }
}

fn number(port: &Value, field: &str) -> i64 {
    int(port, field).unwrap_or_default()
}

fn conflict(port: &Value, other: &Value) -> Option<&'static str> {
    let same = |field: &str| number(port, field) == number(other, field);
    if !same("containerPort") || text(port, "protocol") != text(other, "protocol") {
        return None;
    }
    let (ip, other_ip) = (text(port, "hostIP"), text(other, "hostIP"));
    if same("hostPort") && ip == other_ip {
        Some("duplicate")
    } else if number(port, "hostPort") == 0 || number(other, "hostPort") == 0 {
        Some("overlapping")
    } else if same("hostPort") && ip.is_empty() != other_ip.is_empty() {
        Some("dangerously ambiguous")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conflicts_of_ports() {
        let port =
            |host: i64, ip: &str| json!({"containerPort": 1, "hostPort": host, "hostIP": ip});
        for (a, b, word) in [
            (port(0, ""), port(0, ""), Some("duplicate")),
            (port(1, ""), port(0, ""), Some("overlapping")),
            (port(1, ""), port(1, "192.0.2.1"), Some("dangerously ambiguous")),
            (port(1, ""), port(2, ""), None),
        ] {
            assert_eq!(conflict(&a, &b), word, "{a} {b}");
        }
        let container = json!({"ports": [port(0, "192.0.2.1")]});
        let mut warnings = Vec::new();
        ports(&[(&container, FieldPath::new("c"))], &mut warnings);
        assert!(warnings[0].starts_with("c.ports[0]: hostIP set without hostPort: "));
    }
}
