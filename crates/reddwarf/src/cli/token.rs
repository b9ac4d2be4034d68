//! `reddwarf token`: what lets machines join.

use super::GroupFlags;
use super::log::escaped;
use super::table::aligned;
use crate::client::{ClientError, GroupClient};
use crate::join::{NAMESPACE_SECRETS, Stored, TYPE, Token};
use crate::kubeconfig::Kubeconfig;
use crate::pki::fingerprint;
use clap::{Args, Subcommand};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use miette::{Diagnostic, Result};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long the namespace of the tokens may take to be there.
const NAMESPACE_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause before it is tried again.
const NAMESPACE_POLL: Duration = Duration::from_millis(50);

#[derive(Args, Debug)]
pub(super) struct TokenCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Make a token, and print the command by which a machine joins with it
    Create {
        /// How long it is good for
        #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_duration)]
        ttl: SignedDuration,
        /// Good for one machine
        #[arg(long)]
        single_use: bool,
        #[command(flatten)]
        group: GroupFlags,
    },
    /// Show the tokens
    List {
        #[command(flatten)]
        group: GroupFlags,
    },
    /// Remove a token
    Delete {
        /// Its id, the part before the point
        id: String,
        #[command(flatten)]
        group: GroupFlags,
    },
}

#[derive(Debug, thiserror::Error, Diagnostic)]
enum KubeconfigLacks {
    #[error("the kubeconfig does not have the certificate of the group's authority")]
    #[diagnostic(
        code(reddwarf::token::authority),
        help("use the kubeconfig that the group wrote: it says how the group is recognized")
    )]
    Authority,
}

pub(super) fn parse_duration(text: &str) -> Result<SignedDuration, String> {
    let duration: SignedDuration =
        text.parse().map_err(|_| "expected a duration such as 30m or 24h".to_owned())?;
    if duration.is_positive() { Ok(duration) } else { Err("it would be over at once".to_owned()) }
}

pub(super) fn run(command: &TokenCommand) -> Result<()> {
    let runtime = super::client_runtime()?;
    match &command.command {
        Command::Create { ttl, single_use, group } => {
            let kubeconfig = Kubeconfig::find(group.kubeconfig.as_deref())?;
            let client = GroupClient::new(&kubeconfig)?;
            println!("{}", runtime.block_on(join(&kubeconfig, &client, *ttl, *single_use))?);
        }
        Command::List { group } => {
            let tokens = runtime.block_on(tokens(&group.client()?))?;
            let mut rows = vec![["ID", "EXPIRES", "SINGLE-USE"].map(str::to_owned)];
            rows.extend(tokens.into_iter().map(row));
            print!("{}", aligned(&rows));
        }
        Command::Delete { id, group } => {
            let client = group.client()?;
            let path = Stored::path(&escaped(id));
            runtime.block_on(client.send_json(Method::DELETE, &path, &json!({})))?;
            println!("token {id} removed");
        }
    }
    Ok(())
}

/// Makes a token; the command by which a machine joins with it.
pub(super) async fn join(
    kubeconfig: &Kubeconfig,
    client: &GroupClient,
    ttl: SignedDuration,
    single_use: bool,
) -> Result<String> {
    let authority = fingerprint(&kubeconfig.authority).ok_or(KubeconfigLacks::Authority)?;
    let token = Token::create();
    prune(client).await?;
    let secret = token.stored(ttl, single_use, Timestamp::now());
    keep(client, &secret).await?;
    // One that runs.
    let server = client.current().await.url.trim_start_matches("https://");
    Ok(format!("reddwarf join {server} --token {} --ca-hash {authority}", token.text()))
}

/// Posts a token's Secret. The namespace of a group that was founded a moment ago may not be there
/// yet, and is waited for.
async fn keep(client: &GroupClient, secret: &Value) -> Result<(), ClientError> {
    let deadline = Instant::now() + NAMESPACE_TIMEOUT;
    loop {
        match client.send_json(Method::POST, NAMESPACE_SECRETS, secret).await {
            Err(ClientError::Refused { code: 404, .. }) if Instant::now() < deadline => {
                tokio::time::sleep(NAMESPACE_POLL).await;
            }
            Err(error) => return Err(error),
            Ok(_) => return Ok(()),
        }
    }
}

fn row(token: Stored) -> [String; 3] {
    let over = if token.expires <= Timestamp::now() { " (over)" } else { "" };
    let single_use = if token.single_use { "yes" } else { "no" };
    [token.id, format!("{}{over}", token.expires), single_use.to_owned()]
}

async fn tokens(client: &GroupClient) -> Result<Vec<Stored>, ClientError> {
    let path = format!("{NAMESPACE_SECRETS}?fieldSelector=type%3D{}", escaped(TYPE));
    let list = client.get_json(&path).await?;
    let secrets = list["items"].as_array().into_iter().flatten();
    Ok(secrets.filter_map(|secret| Stored::read(secret).ok()).collect())
}

/// Removes tokens whose time is over.
async fn prune(client: &GroupClient) -> Result<(), ClientError> {
    let now = Timestamp::now();
    for token in tokens(client).await?.into_iter().filter(|token| token.expires <= now) {
        let path = Stored::path(&token.id);
        match client.send_json(Method::DELETE, &path, &json!({})).await {
            // Somebody else was faster.
            Ok(_) | Err(ClientError::Refused { code: 404, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_elsewhere() {
        assert_eq!(parse_duration("1h"), Ok(SignedDuration::from_hours(1)));
        assert_eq!(parse_duration("90m"), Ok(SignedDuration::from_mins(90)));
        for bad in ["", "1", "-1h", "0s", "soon"] {
            parse_duration(bad).expect_err(bad);
        }
    }
}
