//! Atomic sets of changes, branches and lists in pages: how the history's API is asked.

use super::actor::Actor;
use super::object::version;
use super::outcome::{Effect, Outcome};
use crate::client::{Call, ClientError};
use crate::history::{Edn, value};
use serde_json::{Value, json};

const GROUP: &str = "/apis/history.reddwarf.dev/v1alpha1";

/// A request for a set of changes.
pub fn change_set(spec: &Value) -> Call {
    Call::post(format!("{GROUP}/changesets"), &set(spec))
}

fn set(spec: &Value) -> Value {
    json!({"apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "ChangeSet", "spec": spec})
}

/// A request to take back a commit.
pub fn revert(commit: &str) -> Call {
    change_set(&json!({"revert": {"commit": commit}}))
}

/// A request for a branch of main as it is.
pub fn make_branch(name: &str) -> Call {
    let body = json!({"apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "Branch",
        "metadata": {"name": name}});
    Call::post(format!("{GROUP}/branches"), &body)
}

/// A request to merge a branch.
pub fn merge(name: &str) -> Call {
    Call::post(format!("{GROUP}/branches/{name}/merge"), &set(&json!({})))
}

/// A request to forget a branch.
pub fn delete_branch(name: &str) -> Call {
    Call::delete(format!("{GROUP}/branches/{name}"), &json!({}))
}

/// `{:first R :last R}` of a set of changes that was carried out, or `{}` when everything was so
/// already.
pub fn range(answer: &Value) -> Option<Edn> {
    let status = answer.get("status")?;
    let number = |name: &str| status[name].as_str()?.parse().ok().map(value::number);
    match (number("firstRevision"), number("lastRevision")) {
        (Some(first), Some(last)) => Some(value::map([("first", first), ("last", last)])),
        _ if status["commit"].is_null() => Some(value::map([])),
        _ => None,
    }
}

/// A list, whole.
pub struct Listed {
    /// Its resource version.
    pub rev: u64,
    /// Its items.
    pub items: Vec<Value>,
}

/// Lists `path` (with a query), in pages of `limit` from any member when there is one.
///
/// # Errors
/// The outcome to record.
pub async fn list(actor: &mut Actor, path: &str, limit: Option<u64>) -> Result<Listed, Outcome> {
    let listed = pages(actor, path, limit).await;
    actor.go_home();
    listed
}

async fn pages(actor: &mut Actor, path: &str, limit: Option<u64>) -> Result<Listed, Outcome> {
    let mut listed: Option<Listed> = None;
    let mut token = String::new();
    loop {
        let limit = limit.map(|limit| format!("&limit={limit}")).unwrap_or_default();
        let call = Call::get(format!("{path}{limit}{token}"));
        let answer = actor.client.send(call).await;
        let page = match &answer {
            Ok(answer) if answer.is_success() => answer.json(),
            _ => return Err(Outcome::of(Effect::Read, answer, |_| None)),
        };
        let broken = || {
            let error = ClientError::Broken("the list cannot be read".into());
            Outcome::unanswered(Effect::Read, &error)
        };
        let mut page = page.ok_or_else(broken)?;
        let rev = version(&page).ok_or_else(broken)?;
        let Value::Array(items) = page["items"].take() else { return Err(broken()) };
        let whole = listed.get_or_insert(Listed { rev, items: Vec::new() });
        whole.items.extend(items);
        match page["metadata"]["continue"].as_str().filter(|token| !token.is_empty()) {
            // A page of another revision would show as a list that is no state.
            Some(next) => token = format!("&continue={next}"),
            None => return listed.ok_or_else(broken),
        }
        actor.hop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_set_did_is_told() {
        let status = |status: Value| range(&json!({"status": status})).map(|edn| edn.to_string());
        let done = json!({"commit": "ab", "firstRevision": "7", "lastRevision": "9"});
        assert_eq!(status(done).as_deref(), Some("{:first 7, :last 9}"));
        assert_eq!(status(json!({"objects": []})).as_deref(), Some("{}"));
        assert_eq!(status(json!({"commit": "ab"})), None);
        assert!(range(&json!({"kind": "Status"})).is_none());
    }
}
