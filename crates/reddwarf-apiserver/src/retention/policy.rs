//! A policy as it is stored.

use reddwarf_core::{Collection, Quantity};
use serde_json::Value;

/// How much of the past of some objects is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    /// The collections that it names; none for everything.
    pub resources: Vec<Collection>,
    /// The namespaces that it names; none for all.
    pub namespaces: Vec<String>,
    /// How long a superseded version is kept, in milliseconds of the cluster clock.
    pub age_ms_max: Option<u64>,
    /// How many superseded versions are kept.
    pub versions_max: Option<u64>,
    /// How many bytes of them are kept.
    pub bytes_max: Option<u64>,
}

impl Policy {
    /// Reads the object, which its schema has let pass.
    pub fn read(object: &Value) -> Policy {
        let spec = &object["spec"];
        let texts = |field: &str| {
            let items = spec[field].as_array().into_iter().flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        };
        let size = match &spec["maxSize"] {
            Value::Number(number) => number.as_u64(),
            other => other.as_str().and_then(bytes),
        };
        Policy {
            resources: texts("resources").iter().map(|name| collection(name)).collect(),
            namespaces: texts("namespaces"),
            age_ms_max: spec["maxAge"].as_str().and_then(milliseconds),
            versions_max: spec["maxVersions"].as_u64(),
            bytes_max: size,
        }
    }

    /// Whether it limits anything.
    pub fn limits(&self) -> bool {
        self.age_ms_max.is_some() || self.versions_max.is_some() || self.bytes_max.is_some()
    }

    /// How particular it is about an object, `None` when it does not hold for it.
    pub fn rank(&self, collection: &Collection, namespace: Option<&str>) -> Option<u8> {
        let resource = self.resources.is_empty() || self.resources.contains(collection);
        let named = |one: &String| Some(one.as_str()) == namespace;
        let within = self.namespaces.is_empty() || self.namespaces.iter().any(named);
        let rank = 2 * u8::from(!self.resources.is_empty()) + u8::from(!self.namespaces.is_empty());
        (resource && within).then_some(rank)
    }
}

/// The collection of `RESOURCE.GROUP`.
pub(super) fn collection(name: &str) -> Collection {
    match name.split_once('.') {
        // Events are stored once, whichever group serves them.
        Some(("events", "events.k8s.io")) => Collection::new("", "events"),
        Some((resource, group)) => Collection::new(group, resource),
        None => Collection::new("", name),
    }
}

/// A duration in hours, minutes and seconds; `None` for nothing.
fn milliseconds(text: &str) -> Option<u64> {
    let (mut sum, mut number) = (0_u64, None::<u64>);
    for letter in text.chars() {
        let unit = match letter {
            'h' => 3_600_000,
            'm' => 60_000,
            's' => 1_000,
            digit => {
                let digit = u64::from(digit.to_digit(10)?);
                number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit));
                continue;
            }
        };
        sum = sum.saturating_add(number.take()?.saturating_mul(unit));
    }
    (!text.is_empty() && number.is_none()).then_some(sum)
}

fn bytes(text: &str) -> Option<u64> {
    u64::try_from(Quantity::parse(text).ok()?.value()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_is_read() {
        let policy = Policy::read(&json!({"spec": {
            "resources": ["events.events.k8s.io", "deployments.apps", "pods"],
            "namespaces": ["shop"], "maxAge": "1h30m", "maxVersions": 7, "maxSize": "1Ki",
        }}));
        let resources: Vec<_> = policy.resources.iter().map(Collection::as_str).collect();
        assert_eq!(resources, ["/events", "apps/deployments", "/pods"]);
        assert_eq!(policy.age_ms_max, Some(90 * 60_000));
        assert_eq!((policy.versions_max, policy.bytes_max), (Some(7), Some(1_024)));
        assert!(!Policy::read(&json!({"spec": {}})).limits());
        assert_eq!(Policy::read(&json!({"spec": {"maxAge": ""}})).age_ms_max, None);
        assert_eq!(Policy::read(&json!({"spec": {"maxAge": "0s"}})).age_ms_max, Some(0));
    }

    #[test]
    fn the_more_it_names_the_more_particular_it_is() {
        let policy = |resources: &[&str], namespaces: &[&str]| Policy {
            resources: resources.iter().map(|name| collection(name)).collect(),
            namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
            ..Policy::default()
        };
        let pods = Collection::new("", "pods");
        assert_eq!(policy(&[], &[]).rank(&pods, None), Some(0));
        assert_eq!(policy(&[], &["a"]).rank(&pods, Some("a")), Some(1));
        assert_eq!(policy(&["pods"], &[]).rank(&pods, Some("a")), Some(2));
        assert_eq!(policy(&["pods"], &["a"]).rank(&pods, Some("a")), Some(3));
        assert_eq!(policy(&["pods"], &["a"]).rank(&pods, Some("b")), None);
        assert_eq!(policy(&["pods"], &["a"]).rank(&pods, None), None);
        assert_eq!(policy(&["nodes"], &[]).rank(&pods, None), None);
    }
}
