//! `reddwarf verify`: whether the history is the one that was written.

use super::log::{escaped, text};
use super::{GroupFlags, examine};
use crate::client::{ClientError, GroupClient};
use crate::kubeconfig::Endpoint;
use bytes::Bytes;
use clap::Args;
use http::Method;
use miette::{Diagnostic, Result};
use reddwarf_core::FeatureLevels;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// How long a member may read; it reads all that it keeps.
const PATIENCE: Duration = Duration::from_secs(3_600);

#[derive(Args, Debug)]
pub(super) struct VerifyFlags {
    /// A commit that was noted before: fail unless it is still in the chain, with all before it
    #[arg(long, value_name = "ID")]
    against: Option<String>,
    /// Read the data folder of a member that does not run, or a copy of its state.redb, instead
    /// of asking the members
    #[arg(long, value_name = "FOLDER", conflicts_with = "kubeconfig")]
    data: Option<PathBuf>,
    #[command(flatten)]
    group: GroupFlags,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
enum VerifyError {
    #[error("the history of {} cannot be trusted", .0.join(", "))]
    #[diagnostic(
        code(reddwarf::verify::damaged),
        help("the other members hold copies of their own: compare what each of them says")
    )]
    Damaged(Vec<String>),
}

pub(super) fn run(flags: &VerifyFlags, levels: FeatureLevels) -> Result<()> {
    if let Some(data) = &flags.data {
        return examine::run(data, flags.against.as_deref(), levels);
    }
    let client = flags.group.client()?;
    super::client_runtime()?.block_on(verify(flags, &client))
}

async fn verify(flags: &VerifyFlags, client: &GroupClient) -> Result<()> {
    let query = flags.against.as_deref().map(|id| format!("?against={}", escaped(id)));
    let path = format!("/reddwarf/verify{}", query.unwrap_or_default());
    let mut damaged = Vec::new();
    for member in client.members() {
        let told = match ask(client, member, &path).await {
            Ok(answer) => told(&answer),
            Err(error) => Err(error.to_string()),
        };
        match told {
            Ok(line) => println!("{}: {line}", member.name),
            Err(problems) => {
                println!("{}: {problems}", member.name);
                damaged.push(member.name.clone());
            }
        }
    }
    if damaged.is_empty() { Ok(()) } else { Err(VerifyError::Damaged(damaged).into()) }
}

async fn ask(client: &GroupClient, member: &Endpoint, path: &str) -> Result<Value, ClientError> {
    let mut connection = client.connect(member).await?;
    let asked = connection.send(Method::GET, path, None, Bytes::new());
    let timeout = || ClientError::Timeout { url: member.url.clone(), seconds: PATIENCE.as_secs() };
    let answer = tokio::time::timeout(PATIENCE, asked).await.map_err(|_| timeout())??;
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    serde_json::from_str(&body).map_err(|_| ClientError::Refused {
        url: format!("{}{path}", member.url),
        code: answer.status.as_u16(),
        message: body,
    })
}

/// What a member found, for people; inside the error what is wrong.
fn told(answer: &Value) -> Result<String, String> {
    if let Some(error) = answer["error"].as_str().or(answer["message"].as_str()) {
        return Err(error.to_owned());
    }
    let problems: Vec<&str> =
        answer["problems"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !problems.is_empty() {
        return Err(problems.join("\n  "));
    }
    Ok(format!(
        "{} commits, {} versions and {} current objects are as they were written; the head is {} \
         at revision {}",
        answer["commits"],
        answer["versions"],
        answer["objects"],
        text(answer, "/head"),
        text(answer, "/revision"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn problems_are_told_instead_of_counts() {
        let mut answer = json!({"commits": 2, "versions": 3, "objects": 1, "head": "ab",
            "revision": "7", "found": null, "problems": []});
        assert_eq!(
            told(&answer).expect("fine"),
            "2 commits, 3 versions and 1 current objects are as they were written; the head is ab \
             at revision 7"
        );
        answer["problems"] = json!(["a", "b"]);
        assert_eq!(told(&answer).expect_err("not fine"), "a\n  b");
        assert_eq!(told(&json!({"error": "no"})).expect_err("not fine"), "no");
    }
}
