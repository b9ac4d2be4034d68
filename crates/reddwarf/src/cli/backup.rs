//! `reddwarf backup`: the state of a running group in one file.

use super::GroupFlags;
use crate::client::{Answer, ClientError, Connection, GroupClient};
use bytes::Bytes;
use clap::Args;
use http::Method;
use miette::{Diagnostic, IntoDiagnostic, Result, miette};
use reddwarf_core::FeatureLevels;
use reddwarf_storage::{BackupError, BackupFile, BackupSummary, StoreOptions};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

/// How long a member may take for one answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// Parts that have arrived and are not written yet, of half a MiB each.
const PARTS_AHEAD: usize = 4;
/// Where members serve backups.
const PATH: &str = "/reddwarf/backup";

#[derive(Args, Debug)]
pub(super) struct BackupFlags {
    /// The file to write
    path: PathBuf,
    /// Write it in the place of one that is there
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    group: GroupFlags,
}

#[derive(Debug, thiserror::Error, Diagnostic)]
enum Failure {
    #[error(transparent)]
    #[diagnostic(code(reddwarf::backup::exists), help("choose another name, or give --overwrite"))]
    Exists(BackupError),
    #[error("the backup was not written")]
    #[diagnostic(
        code(reddwarf::backup::failed),
        help("nothing was left at the path that was not there before")
    )]
    Failed(#[source] BackupError),
    #[error("no member gives a backup: {0}")]
    #[diagnostic(
        code(reddwarf::backup::refused),
        help("`reddwarf status` shows what the members are about")
    )]
    Refused(String),
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Exists(_) => Failure::Exists(error),
            other => Failure::Failed(other),
        }
    }
}

/// What a member sends.
struct Begun {
    connection: Connection,
    member: String,
    head: Value,
}

pub(super) fn run(flags: &BackupFlags, levels: FeatureLevels) -> Result<()> {
    let client = flags.group.client()?;
    let done = super::client_runtime()?.block_on(backup(flags, &client, levels))?;
    let megabytes = done.bytes as f64 / 1e6;
    println!(
        "{}: revision {} (log index {}), {} objects, {} commits, {megabytes:.1} MB, state root {}",
        flags.path.display(),
        done.revision,
        done.index,
        done.verified.objects,
        done.verified.commits,
        done.root,
    );
    Ok(())
}

async fn backup(
    flags: &BackupFlags,
    client: &GroupClient,
    levels: FeatureLevels,
) -> Result<BackupSummary> {
    if !flags.overwrite && flags.path.exists() {
        return Err(Failure::from(BackupError::Exists(flags.path.clone())).into());
    }
    let begun = begin(client).await?;
    eprintln!("{} sends its state at revision {}", begun.member, begun.head["revision"]);
    let done = receive(begun, &flags.path, flags.overwrite, levels).await?;
    Ok(done)
}

/// The first member that gives its state.
async fn begin(client: &GroupClient) -> Result<Begun, Failure> {
    let mut failures = Vec::new();
    for member in client.members() {
        let asked = async {
            let mut connection = client.connect(member).await?;
            let answer = ask(&mut connection, PATH).await?;
            Ok::<_, ClientError>((connection, answer))
        };
        let name = member.name.clone();
        match asked.await {
            Err(error) => failures.push(format!("{name}: {error}")),
            Ok((connection, answer)) => {
                let head: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                if answer.status.is_success() && head["backup"].is_string() {
                    return Ok(Begun { connection, member: name, head });
                }
                let why = head["error"].as_str().or(head["message"].as_str());
                let why = why.unwrap_or("its answer is none").to_owned();
                failures.push(format!("{name}: {} {why}", answer.status.as_u16()));
            }
        }
    }
    Err(Failure::Refused(failures.join("; ")))
}

async fn ask(connection: &mut Connection, path: &str) -> Result<Answer, ClientError> {
    let late = ClientError::Timeout { url: path.to_owned(), seconds: PATIENCE.as_secs() };
    let asked = connection.send(Method::GET, path, None, Bytes::new());
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or(Err(late))
}

/// Writes while the next part is on its way.
async fn receive(
    mut begun: Begun,
    path: &Path,
    overwrite: bool,
    levels: FeatureLevels,
) -> Result<BackupSummary> {
    let text = |field: &str| begun.head[field].as_str().unwrap_or_default().to_owned();
    let (number, cluster, root) = (text("backup"), text("cluster"), text("root"));
    let options = StoreOptions { levels, ..StoreOptions::new(cluster) };
    let file = BackupFile::create(path, options, overwrite).map_err(Failure::from)?;
    let (parts, arriving) = mpsc::channel(PARTS_AHEAD);
    let writing = spawn_blocking(move || write(file, arriving, &root));
    let fetched = fetch(&mut begun, &number, parts).await;
    let written = writing.await.into_diagnostic()?.map_err(Failure::from)?;
    fetched?;
    written.ok_or_else(|| miette!("{} sent no end", begun.member))
}

/// What the member sends.
enum Part {
    Bytes(Bytes),
    /// There is no more.
    End,
}

/// Fetches all parts, unless the writer gives up.
async fn fetch(begun: &mut Begun, number: &str, parts: mpsc::Sender<Part>) -> Result<()> {
    for part in 0_u64.. {
        let url = format!("{PATH}?backup={number}&part={part}");
        let answer = ask(&mut begun.connection, &url).await?;
        if !answer.status.is_success() {
            let why = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(Failure::Refused(format!("{}: {why}", begun.member)).into());
        }
        let part = if answer.body.is_empty() { Part::End } else { Part::Bytes(answer.body) };
        let ends = matches!(part, Part::End);
        if parts.send(part).await.is_err() || ends {
            break;
        }
    }
    Ok(())
}

/// Writes what arrives; `None` when it ended early, and there is no file then.
fn write(
    mut file: BackupFile,
    mut arriving: mpsc::Receiver<Part>,
    root: &str,
) -> Result<Option<BackupSummary>, BackupError> {
    while let Some(part) = arriving.blocking_recv() {
        let Part::Bytes(bytes) = part else { return file.finish(root).map(Some) };
        if let Err(error) = file.feed(&bytes) {
            file.discard();
            return Err(error);
        }
    }
    file.discard();
    Ok(None)
}
