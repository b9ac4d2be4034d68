//! Limit ranges.

use super::read::{entries, has, items, text};
use super::resource_name::{self, amount};
use super::{ErrorList, FieldError, FieldPath, check, names};
use reddwarf_core::quantity::{Format, Quantity};
use serde_json::Value;

const TYPES: [&str; 3] = ["Pod", "Container", "PersistentVolumeClaim"];
/// Numbers up to here are compared by their thousandths.
const VALUE_MAX: i64 = i64::MAX / 1000;

/// Checks a limit range.
pub fn limit_range(object: &Value) -> ErrorList {
    let list = FieldPath::new("spec").child("limits");
    let limits = items(&object["spec"], "limits");
    let mut errors = ErrorList::new();
    for (at, limit) in limits.iter().enumerate() {
        let path = list.index(at);
        let kind = text(limit, "type");
        errors.extend(type_name(kind, &path.child("type")));
        if limits[..at].iter().any(|before| text(before, "type") == kind) {
            errors.push(FieldError::duplicate(path.child("type"), kind));
        }
        errors.extend(one(limit, kind, &path));
    }
    errors
}

fn type_name(kind: &str, at: &FieldPath) -> ErrorList {
    let errors = check::named(names::qualified_name, kind, at);
    if errors.is_empty() && !kind.contains('/') && !TYPES.contains(&kind) {
        let detail = "must be a standard limit type or fully qualified";
        return vec![FieldError::invalid(at.clone(), kind, detail)];
    }
    errors
}

fn one(limit: &Value, kind: &str, path: &FieldPath) -> ErrorList {
    let of_pod = kind == "Pod";
    let mut errors = ErrorList::new();
    let mut resources: Vec<&str> = Vec::new();
    for field in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
        let is_default = field.starts_with("default");
        if of_pod && is_default {
            if entries(limit, field).next().is_some() {
                let detail = "may not be specified when `type` is 'Pod'";
                errors.push(FieldError::forbidden(path.child(field), detail));
            }
            continue;
        }
        if field == "maxLimitRequestRatio" {
            errors.extend(storage(limit, kind, path));
        }
        for (name, _) in entries(limit, field) {
            let at = path.child(field).key(name);
            errors.extend(match kind {
                "Pod" | "Container" => resource_name::of_container(name, &at),
                _ => resource_name::any(name, &at),
            });
            if !resources.contains(&&**name) {
                resources.push(name);
            }
        }
    }
    errors.extend(resources.iter().flat_map(|name| Amounts::of(limit, name, of_pod).check(path)));
    errors
}

/// A limit of claims limits their storage.
fn storage(limit: &Value, kind: &str, path: &FieldPath) -> Option<FieldError> {
    let limited = ["min", "max"].iter().any(|field| has(&limit[*field], "storage"));
    let detail = "either minimum or maximum storage value is required, but neither was provided";
    (kind == "PersistentVolumeClaim" && !limited)
        .then(|| FieldError::required(path.child("limits"), detail))
}

