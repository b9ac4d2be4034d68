//! `reddwarf apply`: many objects as one commit, or none of them.

mod files;
mod refusal;
mod report;

use super::GroupFlags;
use crate::client::GroupClient;
use clap::Args;
use files::{Failed, Origin};
use http::Method;
use miette::Result;
use reddwarf_core::limits::PROPOSAL_BYTES_MAX;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const CHANGE_SETS: &str = "/apis/history.reddwarf.dev/v1alpha1/changesets";

#[derive(Args, Debug)]
pub(super) struct ApplyFlags {
    /// Files of YAML or JSON, folders of them, or - for standard input
    #[arg(
        short = 'f',
        long = "filename",
        value_name = "FILE",
        required_unless_present = "planned"
    )]
    files: Vec<PathBuf>,
    /// The namespace of objects that name none
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// Who comes to own the fields
    #[arg(long, value_name = "NAME", default_value = "reddwarf")]
    field_manager: String,
    /// Take fields that others own
    #[arg(long)]
    force_conflicts: bool,
    /// What the history says of it
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Delete what was applied before by the same field manager and is not in the files any more
    #[arg(long, requires = "selector")]
    prune: bool,
    /// Which objects may be pruned
    #[arg(short = 'l', long, value_name = "SELECTOR", requires = "prune")]
    selector: Option<String>,
    /// Only tell what would be done
    #[arg(long)]
    plan: bool,
    /// Keep the plan in a file
    #[arg(short, long, value_name = "FILE", requires = "plan")]
    output: Option<PathBuf>,
    /// Carry out a plan that was kept, if what it was based on still holds
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "files", "namespace", "field_manager", "force_conflicts", "message", "prune", "plan",
        ]
    )]
    planned: Option<PathBuf>,
    #[command(flatten)]
    group: GroupFlags,
}

pub(super) fn run(flags: &ApplyFlags) -> Result<()> {
    let (set, origins) = match &flags.planned {
        Some(planned) => (files::read_plan(planned)?, Vec::new()),
        None => {
            let found = files::read(&flags.files)?;
            (set(flags, found.objects), found.origins)
        }
    };
    let client = flags.group.client()?;
    super::client_runtime()?.block_on(apply(flags, &client, set, &origins))
}

fn set(flags: &ApplyFlags, objects: Vec<Value>) -> Value {
    let mut spec = json!({
        "objects": objects,
        "namespace": flags.namespace,
        "fieldManager": flags.field_manager,
        "force": flags.force_conflicts,
    });
    if let Some(message) = &flags.message {
        spec["message"] = message.as_str().into();
    }
    if let Some(selector) = &flags.selector {
        spec["prune"] = json!({"labelSelector": selector});
    }
    json!({"apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "ChangeSet", "spec": spec})
}

async fn apply(
    flags: &ApplyFlags,
    client: &GroupClient,
    set: Value,
    origins: &[Origin],
) -> Result<()> {
    let body = set.to_string();
    if body.len() > PROPOSAL_BYTES_MAX {
        return Err(Failed::TooLarge { bytes: body.len() }.into());
    }
    let dry_run = if flags.plan { "&dryRun=All" } else { "" };
    let path = format!("{CHANGE_SETS}?fieldValidation=Strict{dry_run}");
    let answer = client.request(Method::POST, &path, Some("application/json"), body.into()).await?;
    let answer = refusal::check(&answer, origins)?;
    print!("{}", report::lines(&answer["status"], flags.plan));
    match &flags.output {
        Some(file) => Ok(keep(file, set, &answer)?),
        None => Ok(()),
    }
}

/// Carries out a set that names no objects, or tells what it would do.
pub(super) async fn carry_out(
    client: &GroupClient,
    branch: Option<&str>,
    spec: Value,
    plan: bool,
) -> Result<()> {
    carry_out_some(client, branch, spec, plan).await.map(drop)
}

/// Like [`carry_out`]; answers the set's status.
pub(super) async fn carry_out_some(
    client: &GroupClient,
    branch: Option<&str>,
    spec: Value,
    plan: bool,
) -> Result<Value> {
    let set =
        json!({"apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "ChangeSet", "spec": spec});
    let dry_run = if plan { "?dryRun=All" } else { "" };
    let line = branch.map_or(String::new(), |name| format!("/branches/{name}"));
    let path = format!("{line}{CHANGE_SETS}{dry_run}");
    let body = set.to_string().into();
    let answer = client.request(Method::POST, &path, Some("application/json"), body).await?;
    let answer = refusal::check(&answer, &[])?;
    print!("{}", report::lines(&answer["status"], plan));
    Ok(answer["status"].clone())
}

/// Writes the set and what its plan is based on.
fn keep(file: &Path, mut set: Value, answer: &Value) -> Result<(), Failed> {
    set["spec"]["basedOn"] = answer["status"]["basedOn"].clone();
    files::write_plan(file, &set)
}
