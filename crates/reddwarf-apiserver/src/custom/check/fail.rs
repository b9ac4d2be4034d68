//! One way in which a value breaks its schema.

use crate::validation::{ErrorKind, FieldError, FieldPath};
use serde_json::Value;

/// See the module's text.
#[derive(Clone, Debug)]
pub(super) enum Fail {
    /// About the value at a path.
    Of {
        /// Dotted, from where the check began; a dot in front is not shown.
        path: String,
        /// What is wrong.
        what: What,
    },
    /// About a combination of schemas, of which upstream names no field.
    Whole(String),
}

/// What is wrong with a value.
#[derive(Clone, Debug)]
pub(super) enum What {
    Required,
    /// The value, and the values that there may be.
    NotAllowed(Value, Vec<Value>),
    TooLong(i64),
    /// How many there are, and how many there may be.
    TooMany(i64, i64),
    /// What is shown of the value, and the type that it should have.
    Type(String, String),
    /// The value and an explanation that begins with the path.
    Invalid(Value, String),
}

impl Fail {
    /// A failure at `path`.
    pub fn at(path: &str, what: What) -> Self {
        Fail::Of { path: path.to_owned(), what }
    }

    /// A value with an explanation, behind its path.
    pub fn invalid(path: &str, value: impl Into<Value>, detail: &str) -> Self {
        Fail::at(path, What::Invalid(value.into(), format!("{path} in body {detail}")))
    }

    /// As validation reports it; `base` is where the check began.
    pub fn to_error(&self, base: &FieldPath) -> FieldError {
        let at_base = || match base.to_string().is_empty() {
            // Upstream has no path there, and says so.
            true => FieldPath::new("<nil>"),
            false => base.clone(),
        };
        let (path, what) = match self {
            Fail::Whole(text) => return FieldError::invalid(at_base(), "", text.as_str()),
            Fail::Of { path, what } => (path, what),
        };
        let field = match path.trim_start_matches('.') {
            "" => at_base(),
            below => base.child(below),
        };
        match what {
            What::Required => FieldError::required(field, ""),
            What::NotAllowed(value, allowed) => {
                let shown: Vec<String> = allowed.iter().map(text_of).collect();
                let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
                FieldError::not_supported(field, unquoted_null(value), &shown)
            }
            What::TooLong(max) => FieldError::too_long(field, usize::try_from(*max).unwrap_or(0)),
            What::TooMany(count, max) => FieldError {
                kind: ErrorKind::TooMany,
                field,
                value: Some((*count).into()),
                detail: format!("must have at most {max} items"),
            },
            What::Type(shown, wanted) => FieldError {
                kind: ErrorKind::TypeInvalid,
                field,
                value: Some(shown.as_str().into()),
                detail: format!("{path} in body must be of type {wanted}: {shown:?}"),
            },
            What::Invalid(value, detail) => {
                FieldError::invalid(field, unquoted_null(value), detail.as_str())
            }
        }
    }
}

/// Upstream shows a missing value as text.
fn unquoted_null(value: &Value) -> Value {
    if value.is_null() { "".into() } else { value.clone() }
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
