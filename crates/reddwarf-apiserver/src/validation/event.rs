//! Events, in the core group's form and in the form of their own group.
//!
//! Paths are those of upstream's internal form, but for who reports.

use super::meta;
use super::read::{has, int, text};
use super::{ErrorList, FieldError, FieldPath, check, names};
use crate::object;
use serde_json::Value;

const WORD_CHARS_MAX: usize = 128;
const NOTE_CHARS_MAX: usize = 1024;

/// How a form calls what the two call differently.
struct Form {
    about: &'static str,
    reporter: &'static str,
    note: &'static str,
    source: &'static str,
    first: &'static str,
    last: &'static str,
    count: &'static str,
}

const CORE: Form = Form {
    about: "involvedObject",
    reporter: "reportingComponent",
    note: "message",
    source: "source",
    first: "firstTimestamp",
    last: "lastTimestamp",
    count: "count",
};
const OWN: Form = Form {
    about: "regarding",
    reporter: "reportingController",
    note: "note",
    source: "deprecatedSource",
    first: "deprecatedFirstTimestamp",
    last: "deprecatedLastTimestamp",
    count: "deprecatedCount",
};

fn at(field: &str) -> FieldPath {
    FieldPath::new(field)
}

/// Checks an event of the core group.
pub fn core(event: &Value) -> ErrorList {
    legacy(event, &CORE)
}

/// What has always been asked of events: one lives where the object lives that it is about.
fn legacy(event: &Value, form: &Form) -> ErrorList {
    let (about, namespace) = (text(&event[form.about], "namespace"), object::namespace(event));
    let timed = has(event, "eventTime");
    let fits = match (about.is_empty(), timed) {
        (true, false) => ["", "default"].contains(&namespace),
        (true, true) => ["default", "kube-system"].contains(&namespace),
        (false, timed) => timed || about == namespace,
    };
    let mut errors = ErrorList::new();
    if !fits {
        let at = at("involvedObject").child("namespace");
        errors.push(FieldError::invalid(at, about, "does not match event.namespace"));
    }
    if timed {
        errors.extend(reported(event, form));
    }
    errors.extend(check::named(names::subdomain, namespace, &at("namespace")));
    errors
}

/// What an event with `eventTime` must say of who reports it.
fn reported(event: &Value, form: &Form) -> ErrorList {
    let who = text(event, form.reporter);
    let too_long = |field: &str, max: usize| {
        let detail = format!("can have at most {max} characters");
        FieldError::invalid(at(field), "", detail)
    };
    let mut errors: ErrorList = check::required(who, at(form.reporter)).into_iter().collect();
    errors.extend(check::named(names::qualified_name, who, &at(form.reporter)));
    for field in ["reportingInstance", "action", "reason"] {
        let word = text(event, field);
        errors.extend(check::required(word, at(field)));
        if word.len() > WORD_CHARS_MAX {
            errors.push(too_long(field, WORD_CHARS_MAX));
        }
    }
    if text(event, form.note).len() > NOTE_CHARS_MAX {
        errors.push(too_long("message", NOTE_CHARS_MAX));
    }
    errors
}

/// Checks a new event of the group of events, with its metadata.
pub fn create(event: &Value) -> ErrorList {
    let mut errors = legacy(event, &OWN);
    errors.extend(meta::metadata(event, true, names::subdomain));
    errors.extend(series(event));
    if !has(event, "eventTime") {
        errors.push(FieldError::required(at("eventTime"), ""));
    }
    let kind = text(event, "type");
    if !["Normal", "Warning"].contains(&kind) {
        errors.push(FieldError::invalid(at("type"), "", format!("has invalid value: {kind}")));
    }
    let sourced = ["component", "host"].iter().any(|f| !text(&event[OWN.source], f).is_empty());
    let set = [
        ("firstTimestamp", has(event, OWN.first)),
        ("lastTimestamp", has(event, OWN.last)),
        ("count", int(event, OWN.count).is_some_and(|count| count != 0)),
        ("source", sourced),
    ];
    let set = set.into_iter().filter(|(_, is_set)| *is_set);
    errors.extend(set.map(|(field, _)| FieldError::invalid(at(field), "", "needs to be unset")));
    errors
}

fn series(event: &Value) -> ErrorList {
    let series = &event["series"];
    if series.is_null() {
        return ErrorList::new();
    }
    let mut errors = ErrorList::new();
    if int(series, "count").unwrap_or_default() < 2 {
        let detail = "should be at least 2";
        errors.push(FieldError::invalid(at("series.count"), "", detail));
    }
    if !has(series, "lastObservedTime") {
        errors.push(FieldError::required(at("series.lastObservedTime"), ""));
    }
    errors
}

/// Checks an update of an event of the group of events: only its series may change. Upstream
/// looks at the reason twice.
pub fn update(new: &Value, old: &Value) -> ErrorList {
    let mut errors = legacy(new, &OWN);
    errors.extend(meta::metadata_update(new, old));
    if !super::semantic::same_field(new, old, "series") {
        errors.extend(series(new));
    }
    for (field, shown) in [
        (OWN.about, "involvedObject"),
        ("reason", "reason"),
        (OWN.note, "message"),
        (OWN.source, "source"),
        (OWN.first, "firstTimestamp"),
        (OWN.last, "lastTimestamp"),
        (OWN.count, "count"),
        ("reason", "reason"),
        ("type", "type"),
        ("eventTime", "eventTime"),
        ("action", "action"),
        ("related", "related"),
        (OWN.reporter, "reportingController"),
        ("reportingInstance", "reportingInstance"),
    ] {
        errors.extend(check::immutable(new, old, field, at(shown)));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(errors: &[FieldError]) -> Vec<String> {
        errors.iter().map(|e| e.field.to_string()).collect()
    }

    #[test]
    fn an_event_lives_with_its_object() {
        let about = |namespace: &str| json!({"metadata": {"namespace": "n"}, "involvedObject": {"namespace": namespace}});
        assert!(core(&about("n")).is_empty());
        assert_eq!(
            core(&about("other"))[0].to_string(),
            "involvedObject.namespace: Invalid value: \"other\": does not match event.namespace"
        );
        let mut timed = about("other");
        timed["eventTime"] = json!("t");
        timed["reason"] = json!("x".repeat(129));
        assert_eq!(
            fields(&core(&timed)),
            [
                "reportingComponent",
                "reportingComponent",
                "reportingComponent",
                "reportingInstance",
                "action",
                "reason"
            ]
        );
    }

    #[test]
    fn events_of_their_own_group() {
        let mut event = json!({"metadata": {"name": "e", "namespace": "n"}, "regarding": {"namespace": "n"},
            "eventTime": "t", "reportingController": "c", "reportingInstance": "i", "action": "a", "reason": "r",
            "type": "Normal"});
        assert!(create(&event).is_empty());
        let old = event.clone();
        event["series"] = json!({"count": 1});
        event["deprecatedCount"] = json!(1);
        event["type"] = json!("Odd");
        assert_eq!(
            fields(&create(&event)),
            ["series.count", "series.lastObservedTime", "type", "count"]
        );
        event["reason"] = json!("other");
        event["note"] = json!("n");
        assert_eq!(
            fields(&update(&event, &old)),
            [
                "series.count",
                "series.lastObservedTime",
                "reason",
                "message",
                "count",
                "reason",
                "type"
            ]
        );
    }
}
