//! Certificate signing requests.

use crate::defaults::fill::{at, keep};
use crate::defaults::now;
use serde_json::Value;

/// An update cannot change what a request asks for.
pub fn request_update(new: &mut Value, old: &Value) {
    if at(old, "spec").is_some() {
        keep(new, old, "spec");
    }
}

/// `/status` leaves decisions as they are, unless it adds or removes one, which is refused.
pub fn request_status_update(new: &mut Value, old: &Value) {
    for kind in ["Approved", "Denied"] {
        let is_decision = |condition: &&Value| condition["type"] == kind;
        let decided: Vec<Value> = conditions(old).iter().filter(is_decision).cloned().collect();
        if conditions(new).iter().filter(is_decision).count() != decided.len() {
            continue;
        }
        let places = new["status"]["conditions"].as_array_mut().into_iter().flatten();
        for (place, kept) in places.filter(|c| c["type"] == kind).zip(decided) {
            *place = kept;
        }
    }
    times(new, old);
}

/// Gives conditions the times that they lack: when they were written, and when their status
/// became what it is.
pub fn times(new: &mut Value, old: &Value) {
    let before = conditions(old).to_vec();
    let list = new.get_mut("status").and_then(|status| status.get_mut("conditions"));
    for condition in list.and_then(Value::as_array_mut).into_iter().flatten() {
        let missing = |condition: &Value, field: &str| at(condition, field).is_none();
        if missing(condition, "lastUpdateTime") {
            condition["lastUpdateTime"] = now().into();
        }
        if missing(condition, "lastTransitionTime") {
            let same = |c: &&Value| {
                c["type"] == condition["type"]
                    && c["status"] == condition["status"]
                    && !missing(c, "lastTransitionTime")
            };
            let kept = before.iter().find(same).map(|c| c["lastTransitionTime"].clone());
            condition["lastTransitionTime"] = kept.unwrap_or_else(|| now().into());
        }
    }
}

fn conditions(object: &Value) -> &[Value] {
    object["status"]["conditions"].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn decisions_stay_as_they_were_made() {
        let approved = |reason: &str| {
            json!({"status": {"conditions": [{"type": "Approved", "status": "True",
                "reason": reason, "lastTransitionTime": "then", "lastUpdateTime": "then"}]}})
        };
        let mut new = approved("other");
        request_status_update(&mut new, &approved("mine"));
        assert_eq!(new, approved("mine"));
        let mut added = approved("mine");
        request_status_update(&mut added, &json!({}));
        assert_eq!(added, approved("mine"), "validation refuses it");
    }

    #[test]
    fn a_status_that_stays_keeps_its_time() {
        let old = json!({"status": {"conditions": [
            {"type": "Failed", "status": "True", "lastTransitionTime": "then"}]}});
        let mut new = json!({"status": {"conditions": [
            {"type": "Failed", "status": "True"}, {"type": "x", "status": "True"}]}});
        times(&mut new, &old);
        assert_eq!(new["status"]["conditions"][0]["lastTransitionTime"], "then");
        assert_ne!(new["status"]["conditions"][1]["lastTransitionTime"], "then");
    }
}
