//! Events, in the core group's form and in that of `events.k8s.io`.

use super::{NAME, column, field};
use crate::defaults::fill::{at, text};
use crate::registry::{Column, RowContext};
use crate::table::duration::since;
use k8s_openapi::api::core::v1 as core;
use serde_json::Value;

/// Events.
pub const EVENT: &[Column] = &[
    column("Last Seen", field::<core::Event>("lastTimestamp"), last_seen),
    column("Type", field::<core::Event>("type"), |o, _| text(o, "type").into()),
    column("Reason", field::<core::Event>("reason"), |o, _| text(o, "reason").into()),
    column("Object", field::<core::Event>("involvedObject"), object),
    column("Subobject", field::<core::ObjectReference>("fieldPath"), |o, _| {
        either(o, "involvedObject.fieldPath", "regarding.fieldPath").into()
    })
    .wide(),
    column("Source", field::<core::Event>("source"), source).wide(),
    column("Message", field::<core::Event>("message"), |o, _| {
        either(o, "message", "note").trim().into()
    }),
    column("First Seen", field::<core::Event>("firstTimestamp"), first_seen).wide(),
    column("Count", field::<core::Event>("count"), count).wide(),
    NAME.wide(),
];

/// The text under its name in the core group's form, else under that in the other form.
fn either<'a>(event: &'a Value, core: &str, group: &str) -> &'a str {
    match text(event, core) {
        "" => text(event, group),
        found => found,
    }
}

fn first_seen(event: &Value, context: &RowContext) -> Value {
    let first = match either(event, "firstTimestamp", "deprecatedFirstTimestamp") {
        "" => text(event, "eventTime"),
        time => time,
    };
    since(first, context.now_ms).into()
}

fn last_seen(event: &Value, context: &RowContext) -> Value {
    if at(event, "series").is_some() {
        return since(text(event, "series.lastObservedTime"), context.now_ms).into();
    }
    match either(event, "lastTimestamp", "deprecatedLastTimestamp") {
        "" => first_seen(event, context),
        time => since(time, context.now_ms).into(),
    }
}

fn count(event: &Value, _: &RowContext) -> Value {
    let series = at(event, "series.count");
    let single = at(event, "count").or_else(|| at(event, "deprecatedCount"));
    let count = series.or(single).and_then(Value::as_i64).unwrap_or_default();
    if count == 0 && series.is_none() { 1.into() } else { count.into() }
}

fn object(event: &Value, _: &RowContext) -> Value {
    let kind = either(event, "involvedObject.kind", "regarding.kind").to_lowercase();
    match either(event, "involvedObject.name", "regarding.name") {
        "" => kind.into(),
        name => format!("{kind}/{name}").into(),
    }
}

fn source(event: &Value, _: &RowContext) -> Value {
    let component = match either(event, "source.component", "deprecatedSource.component") {
        "" => either(event, "reportingComponent", "reportingController"),
        component => component,
    };
    let host = match either(event, "source.host", "deprecatedSource.host") {
        "" => text(event, "reportingInstance"),
        host => host,
    };
    let shown = if host.is_empty() { component.to_owned() } else { format!("{component}, {host}") };
    shown.into()
}
