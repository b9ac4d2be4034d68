//! The names of resources that are counted, and what amounts of them are valid.

use super::{ErrorList, FieldError, FieldPath, NEGATIVE, check, names};
use reddwarf_core::quantity::Quantity;
use serde_json::Value;

const HUGE_PAGES: &str = "hugepages-";
const REQUESTS: &str = "requests.";

/// Resources that a container can ask for.
const CONTAINER: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
/// What is computed with.
const COMPUTE: [&str; 6] =
    ["cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];
/// Objects that are counted one by one.
const OBJECTS: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];
const OF_STORAGE: [&str; 4] = [
    "ephemeral-storage",
    "requests.ephemeral-storage",
    "limits.ephemeral-storage",
    "requests.storage",
];

/// Pages of memory of a size of their own.
pub fn is_huge_page(name: &str) -> bool {
    name.starts_with(HUGE_PAGES)
}

/// A resource that the system itself knows, by its short name or under its own domain.
pub fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// A resource that somebody else defines, under a domain of their own.
pub fn is_extended(name: &str) -> bool {
    !is_native(name)
        && !name.starts_with(REQUESTS)
        && names::qualified_name(&format!("{REQUESTS}{name}")).is_empty()
}

/// Whether more may be promised than there is.
pub fn may_overcommit(name: &str) -> bool {
    is_native(name) && !is_huge_page(name)
}

/// A resource that a quota can limit by its short name.
pub fn is_quota(name: &str) -> bool {
    COMPUTE.contains(&name)
        || OF_STORAGE.contains(&name)
        || OBJECTS.contains(&name)
        || is_huge_page(name)
        || name.strip_prefix(REQUESTS).is_some_and(is_huge_page)
}

/// A resource that is counted in whole numbers.
fn is_whole(name: &str) -> bool {
    OBJECTS.contains(&name) || is_extended(name)
}

/// Whether a quota's scope says anything of a resource.
pub fn is_in_scope(scope: &str, name: &str) -> bool {
    match scope {
        "Terminating"
        | "NotTerminating"
        | "NotBestEffort"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => name == "pods" || COMPUTE.contains(&name),
        "BestEffort" => name == "pods",
        "VolumeAttributesClass" => ["persistentvolumeclaims", "requests.storage"].contains(&name),
        _ => true,
    }
}

/// Checks the name of any resource.
pub fn any(name: &str, at: &FieldPath) -> ErrorList {
    let errors = check::named(names::qualified_name, name, at);
    let known = name.contains('/') || name == "storage" || is_quota(name);
    if errors.is_empty() && !known {
        let detail = "must be a standard resource type or fully qualified";
        return vec![FieldError::invalid(at.clone(), name, detail)];
    }
    errors
}

/// Checks the name of a resource of a container.
pub fn of_container(name: &str, at: &FieldPath) -> ErrorList {
    let mut errors = any(name, at);
    let detail = if !name.contains('/') {
        let known = CONTAINER.contains(&name) || is_huge_page(name);
        (!known).then_some("must be a standard resource for containers")
    } else {
        let odd = !is_native(name) && !is_extended(name);
        odd.then_some("doesn't follow extended resource name standard")
    };
    errors.extend(detail.map(|detail| FieldError::invalid(at.clone(), name, detail)));
    errors
}

/// Whether a pod as a whole can ask for the resource.
pub fn is_of_pod(name: &str) -> bool {
    ["cpu", "memory"].contains(&name) || is_huge_page(name)
}

/// Checks the name of a resource of a pod as a whole.
pub fn of_pod(name: &str, at: &FieldPath) -> ErrorList {
    let errors = any(name, at);
    if errors.is_empty() && !is_of_pod(name) {
        let supported = ["cpu", HUGE_PAGES, "memory"];
        return vec![FieldError::not_supported(at.clone(), name, &supported)];
    }
    errors
}

/// Checks the name of a resource in a quota.
pub fn of_quota(name: &str, at: &FieldPath) -> ErrorList {
    let mut errors = any(name, at);
    if !name.contains('/') && !is_quota(name) {
        let detail = "must be a standard resource for quota";
        errors.push(FieldError::invalid(at.clone(), name, detail));
    }
    errors
}

/// The amount that a value stands for.
pub fn amount(value: &Value) -> Option<Quantity> {
    Quantity::parse(value.as_str()?).ok()
}

/// Checks an amount of a resource.
pub fn quantity(name: &str, value: &Value, at: &FieldPath) -> ErrorList {
    let Some(amount) = amount(value) else { return ErrorList::new() };
    let mut errors = ErrorList::new();
    if amount.is_negative() {
        errors.push(FieldError::invalid(at.clone(), value.clone(), NEGATIVE));
    }
    if is_whole(name) && amount.milli_value() % 1000 != 0 {
        errors.push(FieldError::invalid(at.clone(), value.clone(), "must be an integer"));
    }
    errors
}

/// An amount that is more than nothing.
pub fn positive(value: &Value, at: &FieldPath) -> Option<FieldError> {
    let amount = amount(value)?;
    let detail = "must be greater than zero";
    (amount.is_zero() || amount.is_negative())
        .then(|| FieldError::invalid(at.clone(), value.clone(), detail))
}

/// An amount of at least nothing, shown as a number.
pub fn basic(value: &Value, at: &FieldPath) -> Option<FieldError> {
    let whole = amount(value)?.value();
    let detail = "must be a valid resource quantity";
    (whole < 0).then(|| FieldError::invalid(at.clone(), whole, detail))
}

/// Whether an amount of huge pages is a whole number of them.
pub fn is_whole_pages(name: &str, value: &Value) -> bool {
    let size = name.strip_prefix(HUGE_PAGES).and_then(|size| Quantity::parse(size).ok());
    let Some((size, amount)) = size.zip(amount(value)) else { return false };
    let is_size = !size.is_zero() && !size.is_negative() && size.milli_value() % 1000 == 0;
    is_size && amount.value() % size.value() == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn kinds_of_resources() {
        assert!(is_extended("example.com/gpu") && !is_extended("kubernetes.io/x"));
        assert!(!is_extended("requests.example.com/gpu") && !is_extended("cpu"));
        assert!(may_overcommit("cpu") && !may_overcommit("hugepages-2Mi"));
        assert!(!may_overcommit("example.com/gpu"));
        assert!(is_quota("requests.hugepages-2Mi") && !is_quota("storage"));
        assert!(is_in_scope("BestEffort", "pods") && !is_in_scope("BestEffort", "cpu"));
    }

    #[test]
    fn names_by_place() {
        let at = FieldPath::new("r");
        assert_eq!(any("nonsense", &at).len(), 1);
        assert_eq!(of_quota("nonsense", &at).len(), 2);
        assert_eq!(of_container("pods", &at).len(), 1);
        assert!(of_container("hugepages-2Mi", &at).is_empty());
        assert_eq!(of_container("requests.a.b/c", &at).len(), 1);
        assert_eq!(of_pod("ephemeral-storage", &at).len(), 1);
    }

    #[test]
    fn amounts() {
        let at = FieldPath::new("r");
        assert_eq!(quantity("pods", &json!("-1500m"), &at).len(), 2);
        assert!(quantity("cpu", &json!("1500m"), &at).is_empty());
        assert!(is_whole_pages("hugepages-2Mi", &json!("4Mi")));
        assert!(!is_whole_pages("hugepages-2Mi", &json!("3Mi")));
        assert!(!is_whole_pages("hugepages-", &json!("3Mi")));
        assert!(basic(&json!("-1"), &at).is_some() && positive(&json!("0"), &at).is_some());
    }
}