/// What a limit says of one resource.
struct Amounts<'a> {
    name: &'a str,
    min: Option<(Quantity, &'a Value)>,
    max: Option<(Quantity, &'a Value)>,
    default: Option<(Quantity, &'a Value)>,
    request: Option<(Quantity, &'a Value)>,
    ratio: Option<(Quantity, &'a Value)>,
}

impl<'a> Amounts<'a> {
    fn of(limit: &'a Value, name: &'a str, of_pod: bool) -> Self {
        let of = |field: &str| {
            let value = limit[field].get(name)?;
            Some((amount(value)?, value))
        };
        let default = |field: &str| if of_pod { None } else { of(field) };
        Amounts {
            name,
            min: of("min"),
            max: of("max"),
            default: default("default"),
            request: default("defaultRequest"),
            ratio: of("maxLimitRequestRatio"),
        }
    }

    fn check(&self, path: &FieldPath) -> ErrorList {
        let at = |field: &str| path.child(field).key(self.name);
        let mut errors = ErrorList::new();
        // A pair in which the first may not be more than the second; the one that is shown, where
        // and in which words.
        let mut ordered = |low: Option<(Quantity, &Value)>,
                           high: Option<(Quantity, &Value)>,
                           field: &str,
                           shows_low: bool,
                           words: (&str, &str)| {
            let Some((low, high)) = low.zip(high).filter(|(low, high)| low.0 > high.0) else {
                return;
            };
            let (first, second) = words;
            let (a, b) = (shown(low.1), shown(high.1));
            let detail = format!("{first} value {a} is greater than {second} value {b}");
            let value = if shows_low { low.1 } else { high.1 };
            errors.push(FieldError::invalid(at(field), value.clone(), detail));
        };
        ordered(self.min, self.max, "min", true, ("min", "max"));
        let (min, max, default, request) = (self.min, self.max, self.default, self.request);
        ordered(min, request, "defaultRequest", false, ("min", "default request"));
        ordered(request, max, "defaultRequest", true, ("default request", "max"));
        ordered(request, default, "defaultRequest", true, ("default request", "default limit"));
        ordered(min, default, "default", true, ("min", "default"));
        ordered(default, max, "default", false, ("default", "max"));
        errors.extend(self.ratio(&at("maxLimitRequestRatio")));
        if let Some((default, request)) = default.zip(request)
            && !resource_name::may_overcommit(self.name)
            && default.0 != request.0
        {
            let detail = format!(
                "default value {} must equal to defaultRequest value {} in {}",
                shown(default.1),
                shown(request.1),
                self.name
            );
            errors.push(FieldError::invalid(at("defaultRequest"), request.1.clone(), detail));
        }
        errors
    }

    fn ratio(&self, at: &FieldPath) -> ErrorList {
        let Some((ratio, value)) = self.ratio else { return ErrorList::new() };
        let mut errors = ErrorList::new();
        if ratio < Quantity::new(1, Format::DecimalSi) {
            let detail = format!("ratio {} is less than 1", shown(value));
            errors.push(FieldError::invalid(at.clone(), value.clone(), detail));
        }
        let Some(((min, _), (max, _))) = self.min.zip(self.max) else { return errors };
        let fine = [ratio, min, max].iter().all(|amount| amount.value() < VALUE_MAX);
        let (ratio, most) = match fine {
            true => (
                ratio.milli_value() as f64 / 1000.0,
                max.milli_value() as f64 / min.milli_value() as f64,
            ),
            false => (ratio.value() as f64, max.value() as f64 / min.value() as f64),
        };
        if ratio > most {
            let detail = format!("ratio {} is greater than max/min = {most:.6}", shown(value));
            errors.push(FieldError::invalid(at.clone(), value.clone(), detail));
        }
        errors
    }
}

fn shown(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn details(limit: Value) -> Vec<String> {
        let object = json!({"spec": {"limits": [limit]}});
        let short = |e: &FieldError| e.to_string().replace("spec.limits[0].", "");
        limit_range(&object).iter().map(short).collect()
    }

    #[test]
    fn amounts_in_order() {
        assert_eq!(
            details(json!({"type": "Container", "max": {"cpu": "1"}, "min": {"cpu": "2"},
                "default": {"cpu": "3"}, "defaultRequest": {"cpu": "4"}})),
            [
                "min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1",
                "defaultRequest[cpu]: Invalid value: \"4\": default request value 4 is greater than max value 1",
                "defaultRequest[cpu]: Invalid value: \"4\": default request value 4 is greater than default limit value 3",
                "default[cpu]: Invalid value: \"1\": default value 3 is greater than max value 1",
            ]
        );
        assert_eq!(
            details(json!({"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "1"},
                "maxLimitRequestRatio": {"cpu": "3"}})),
            [
                "maxLimitRequestRatio[cpu]: Invalid value: \"3\": ratio 3 is greater than max/min = 2.000000"
            ]
        );
    }

    #[test]
    fn types_of_limits() {
        assert_eq!(details(json!({"type": "odd"})).len(), 1);
        assert_eq!(
            details(json!({"type": "Pod", "default": {"cpu": "1"}, "max": {"pods": "1"}})).len(),
            2
        );
        assert_eq!(
            details(json!({"type": "PersistentVolumeClaim"})),
            [
                "limits: Required value: either minimum or maximum storage value is required, but neither was provided"
            ]
        );
        assert_eq!(
            details(json!({"type": "Container", "default": {"a.b/c": "2"}, "defaultRequest": {"a.b/c": "1"}})).len(),
            1
        );
    }
}
