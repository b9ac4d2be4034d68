//! A run: members are started, clients act, faults are made, everything is read once more, and
//! the history is judged.

mod chaos;
mod error;
mod finale;
mod plan;
mod probe;
mod program;
mod recorder;
mod subject;
mod test_file;

pub use error::RunError;
pub use plan::{Plan, Where};
pub use program::{Program, ProgramError, build};
pub use recorder::Recorder;
pub use test_file::{TestFileError, parameters};

use crate::generator::Pace;
use crate::workload::{Entry, Signals, Stage, Workload};
use chaos::Chaos;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use subject::Subject;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

/// Name of the history in a run's folder.
pub const HISTORY: &str = "history.edn";
/// Name of what was run in a run's folder.
pub const TEST: &str = "test.edn";

/// One workload and what its clients share.
struct Act {
    workload: Arc<dyn Workload>,
    stage: Arc<Stage>,
}

/// Runs everything that leads to a history, in `plan.out`; what it left running has ended when it
/// returns.
///
/// # Errors
/// [`RunError`]: the run could not be done, whatever the subject did.
pub async fn run(plan: &Plan) -> Result<(), RunError> {
    std::fs::create_dir_all(&plan.out).map_err(RunError::file(&plan.out))?;
    let subject = Subject::open(plan).await?;
    let done = act_all(plan, &subject).await;
    subject.end().await;
    done
}

async fn act_all(plan: &Plan, subject: &Subject) -> Result<(), RunError> {
    let path = plan.out.join(HISTORY);
    let recorder = Arc::new(Recorder::create(&path).map_err(RunError::file(&path))?);
    write_test(&plan.out.join(TEST), plan, subject)?;
    let signals = Signals::default();
    let acts = set_up(plan, subject, &recorder, &signals).await?;
    let probe = tokio::spawn(probe::members(subject.clone(), recorder.clone(), signals.clone()));
    let mut clients = JoinSet::new();
    for act in &acts {
        let (workload, stage) = (act.workload.clone(), act.stage.clone());
        clients.spawn(async move { workload.act(&stage).await });
    }
    let mut chaos = Chaos::new(plan, recorder.clone());
    tokio::select! {
        () = chaos.run(&subject.group, Instant::now() + plan.time) => {}
        // Undone below, as at the regular end.
        () = interrupted() => tracing::warn!("interrupted"),
    }
    chaos.end(&subject.group).await;
    finale::writable(subject, &recorder, plan.timeout).await;
    signals.stop.cancel();
    while clients.join_next().await.is_some() {}
    finale::conclude(&acts).await;
    // It ends with the signal, after a last look.
    let _ = probe.await;
    if matches!(plan.subject, Where::Servers { .. }) {
        for act in &acts {
            act.stage.remove_namespace().await;
        }
    }
    recorder.finish().map_err(RunError::file(&path)).map(drop)
}

/// Waits for SIGINT or SIGTERM.
async fn interrupted() {
    let Ok(mut term) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

async fn set_up(
    plan: &Plan,
    subject: &Subject,
    recorder: &Arc<Recorder>,
    signals: &Signals,
) -> Result<Vec<Act>, RunError> {
    let mut acts = Vec::new();
    for entry in &plan.workloads {
        let stage = Arc::new(Stage {
            workload: entry.name,
            recorder: recorder.clone(),
            servers: subject.servers.clone(),
            credentials: subject.credentials.clone(),
            habits: subject.group.habits.clone(),
            namespace: format!("jepsen-{}-{}", plan.label(), entry.name),
            seed: plan.seed,
            pace: Pace::per_second(rate(entry, plan)),
            concurrency: plan.concurrency,
            timeout: plan.timeout,
            time: plan.time,
            signals: signals.clone(),
        });
        let workload: Arc<dyn Workload> = (entry.make)().into();
        stage.make_namespace().await?;
        workload.set_up(&stage).await?;
        acts.push(Act { workload, stage });
    }
    Ok(acts)
}

/// What a workload gets of the run's rate: those that want little get it, the others share the
/// rest.
fn rate(entry: &Entry, plan: &Plan) -> f64 {
    let even = plan.rate / plan.workloads.len().max(1) as f64;
    if let Some(most) = entry.rate_max {
        return even.min(most);
    }
    let modest = plan.workloads.iter().filter_map(|entry| entry.rate_max);
    let taken: f64 = modest.clone().map(|most| even.min(most)).sum();
    let others = plan.workloads.len() - modest.count();
    (plan.rate - taken) / others.max(1) as f64
}

fn write_test(path: &Path, plan: &Plan, subject: &Subject) -> Result<(), RunError> {
    let text = format!("{:#}\n", plan.to_edn(subject.group.hosts()));
    std::fs::write(path, text).map_err(RunError::file(path))
}
