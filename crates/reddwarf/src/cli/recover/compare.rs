//! What the other members have that this one has not.

use super::Failure;
use crate::client::{ClientError, GroupClient};
use crate::kubeconfig::{Endpoint, Kubeconfig};
use miette::{IntoDiagnostic, Result};
use reddwarf_core::FeatureLevels;
use reddwarf_raft::recovery::{Comparison, MemberDisk, Standing, compare};
use serde_json::Value;
use std::ops::Range;
use std::path::Path;

/// Entries that are told one by one.
const ENTRIES_SHOWN: usize = 20;

/// Another member.
pub(super) struct Compared {
    name: String,
    comparison: Comparison,
    /// What only the other one has, as far as its disk was read.
    entries: Vec<String>,
    /// The other one's applied entry, revision and state root.
    state: (u64, u64, String),
}

impl Compared {
    /// Reads a data folder, or asks the member at an address.
    pub(super) fn find(
        what: &str,
        own: &MemberDisk,
        scratch: &Path,
        kubeconfig: Option<&Path>,
        levels: FeatureLevels,
    ) -> Result<Compared> {
        let path = Path::new(what);
        match path.is_dir() {
            true => Ok(of_disk(path, own, scratch, levels).map_err(Failure::Failed)?),
            false => {
                let kubeconfig = Kubeconfig::find(kubeconfig)?;
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.into_diagnostic()?.block_on(of_address(what, own, &kubeconfig))
            }
        }
    }
}

fn of_disk(
    path: &Path,
    own: &MemberDisk,
    scratch: &Path,
    levels: FeatureLevels,
) -> Result<Compared, reddwarf_raft::recovery::RecoverError> {
    let other = MemberDisk::read(path, scratch, levels)?;
    let comparison = compare(own, &other);
    let entries = other.told(comparison.only_theirs(), ENTRIES_SHOWN)?;
    let applied = other.checkpoint.applied.index;
    let state = (applied, other.revision().0, other.root.to_string());
    Ok(Compared { name: other.name(), comparison, entries, state })
}

async fn of_address(what: &str, own: &MemberDisk, kubeconfig: &Kubeconfig) -> Result<Compared> {
    let client = GroupClient::new(kubeconfig)?;
    let address = what.trim_start_matches("https://");
    let url = format!("https://{address}");
    let member = Endpoint { name: what.to_owned(), url: url.clone() };
    let mut connection = client.connect(&member).await?;
    let asked = connection.send(http::Method::GET, "/reddwarf/status", None, bytes::Bytes::new());
    let answer = asked.await?;
    let status: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let members = status["members"].as_array().cloned().unwrap_or_default();
    let told = members.iter().find(|member| member["endpoint"] == address);
    let told = told.ok_or_else(|| ClientError::Refused {
        url,
        code: answer.status.as_u16(),
        message: format!("no member says that it is {address}"),
    })?;
    let number = |field: &str| told[field].as_u64().unwrap_or_default();
    let standing = Standing { term: number("lastLogTerm"), index: number("lastLogIndex") };
    let root = told["stateRoot"].as_str().unwrap_or_default().to_owned();
    Ok(Compared {
        name: told["name"].as_str().unwrap_or(what).to_owned(),
        comparison: compare(own, &standing),
        entries: Vec::new(),
        state: (number("appliedIndex"), number("appliedRevision"), root),
    })
}

/// What is known of the acknowledged writes that would be lost, for people.
pub(super) fn report(own: &MemberDisk, compared: &[Compared]) -> Vec<String> {
    let name = own.name();
    let applied = own.checkpoint.applied.index;
    let end = own.last().map_or(0, |last| last.index());
    let mut lines = vec![format!(
        "{name}: its log ends at entry {end}; its state is that of entry {applied}, revision {}, \
         with root {}",
        own.revision(),
        own.root
    )];
    if own.diverged {
        lines.push(format!(
            "  {name} is in QUARANTINE: its state was found to differ from the majority's"
        ));
    }
    if own.tail_len() > 0 {
        lines.push(format!(
            "  the {} entries after its state are applied, whether or not they were acknowledged",
            own.tail_len()
        ));
    }
    let root = own.root.to_string();
    for other in compared {
        other.report(&name, (applied, &root), &mut lines);
    }
    let voters = own.voters.iter().filter_map(|id| Some(own.members.get(id)?.name.as_str()));
    let voters: Vec<&str> = voters.collect();
    lines.extend(verdict(&name, &voters, compared));
    lines
}

