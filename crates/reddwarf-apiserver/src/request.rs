//! What the pipeline knows of a request.

use reddwarf_core::{Author, Fence};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Who sent a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserInfo {
    /// User name.
    pub name: String,
    /// Groups, `system:authenticated` included.
    pub groups: Vec<String>,
    /// What tells the user from another one of that name, empty when nothing does.
    pub uid: String,
    /// What else its credentials say, by key.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl UserInfo {
    /// A user of whom no more is known than a name and groups.
    pub fn named(name: impl Into<String>, groups: Vec<String>) -> Self {
        UserInfo { name: name.into(), groups, ..UserInfo::default() }
    }

    /// The parts as objects of the API hold them, the name under `name_field`; `None` for what is
    /// left out because it is empty.
    pub fn fields(&self, name_field: &'static str) -> [(&'static str, Option<Value>); 4] {
        [
            (name_field, Some(json!(self.name))),
            ("uid", (!self.uid.is_empty()).then(|| json!(self.uid))),
            ("groups", (!self.groups.is_empty()).then(|| json!(self.groups))),
            ("extra", (!self.extra.is_empty()).then(|| json!(self.extra))),
        ]
    }

    /// The user as reviews show it.
    pub fn as_value(&self) -> Value {
        let fields = self.fields("username").into_iter();
        fields.filter_map(|(field, value)| Some((field.to_owned(), value?))).collect()
    }
}

/// How unknown and duplicate fields are treated (`fieldValidation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FieldValidation {
    /// Dropped silently.
    Ignore,
    /// Dropped, each with a `Warning` header.
    #[default]
    Warn,
    /// Refused.
    Strict,
}

/// The identity under which a write is proposed.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    /// For the commit header.
    pub author: Author,
    /// For admission and authorization.
    pub user: UserInfo,
    /// For the leader's own loops; never from the network.
    pub fence: Option<Fence>,
}
