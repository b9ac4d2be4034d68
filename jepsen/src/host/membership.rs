//! Members that come and go while the group runs, by the commands that an operator gives.

use super::group::copy_authority;
use super::{Group, HostError, Member};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::process::Command;

/// How a member ends that is no member any more.
pub const NO_MEMBER_EXIT: i32 = 77;
/// How long a command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a machine that joined may take to become a voter: it has everything to fetch.
const VOTER_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a removed member may take to learn of it and to end.
const GONE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often the group is asked who votes.
const POLL: Duration = Duration::from_millis(50);
/// The authority's files, which an operator keeps outside the members' folders.
const AUTHORITY: &str = "authority";

impl Group {
    /// Keeps what machines need that have nothing yet: the authority and a kubeconfig.
    pub(super) fn keep(&self, first: &Member) -> Result<(), HostError> {
        copy_authority(&first.data.join("pki"), &self.folder.join(AUTHORITY))?;
        let kubeconfig = first.data.join("admin.kubeconfig");
        let copied = fs::copy(&kubeconfig, self.kubeconfig());
        copied.map(drop).map_err(HostError::file(kubeconfig))
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.join("admin.kubeconfig")
    }

    /// Runs a command of the program against the group, from where clients are; gives what it
    /// printed.
    ///
    /// # Errors
    /// [`HostError::Command`]
    pub async fn operate(&self, arguments: &[&str]) -> Result<String, HostError> {
        let members = self.members();
        let first = members.first().ok_or(HostError::State {
            name: "the group".into(),
            state: "has no members that jepsen started",
        })?;
        let mut command = Command::new(first.program());
        command.args(arguments).env("KUBECONFIG", self.kubeconfig()).kill_on_drop(true);
        output(command, &arguments.join(" ")).await
    }

    /// Places where no member is.
    pub fn vacant(&self) -> Vec<&Member> {
        self.all.iter().filter(|member| !member.belongs()).collect()
    }

    /// The Raft id by which a member votes, if it does.
    pub async fn voter(&self, name: &str) -> Option<u64> {
        let all = self.described().await;
        let found = all.iter().find(|member| member["name"] == name && member["voter"] == true);
        found.and_then(|member| member["id"].as_u64())
    }

    /// What the first member that answers tells of all.
    async fn described(&self) -> Vec<Value> {
        for member in self.members().into_iter().filter(|member| member.pid().is_some()) {
            if let Some(status) = self.status(member).await {
                return status["members"].as_array().cloned().unwrap_or_default();
            }
        }
        Vec::new()
    }

    /// Lets a machine with an empty data folder join, under the name of its place, and waits until
    /// it votes; gives its Raft id. `replaces` is the voter whose place it takes.
    ///
    /// # Errors
    /// [`HostError`]
    pub async fn join(&self, member: &Member, replaces: Option<&Member>) -> Result<u64, HostError> {
        member.wipe()?;
        let line = self.operate(&["token", "create", "--single-use"]).await?;
        let mut command = member.command();
        // `reddwarf join ADDRESS --token … --ca-hash …`
        command.args(line.split_whitespace().skip(1));
        command.arg("--config").arg(member.config()).arg("--no-start");
        if let Some(old) = replaces {
            command.args(["--replace", &old.name]);
        }
        let said = output(command, &format!("join as {}", member.name)).await?;
        let id = node_id(&said).ok_or_else(|| HostError::Command {
            command: format!("join as {}", member.name),
            said,
        })?;
        copy_authority(&self.folder.join(AUTHORITY), &member.data.join("pki"))?;
        // What an operator put there is not the member's to lose.
        member.disk.iter().try_for_each(|disk| disk.settle())?;
        member.start()?;
        self.until_votes(member, id, replaces).await?;
        if let Some(old) = replaces.filter(|old| old.name != member.name) {
            old.set_belongs(false);
        }
        member.set_belongs(true);
        self.changed().await?;
        Ok(id)
    }

    async fn until_votes(
        &self,
        member: &Member,
        id: u64,
        replaces: Option<&Member>,
    ) -> Result<(), HostError> {
        let deadline = Instant::now() + VOTER_TIMEOUT;
        loop {
            let all = self.described().await;
            let votes =
                all.iter().any(|one| one["id"].as_u64() == Some(id) && one["voter"] == true);
            let gave_way = |old: &Member| all.iter().all(|one| one["name"] != old.name.as_str());
            if votes && replaces.is_none_or(gave_way) {
                return Ok(());
            }
            if let Some(status) = member.ended() {
                let (name, log) = (member.name.clone(), member.log.clone());
                return Err(HostError::Ended { name, status, log });
            }
            if Instant::now() > deadline {
                let (name, seconds) = (member.name.clone(), VOTER_TIMEOUT.as_secs());
                return Err(HostError::Late { name, what: "does not vote", seconds });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Lets a member go, and waits until it has ended by itself; gives its exit status, which must
    /// say that it is no member.
    ///
    /// # Errors
    /// [`HostError`]
    pub async fn remove(&self, member: &Member) -> Result<i32, HostError> {
        let asked = self.operate(&["member", "remove", &member.name]).await;
        let all = self.described().await;
        let gone = !all.is_empty() && all.iter().all(|one| one["name"] != member.name.as_str());
        if asked.is_ok() || gone {
            // Who was refused and is gone all the same is no member, whatever that says of the group.
            member.set_belongs(false);
            self.changed().await?;
        }
        asked?;
        let status = member.wait_ended(GONE_TIMEOUT).await?;
        match status.code() {
            Some(code @ NO_MEMBER_EXIT) => Ok(code),
            _ => {
                let (name, log) = (member.name.clone(), member.log.clone());
                Err(HostError::Ended { name, status, log })
            }
        }
    }

    /// Clients and operators go by the members of now.
    async fn changed(&self) -> Result<(), HostError> {
        self.tell_clients();
        let text = self.operate(&["member", "kubeconfig"]).await?;
        fs::write(self.kubeconfig(), text).map_err(HostError::file(self.kubeconfig()))
    }
}

impl Member {
    /// Removes everything in its data folder; a mount may stand there.
    ///
    /// # Errors
    /// [`HostError::File`]
    pub fn wipe(&self) -> Result<(), HostError> {
        let wiped = fs::read_dir(&self.data)
            .and_then(|entries| entries.into_iter().try_for_each(|entry| remove(&entry?.path())));
        wiped.map_err(HostError::file(&self.data))
    }
}

fn remove(path: &Path) -> std::io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

async fn output(mut command: Command, what: &str) -> Result<String, HostError> {
    let failed = |said: String| HostError::Command { command: what.to_owned(), said };
    let output = tokio::time::timeout(COMMAND_TIMEOUT, command.output()).await;
    let output = output.map_err(|_| failed(format!("it takes longer than {COMMAND_TIMEOUT:?}")))?;
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `n4 is node 4367533381175084 of jepsen; …`
fn node_id(said: &str) -> Option<u64> {
    said.split_once(" is node ")?.1.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_join_tells_the_id() {
        let said = "n4 is node 4367533381175084 of jepsen; its data directory is /run/n4/data\n";
        assert_eq!(node_id(said), Some(4_367_533_381_175_084));
        assert_eq!(node_id("n4 is there"), None);
    }
}