impl Compared {
    fn report(&self, own: &str, (applied, root): (u64, &str), lines: &mut Vec<String>) {
        let Compared { name, comparison, entries, state } = self;
        let (at, revision, their_root) = state;
        lines.push(format!(
            "{name}: its log ends with {}; its state is that of entry {at}, revision {revision}",
            comparison.their_end()
        ));
        let theirs = comparison.only_theirs();
        if !theirs.is_empty() {
            lines.push(format!("  {name} alone has {}:", span(&theirs)));
            lines.extend(entries.iter().map(|entry| format!("    {entry}")));
            let more = (theirs.end - theirs.start) as usize - entries.len();
            if more > 0 {
                lines.push(format!("    {more} more, which were not read"));
            }
        }
        let ours = comparison.only_ours();
        if !ours.is_empty() {
            lines.push(format!("  {own} has {} that {name} has not", span(&ours)));
        }
        if *at == applied && their_root != root {
            lines.push(format!(
                "  their states DIFFER at the same entry {at}: {name} has root {their_root}"
            ));
        }
    }
}

fn span(range: &Range<u64>) -> String {
    match range.end - range.start {
        1 => format!("entry {}", range.start),
        _ => format!("entries {} to {}", range.start, range.end - 1),
    }
}

/// What follows for acknowledged writes. One is on a majority of the voters, so that it shows on one
/// of any majority of them.
fn verdict(own: &str, voters: &[&str], compared: &[Compared]) -> Vec<String> {
    let known = |voter: &&&str| **voter == own || compared.iter().any(|one| one.name == **voter);
    let unknown: Vec<&str> = voters.iter().filter(|voter| !known(voter)).copied().collect();
    let seen = voters.len() - unknown.len();
    let ahead: Vec<&Compared> =
        compared.iter().filter(|one| !one.comparison.only_theirs().is_empty()).collect();
    let mut lines = Vec::new();
    for one in &ahead {
        let theirs = span(&one.comparison.only_theirs());
        lines.push(format!("LOST, if they were acknowledged: {theirs}, which {} has", one.name));
    }
    if let Some(best) = ahead.iter().find(|one| one.comparison.theirs_is_newer()) {
        lines.push(format!(
            "{} has a newer log than {own}: recover from its data folder instead, if you can",
            best.name
        ));
    }
    if seen * 2 <= voters.len() {
        lines.push(format!(
            "UNKNOWN: writes that only {} acknowledged; {} not compared, and {seen} of {} voters \
             are no majority",
            unknown.join(" and "),
            if unknown.len() == 1 { "it was" } else { "they were" },
            voters.len()
        ));
    } else if ahead.is_empty() {
        lines.push(format!(
            "no acknowledged write is lost: {own} has all that {seen} of {} voters have",
            voters.len()
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Terms of the entries from 0 on.
    struct Log(&'static [u64]);

    impl Log {
        fn standing(&self) -> Standing {
            Standing { term: self.0[self.0.len() - 1], index: self.0.len() as u64 - 1 }
        }
    }

    fn compared(name: &str, own: &Log, other: &Log) -> Compared {
        let comparison = compare(&own.standing(), &other.standing());
        Compared {
            name: name.to_owned(),
            comparison,
            entries: Vec::new(),
            state: Default::default(),
        }
    }

    #[test]
    fn what_may_be_lost_is_said() {
        let own = Log(&[1, 1, 1, 2]);
        let voters = ["a", "b", "c"];
        let said = |others: &[Compared]| verdict("a", &voters, others).join("\n");
        assert_eq!(
            said(&[]),
            "UNKNOWN: writes that only b and c acknowledged; they were not compared, and 1 of 3 \
             voters are no majority"
        );
        let same = said(&[compared("b", &own, &Log(&[1, 1, 1, 2]))]);
        assert_eq!(same, "no acknowledged write is lost: a has all that 2 of 3 voters have");
        let ahead = said(&[compared("b", &own, &Log(&[1, 1, 1, 2, 2, 2]))]);
        assert_eq!(
            ahead,
            "LOST, if they were acknowledged: entries 4 to 5, which b has\n\
             b has a newer log than a: recover from its data folder instead, if you can"
        );
        let alone = verdict("a", &["a"], &[]).join("\n");
        assert_eq!(alone, "no acknowledged write is lost: a has all that 1 of 1 voters have");
    }
}
