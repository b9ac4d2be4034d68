//! A `coordination.k8s.io` Lease as client-go's leader election reads and writes it.

use super::object::version;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long a lease is held without being renewed.
pub const DURATION: Duration = Duration::from_secs(3);
/// How often its holder renews it.
pub const RENEW: Duration = Duration::from_millis(500);

/// What a holder does with the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Takes it.
    Acquire,
    /// Keeps it.
    Renew,
    /// Gives it back.
    Release,
}

/// A lease that was written.
#[derive(Clone, Debug)]
pub struct Held {
    /// As it was answered.
    pub lease: Value,
    /// How often it changed hands.
    pub fence: u64,
    /// When the request was sent, by this process's clock.
    pub since: Instant,
}

impl Held {
    /// Of an answer to a request sent at `since`.
    pub fn of(lease: &Value, since: Instant) -> Option<Held> {
        let fence = lease["spec"]["leaseTransitions"].as_u64()?;
        Some(Held { lease: lease.clone(), fence, since })
    }
}

/// What one client has seen of the lease. Only the time since a change was *seen* counts, never
/// the clocks of others.
#[derive(Debug, Default)]
pub struct Observed {
    version: Option<u64>,
    at: Option<Instant>,
    /// What the last request wrote.
    pub written: Option<Held>,
}

impl Observed {
    /// Whether `holder` may take the lease as it was just read.
    pub fn is_free(&mut self, lease: &Value, holder: &str) -> bool {
        let now = Instant::now();
        if self.version != version(lease) {
            (self.version, self.at) = (version(lease), Some(now));
        }
        let of = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
        let old = self.at.is_some_and(|at| now.duration_since(at) > DURATION);
        of.is_empty() || of == holder || old
    }
}

/// The lease to be written over `found`.
pub fn lease(found: Option<&Value>, holder: &str, wanted: Wanted) -> Value {
    let none = Value::Null;
    let spec = &found.unwrap_or(&none)["spec"];
    // A MicroTime has six digits.
    let now = format!("{:.6}", Timestamp::now());
    let transitions = spec["leaseTransitions"].as_u64().unwrap_or_default();
    let same = spec["holderIdentity"] == holder;
    let taken = wanted == Wanted::Acquire && found.is_some() && !same;
    let acquired = if same { spec["acquireTime"].clone() } else { json!(now) };
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "leader",
            "resourceVersion": found.map(|found| &found["metadata"]["resourceVersion"])},
        "spec": {
            "holderIdentity": if wanted == Wanted::Release { "" } else { holder },
            "leaseDurationSeconds": DURATION.as_secs(),
            "leaseTransitions": transitions + u64::from(taken),
            "acquireTime": acquired,
            "renewTime": now,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(holder: &str, version: u64) -> Value {
        json!({"metadata": {"resourceVersion": version.to_string()},
            "spec": {"holderIdentity": holder, "leaseTransitions": 4, "acquireTime": "t"}})
    }

    #[test]
    fn the_fence_rises_when_the_lease_changes_hands() {
        let fence = |body: Value| body["spec"]["leaseTransitions"].as_u64();
        assert_eq!(fence(lease(None, "a", Wanted::Acquire)), Some(0));
        assert_eq!(fence(lease(Some(&found("b", 7)), "a", Wanted::Acquire)), Some(5));
        assert_eq!(fence(lease(Some(&found("", 7)), "a", Wanted::Acquire)), Some(5));
        assert_eq!(fence(lease(Some(&found("a", 7)), "a", Wanted::Renew)), Some(4));
        let released = lease(Some(&found("a", 7)), "a", Wanted::Release);
        assert_eq!(
            (&released["spec"]["holderIdentity"], fence(released.clone())),
            (&json!(""), Some(4))
        );
        assert_eq!(released["metadata"]["resourceVersion"], "7");
    }

    #[test]
    fn a_lease_just_seen_to_change_is_not_free() {
        let mut observed = Observed::default();
        assert!(!observed.is_free(&found("b", 7), "a"));
        assert!(observed.is_free(&found("", 8), "a"));
        assert!(observed.is_free(&found("a", 9), "a"));
        observed.at = observed.at.and_then(|at| at.checked_sub(DURATION * 2));
        assert!(observed.is_free(&found("b", 9), "a"));
        assert!(!observed.is_free(&found("b", 10), "a"));
    }
}
