//! `reddwarf up`: a group on this machine.

use super::down::stop_group;
use crate::data_folder;
use crate::group::{GroupError, Launch, LaunchError, LocalGroup, Process};
use clap::Args;
use miette::{Context, IntoDiagnostic, Result};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{Signal, SignalKind, signal};

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
        // Before anything says that the group is there to be stopped.
        let mut signals = Signals::install().into_diagnostic()?;
        let program = std::env::current_exe().into_diagnostic()?;
        let mut launch = Launch::new(&group, &program)?;
        let started = async {
            launch.members().await?;
            for process in launch.processes.iter().filter(|process| process.removed) {
                eprintln!("{} is no member of the group any more, and does not run.", process.name);
            }
            if !launch.workers(flags.workers).await? {
                eprintln!("The simulated workers have not registered yet; see hollow/log.");
            }
            Ok::<(), LaunchError>(())
        };
        tokio::select! {
            started = started => started?,
            () = signals.stop() => return stop_group(&group),
        }
        drop(starting);
        announce(&group, flags.workers).into_diagnostic()?;
        if flags.detach {
            return Ok(());
        }
        stay(&mut launch.processes, &mut signals).await?;
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

/// What `up` waits for while the group runs.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    child: Signal,
}

impl Signals {
    fn install() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            child: signal(SignalKind::child())?,
        })
    }

    /// Ctrl-C or SIGTERM.
    async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Waits for Ctrl-C or SIGTERM; says when a member ends meanwhile.
async fn stay(processes: &mut [Process], signals: &mut Signals) -> Result<()> {
    loop {
        for process in processes.iter_mut() {
            let Some(child) = &mut process.child else { continue };
            if let Some(status) = child.try_wait().into_diagnostic()? {
                eprintln!("{} ended ({status}); `reddwarf up` starts it again", process.name);
                process.child = None;
            }
        }
        tokio::select! {
            _ = signals.interrupt.recv() => return Ok(()),
            _ = signals.terminate.recv() => return Ok(()),
            _ = signals.child.recv() => {}
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
