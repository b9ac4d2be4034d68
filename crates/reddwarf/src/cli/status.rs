//! `reddwarf status`: the members of a group.

use super::GroupFlags;
use super::table::aligned;
use clap::{Args, ValueEnum};
use miette::{IntoDiagnostic, Result};
use serde_json::Value;

#[derive(Args, Debug)]
pub(super) struct StatusFlags {
    #[command(flatten)]
    group: GroupFlags,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// How a command prints what it found.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(super) enum Output {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
}

pub(super) fn run(flags: &StatusFlags) -> Result<()> {
    let client = flags.group.client()?;
    let status = super::client_runtime()?.block_on(client.get_json("/reddwarf/status"))?;
    match flags.output {
        Output::Json => println!("{}", serde_json::to_string(&status).into_diagnostic()?),
        Output::Table => print!("{}{}", table(&status), warnings(&status)),
    }
    Ok(())
}

const COLUMNS: [(&str, &str); 7] = [
    ("NAME", "name"),
    ("ROLE", "role"),
    ("TERM", "term"),
    ("REVISION", "appliedRevision"),
    ("LAG", "lag"),
    ("VERSION", "version"),
    ("ENDPOINT", "endpoint"),
];

/// One line a member, columns three spaces apart.
fn table(status: &Value) -> String {
    let cell = |value: &Value| match value {
        Value::String(text) if !text.is_empty() => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => "-".to_owned(),
    };
    let mut rows = vec![COLUMNS.map(|(title, _)| title.to_owned())];
    for member in status["members"].as_array().into_iter().flatten() {
        let unreachable = member["role"] == "unreachable";
        rows.push(COLUMNS.map(|(_, field)| match field {
            // Of one that does not answer it is the version that it ran last, if that is known.
            "name" | "role" | "version" | "endpoint" => cell(&member[field]),
            _ if unreachable => "-".to_owned(),
            _ => cell(&member[field]),
        }));
    }
    aligned(&rows)
}

/// What an operator must see about members.
fn warnings(status: &Value) -> String {
    let members = status["members"].as_array().into_iter().flatten();
    let troubled = members.filter_map(|member| {
        let (name, trouble) = (member["name"].as_str()?, member["trouble"].as_str()?);
        let means = match member["quarantined"].as_bool() {
            Some(true) => "is in quarantine and serves nothing",
            _ => "serves, and repairs itself",
        };
        Some(format!("warning: {name} {means}: {trouble}\n"))
    });
    troubled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_wrong_with_a_member_is_told() {
        let status = json!({"members": [
            {"name": "node-1", "quarantined": false, "trouble": null},
            {"name": "node-2", "quarantined": true, "trouble": "its state differs"},
            {"name": "node-3", "quarantined": false, "trouble": "its data file is damaged"},
        ]});
        assert_eq!(
            warnings(&status),
            "warning: node-2 is in quarantine and serves nothing: its state differs\n\
             warning: node-3 serves, and repairs itself: its data file is damaged\n"
        );
    }

    #[test]
    fn a_member_that_does_not_answer_has_no_numbers() {
        let status = json!({"members": [
            {"name": "node-1", "role": "leader", "term": 2, "appliedRevision": 41, "lag": 0,
             "version": "0.1.0", "endpoint": "127.0.0.1:6443"},
            {"name": "node-2", "role": "unreachable", "term": 0, "appliedRevision": 0, "lag": 0,
             "version": "", "endpoint": "127.0.0.1:6444"},
        ]});
        assert_eq!(
            table(&status),
            "NAME     ROLE          TERM   REVISION   LAG   VERSION   ENDPOINT\n\
             node-1   leader        2      41         0     0.1.0     127.0.0.1:6443\n\
             node-2   unreachable   -      -          -     -         127.0.0.1:6444\n"
        );
    }
}
