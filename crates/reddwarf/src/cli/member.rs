//! `reddwarf member`: who the members are, letting one go, replacing one, and letting another lead.

use super::GroupFlags;
use super::log::escaped;
use super::table::aligned;
use super::token::{self, parse_duration};
use crate::client::GroupClient;
use crate::kubeconfig::{self, Kubeconfig};
use crate::pki::Credentials;
use clap::{Args, Subcommand};
use http::Method;
use jiff::SignedDuration;
use miette::{Diagnostic, Result};
use serde_json::{Value, json};

/// What the user is called in a kubeconfig that is printed; the certificate says who it is.
const USER: &str = "kubernetes-admin";

#[derive(Args, Debug)]
pub(super) struct MemberCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Show the members
    List {
        #[command(flatten)]
        group: GroupFlags,
    },
    /// Print a kubeconfig with the members of today, for the user of the one that is used
    Kubeconfig {
        #[command(flatten)]
        group: GroupFlags,
    },
    /// Let a member go; refused when the others would be no majority
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        group: GroupFlags,
    },
    /// Print the command by which a new machine takes a member's place, which may be dead
    Replace {
        /// Its name
        name: String,
        /// How long the command is good for; one machine can use it
        #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_duration)]
        ttl: SignedDuration,
        #[command(flatten)]
        group: GroupFlags,
    },
    /// Let another member lead
    Transfer {
        /// Its name; without one, the fittest of those that do not lead
        name: Option<String>,
        #[command(flatten)]
        group: GroupFlags,
    },
}

#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{name:?} is no member of the group")]
#[diagnostic(code(reddwarf::member::name), help("`reddwarf member list` shows the members"))]
struct NoMember {
    name: String,
}

pub(super) fn run(command: &MemberCommand) -> Result<()> {
    let runtime = super::client_runtime()?;
    match &command.command {
        Command::List { group } => {
            let status = runtime.block_on(group.client()?.get_json("/reddwarf/status"))?;
            print!("{}", aligned(&rows(&status)));
        }
        Command::Kubeconfig { group } => {
            let kubeconfig = Kubeconfig::find(group.kubeconfig.as_deref())?;
            let client = GroupClient::new(&kubeconfig)?;
            let status = runtime.block_on(client.get_json("/reddwarf/status"))?;
            let credentials =
                Credentials { certificate: kubeconfig.certificate, key: kubeconfig.key };
            let (authority, members) = (&kubeconfig.authority, urls(&status));
            print!("{}", kubeconfig::render(authority, &members, USER, &credentials));
        }
        Command::Remove { name, group } => {
            let client = group.client()?;
            let path = format!("/reddwarf/members/{}", escaped(name));
            runtime.block_on(client.send_json(Method::DELETE, &path, &json!({})))?;
            println!("{name} is no member any more");
        }
        Command::Replace { name, ttl, group } => {
            let kubeconfig = Kubeconfig::find(group.kubeconfig.as_deref())?;
            let client = GroupClient::new(&kubeconfig)?;
            let command = runtime.block_on(async {
                let status = client.get_json("/reddwarf/status").await?;
                let mut members = status["members"].as_array().into_iter().flatten();
                if !members.any(|member| member["name"] == name.as_str()) {
                    return Err(NoMember { name: name.clone() }.into());
                }
                token::join(&kubeconfig, &client, *ttl, true).await
            })?;
            println!("{command} --replace {name}");
        }
        Command::Transfer { name, group } => {
            let client = group.client()?;
            let path = match name {
                Some(name) => format!("/reddwarf/leader/{}", escaped(name)),
                None => "/reddwarf/leader".to_owned(),
            };
            let said = runtime.block_on(client.send_json(Method::POST, &path, &json!({})))?;
            println!("{} leads", said["leader"].as_str().unwrap_or_default());
        }
    }
    Ok(())
}

/// Name and URL of each voter.
fn urls(status: &Value) -> Vec<(String, String)> {
    let members = status["members"].as_array().into_iter().flatten();
    let voters = members.filter(|member| member["voter"] == true);
    let url = |member: &Value| {
        let (name, address) = (member["name"].as_str()?, member["endpoint"].as_str()?);
        Some((name.to_owned(), format!("https://{address}")))
    };
    voters.filter_map(url).collect()
}

fn rows(status: &Value) -> Vec<[String; 7]> {
    let titles = ["NAME", "ID", "ROLE", "REACHABLE", "LAG", "VERSION", "ADDRESS"];
    let mut rows = vec![titles.map(str::to_owned)];
    rows.extend(status["members"].as_array().into_iter().flatten().map(row));
    rows
}

fn row(member: &Value) -> [String; 7] {
    let text = |field: &str| member[field].as_str().unwrap_or_default().to_owned();
    let answers = member["role"] != "unreachable";
    let role = match member["voter"].as_bool() {
        _ if member["role"] == "leader" => "leader",
        Some(true) => "voter",
        _ => "learner",
    };
    let role = match member["replaces"].as_str() {
        Some(old) if role == "learner" => format!("{role} for {old}"),
        _ => role.to_owned(),
    };
    let lag = if answers { member["lag"].to_string() } else { "-".to_owned() };
    let reachable = if answers { "yes" } else { "no" }.to_owned();
    // Of one that does not answer it is the version that it ran last, if that is known.
    let version = Some(text("version")).filter(|version| !version.is_empty());
    let version = version.unwrap_or_else(|| "-".to_owned());
    [text("name"), member["id"].to_string(), role, reachable, lag, version, text("endpoint")]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_told_by_what_it_does_and_whether_it_answers() {
        let status = json!({"members": [
            {"name": "a", "id": 1, "role": "leader", "voter": true, "lag": 0, "version": "0.2.0",
             "endpoint": "h:1"},
            {"name": "b", "id": 2, "role": "unreachable", "voter": true, "lag": 9, "endpoint": "h:2"},
            {"name": "c", "id": 77, "role": "learner", "voter": false, "replaces": "b", "lag": 5,
             "endpoint": "h:3"},
        ]});
        let url = |name: &str, at: &str| (name.to_owned(), at.to_owned());
        assert_eq!(urls(&status), [url("a", "https://h:1"), url("b", "https://h:2")]);
        assert_eq!(
            aligned(&rows(&status)),
            "NAME   ID   ROLE            REACHABLE   LAG   VERSION   ADDRESS\n\
             a      1    leader          yes         0     0.2.0     h:1\n\
             b      2    voter           no          -     -         h:2\n\
             c      77   learner for b   yes         5     -         h:3\n"
        );
    }
}
