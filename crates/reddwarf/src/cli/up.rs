//! `reddwarf up`: a group on this machine.

use super::down::stop_group;
use crate::client::GroupClient;
use crate::data_folder;
use crate::group::{GroupError, LocalGroup, Started, start};
use crate::kubeconfig::Kubeconfig;
use bytes::Bytes;
use clap::Args;
use http::Method;
use miette::{Context, IntoDiagnostic, Result, miette};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// How long members may take until they are ready; a large state loads in seconds.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a starting member is asked; nothing else tells when another process is ready.
const READY_POLL: Duration = Duration::from_millis(15);
/// How long `up` waits for the simulated workers before it says that it is ready without them.
const WORKERS_TIMEOUT: Duration = Duration::from_secs(10);
/// Lines of a failed member's log that are shown.
const LOG_LINES_SHOWN: usize = 15;

#[derive(Args, Debug)]
pub(super) struct UpFlags {
    /// Number of members [default: 3, or what the group in DIR has]
    #[arg(long)]
    nodes: Option<u16>,
    /// Where the group lives [default: reddwarf/local in the user's data folder]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Port of the first member; the others take those that follow [default: 6443]
    #[arg(long)]
    base_port: Option<u16>,
    /// Number of simulated worker nodes
    #[arg(long, default_value_t = 3)]
    workers: u32,
    /// Return when the group is ready, and leave it running
    #[arg(long)]
    detach: bool,
}

/// The folder given, or the default one.
pub(super) fn group_folder(given: Option<&Path>) -> Result<PathBuf, GroupError> {
    match given {
        Some(folder) => Ok(std::path::absolute(folder).unwrap_or_else(|_| folder.into())),
        None => Ok(data_folder().ok_or(GroupError::NoHome)?.join("local")),
    }
}

pub(super) fn run(flags: &UpFlags) -> Result<()> {
    let folder = group_folder(flags.data.as_deref())?;
    fs::create_dir_all(&folder)
        .into_diagnostic()
        .wrap_err_with(|| format!("cannot create {}", folder.display()))?;
    let starting = lock(&folder)?;
    let group = LocalGroup::open_or_create(&folder, flags.nodes, flags.base_port)?;
    super::client_runtime()?.block_on(async {
        let mut children = start_all(&group, flags.workers).await?;
        drop(starting);
        announce(&group, flags.workers).into_diagnostic()?;
        if flags.detach {
            return Ok(());
        }
        stay(&mut children).await?;
        stop_group(&group)
    })
}

