//! Numbers or percentages of pods, as rolling updates name them.

use crate::validation::{FieldError, FieldPath, check};
use serde_json::Value;

/// Whether a number or percentage is nothing, as a text that is neither is.
pub(super) fn is_nothing(value: &Value) -> bool {
    let Some(text) = value.as_str() else { return value.as_i64().unwrap_or_default() == 0 };
    let percent = text.strip_suffix('%').filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
    percent.unwrap_or(text).parse::<i64>().unwrap_or_default() == 0
}

/// A percentage may not be more than all.
pub(super) fn at_most_all(rolling: &Value, field: &str, at: &FieldPath) -> Option<FieldError> {
    let value = rolling.get(field)?;
    let malformed = check::int_or_percent(rolling, field, at).is_some();
    check::percentage(value).filter(|percent| *percent > 100 && !malformed)?;
    let detail = "must not be greater than 100%";
    Some(FieldError::invalid(at.child(field), value.clone(), detail))
}
