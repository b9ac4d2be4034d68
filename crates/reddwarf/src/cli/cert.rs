//! `reddwarf cert`: the members' certificates, how long they are good, and renewing them.

use super::GroupFlags;
use super::table::aligned;
use crate::client::{ClientError, GroupClient};
use crate::kubeconfig::Endpoint;
use bytes::Bytes;
use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use jiff::Timestamp;
use miette::{Diagnostic, Result};
use serde_json::{Value, json};
use std::time::Duration;

/// Where a member tells of its certificates.
const PATH: &str = "/reddwarf/certificates";
/// How long a member may take; one that asks others for a certificate takes a while.
const PATIENCE: Duration = Duration::from_secs(60);
/// Digits of a fingerprint that the table shows.
const FINGERPRINT_SHOWN: usize = 16;

#[derive(Args, Debug)]
pub(super) struct CertCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Show the certificates of all members and of the authority
    List {
        #[command(flatten)]
        group: GroupFlags,
        /// How to print it
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Make members renew their certificates now
    Rotate {
        /// The member
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        name: Option<String>,
        /// All members, one after the other
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        group: GroupFlags,
    },
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Output {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
enum Failure {
    #[error("not every member tells of its certificate:\n{0}")]
    #[diagnostic(code(reddwarf::cert::unknown), help("`reddwarf status` shows who answers"))]
    Unknown(String),
    #[error("not every certificate was renewed:\n{0}")]
    #[diagnostic(
        code(reddwarf::cert::not_renewed),
        help("the certificates of before are shown on; `reddwarf cert list` tells how long")
    )]
    NotRenewed(String),
    #[error("{0:?} is no member of the group")]
    #[diagnostic(code(reddwarf::cert::name), help("`reddwarf member list` shows the members"))]
    Name(String),
}

pub(super) fn run(command: &CertCommand) -> Result<()> {
    let runtime = super::client_runtime()?;
    match &command.command {
        Command::List { group, output } => runtime.block_on(list(&group.client()?, *output)),
        Command::Rotate { name, group, .. } => {
            runtime.block_on(rotate(&group.client()?, name.as_deref()))
        }
    }
}

async fn list(client: &GroupClient, output: Output) -> Result<()> {
    let members = members(client).await?;
    let asked = members.iter().map(|member| ask(client, member, Method::GET));
    let answers = futures::future::join_all(asked).await;
    let mut failures = Vec::new();
    let mut found = Vec::new();
    for (member, answer) in members.iter().zip(answers) {
        match answer {
            Ok(answer) => found.push(answer),
            Err(why) => failures.push(format!("{}: {why}", member.name)),
        }
    }
    match output {
        Output::Json => println!("{}", json!(found)),
        Output::Table => {
            print!("{}{}", aligned(&rows(&found, Timestamp::now())), troubles(&found));
        }
    }
    match failures.is_empty() {
        true => Ok(()),
        false => Err(Failure::Unknown(failures.join("\n")).into()),
    }
}

async fn rotate(client: &GroupClient, name: Option<&str>) -> Result<()> {
    let mut members = members(client).await?;
    if let Some(name) = name {
        members.retain(|member| member.name == name);
        if members.is_empty() {
            return Err(Failure::Name(name.to_owned()).into());
        }
    }
    let mut failures = Vec::new();
    for member in &members {
        match ask(client, member, Method::POST).await {
            Ok(answer) => {
                let until = answer["certificate"]["notAfter"].as_str().unwrap_or_default();
                println!("{} shows another certificate, good until {until}", member.name);
            }
            Err(why) => failures.push(format!("{}: {why}", member.name)),
        }
    }
    match failures.is_empty() {
        true => Ok(()),
        false => Err(Failure::NotRenewed(failures.join("\n")).into()),
    }
}

/// The members of now, whomever the kubeconfig names.
async fn members(client: &GroupClient) -> Result<Vec<Endpoint>, ClientError> {
    let status = client.get_json("/reddwarf/status").await?;
    let endpoint = |member: &Value| {
        let (name, address) = (member["name"].as_str()?, member["endpoint"].as_str()?);
        Some(Endpoint { name: name.to_owned(), url: format!("https://{address}") })
    };
    Ok(status["members"].as_array().into_iter().flatten().filter_map(endpoint).collect())
}

