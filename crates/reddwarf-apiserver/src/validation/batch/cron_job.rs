//! Cron jobs.

use super::{job, schedule};
use crate::object;
use crate::validation::read::{has, text};
use crate::validation::{ErrorList, FieldError, FieldPath, check};
use jiff::tz::TimeZone;
use serde_json::Value;

/// The controller adds 11 characters to make a job's name of 63.
const NAME_CHARS_MAX: usize = 52;
const ZONE_PART_CHARS_MAX: usize = 14;
const POLICIES: [&str; 3] = ["Allow", "Forbid", "Replace"];

fn path() -> FieldPath {
    FieldPath::new("spec")
}

/// Checks a new cron job.
pub fn cron_job(object: &Value) -> ErrorList {
    let mut errors = spec(&object["spec"], None);
    let name = object::name(object);
    if name.len() > NAME_CHARS_MAX {
        let at = FieldPath::new("metadata").child("name");
        let detail = format!("must be no more than {NAME_CHARS_MAX} characters");
        errors.push(FieldError::invalid(at, name, detail));
    }
    errors
}

/// Checks an update of a cron job.
pub fn cron_job_update(new: &Value, old: &Value) -> ErrorList {
    spec(&new["spec"], Some(&old["spec"]))
}

fn spec(spec: &Value, old: Option<&Value>) -> ErrorList {
    let mut errors = scheduled(spec, old);
    errors.extend(check::not_negative(spec, "startingDeadlineSeconds", &path()));
    if old.is_none_or(|old| old.get("timeZone") != spec.get("timeZone")) {
        errors.extend(time_zone(spec));
    }
    match text(spec, "concurrencyPolicy") {
        "" => errors.push(FieldError::required(path().child("concurrencyPolicy"), "")),
        _ => errors.extend(check::one_of(spec, "concurrencyPolicy", &POLICIES, &path())),
    }
    let at = path().child("jobTemplate").child("spec");
    errors.extend(job::of_cron_job(&spec["jobTemplate"]["spec"], &at));
    for field in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        errors.extend(check::not_negative(spec, field, &path()));
    }
    errors
}

fn scheduled(spec: &Value, old: Option<&Value>) -> ErrorList {
    let (text_of, at) = (text(spec, "schedule"), path().child("schedule"));
    if text_of.is_empty() {
        return vec![FieldError::required(at, "")];
    }
    let mut errors = ErrorList::new();
    let mut invalid = |why: String| {
        errors.push(FieldError::invalid(at.clone(), text_of, why));
    };
    if let Err(why) = schedule::check(text_of) {
        invalid(why);
    }
    // Older objects may name the zone in the schedule.
    let tolerated = old.is_some_and(|old| text(old, "schedule").contains("TZ"));
    match text_of.contains("TZ") {
        true if !tolerated => {
            invalid("cannot use TZ or CRON_TZ in schedule, use timeZone field instead".to_owned())
        }
        true if has(spec, "timeZone") => {
            invalid("cannot use both timeZone field and TZ or CRON_TZ in schedule".to_owned());
        }
        _ => {}
    }
    errors
}

fn time_zone(spec: &Value) -> ErrorList {
    let at = path().child("timeZone");
    if !has(spec, "timeZone") {
        return ErrorList::new();
    }
    let name = text(spec, "timeZone");
    let invalid = |why: String| FieldError::invalid(at.clone(), name, why);
    if name.is_empty() {
        return vec![invalid("timeZone must be nil or non-empty string".to_owned())];
    }
    let unknown = || invalid(format!("unknown time zone {name}"));
    if !name.split('/').all(is_zone_part) {
        return vec![unknown()];
    }
    if name.eq_ignore_ascii_case("local") {
        let why =
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        let explicit = invalid(why.to_owned());
        return if name == "Local" { vec![explicit] } else { vec![explicit, unknown()] };
    }
    if is_known_zone(name) { ErrorList::new() } else { vec![unknown()] }
}

fn is_zone_part(part: &str) -> bool {
    let letters = part.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_+".contains(&b));
    letters
        && !matches!(part, "" | "." | "..")
        && !part.starts_with('-')
        && part.len() <= ZONE_PART_CHARS_MAX
}

/// Names of zones are told apart by case, as file names are.
fn is_known_zone(name: &str) -> bool {
    name == "UTC" || TimeZone::get(name).is_ok_and(|zone| zone.iana_name() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn why(spec: Value) -> Vec<String> {
        let mut errors = time_zone(&spec);
        errors.extend(scheduled(&spec, None));
        errors.into_iter().map(|e| e.detail).collect()
    }

    #[test]
    fn zones() {
        for good in ["UTC", "Europe/Berlin", "Etc/GMT+5", "America/Argentina/Ushuaia"] {
            let spec = json!({"timeZone": good, "schedule": "@daily"});
            assert!(why(spec).is_empty(), "{good}");
        }
        for bad in ["Nowhere/Land", "europe/berlin", "-x", "../etc"] {
            let spec = json!({"timeZone": bad, "schedule": "@daily"});
            assert_eq!(why(spec), [format!("unknown time zone {bad}")]);
        }
        assert_eq!(why(json!({"timeZone": "Local", "schedule": "@daily"})).len(), 1);
        assert_eq!(why(json!({"timeZone": "", "schedule": "@daily"})).len(), 1);
    }

    #[test]
    fn a_zone_in_the_schedule() {
        let spec = json!({"schedule": "TZ=UTC 0 0 1 1 *", "timeZone": "UTC"});
        assert!(scheduled(&spec, None)[0].detail.starts_with("cannot use TZ or CRON_TZ"));
        assert!(scheduled(&spec, Some(&spec))[0].detail.starts_with("cannot use both"));
    }

    #[test]
    fn names_leave_room_for_a_time() {
        let long = "x".repeat(53);
        let errors = cron_job(&json!({"metadata": {"name": long}, "spec": {}}));
        assert_eq!(
            errors.last().map(|e| e.detail.as_str()),
            Some("must be no more than 52 characters")
        );
    }
}
