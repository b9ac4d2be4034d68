//! What is worth a warning in a workload besides its pods' template.

use super::read::{int, items, text};
use super::{FieldPath, names};
use crate::object;
use reddwarf_core::quantity::Quantity;
use serde_json::Value;

/// From here on the indexes of a job that failed may be too many to be told of.
const COMPLETIONS_SOFT_MAX: i64 = 100_000;
const PARALLELISM_SOFT_MAX: i64 = 10_000;

/// The warnings that come before those of the template.
pub(super) fn before(kind: &str, new: &Value, old: Option<&Value>) -> Vec<String> {
    let mut warnings = Vec::new();
    let named = matches!(kind, "Deployment" | "ReplicaSet" | "Job" | "CronJob");
    if named && old.is_none() {
        warnings.extend(name(object::name(new)));
    }
    let spec = FieldPath::new("spec");
    match kind {
        "CronJob" => {
            let zone_in_schedule = text(&new["spec"], "schedule").contains("TZ");
            if old.is_some() && zone_in_schedule {
                warnings.push("cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details".to_owned());
            }
            if is_changed(new, old) {
                let path = spec.child("jobTemplate").child("spec");
                warnings.extend(indexes(&new["spec"]["jobTemplate"]["spec"], &path));
            }
        }
        "Job" if is_changed(new, old) => warnings.extend(indexes(&new["spec"], &spec)),
        _ => {}
    }
    warnings
}

/// The warnings that come after those of the template.
pub(super) fn after(kind: &str, new: &Value, old: Option<&Value>) -> Vec<String> {
    if kind != "StatefulSet" {
        return Vec::new();
    }
    let mut warnings = Vec::new();
    if is_changed(new, old) {
        let list = FieldPath::new("spec").child("volumeClaimTemplates");
        for (at, claim) in items(&new["spec"], "volumeClaimTemplates").iter().enumerate() {
            let path = list.index(at);
            let path = if old.is_some() { path.child("Spec") } else { path };
            warnings.extend(fractions(&claim["spec"]["resources"], &path.child("resources")));
        }
    }
    if int(&new["spec"], "revisionHistoryLimit").is_some_and(|limit| limit < 0) {
        warnings.push("spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended".to_owned());
    }
    warnings
}

/// Whether an object is new, or another generation than `old`.
fn is_changed(new: &Value, old: Option<&Value>) -> bool {
    let generation = |object: &Value| int(&object["metadata"], "generation");
    old.is_none_or(|old| generation(old) != generation(new))
}

fn name(name: &str) -> Option<String> {
    let wrong = names::label(name);
    (!wrong.is_empty()).then(|| {
        let wrong = wrong.join(" ");
        format!("metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [{wrong}]")
    })
}

fn indexes(spec: &Value, path: &FieldPath) -> Option<String> {
    let above = |field: &str, max: i64| int(spec, field).is_some_and(|value| value > max);
    let is_large = text(spec, "completionMode") == "Indexed"
        && above("completions", COMPLETIONS_SOFT_MAX)
        && above("parallelism", PARALLELISM_SOFT_MAX);
    is_large.then(|| {
        format!("{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail")
    })
}

/// Storage is in whole bytes.
fn fractions(resources: &Value, path: &FieldPath) -> Vec<String> {
    let fields = ["requests", "limits"].into_iter();
    let odd = fields.filter_map(|field| {
        let shown = text(&resources[field], "storage");
        let quantity = Quantity::parse(shown).ok()?;
        let at = path.child(field).key("storage");
        (quantity.milli_value() % 1000 != 0).then(|| {
            format!("{at}: fractional byte value {shown:?} is invalid, must be an integer")
        })
    });
    odd.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_of_pods() {
        let dotted = json!({"metadata": {"name": "a.b"}});
        let expected = "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]";
        for kind in ["Deployment", "ReplicaSet", "Job", "CronJob"] {
            assert_eq!(before(kind, &dotted, None), [expected], "{kind}");
            assert!(before(kind, &dotted, Some(&dotted)).is_empty(), "{kind}");
        }
        assert!(before("DaemonSet", &dotted, None).is_empty());
    }

    #[test]
    fn large_indexed_jobs() {
        let spec =
            json!({"completionMode": "Indexed", "completions": 100_001, "parallelism": 10_001});
        let job = json!({"metadata": {"name": "a", "generation": 1}, "spec": spec});
        let found = before("Job", &job, None);
        assert!(found[0].starts_with("spec: In Indexed Jobs"), "{found:?}");
        assert!(before("Job", &job, Some(&job)).is_empty());
        let mut small = job.clone();
        small["spec"]["parallelism"] = json!(10_000);
        assert!(before("Job", &small, None).is_empty());
        let cron =
            json!({"metadata": {"name": "a"}, "spec": {"jobTemplate": {"spec": job["spec"]}}});
        let found = before("CronJob", &cron, None);
        assert!(found[0].starts_with("spec.jobTemplate.spec: In Indexed"), "{found:?}");
    }

    #[test]
    fn time_zone_in_a_schedule() {
        let cron = json!({"metadata": {"name": "a"}, "spec": {"schedule": "TZ=UTC 0 * * * *"}});
        assert_eq!(before("CronJob", &cron, Some(&cron)).len(), 1);
        assert!(before("CronJob", &cron, None).is_empty());
    }

    #[test]
    fn stateful_sets() {
        let claim = json!({"spec": {"resources": {"requests": {"storage": "500m"}}}});
        let set = |generation: u8| {
            let spec = json!({"revisionHistoryLimit": -1, "volumeClaimTemplates": [claim]});
            json!({"metadata": {"generation": generation}, "spec": spec})
        };
        let limit = "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended";
        let fraction = |at: &str| {
            format!(
                "spec.volumeClaimTemplates[0].{at}[storage]: fractional byte value \"500m\" is invalid, must be an integer"
            )
        };
        assert_eq!(
            after("StatefulSet", &set(1), None),
            [fraction("resources.requests").as_str(), limit]
        );
        assert_eq!(after("StatefulSet", &set(1), Some(&set(1))), [limit]);
        assert_eq!(
            after("StatefulSet", &set(2), Some(&set(1))),
            [fraction("Spec.resources.requests").as_str(), limit]
        );
    }
}
