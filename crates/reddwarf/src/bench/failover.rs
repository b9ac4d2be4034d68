//! How long no write is acknowledged when the leader fails.

use super::objects::{config_map, leader_of, make_namespace, remove_namespace};
use super::report::Row;
use super::target::Target;
use crate::client::Connection;
use crate::group::{Launch, running_pid};
use http::Method;
use miette::{IntoDiagnostic, Result, miette};
use rustix::process::{Pid, Signal, kill_process};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Writers, spread over the members.
const WRITERS: usize = 6;
/// When the fault is done.
const BEFORE: Duration = Duration::from_secs(1);
/// How long is written afterwards.
const AFTER: Duration = Duration::from_secs(5);
/// How long a writer waits for an answer before it turns to another member.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(1_000);

/// What befalls the leader.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    /// SIGTERM: it hands leadership over first. One writer, at another member, which sees nothing
    /// of it but the change of the leader.
    Stopped,
    /// SIGKILL: its connections break, and its port refuses others.
    Killed,
    /// SIGSTOP, continued at the end: it is silent, like a machine that lost its power.
    Silent,
}

/// Lets `fault` befall the leader during writes; gives the longest time between two acknowledged
/// writes. The member runs again afterwards.
pub(super) async fn longest_gap(target: &Arc<Target>, fault: Fault) -> Result<Row> {
    let group = target.group().ok_or_else(|| miette!("the members' processes are unknown"))?;
    let namespace = make_namespace(target).await?;
    let leader = leader_of(target).await?;
    let writers_at: Vec<usize> = match fault {
        Fault::Stopped => {
            let at = target.members().iter().position(|member| member.name == leader);
            vec![at.unwrap_or_default() + 1]
        }
        Fault::Killed | Fault::Silent => (0..WRITERS).collect(),
    };
    let (acknowledged, mut times) = mpsc::unbounded_channel();
    let mut writers = JoinSet::new();
    let end = Instant::now() + BEFORE + AFTER;
    for at in writers_at {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        writers.spawn(write(target.clone(), at, path, end, acknowledged.clone()));
    }
    drop(acknowledged);
    tokio::time::sleep(BEFORE).await;
    let pid = running_pid(&group.folder.join(&leader).join("pid")).into_diagnostic()?;
    let pid = pid.and_then(Pid::from_raw).ok_or_else(|| miette!("{leader} does not run"))?;
    let (signal, what) = match fault {
        Fault::Stopped => (Signal::TERM, "stopped"),
        Fault::Killed => (Signal::KILL, "killed"),
        Fault::Silent => (Signal::STOP, "silent"),
    };
    kill_process(pid, signal).into_diagnostic()?;
    let mut last = None;
    let mut longest = Duration::ZERO;
    let mut seen = Vec::new();
    while let Some(time) = times.recv().await {
        seen.push(time);
    }
    if matches!(fault, Fault::Silent) {
        kill_process(pid, Signal::CONT).into_diagnostic()?;
    }
    seen.sort_unstable();
    for time in seen {
        if let Some(last) = last {
            longest = longest.max(time - last);
        }
        last = Some(time);
    }
    if last.is_none_or(|last| end.saturating_duration_since(last) > AFTER / 2) {
        return Err(miette!("writes did not come back after {leader} was {what}"));
    }
    let program = std::env::current_exe().into_diagnostic()?;
    Launch::new(group, &program)?.members().await?;
    remove_namespace(target, &namespace).await?;
    Ok(Row::time(format!("longest gap, leader {what}"), longest.as_secs_f64() * 1e3))
}

/// Creates objects one after the other until `end`, on the next member after a failure.
async fn write(
    target: Arc<Target>,
    worker: usize,
    path: String,
    end: Instant,
    acknowledged: mpsc::UnboundedSender<Instant>,
) {
    let (mut at, mut n) = (worker, 0_u64);
    let mut open: Option<Connection> = None;
    while Instant::now() < end {
        let connection = match &mut open {
            Some(connection) => connection,
            None => match tokio::time::timeout(ANSWER_TIMEOUT, target.connect(at)).await {
                Ok(Ok(connection)) => open.insert(connection),
                _ => {
                    at += 1;
                    continue;
                }
            },
        };
        n += 1;
        let body = config_map(&format!("f-{worker}-{n}"), None);
        let sent = connection.send(Method::POST, &path, Some("application/json"), body.into());
        match tokio::time::timeout(ANSWER_TIMEOUT, sent).await {
            // The receiver outlives all writers.
            Ok(Ok(answer)) if answer.status.is_success() => drop(acknowledged.send(Instant::now())),
            Ok(Ok(_)) => {}
            _ => {
                open = None;
                at += 1;
            }
        }
    }
}
