//! `reddwarf du`: what the past takes of the disk.

use super::GroupFlags;
use super::table::aligned;
use clap::Args;
use miette::Result;
use serde_json::Value;

#[derive(Args, Debug)]
pub(super) struct DuFlags {
    /// Print what the member answers instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    group: GroupFlags,
}

pub(super) fn run(flags: &DuFlags) -> Result<()> {
    let client = flags.group.client()?;
    let usage = super::client_runtime()?.block_on(client.get_json("/reddwarf/du"))?;
    match flags.json {
        true => println!("{usage:#}"),
        false => print!("{}", told(&usage)),
    }
    Ok(())
}

/// A line for each kind, that of the largest past first, and what is not of a kind.
fn told(usage: &Value) -> String {
    let number = |of: &Value, pointer: &str| of.pointer(pointer).and_then(Value::as_u64);
    let number = |of: &Value, pointer: &str| number(of, pointer).unwrap_or_default();
    let mut kinds: Vec<&Value> = usage["kinds"].as_array().into_iter().flatten().collect();
    kinds.sort_by_key(|kind| std::cmp::Reverse(number(kind, "/past/bytes")));
    let row = |kind: &&Value| {
        [
            kind["resource"].as_str().unwrap_or_default().to_owned(),
            number(kind, "/current/rows").to_string(),
            size(number(kind, "/current/bytes")),
            number(kind, "/past/rows").to_string(),
            size(number(kind, "/past/bytes")),
            kind["since"].as_str().unwrap_or_default().to_owned(),
        ]
    };
    let head = ["RESOURCE", "OBJECTS", "SIZE", "PAST", "SIZE", "KEPT SINCE"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(kinds.iter().map(row));
    format!(
        "{}\n{} commits take {}; of the file's {}, {} are in use; everything is kept since revision {}\n",
        aligned(&rows),
        number(usage, "/commits/rows"),
        size(number(usage, "/commits/bytes")),
        size(number(usage, "/fileBytes")),
        size(number(usage, "/usedBytes")),
        usage["since"].as_str().unwrap_or_default(),
    )
}

/// Bytes in the largest unit that leaves a digit before the point.
fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1_024.0 && unit + 1 < units.len() {
        value /= 1_024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_largest_past_comes_first() {
        let rows = |rows: u64, bytes: u64| json!({"rows": rows, "bytes": bytes});
        let usage = json!({
            "kinds": [
                {"resource": "pods", "current": rows(2, 3_000), "past": rows(4, 100), "since": "0"},
                {"resource": "deployments.apps", "current": rows(1, 900),
                 "past": rows(10, 5_000_000), "since": "12"},
            ],
            "commits": rows(17, 4_096), "fileBytes": 1_048_576, "usedBytes": 524_288, "since": "0",
        });
        assert_eq!(
            told(&usage),
            "RESOURCE           OBJECTS   SIZE      PAST   SIZE      KEPT SINCE\n\
             deployments.apps   1         900 B     10     4.8 MiB   12\n\
             pods               2         2.9 KiB   4      100 B     0\n\
             \n\
             17 commits take 4.0 KiB; of the file's 1.0 MiB, 512.0 KiB are in use; everything is \
             kept since revision 0\n"
        );
    }
}
