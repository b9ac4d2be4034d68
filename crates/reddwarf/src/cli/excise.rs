//! `reddwarf excise`: takes past versions of an object away for good.

use super::GroupFlags;
use super::log::COMMITS;
use crate::client::ObjectRef;
use clap::Args;
use http::Method;
use miette::Result;
use serde_json::{Value, json};

#[derive(Args, Debug)]
pub(super) struct ExciseFlags {
    /// The object, such as secrets/token; it may be deleted by now
    object: String,
    /// Its namespace
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// Only the version with this resourceVersion; may be given several times [default: all but the
    /// current one]
    #[arg(long = "revision", value_name = "REVISION")]
    revisions: Vec<String>,
    /// Why; it is kept with the record of the excision
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only tell how many versions would be taken away
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    group: GroupFlags,
}

pub(super) fn run(flags: &ExciseFlags) -> Result<()> {
    let client = flags.group.client()?;
    super::client_runtime()?.block_on(async {
        let object = ObjectRef::resolve(&client, &flags.object, &flags.namespace).await?;
        let dry_run = if flags.plan { "?dryRun=All" } else { "" };
        let path = format!("{COMMITS}/excisions{dry_run}");
        let made = client.send_json(Method::POST, &path, &excision(flags, &object)).await?;
        let count = made["spec"]["count"].as_u64().unwrap_or_default();
        let done = if flags.plan { "would be taken away" } else { "are gone for good" };
        println!("{count} past versions of {} {done}", object.named());
        Ok(())
    })
}

fn excision(flags: &ExciseFlags, object: &ObjectRef) -> Value {
    let (plural, group) = (&object.resource.plural, &object.resource.group);
    let resource = if group.is_empty() { plural.clone() } else { format!("{plural}.{group}") };
    let mut spec = json!({"resource": resource, "name": object.name});
    if !object.namespace.is_empty() {
        spec["namespace"] = object.namespace.as_str().into();
    }
    if !flags.revisions.is_empty() {
        spec["revisions"] = flags.revisions.clone().into();
    }
    if let Some(reason) = &flags.reason {
        spec["reason"] = reason.as_str().into();
    }
    json!({
        "apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "Excision",
        "metadata": {"generateName": "excision-"}, "spec": spec,
    })
}
