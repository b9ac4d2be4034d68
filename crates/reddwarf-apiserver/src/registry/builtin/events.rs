//! The group `events.k8s.io`, another form of the core group's events.

use crate::registry::builder::GroupVersion;
use crate::registry::{Registry, conversion, selectable};
use crate::table::columns;

pub(super) fn add(registry: &mut Registry) {
    registry.add(
        GroupVersion("events.k8s.io", "v1")
            .namespaced("Event", "events")
            .table(columns::EVENT)
            .short(&["ev"])
            .selectable(selectable::EVENT_IN_ITS_GROUP)
            .create_on_update()
            .stored_as("", "v1", conversion::EVENT),
    );
}
