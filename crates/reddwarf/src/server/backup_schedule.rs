//! Backups at intervals, for a member whose configuration asks for them.
//!
//! Each member looks after its own: a folder on its disk holds backups whoever leads, and a group
//! that has lost all but one member has those of that one.

use crate::config::BackupConfig;
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use reddwarf_raft::{BackupFailure, Node};
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// Pause before a backup that failed is tried again, if the interval is not shorter.
const RETRY: Duration = Duration::from_secs(60);
/// How a backup's time stands in its name: names sort as times do.
const TIME: &str = "%Y%m%dT%H%M%SZ";

/// Figures of the backups.
#[derive(Clone, Default)]
pub(super) struct BackupMetrics {
    made: Counter,
    failed: Counter,
    last: Gauge,
    bytes: Gauge,
}

impl BackupMetrics {
    /// Adds the figures.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = BackupMetrics::default();
        let mut add = |name: &str, help: &str, counter: &Counter| {
            registry.register(name, help, counter.clone());
        };
        add("reddwarf_backups", "Scheduled backups that were made", &metrics.made);
        add("reddwarf_backup_failures", "Scheduled backups that failed", &metrics.failed);
        let mut show = |name: &str, help: &str, gauge: &Gauge| {
            registry.register(name, help, gauge.clone());
        };
        show(
            "reddwarf_backup_last_timestamp_seconds",
            "When the newest backup in the folder was made, since the Unix epoch",
            &metrics.last,
        );
        show("reddwarf_backup_last_bytes", "Size of the newest backup", &metrics.bytes);
        metrics
    }
}

/// Backups of one member.
pub(super) struct Schedule {
    pub config: BackupConfig,
    /// The group, and this member in it.
    pub cluster: String,
    pub member: String,
    pub node: Arc<Node>,
    pub metrics: BackupMetrics,
}

impl Schedule {
    /// Makes backups until `stop`. One is due as soon as the newest in the folder is as old as the
    /// interval, also right after a start.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut failing = false;
        loop {
            let pause = if failing { RETRY.min(self.config.every.0) } else { self.due_in() };
            if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
                return;
            }
            // A file that is half written when the process ends has another name.
            let Some(made) = stop.run_until_cancelled(self.make()).await else { return };
            failing = made.is_err();
            if let Err(failure) = made {
                self.metrics.failed.inc();
                let cause = failure.source().map(ToString::to_string);
                error!(error = %failure, cause, "the scheduled backup failed");
            }
        }
    }

    /// How long the newest backup will do.
    fn due_in(&self) -> Duration {
        let newest = self.kept().ok().and_then(|kept| kept.last().cloned());
        let Some(at) = newest.and_then(|path| fs::metadata(path).ok()?.modified().ok()) else {
            return Duration::ZERO;
        };
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.metrics.last.set(since.as_secs() as i64);
        self.config.every.0.saturating_sub(at.elapsed().unwrap_or_default())
    }

    async fn make(&self) -> Result<(), BackupFailure> {
        let folder = self.config.folder.clone();
        let prepared = spawn_blocking(move || fs::create_dir_all(folder)).await;
        let unavailable = |error: &dyn Error| {
            let folder = self.config.folder.display();
            BackupFailure::Unavailable(format!("the folder {folder}: {error}"))
        };
        prepared.map_err(|error| unavailable(&error))?.map_err(|error| unavailable(&error))?;
        let time = Timestamp::now().strftime(TIME).to_string();
        let path = self.config.folder.join(format!("{}{time}.redb", self.prefix()));
        let made = self.node.write_backup(&path).await?;
        self.metrics.made.inc();
        self.metrics.bytes.set(made.bytes as i64);
        let (revision, bytes) = (made.revision.0, made.bytes);
        info!(path = %path.display(), revision, bytes, root = %made.root, "made a backup");
        self.prune();
        Ok(())
    }

    /// Names of this member's backups begin with it: several may share a folder.
    fn prefix(&self) -> String {
        format!("{}.{}.", self.cluster, self.member)
    }

    /// This member's backups, oldest first.
    fn kept(&self) -> io::Result<Vec<PathBuf>> {
        backups_in(&self.config.folder, &self.prefix())
    }

    fn prune(&self) {
        let Ok(kept) = self.kept() else { return };
        let surplus = kept.len().saturating_sub(self.config.keep);
        for path in &kept[..surplus] {
            if let Err(error) = fs::remove_file(path) {
                warn!(path = %path.display(), %error, "an old backup cannot be removed");
            }
        }
    }
}

/// Files in `folder` named as backups of one member are, oldest first.
fn backups_in(folder: &Path, prefix: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let time = name.to_str().and_then(|name| name.strip_prefix(prefix)?.strip_suffix(".redb"));
        // What somebody else put there is not ours to remove.
        let ours = |time: &str| {
            time.len() == 16 && time.bytes().all(|b| b.is_ascii_digit() || b == b'T' || b == b'Z')
        };
        if time.is_some_and(ours) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_members_own_backups_are_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in [
            "shop.node-1.20260102T000000Z.redb",
            "shop.node-1.20260101T000000Z.redb",
            "shop.node-1.20260103T000000Z.redb.partial",
            "shop.node-1.before-upgrade.redb",
            "shop.node-2.20260101T000000Z.redb",
        ] {
            fs::write(folder.path().join(name), "").expect("written");
        }
        let found = backups_in(folder.path(), "shop.node-1.").expect("reads");
        let names: Vec<_> = found.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        let expected = ["shop.node-1.20260101T000000Z.redb", "shop.node-1.20260102T000000Z.redb"];
        assert_eq!(names, expected);
    }
}
