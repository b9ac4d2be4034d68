//! What the pipeline knows of a request.

use reddwarf_core::{Author, Fence};

/// Who sent a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserInfo {
    /// User name.
    pub name: String,
    /// Groups, `system:authenticated` included.
    pub groups: Vec<String>,
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