/// Two `up` at once would start everything twice.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file = File::create(&path).into_diagnostic()?;
    file.lock().into_diagnostic().wrap_err_with(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// A process that this one started.
struct Running {
    name: String,
    folder: PathBuf,
    child: Option<Child>,
}

impl Running {
    /// Ends with the log's last lines when the process has exited.
    fn must_live(&mut self) -> Result<()> {
        let Some(child) = &mut self.child else { return Ok(()) };
        let Some(status) = child.try_wait().into_diagnostic()? else { return Ok(()) };
        self.child = None;
        let log = self.folder.join("log");
        let text = fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n");
        Err(miette!(
            code = "reddwarf::up::exited",
            help = format!("the whole log is {}", log.display()),
            "{} stopped at once ({status}):\n{tail}",
            self.name
        ))
    }
}

async fn start_all(group: &LocalGroup, workers: u32) -> Result<Vec<Running>> {
    let program = std::env::current_exe().into_diagnostic()?;
    let mut running = Vec::new();
    for i in 1..=group.plan.nodes {
        let folder = group.node_folder(i);
        let config = folder.join("config.toml");
        let started = start(
            &program,
            &folder,
            &["server".as_ref(), "--config".as_ref(), config.as_os_str()],
        )?;
        running.push(Running { name: LocalGroup::node_name(i), folder, child: child(started) });
    }
    let outcome = finish_start(group, &program, workers, &mut running).await;
    if outcome.is_err() {
        // What was just started and cannot serve is not left behind.
        for process in running.iter_mut().filter(|r| r.child.is_some()) {
            crate::group::stop(&process.folder, Duration::from_secs(5)).ok();
        }
    }
    outcome.map(|()| running)
}

fn child(started: Started) -> Option<Child> {
    match started {
        Started::Already(_) => None,
        Started::Now(child) => Some(child),
    }
}

async fn finish_start(
    group: &LocalGroup,
    program: &Path,
    workers: u32,
    running: &mut Vec<Running>,
) -> Result<()> {
    let kubeconfig = Kubeconfig::read(&group.admin_kubeconfig())?;
    let client = GroupClient::new(&kubeconfig)?;
    let deadline = Instant::now() + READY_TIMEOUT;
    for (at, member) in client.members().iter().enumerate() {
        while !is_ready(&client, at).await {
            for process in running.iter_mut() {
                process.must_live()?;
            }
            if Instant::now() > deadline {
                return Err(miette!(
                    code = "reddwarf::up::not_ready",
                    help = format!("its log is {}/log", group.folder.join(&member.name).display()),
                    "{} is not ready after {} s",
                    member.name,
                    READY_TIMEOUT.as_secs()
                ));
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }
    if workers > 0 {
        let folder = group.hollow_folder();
        let (config, count) = (group.hollow_kubeconfig(), workers.to_string());
        let pid = folder.join("pid");
        let arguments = [
            "hollow".as_ref(),
            "--nodes".as_ref(),
            count.as_ref(),
            "--kubeconfig".as_ref(),
            config.as_os_str(),
            "--pid-file".as_ref(),
            pid.as_os_str(),
        ];
        let started = start(program, &folder, &arguments)?;
        running.push(Running { name: "hollow".into(), folder, child: child(started) });
        wait_for_workers(&client, workers as usize, running).await?;
    }
    Ok(())
}

/// Whether the member at `at` of the client's list answers `/readyz` with 200.
async fn is_ready(client: &GroupClient, at: usize) -> bool {
    let Ok(mut connection) = client.connect(&client.members()[at]).await else { return false };
    let asked = connection.send(Method::GET, "/readyz", None, Bytes::new());
    match tokio::time::timeout(Duration::from_secs(2), asked).await {
        Ok(Ok(answer)) => answer.status.is_success(),
        _ => false,
    }
}

async fn wait_for_workers(
    client: &GroupClient,
    workers: usize,
    running: &mut [Running],
) -> Result<()> {
    let deadline = Instant::now() + WORKERS_TIMEOUT;
    while Instant::now() < deadline {
        if let Ok(list) = client.get_json("/api/v1/nodes").await {
            if list["items"].as_array().is_some_and(|nodes| nodes.len() >= workers) {
                return Ok(());
            }
        }
        for process in running.iter_mut() {
            process.must_live()?;
        }
        tokio::time::sleep(READY_POLL).await;
    }
    eprintln!("The simulated workers have not registered yet; their log is hollow/log.");
    Ok(())
}

fn announce(group: &LocalGroup, workers: u32) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for (i, (name, url)) in group.urls().iter().enumerate() {
        let pid = fs::read_to_string(group.node_folder(i as u16 + 1).join("pid"));
        writeln!(out, "{name}  {url}  pid {}", pid.unwrap_or_default().trim())?;
    }
    let folder = quoted(&group.folder);
    writeln!(out, "{workers} simulated worker nodes run beside them. Type next:\n")?;
    writeln!(out, "  export KUBECONFIG={}", quoted(&group.admin_kubeconfig()))?;
    writeln!(out, "  kubectl get nodes")?;
    writeln!(out, "  kubectl create configmap hello --from-literal=a=b")?;
    if let Some((_, url)) = group.urls().last() {
        writeln!(out, "  kubectl --server={url} get configmap hello    # any member")?;
    }
    writeln!(out, "  reddwarf status\n\nTo stop: reddwarf down --data {folder}")?;
    writeln!(out, "ready")?;
    out.flush()
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Waits for Ctrl-C or SIGTERM; says when a member ends meanwhile.
async fn stay(children: &mut [Running]) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).into_diagnostic()?;
    let mut terminate = signal(SignalKind::terminate()).into_diagnostic()?;
    let mut ended = signal(SignalKind::child()).into_diagnostic()?;
    loop {
        for process in children.iter_mut() {
            let Some(child) = &mut process.child else { continue };
            if let Some(status) = child.try_wait().into_diagnostic()? {
                eprintln!("{} ended ({status}); `reddwarf up` starts it again", process.name);
                process.child = None;
            }
        }
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = ended.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_spaces_is_quoted() {
        assert_eq!(quoted(Path::new("/a/b.c")), "/a/b.c");
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
