//! Errors of single fields, in upstream's words (`field.Error`).

use reddwarf_core::status::{Status, StatusCause, StatusDetails};
use reddwarf_core::{GroupResource, Reason};
use serde_json::Value;
use std::fmt;

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Must be given.
    Required,
    /// Two list items are the same.
    Duplicate,
    /// Malformed or out of range.
    Invalid,
    /// Not among the supported values.
    NotSupported,
    /// May not be given here.
    Forbidden,
    /// Longer than it may be.
    TooLong,
    /// More items than there may be.
    TooMany,
    /// Of the wrong type.
    TypeInvalid,
    /// Names something that does not exist.
    NotFound,
    /// A defect of the server.
    Internal,
}

impl ErrorKind {
    /// The cause's reason in a `Status`.
    pub fn reason(self) -> &'static str {
        match self {
            ErrorKind::Required => "FieldValueRequired",
            ErrorKind::Duplicate => "FieldValueDuplicate",
            ErrorKind::Invalid => "FieldValueInvalid",
            ErrorKind::NotSupported => "FieldValueNotSupported",
            ErrorKind::Forbidden => "FieldValueForbidden",
            ErrorKind::TooLong => "FieldValueTooLong",
            ErrorKind::TooMany => "FieldValueTooMany",
            ErrorKind::TypeInvalid => "FieldValueTypeInvalid",
            ErrorKind::NotFound => "FieldValueNotFound",
            ErrorKind::Internal => "InternalError",
        }
    }

    fn words(self) -> &'static str {
        match self {
            ErrorKind::Required => "Required value",
            ErrorKind::Duplicate => "Duplicate value",
            ErrorKind::Invalid | ErrorKind::TypeInvalid => "Invalid value",
            ErrorKind::NotSupported => "Unsupported value",
            ErrorKind::Forbidden => "Forbidden",
            ErrorKind::TooLong => "Too long",
            ErrorKind::TooMany => "Too many",
            ErrorKind::NotFound => "Not found",
            ErrorKind::Internal => "Internal error",
        }
    }
}

/// The path of a field: `spec.containers[0].name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath(String);

impl FieldPath {
    /// A path of one name.
    pub fn new(name: &str) -> Self {
        FieldPath(name.to_owned())
    }

    /// The path of a field below this one.
    pub fn child(&self, name: &str) -> Self {
        if self.0.is_empty() {
            FieldPath::new(name)
        } else {
            FieldPath(format!("{}.{name}", self.0))
        }
    }

    /// The path of another field of the same object.
    pub fn sibling(&self, name: &str) -> Self {
        match self.0.rsplit_once('.') {
            Some((parent, _)) => FieldPath(format!("{parent}.{name}")),
            None => FieldPath::new(name),
        }
    }

    /// The path of a list item.
    pub fn index(&self, at: usize) -> Self {
        FieldPath(format!("{}[{at}]", self.0))
    }

    /// The path of a map entry.
    pub fn key(&self, key: &str) -> Self {
        FieldPath(format!("{}[{key}]", self.0))
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One error of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Where.
    pub field: FieldPath,
    /// The offending value, where the message shows it.
    pub value: Option<Value>,
    /// Explanation after the value.
    pub detail: String,
}

impl FieldError {
    /// A field that must be given.
    pub fn required(field: FieldPath, detail: impl Into<String>) -> Self {
        FieldError { kind: ErrorKind::Required, field, value: None, detail: detail.into() }
    }

    /// A malformed value.
    pub fn invalid(field: FieldPath, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        FieldError {
            kind: ErrorKind::Invalid,
            field,
            value: Some(value.into()),
            detail: detail.into(),
        }
    }

    /// A field that may not be given here.
    pub fn forbidden(field: FieldPath, detail: impl Into<String>) -> Self {
        FieldError { kind: ErrorKind::Forbidden, field, value: None, detail: detail.into() }
    }

    /// A repeated value.
    pub fn duplicate(field: FieldPath, value: impl Into<Value>) -> Self {
        FieldError {
            kind: ErrorKind::Duplicate,
            field,
            value: Some(value.into()),
            detail: String::new(),
        }
    }

    /// A value outside an enumeration; `supported` in the order in which it is to be shown.
    pub fn not_supported(field: FieldPath, value: impl Into<Value>, supported: &[&str]) -> Self {
        let quoted: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        let detail = format!("supported values: {}", quoted.join(", "));
        FieldError { kind: ErrorKind::NotSupported, field, value: Some(value.into()), detail }
    }

    /// A name of something that does not exist.
    pub fn not_found(field: FieldPath, value: impl Into<Value>) -> Self {
        FieldError {
            kind: ErrorKind::NotFound,
            field,
            value: Some(value.into()),
            detail: String::new(),
        }
    }

    /// Text longer than `max` bytes.
    pub fn too_long(field: FieldPath, max: usize) -> Self {
        let detail = format!("may not be more than {max} bytes");
        FieldError { kind: ErrorKind::TooLong, field, value: None, detail }
    }

    /// The part of the message after the path, as a cause shows it.
    pub fn body(&self) -> String {
        let mut text = self.kind.words().to_owned();
        if let Some(value) = &self.value {
            text.push_str(": ");
            text.push_str(&value.to_string());
        }
        if !self.detail.is_empty() {
            text.push_str(": ");
            text.push_str(&self.detail);
        }
        text
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

/// The errors of one object; empty when it is valid.
pub type ErrorList = Vec<FieldError>;

/// What an answer's message says of them: the same words once, though each has its own cause.
fn listed(errors: &[FieldError]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for text in errors.iter().map(ToString::to_string) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

/// The 422 that upstream answers for an invalid object of `kind` (upper camel case) in `group`.
pub fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Status {
    let listed = listed(errors);
    let shown = GroupResource { group: group.to_owned(), resource: kind.to_owned() };
    let causes = errors
        .iter()
        .map(|e| StatusCause {
            reason: e.kind.reason().into(),
            message: e.body(),
            field: e.field.to_string(),
        })
        .collect();
    Status::failure(Reason::Invalid, format!("{shown} {name:?} is invalid: {listed}")).with_details(
        StatusDetails {
            name: name.into(),
            group: group.into(),
            kind: kind.into(),
            causes,
            ..Default::default()
        },
    )
}
