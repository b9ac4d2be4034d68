//! What the leader does behind single requests, where the objects that follow in a set need it.

use super::refusal::about;
use super::session::{Session, escaped};
use crate::bootstrap::default_account;
use crate::custom::DEFINITIONS;
use crate::custom::lifecycle::groups::{Groups, group};
use crate::custom::lifecycle::names::Taken;
use crate::custom::lifecycle::settle::settle;
use reddwarf_core::{Collection, ObjectKey, Status, View};
use serde_json::Value;
use std::collections::BTreeSet;

/// The names that definitions have, group by group, as far as a set needs them.
#[derive(Default)]
pub(super) struct Names {
    groups: Groups,
    /// The groups whose definitions were read.
    read: BTreeSet<String>,
}

impl Names {
    /// A definition of the set with its names accepted; `None` when nothing changes.
    fn settle(&mut self, definition: &Value, view: &View) -> Option<Value> {
        let of_group = group(definition);
        if self.read.insert(of_group.to_owned()) {
            self.read_group(of_group, view);
        }
        self.groups.put(definition);
        let none = Taken::default();
        let settled = settle(definition, self.groups.taken(of_group).unwrap_or(&none))?;
        // The next definition of the group must know these names already.
        self.groups.put(&settled);
        Some(settled)
    }

    /// A definition's own name ends with that of its group, so others need not be read.
    fn read_group(&mut self, of_group: &str, view: &View) {
        let (group, plural) = DEFINITIONS;
        for stored in view.list(&Collection::new(group, plural), None, None) {
            let suffix = stored.key.name().split_once('.').map(|(_, suffix)| suffix);
            if suffix == Some(of_group)
                && let Some(definition) = read(view, &stored.key)
            {
                self.groups.put(&definition);
            }
        }
    }
}

impl Session<'_> {
    /// Does what must follow an object for the next ones to need it.
    pub(super) async fn follow_up(&mut self, key: &ObjectKey) -> Result<(), Box<Status>> {
        match (key.group(), key.resource()) {
            DEFINITIONS => self.establish(key).await,
            ("", "namespaces") => self.furnish(key).await,
            _ => Ok(()),
        }
    }

    /// Accepts the names of a definition, so that its kind is served to the objects that follow.
    async fn establish(&mut self, key: &ObjectKey) -> Result<(), Box<Status>> {
        let view = self.view();
        let Some(definition) = read(&view, key) else { return Ok(()) };
        let Some(settled) = self.names.settle(&definition, &view) else { return Ok(()) };
        let (group, plural) = DEFINITIONS;
        let path = format!("/apis/{group}/v1/{plural}/{}/status", escaped(key.name()));
        let body = settled.to_string().into();
        let sent = self.system.send("PUT", &path, None, Some(body)).await;
        sent.map(drop).map_err(|status| about(key, status))
    }

    /// Gives a new namespace the service account without which it takes no pods.
    async fn furnish(&self, key: &ObjectKey) -> Result<(), Box<Status>> {
        let name = key.name();
        let account = ObjectKey::new("", "serviceaccounts", name, "default");
        let (is_new, has_account) = {
            let overlay = self.staging.overlay();
            (overlay.base().get(key).is_none(), overlay.view().get(&account).is_some())
        };
        if !is_new || has_account {
            return Ok(());
        }
        let as_manager = crate::background::AS_CONTROLLER_MANAGER;
        let path = format!("/api/v1/namespaces/{}/serviceaccounts{as_manager}", escaped(name));
        let body = default_account().to_string().into();
        let sent = self.system.send("POST", &path, None, Some(body)).await;
        sent.map(drop).map_err(|status| about(key, status))
    }
}

fn read(view: &View, key: &ObjectKey) -> Option<Value> {
    serde_json::from_slice(&view.get(key)?.bytes).ok()
}
