//! `reddwarf bench`: drives any Kubernetes API server over TLS and reports what it does.
//!
//! Requests go over HTTP/2 connections spread over all members, from one thread. CPU time is
//! counted apart for this client and for the members, where their processes are known.

mod failover;
mod fanout;
mod load;
mod objects;
mod process;
mod reads;
mod report;
mod schedule;
mod target;
mod writes;

use crate::cli::GroupFlags;
use clap::{Args, ValueEnum};
use failover::Fault;
use miette::{IntoDiagnostic, Result};
use report::{Report, Row};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use target::Target;

/// Flags of `reddwarf bench`.
#[derive(Args, Debug)]
pub struct BenchFlags {
    #[command(flatten)]
    group: GroupFlags,
    /// API servers to drive instead of a kubeconfig's (with --ca, --cert and --key)
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    server: Vec<String>,
    /// Authority of the servers' certificates (PEM)
    #[arg(long, value_name = "FILE", requires = "server")]
    ca: Option<PathBuf>,
    /// Client certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "server")]
    cert: Option<PathBuf>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE", requires = "server")]
    key: Option<PathBuf>,
    /// Start a group of three in a temporary folder and drive that
    #[arg(long = "self", conflicts_with_all = ["server", "kubeconfig", "up"])]
    own: bool,
    /// Drive the group that `reddwarf up --data DIR` started
    #[arg(long, value_name = "DIR", conflicts_with_all = ["server", "kubeconfig"])]
    up: Option<PathBuf>,
    /// Run only these
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Workload>,
    /// Length of each timed run
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How to print the report
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Workload {
    /// From start to ready, and memory at rest (where the processes are known)
    Start,
    /// Create 1 KiB ConfigMaps with 1, 16 and 64 writers
    Create,
    /// Merge patch with 32 writers
    Patch,
    /// Get with 32 readers, linearizable and with resourceVersion=0
    Get,
    /// List 5,000 objects
    List,
    /// Watch latency, 100 watchers at 100 writes/s and 1,000 at 20/s
    Watch,
    /// Bind 2,000 pods to 100 nodes
    Schedule,
    /// Longest time without an acknowledged write when the leader stops, is killed or falls silent
    Failover,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Output {
    /// For people
    #[default]
    Table,
    /// For programs
    Json,
}

/// Runs the benchmark.
///
/// # Errors
/// A diagnostic when the servers cannot be reached or refuse.
pub fn run(flags: &BenchFlags) -> Result<()> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
    let report = runtime.block_on(measure(flags))?;
    match flags.output {
        Output::Table => print!("{}", report.table()),
        Output::Json => println!("{}", serde_json::to_string_pretty(&report).into_diagnostic()?),
    }
    Ok(())
}

async fn measure(flags: &BenchFlags) -> Result<Report> {
    let mut report = Report::new();
    let wanted = |w: Workload| flags.only.is_empty() || flags.only.contains(&w);
    let target = Arc::new(open_target(flags, &mut report).await?);
    let result = run_workloads(&target, flags, wanted, &mut report).await;
    let closed = target.close();
    result?;
    closed?;
    Ok(report)
}

async fn open_target(flags: &BenchFlags, report: &mut Report) -> Result<Target> {
    if flags.own {
        let (target, ready_ms) = Target::spawn().await?;
        report.add(Row::time("start to ready", ready_ms).against(5_500.0));
        return Ok(target);
    }
    if let Some(folder) = &flags.up {
        return Target::of_group(folder);
    }
    if flags.server.is_empty() {
        return Target::of_kubeconfig(flags.group.kubeconfig.as_deref());
    }
    Target::of_servers(
        &flags.server,
        flags.ca.as_deref(),
        flags.cert.as_deref(),
        flags.key.as_deref(),
    )
}

async fn run_workloads(
    target: &Arc<Target>,
    flags: &BenchFlags,
    wanted: impl Fn(Workload) -> bool,
    report: &mut Report,
) -> Result<()> {
    let length = Duration::from_secs(flags.seconds.max(1));
    if wanted(Workload::Start)
        && let Some(mib) = process::memory_at_rest(target).await
    {
        report.add(Row::memory("memory of a member at rest", mib).against(350.0));
    }
    let namespace = objects::make_namespace(target).await?;
    if wanted(Workload::Create) {
        for row in writes::create_alone(target, &namespace, length).await? {
            report.add(row.against(450.0));
        }
        for (writers, baseline) in [(16, 886.0), (64, 1_280.0)] {
            let row = writes::create(target, &namespace, writers, length).await?;
            report.add(row.against(baseline));
        }
    }
    if wanted(Workload::Patch) {
        report.add(writes::patch(target, &namespace, 32, length).await?.against(666.0));
    }
    if wanted(Workload::Get) {
        report.add(reads::get(target, &namespace, 32, length, false).await?.against(1_807.0));
        report.add(reads::get(target, &namespace, 32, length, true).await?.against(5_463.0));
    }
    if wanted(Workload::List) {
        report.add(reads::list(target).await?.against(76.0));
    }
    if wanted(Workload::Watch) {
        for (watchers, per_second, baseline) in [(100, 100, Some(36.0)), (1_000, 20, None)] {
            let row = fanout::watch(target, watchers, per_second, length).await?;
            report.add(Row { baseline, ..row });
        }
    }
    if wanted(Workload::Schedule) {
        report.add(schedule::schedule(target, 100, 2_000).await?.against(307.0));
    }
    objects::remove_namespace(target, &namespace).await?;
    if wanted(Workload::Failover) && target.group().is_some_and(|g| g.plan.nodes > 2) {
        for fault in [Fault::Stopped, Fault::Killed, Fault::Silent] {
            report.add(failover::longest_gap(target, fault).await?.against(2_000.0));
        }
    }
    Ok(())
}
