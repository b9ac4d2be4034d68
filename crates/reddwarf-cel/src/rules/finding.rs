//! What is wrong with an object or a definition.

use serde_json::Value as Json;
use std::fmt;

/// How a finding is classed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingKind {
    /// A value does not satisfy a rule.
    Invalid,
    /// A field may not be there.
    Forbidden,
    /// A field must be there.
    Required,
    /// A value is there twice.
    Duplicate,
    /// Something that should not happen.
    Internal,
}

/// Something wrong with a field.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// How it is classed.
    pub kind: FindingKind,
    /// Where: `spec.list[0].name`, empty for the whole object.
    pub path: String,
    /// The value to show, if any.
    pub value: Option<Json>,
    /// What is wrong.
    pub detail: String,
}

impl Finding {
    pub(super) fn new(kind: FindingKind, path: &Path, detail: impl Into<String>) -> Self {
        Finding { kind, path: path.to_string(), value: None, detail: detail.into() }
    }

    pub(super) fn invalid(path: &Path, value: impl Into<Json>, detail: impl Into<String>) -> Self {
        Finding { value: Some(value.into()), ..Self::new(FindingKind::Invalid, path, detail) }
    }
}

/// The way to a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(String);

impl Path {
    pub(super) fn new(path: &str) -> Self {
        Path(path.to_owned())
    }

    pub(super) fn child(&self, name: &str) -> Self {
        match self.0.as_str() {
            "" => Path::new(name),
            path => Path(format!("{path}.{name}")),
        }
    }

    pub(super) fn index(&self, at: usize) -> Self {
        Path(format!("{}[{at}]", self.0))
    }

    pub(super) fn key(&self, key: &str) -> Self {
        Path(format!("{}[{key}]", self.0))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
