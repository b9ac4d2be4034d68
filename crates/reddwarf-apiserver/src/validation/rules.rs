//! Which checks belong to which kind.

use super::names::{self, NameRule};
use super::{ErrorList, pod};
use serde_json::Value;

/// The checks of one kind besides its metadata's.
pub struct Rules {
    /// The format of its names.
    pub name: NameRule,
    /// Whether its strategy validates the whole metadata again at an update.
    pub revalidates_metadata: bool,
    /// Checks a new object.
    pub create: fn(&Value) -> ErrorList,
    /// Checks an update of the main resource: (new, old).
    pub update: fn(&Value, &Value) -> ErrorList,
    /// Checks an update of the status: (new, old).
    pub status: fn(&Value, &Value) -> ErrorList,
}

const NONE: Rules = Rules {
    name: names::subdomain,
    revalidates_metadata: false,
    create: |_| ErrorList::new(),
    update: |_, _| ErrorList::new(),
    status: |_, _| ErrorList::new(),
};

impl Rules {
    /// The rules of a built-in kind; a kind that is not listed has plain metadata.
    pub fn of(group: &str, kind: &str) -> Rules {
        match (group, kind) {
            ("", "Namespace") => Rules { name: names::label, ..NONE },
            ("", "Pod") => Rules {
                revalidates_metadata: true,
                create: pod::create,
                update: pod::update,
                status: pod::status,
                ..NONE
            },
            ("", "Service") => Rules { name: names::label_1035, ..NONE },
            ("rbac.authorization.k8s.io", _) => Rules { name: names::path_segment, ..NONE },
            ("apps", "StatefulSet") => Rules { name: names::label, ..NONE },
            _ => NONE,
        }
    }
}