async fn ask(client: &GroupClient, member: &Endpoint, method: Method) -> Result<Value, String> {
    let asked = async {
        let mut connection = client.connect(member).await?;
        connection.send(method, PATH, None, Bytes::new()).await
    };
    let late = ClientError::Timeout { url: member.url.clone(), seconds: PATIENCE.as_secs() };
    let answer = tokio::time::timeout(PATIENCE, asked).await.unwrap_or(Err(late));
    let answer = answer.map_err(|error| error.to_string())?;
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match answer.status.is_success() && body["certificate"].is_object() {
        true => Ok(body),
        false => Err(body["message"].as_str().unwrap_or("its answer is none").to_owned()),
    }
}

fn rows(found: &[Value], now: Timestamp) -> Vec<[String; 6]> {
    let titles = ["MEMBER", "SUBJECT", "GOOD FROM", "EXPIRES", "DAYS LEFT", "SHA-256"];
    let mut rows = vec![titles.map(str::to_owned)];
    for answer in found {
        rows.push(row(answer["member"].as_str().unwrap_or_default(), &answer["certificate"], now));
    }
    // All members have the same one, or something is wrong.
    let mut authorities: Vec<&Value> = Vec::new();
    for authority in found.iter().map(|answer| &answer["authority"]) {
        if !authorities.contains(&authority) {
            authorities.push(authority);
        }
    }
    rows.extend(authorities.into_iter().map(|authority| row("(authority)", authority, now)));
    rows
}

fn row(whose: &str, certificate: &Value, now: Timestamp) -> [String; 6] {
    let text = |field: &str| certificate[field].as_str().unwrap_or_default();
    let until = text("notAfter").parse::<Timestamp>().ok();
    let left = until.map(|until| until.duration_since(now).as_hours().div_euclid(24).to_string());
    let fingerprint = text("fingerprint").trim_start_matches("sha256:");
    [
        whose.to_owned(),
        text("subject").to_owned(),
        text("notBefore").to_owned(),
        text("notAfter").to_owned(),
        left.unwrap_or_else(|| "-".to_owned()),
        fingerprint.chars().take(FINGERPRINT_SHOWN).collect(),
    ]
}

/// What an operator must see.
fn troubles(found: &[Value]) -> String {
    let troubled = found.iter().filter_map(|answer| {
        let (name, trouble) = (answer["member"].as_str()?, answer["trouble"].as_str()?);
        Some(format!("warning: {name} does not get another certificate: {trouble}\n"))
    });
    troubled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_certificate_and_the_authority_once() {
        let certificate = |subject: &str, until: &str, fingerprint: &str| {
            json!({"subject": subject, "notBefore": "2026-01-01T00:00:00Z", "notAfter": until,
                   "fingerprint": format!("sha256:{fingerprint}")})
        };
        let authority = certificate("CN=ca", "2036-01-01T00:00:00Z", "ff");
        let own = |name: &str, until: &str| {
            let own = certificate(&format!("CN={name}"), until, "0123456789abcdef01");
            json!({"member": name, "certificate": own, "authority": authority, "trouble": null})
        };
        let mut late = own("b", "2026-05-30T12:00:00Z");
        late["trouble"] = json!("no key");
        let found = [own("a", "2027-01-01T00:00:00Z"), late];
        let now = "2026-06-01T00:00:00Z".parse().expect("a time");
        assert_eq!(
            aligned(&rows(&found, now)),
            "MEMBER        SUBJECT   GOOD FROM              EXPIRES                DAYS LEFT   SHA-256\n\
             a             CN=a      2026-01-01T00:00:00Z   2027-01-01T00:00:00Z   214         0123456789abcdef\n\
             b             CN=b      2026-01-01T00:00:00Z   2026-05-30T12:00:00Z   -2          0123456789abcdef\n\
             (authority)   CN=ca     2026-01-01T00:00:00Z   2036-01-01T00:00:00Z   3501        ff\n"
        );
        let told = "warning: b does not get another certificate: no key\n";
        assert_eq!(troubles(&found), told);
    }
}
