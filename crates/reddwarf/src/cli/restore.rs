//! `reddwarf restore`: objects as they were before, by a new commit.

use super::GroupFlags;
use super::apply::carry_out;
use super::log::escaped;
use crate::client::{ClientError, GroupClient, ObjectRef};
use clap::Args;
use http::Method;
use miette::{Diagnostic, Result};
use serde_json::{Value, json};

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
    /// The object, such as deployments.apps/web or deploy/web; a deleted one is made again. All of
    /// the namespace when none is named
    object: Option<String>,
    /// As it was then: a revision, a commit, a time, or how long ago (-10m)
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    at: String,
    /// Its namespace; without an object, the namespace that is restored with what was in it
    #[arg(short, long, required_unless_present = "object")]
    namespace: Option<String>,
    /// Only objects of the namespace that had these labels then
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "object")]
    selector: Option<String>,
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
    let restored = async {
        match &flags.object {
            Some(object) => restore(flags, object, client).await,
            None => carry_out(&client, None, many(flags), flags.plan).await,
        }
    };
    super::client_runtime()?.block_on(restored)
}

/// The set that restores all of a namespace.
fn many(flags: &RestoreFlags) -> Value {
    let mut spec = json!({"restore": {"at": flags.at, "namespace": flags.namespace}});
    if let Some(selector) = &flags.selector {
        spec["restore"]["labelSelector"] = selector.as_str().into();
    }
    if let Some(message) = &flags.message {
        spec["message"] = message.as_str().into();
    }
    spec
}

async fn restore(flags: &RestoreFlags, object: &str, client: GroupClient) -> Result<()> {
    let namespace = flags.namespace.as_deref().unwrap_or("default");
    let object = ObjectRef::resolve(&client, object, namespace).await?;
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
