//! `reddwarf branch`: copies of the cluster's state to work on.

use super::GroupFlags;
use super::diff::{self, Output};
use super::log::{COMMITS, escaped, text};
use super::table::aligned;
use clap::{Args, Subcommand};
use http::Method;
use miette::Result;
use serde_json::{Value, json};

#[derive(Args, Debug)]
pub(super) struct BranchCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Begin a branch; kubectl works on it at https://MEMBER/branches/NAME
    Create {
        /// Its name
        name: String,
        /// Where it begins: a revision, a commit, a time, how long ago (-10m), branches/NAME, or
        /// branches/NAME@MOMENT [default: now]
        #[arg(long, value_name = "STATE", allow_hyphen_values = true)]
        from: Option<String>,
        #[command(flatten)]
        group: GroupFlags,
    },
    /// Show the branches
    List {
        #[command(flatten)]
        group: GroupFlags,
    },
    /// Remove a branch, and what it changed
    Delete {
        /// Its name
        name: String,
        #[command(flatten)]
        group: GroupFlags,
    },
    /// Show what a branch changed
    Diff {
        /// Its name
        name: String,
        /// How it is shown
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
        #[command(flatten)]
        group: GroupFlags,
    },
}

pub(super) fn run(command: &BranchCommand) -> Result<()> {
    let runtime = super::client_runtime()?;
    match &command.command {
        Command::Create { name, from, group } => {
            let mut object = json!({
                "apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "Branch",
                "metadata": {"name": name}
            });
            if let Some(from) = from {
                object["spec"] = json!({"from": from});
            }
            let path = format!("{COMMITS}/branches");
            let client = group.client()?;
            let made = runtime.block_on(client.send_json(Method::POST, &path, &object))?;
            println!("branch {name} begins at revision {}", text(&made, "/spec/base/revision"));
        }
        Command::List { group } => {
            let client = group.client()?;
            let list = runtime.block_on(client.get_json(&format!("{COMMITS}/branches")))?;
            let row = |branch: &Value| {
                let from = match text(branch, "/spec/base/branch") {
                    "" => "main",
                    name => name,
                };
                let [name, base, created] =
                    ["/metadata/name", "/spec/base/revision", "/metadata/creationTimestamp"]
                        .map(|pointer| text(branch, pointer).to_owned());
                [name, from.to_owned(), base, created]
            };
            let mut rows = vec![["NAME", "FROM", "BASE", "CREATED"].map(str::to_owned)];
            rows.extend(list["items"].as_array().into_iter().flatten().map(row));
            print!("{}", aligned(&rows));
        }
        Command::Delete { name, group } => {
            let path = format!("{COMMITS}/branches/{}", escaped(name));
            let client = group.client()?;
            runtime.block_on(client.send_json(Method::DELETE, &path, &json!({})))?;
            println!("branch {name} removed");
        }
        Command::Diff { name, output, group } => {
            let client = group.client()?;
            runtime.block_on(async {
                let path = format!("{COMMITS}/branches/{}", escaped(name));
                let branch = client.get_json(&path).await?;
                let base = match text(&branch, "/spec/base/revision") {
                    "0" => "0",
                    _ => text(&branch, "/spec/base/commit"),
                };
                diff::print(&client, base, &format!("branches/{name}"), "", *output).await
            })?;
        }
    }
    Ok(())
}
