//! `reddwarf merge` and `reddwarf revert`: what a branch or main changed, or what a commit did not,
//! as one commit.

use super::GroupFlags;
use super::apply::carry_out;
use clap::Args;
use miette::Result;
use serde_json::{Value, json};

#[derive(Args, Debug)]
pub(super) struct MergeFlags {
    /// The branch, or `main`
    branch: String,
    /// The branch that takes it over [default: main]
    #[arg(long, value_name = "BRANCH", required_if_eq("branch", "main"))]
    into: Option<String>,
    #[command(flatten)]
    how: HowFlags,
}

#[derive(Args, Debug)]
pub(super) struct RevertFlags {
    /// The commit: a revision, an id, or the first digits of one
    commit: String,
    #[command(flatten)]
    how: HowFlags,
}

/// How changes are brought to the live objects.
#[derive(Args, Debug)]
struct HowFlags {
    /// Only tell what would be done
    #[arg(long)]
    plan: bool,
    /// Where both sides changed something: keep this as it is (a path, an object as conflicts
    /// name it, or * for all)
    #[arg(long, value_name = "PATH")]
    ours: Vec<String>,
    /// Where both sides changed something: take this over
    #[arg(long, value_name = "PATH")]
    theirs: Vec<String>,
    /// What the history says of it
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    #[command(flatten)]
    group: GroupFlags,
}

pub(super) fn merge(flags: &MergeFlags) -> Result<()> {
    bring(&flags.how, flags.into.as_deref(), json!({"merge": {"branch": flags.branch}}))
}

pub(super) fn revert(flags: &RevertFlags) -> Result<()> {
    bring(&flags.how, None, json!({"revert": {"commit": flags.commit}}))
}

fn bring(how: &HowFlags, branch: Option<&str>, mut spec: Value) -> Result<()> {
    spec["ours"] = how.ours.clone().into();
    spec["theirs"] = how.theirs.clone().into();
    if let Some(message) = &how.message {
        spec["message"] = message.as_str().into();
    }
    let client = how.group.client()?;
    super::client_runtime()?.block_on(carry_out(&client, branch, spec, how.plan))
}
