//! What a plan is based on, as the API shows it.

use crate::errors::bad_request;
use crate::staged::holds;
use reddwarf_core::{Expectation, ObjectKey, Precondition, Reason, Revision, Status, View};
use serde::{Deserialize, Serialize};

/// What must hold of one object.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Basis {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    group: String,
    resource: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    namespace: String,
    name: String,
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource_version: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
enum State {
    Absent,
    Present,
    Unchanged,
}

impl Basis {
    /// As it is shown.
    pub(super) fn of(condition: &Precondition) -> Basis {
        let key = &condition.key;
        let (state, resource_version) = match condition.expect {
            Expectation::Absent => (State::Absent, None),
            Expectation::Present => (State::Present, None),
            Expectation::At(revision) => (State::Unchanged, Some(revision.to_string())),
        };
        Basis {
            group: key.group().to_owned(),
            resource: key.resource().to_owned(),
            namespace: key.namespace().to_owned(),
            name: key.name().to_owned(),
            state,
            resource_version,
        }
    }

    /// The condition that is meant.
    ///
    /// # Errors
    /// 400.
    pub(super) fn condition(self) -> Result<Precondition, Box<Status>> {
        let text = format!("{}/{}/{}/{}", self.group, self.resource, self.namespace, self.name);
        let key = ObjectKey::parse(&text)
            .ok_or_else(|| bad_request("spec.basedOn of a ChangeSet names no object"))?;
        let revision = || self.resource_version.as_deref()?.parse::<Revision>().ok();
        let expect = match self.state {
            State::Absent => Expectation::Absent,
            State::Present => Expectation::Present,
            State::Unchanged => Expectation::At(revision().ok_or_else(|| {
                bad_request("spec.basedOn of a ChangeSet lacks a resourceVersion")
            })?),
        };
        Ok(Precondition { key, expect })
    }
}

/// Checks what a plan was based on.
///
/// # Errors
/// 409 that names the first object of which it does not hold any more.
pub(super) fn check(based_on: &[Precondition], view: &View) -> Result<(), Box<Status>> {
    let broken = based_on.iter().find(|condition| {
        let found = view.get(&condition.key).map(|object| object.revision);
        !holds(condition.expect, found)
    });
    match broken {
        None => Ok(()),
        Some(condition) => {
            let named = super::refusal::named(&condition.key);
            Err(outdated(&format!("{named} has changed since")))
        }
    }
}

/// 409 of a plan that cannot be carried out as it stands.
pub(super) fn outdated(why: &str) -> Box<Status> {
    Box::new(Status::failure(Reason::Conflict, format!("the plan no longer holds: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_shown_and_read() {
        let key = ObjectKey::new("apps", "deployments", "shop", "web");
        for expect in [Expectation::Absent, Expectation::Present, Expectation::At(Revision(42))] {
            let condition = Precondition { key: key.clone(), expect };
            let shown = serde_json::to_value(Basis::of(&condition)).expect("JSON");
            let read: Basis = serde_json::from_value(shown).expect("read");
            assert_eq!(read.condition().expect("a condition"), condition);
        }
    }

    #[test]
    fn what_is_no_condition() {
        let read = |text: &str| {
            let basis: Basis = serde_json::from_str(text).expect("read");
            basis.condition().expect_err("refused").code
        };
        assert_eq!(read(r#"{"resource": "pods", "name": "a/b", "state": "Absent"}"#), 400);
        assert_eq!(read(r#"{"resource": "pods", "name": "a", "state": "Unchanged"}"#), 400);
    }
}
