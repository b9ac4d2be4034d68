//! `reddwarf rewind`: the whole cluster as it was, by new commits.

use super::GroupFlags;
use super::apply::{carry_out, carry_out_some};
use super::log::named;
use crate::client::GroupClient;
use clap::Args;
use miette::{Diagnostic, Result};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Objects of one part: a commit holds 1,000, some of which follow from others.
const PART_OBJECTS: u32 = 500;
/// Parts after which somebody else seems to change things back.
const PARTS_MAX: u32 = 2_000;

#[derive(Args, Debug)]
pub(super) struct RewindFlags {
    /// As it was then: a revision, a commit, a time, or how long ago (-10m)
    #[arg(long, value_name = "MOMENT", allow_hyphen_values = true)]
    to: String,
    /// Only tell what would be done
    #[arg(long)]
    plan: bool,
    /// In commits of some hundred objects instead of one: what is between them can be seen
    #[arg(long, conflicts_with = "plan")]
    in_parts: bool,
    /// What the history says of it
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    #[command(flatten)]
    group: GroupFlags,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
enum Failure {
    #[error("not the end after {PARTS_MAX} parts")]
    #[diagnostic(
        code(reddwarf::rewind::endless),
        help("somebody changes things back: `reddwarf log` tells who")
    )]
    Endless,
}

pub(super) fn run(flags: &RewindFlags) -> Result<()> {
    let client = flags.group.client()?;
    super::client_runtime()?.block_on(rewind(flags, &client))
}

async fn rewind(flags: &RewindFlags, client: &GroupClient) -> Result<()> {
    if !flags.in_parts {
        return carry_out(client, None, set(flags, &flags.to, None), flags.plan).await;
    }
    // How long ago it was would be another moment with every part.
    let to = moment(client, &flags.to).await?;
    let mut seen = BTreeSet::new();
    for _ in 0..PARTS_MAX {
        let set = set(flags, &to, Some(PART_OBJECTS));
        let status = carry_out_some(client, None, set, false).await?;
        let objects = status["objects"].as_array().into_iter().flatten();
        let changed = objects.filter(|object| object["change"] != "Unchanged").map(named);
        // Whatever comes back every time is somebody else's to decide.
        let news = changed.map(|name| seen.insert(name)).fold(false, |any, new| any | new);
        if status["commit"].is_null() || !news {
            return Ok(());
        }
    }
    Err(Failure::Endless.into())
}

fn set(flags: &RewindFlags, to: &str, objects_max: Option<u32>) -> Value {
    let mut spec = json!({"rewind": {"to": to}});
    if let Some(max) = objects_max {
        spec["rewind"]["objectsMax"] = max.into();
    }
    if let Some(message) = &flags.message {
        spec["message"] = message.as_str().into();
    }
    spec
}

/// The revision that a moment names now.
async fn moment(client: &GroupClient, text: &str) -> Result<String> {
    let path = format!("/at/{}/api/v1/namespaces?limit=1", super::log::escaped(text));
    let list = client.get_json(&path).await?;
    Ok(list["metadata"]["resourceVersion"].as_str().unwrap_or(text).to_owned())
}
