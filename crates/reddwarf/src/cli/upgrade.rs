//! `reddwarf upgrade`: whether a member may be upgraded now, and the end of an upgrade.

mod assessment;

use super::GroupFlags;
use super::status::Output;
use super::table::aligned;
use crate::client::{ClientError, GroupClient};
use assessment::{Assessment, Group};
use bytes::Bytes;
use clap::{ArgGroup, Args};
use http::Method;
use miette::{Diagnostic, IntoDiagnostic, Result};
use reddwarf_core::FeatureLevels;
use serde_json::Value;
use std::time::Duration;

/// How long a member may take for an answer; the leader waits for a majority.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("what").required(true))]
pub(super) struct UpgradeFlags {
    /// Tell whether one member may be taken down for an upgrade now; fails when not
    #[arg(long, group = "what")]
    check: bool,
    /// Raise the group to the highest feature level that all members support, now; there is no way
    /// back to versions that do not support it
    #[arg(long, group = "what")]
    finish: bool,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    group: GroupFlags,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
enum Failure {
    #[error("no member may be taken down now: {}", .0.join("; "))]
    #[diagnostic(
        code(reddwarf::upgrade::check),
        help("`reddwarf status` shows what becomes of it; ask again when it is over")
    )]
    Unsafe(Vec<String>),
    #[error("the feature level was not raised: {0}")]
    #[diagnostic(
        code(reddwarf::upgrade::finish),
        help("`reddwarf upgrade --check` tells what each member runs and what to do next")
    )]
    NotRaised(String),
}

pub(super) fn run(flags: &UpgradeFlags, own: FeatureLevels) -> Result<()> {
    let client = flags.group.client()?;
    let runtime = super::client_runtime()?;
    match flags.finish {
        true => runtime.block_on(finish(flags, &client)),
        false => runtime.block_on(check(flags, &client, own)),
    }
}

async fn check(flags: &UpgradeFlags, client: &GroupClient, own: FeatureLevels) -> Result<()> {
    let group = Group::read(&status(client).await?);
    let assessment = Assessment::of(&group, own);
    match flags.output {
        Output::Json => {
            let told = assessment.to_json(&group);
            println!("{}", serde_json::to_string(&told).into_diagnostic()?);
        }
        Output::Table => print!("{}{}", aligned(&group.rows()), assessment.lines(&group)),
    }
    match assessment.obstacles.is_empty() {
        true => Ok(()),
        false => Err(Failure::Unsafe(assessment.obstacles).into()),
    }
}

/// The status as a member tells it that knows of feature levels, if there is one: others do not say
/// what each member supports.
async fn status(client: &GroupClient) -> Result<Value, ClientError> {
    let mut found = Err(ClientError::Url { url: String::new() });
    for member in client.members() {
        match ask(client, &member.name, Method::GET, "/reddwarf/status").await {
            Ok(status) if status["level"].is_u64() => return Ok(status),
            Ok(status) => found = Ok(status),
            Err(error) if found.is_err() => found = Err(error),
            Err(_) => {}
        }
    }
    found
}

async fn finish(flags: &UpgradeFlags, client: &GroupClient) -> Result<()> {
    let mut failure = None;
    for member in client.members() {
        match ask(client, &member.name, Method::POST, "/reddwarf/upgrade").await {
            Ok(told) => {
                match flags.output {
                    Output::Json => println!("{told}"),
                    Output::Table => println!("the group is at feature level {}", told["level"]),
                }
                return Ok(());
            }
            Err(ClientError::Refused { code: 404 | 405, .. }) => {}
            Err(ClientError::Refused { message, .. }) => {
                return Err(Failure::NotRaised(message).into());
            }
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(error) => Err(error.into()),
        None => {
            let why = "the members run a version from before there were feature levels";
            Err(Failure::NotRaised(why.to_owned()).into())
        }
    }
}

async fn ask(
    client: &GroupClient,
    name: &str,
    method: Method,
    path: &str,
) -> Result<Value, ClientError> {
    let member = client.members().iter().find(|member| member.name == name);
    let member = member.ok_or_else(|| ClientError::Url { url: name.to_owned() })?;
    let mut connection = client.connect(member).await?;
    let sent = connection.send(method, path, None, Bytes::new());
    let late = ClientError::Timeout { url: member.url.clone(), seconds: PATIENCE.as_secs() };
    let answer = tokio::time::timeout(PATIENCE, sent).await.unwrap_or(Err(late))?;
    crate::client::parse(path, &answer)
}
