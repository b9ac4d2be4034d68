//! `reddwarf restore`: an object as it was before, by a new commit.

use super::GroupFlags;
use super::log::escaped;
use crate::client::{ClientError, GroupClient, ObjectRef};
use clap::Args;
use http::Method;
use miette::{Diagnostic, Result};
use serde_json::Value;

/// What the server fills in and an object of the past must not bring along.
const OF_THE_SERVER: [&str; 7] = [
    "resourceVersion",
    "uid",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
];

#[derive(Args, Debug)]
pub(super) struct RestoreFlags {
    /// The object, such as deployments.apps/web or deploy/web; a deleted one is made again
    object: String,
    /// As it was then: a revision, a commit, a time, or how long ago (-10m)
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    at: String,
    /// Its namespace
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// Only tell what would be done
    #[arg(long)]
    plan: bool,
    /// What the history says of it
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    #[command(flatten)]
    group: GroupFlags,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
enum RestoreError {
    #[error("{object} did not exist at {at}")]
    #[diagnostic(
        code(reddwarf::restore::absent),
        help("`reddwarf log {object}` shows when it did")
    )]
    Absent { object: String, at: String },
}

pub(super) fn run(flags: &RestoreFlags) -> Result<()> {
    let client = flags.group.client()?;
    super::client_runtime()?.block_on(restore(flags, client))
}

async fn restore(flags: &RestoreFlags, client: GroupClient) -> Result<()> {
    let object = ObjectRef::resolve(&client, &flags.object, &flags.namespace).await?;
    let named = object.named();
    let then = client.find_json(&format!("/at/{}{}", escaped(&flags.at), object.path())).await?;
    let Some(then) = then else {
        return Err(RestoreError::Absent { object: named, at: flags.at.clone() }.into());
    };
    let now = client.find_json(&object.path()).await?;
    let version = then["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    let (done, would) = match &now {
        Some(now) if now["metadata"]["resourceVersion"] == version.as_str() => {
            println!("{named} is as it was then");
            return Ok(());
        }
        Some(_) => ("restored", "would be restored"),
        None => ("made again", "would be made again"),
    };
    if flags.plan {
        println!("{named} {would} as of revision {version}");
        return Ok(());
    }
    let message = flags
        .message
        .clone()
        .unwrap_or_else(|| format!("Restore {named} as of revision {version}"));
    write(&client.with_message(&message), &object, then, now.as_ref()).await?;
    println!("{named} {done} as of revision {version}");
    Ok(())
}

/// Puts the object of the past in the place of the present one, which must not change meanwhile.
async fn write(
    client: &GroupClient,
    object: &ObjectRef,
    mut then: Value,
    now: Option<&Value>,
) -> Result<(), ClientError> {
    if let Some(metadata) = then["metadata"].as_object_mut() {
        metadata.retain(|field, _| !OF_THE_SERVER.contains(&field.as_str()));
        if let Some(now) = now {
            for field in ["resourceVersion", "uid"] {
                metadata.insert(field.to_owned(), now["metadata"][field].clone());
            }
        }
    }
    let (method, path) = match now {
        Some(_) => (Method::PUT, object.path()),
        None => (Method::POST, object.collection_path()),
    };
    client.send_json(method, &path, &then).await.map(drop)
}
