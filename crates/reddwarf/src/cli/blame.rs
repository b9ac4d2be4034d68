//! `reddwarf blame`: who set each field of an object, and when.

use super::GroupFlags;
use super::log::{COMMITS, escaped, text};
use super::table::aligned;
use crate::client::{ClientError, GroupClient, ObjectRef};
use clap::Args;
use miette::{Diagnostic, Result};
use reddwarf_apiserver::custom::Definition;
use reddwarf_apiserver::managed_fields::KindTopology;
use reddwarf_apiserver::registry::{Kind, Registry};
use reddwarf_core::{Revision, Schemaless, Topology};
use reddwarf_versioning::{Blame, BlamedField};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// What the server writes anew with every change.
const OF_EVERY_CHANGE: [&str; 2] = ["resourceVersion", "managedFields"];
/// How much of a value is shown.
const VALUE_CHARS: usize = 60;

#[derive(Args, Debug)]
pub(super) struct BlameFlags {
    /// The object, such as deployments.apps/web or deploy/web
    object: String,
    /// Its namespace
    #[arg(short, long, default_value = "default")]
    namespace: String,
    #[command(flatten)]
    group: GroupFlags,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
enum BlameError {
    #[error("there is no {0}")]
    #[diagnostic(code(reddwarf::blame::absent), help("`reddwarf log` shows what was deleted"))]
    Absent(String),
}

pub(super) fn run(flags: &BlameFlags) -> Result<()> {
    let client = flags.group.client()?;
    print!("{}", super::client_runtime()?.block_on(blame(flags, &client))?);
    Ok(())
}

async fn blame(flags: &BlameFlags, client: &GroupClient) -> Result<String> {
    let object = ObjectRef::resolve(client, &flags.object, &flags.namespace).await?;
    let newest = client.find_json(&object.path()).await?;
    let newest = newest.ok_or_else(|| BlameError::Absent(object.named()))?;
    let kind = kind(client, &object).await?;
    let topology = kind.as_deref().map(KindTopology::of);
    let topology: &dyn Topology = match &topology {
        Some(topology) => topology,
        None => &Schemaless,
    };
    let commits = commits(client, &object, text(&newest, "/metadata/resourceVersion")).await?;
    let mut revisions = commits.keys().rev().copied();
    let newest_revision = revisions.next().unwrap_or_default();
    let mut blame = Blame::new(newest_revision, Some(content(newest)), topology);
    for revision in revisions {
        if blame.is_settled() {
            break;
        }
        let then = client.find_json(&format!("/at/{revision}{}", object.path())).await?;
        blame.older(revision, then.map(content));
    }
    Ok(lines(&blame.finish(), &commits))
}

fn content(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.retain(|field, _| !OF_EVERY_CHANGE.contains(&field.as_str()));
    }
    object
}

/// The object's kind, which tells the items of its lists apart.
async fn kind(client: &GroupClient, object: &ObjectRef) -> Result<Option<Arc<Kind>>, ClientError> {
    let resource = &object.resource;
    let builtin = Registry::builtin();
    if let Some(kind) = builtin.resource(&resource.group, &resource.version, &resource.plural) {
        return Ok(Some(kind.clone()));
    }
    let path = format!("{DEFINITIONS}/{}.{}", resource.plural, resource.group);
    let Some(definition) = client.find_json(&path).await? else { return Ok(None) };
    let definition = Definition::read(definition.to_string().as_bytes(), Revision::ZERO, None);
    let served = definition.ok().and_then(|definition| Arc::new(definition).served_now(None));
    let kinds = served.map(|served| served.kinds.clone()).unwrap_or_default();
    Ok(kinds.into_iter().find(|kind| kind.version == resource.version))
}

/// The commits that changed the object, by the revision that its change took, up to `through`.
async fn commits(
    client: &GroupClient,
    object: &ObjectRef,
    through: &str,
) -> Result<BTreeMap<Revision, Value>, ClientError> {
    let place = match object.namespace.as_str() {
        "" => String::new(),
        namespace => format!("/namespaces/{namespace}"),
    };
    let selector = escaped(&format!("object={}", object.named()));
    let path = format!("/at/{through}{COMMITS}{place}/commits?fieldSelector={selector}");
    let (mut found, mut token) = (BTreeMap::new(), String::new());
    loop {
        let page = client.get_json(&format!("{path}&continue={token}")).await?;
        for commit in page["items"].as_array().into_iter().flatten() {
            let changes = commit["changes"].as_array().into_iter().flatten();
            let mine = |change: &&Value| {
                let resource = &object.resource;
                text(change, "/group") == resource.group
                    && text(change, "/resource") == resource.plural
                    && text(change, "/namespace") == object.namespace
                    && text(change, "/name") == object.name
            };
            let revisions = changes.filter(mine).filter_map(|c| text(c, "/after").parse().ok());
            found.extend(revisions.map(|revision| (revision, commit.clone())));
        }
        match page["metadata"]["continue"].as_str() {
            Some(next) if !next.is_empty() => token = next.to_owned(),
            _ => return Ok(found),
        }
    }
}

/// One line a field: commit, author, time, field and value.
fn lines(fields: &[BlamedField], commits: &BTreeMap<Revision, Value>) -> String {
    let row = |field: &BlamedField| {
        let nobody = Value::Null;
        let commit = commits.get(&field.revision).unwrap_or(&nobody);
        let time = text(commit, "/metadata/creationTimestamp");
        let value: String = field.value.to_string().chars().take(VALUE_CHARS).collect();
        [
            text(commit, "/metadata/name").to_owned(),
            text(commit, "/author/user").to_owned(),
            time.to_owned(),
            format!("{} = {value}", field.path),
        ]
    };
    aligned(&fields.iter().map(row).collect::<Vec<_>>())
}
