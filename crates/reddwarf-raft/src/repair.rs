//! A member whose state or file is wrong repairs itself from another one (invariant 17).
//!
//! Only the durable state is replaced, and memory with it: the log and the vote are what the
//! member has promised to others, and stay.

use crate::core::Core;
use crate::environment::Work;
use crate::peer::{FetchError, Fetched, Kind, Lane, PeerClient, decode, fetch};
use crate::quarantine::Trouble;
use crate::replace::replace;
use crate::roots;
use crate::status::MemberStatus;
use crate::transfer;
use bytes::Bytes;
use reddwarf_storage::{Durable, StoreOptions};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Pause before the next attempt.
const RETRY: Duration = Duration::from_millis(500);
/// Pause before roots are compared again.
const COMPARE_AGAIN: Duration = Duration::from_millis(100);
/// How long a member may take to tell its status.
const STATUS_TIMEOUT: Duration = Duration::from_millis(500);
/// How long this member may take to apply what another one has already.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(30);

/// Repairs whatever is found to be wrong, until the node stops.
pub async fn run(core: Arc<Core>) {
    let mut trouble = core.quarantine().watch();
    let mut told = String::new();
    loop {
        let wrong = trouble.wait_for(Option::is_some);
        let wrong = match core.stop.run_until_cancelled(wrong).await {
            Some(Ok(wrong)) => wrong.clone(),
            _ => return,
        };
        let Some(wrong) = wrong else { continue };
        if wrong.wants_file() {
            pause(&core, core.limits.repair_pause).await;
        }
        let attempt = core.stop.run_until_cancelled(attempt(&core, &wrong)).await;
        let retry = match attempt {
            None => return,
            Some(Ok(())) => continue,
            Some(Err(reason)) if wrong == Trouble::Unconfirmed => {
                tracing::debug!(reason, "the state is not confirmed yet");
                COMPARE_AGAIN
            }
            Some(Err(reason)) => {
                if reason != told {
                    tracing::warn!(reason, "this member is not repaired yet");
                    told = reason;
                }
                RETRY
            }
        };
        pause(&core, retry).await;
    }
}

async fn pause(core: &Core, duration: Duration) {
    let slept = core.stop.run_until_cancelled(tokio::time::sleep(duration));
    // The caller's next step ends when the node has stopped.
    let _ = slept.await;
}

/// One step: another state, or its comparison with the others'.
async fn attempt(core: &Core, wrong: &Trouble) -> Result<(), String> {
    if wrong.wants_file() {
        return replace_state(core, wrong).await;
    }
    match roots::confirm(core, 1).await {
        Ok(()) => {
            core.rejoin();
            tracing::info!("the state is equal to the majority's: this member serves again");
            Ok(())
        }
        Err(Some(index)) => {
            core.quarantine().refuted(index);
            core.withdraw();
            Err("the new state differs, too".to_owned())
        }
        Err(None) => Err("no majority has told its roots".to_owned()),
    }
}

async fn replace_state(core: &Core, wrong: &Trouble) -> Result<(), String> {
    if core.is_leader() {
        transfer::hand_over(core).await;
    }
    let store = &core.machine.store;
    let data_dir = store.path().parent().unwrap_or(Path::new(""));
    let (sources, work) = (sources(core).await, &core.environment.work);
    let fetched = fetch_from_any(sources, data_dir, store.options(), work).await?;
    let held = fetched.loaded.checkpoint.applied.index;
    let applied = core.wait_applied(held);
    if tokio::time::timeout(CATCH_UP_TIMEOUT, applied).await.is_err() {
        return Err(format!("entry {held} was not applied here in time"));
    }
    let replaced = replace(&core.machine, Arc::clone(&core.wal), fetched).await;
    let replaced = replaced.map_err(|error| error.to_string())?;
    core.metrics.repairs.inc();
    let (index, same) = (replaced.index, replaced.same);
    tracing::warn!(index, same, reason = %wrong, "the data file was replaced from another member");
    if same && wrong.serves() {
        core.quarantine().over();
    } else {
        core.quarantine().replaced(index);
        // Only its own log is judged in an election, and that is right.
        core.raft.runtime_config().elect(true);
        core.metrics.quarantined.set(1);
    }
    Ok(())
}

/// The other members that answer and know of nothing wrong with them, the newest state first.
async fn sources(core: &Core) -> Vec<Arc<PeerClient>> {
    let others = core.members().into_keys().filter(|id| *id != core.node_id);
    newest_first(others.filter_map(|id| core.client(id)).collect()).await
}

/// See [`sources`].
pub async fn newest_first(clients: Vec<Arc<PeerClient>>) -> Vec<Arc<PeerClient>> {
    let asked = clients.into_iter().map(|client| async move {
        let status = client.call(Lane::Control, Kind::Status, Bytes::new(), STATUS_TIMEOUT).await;
        let status: MemberStatus = decode(&status.ok()?).ok()?;
        status.trouble.is_none().then_some((status.applied_index, client))
    });
    let mut found: Vec<_> = futures::future::join_all(asked).await.into_iter().flatten().collect();
    found.sort_by_key(|(applied, _)| std::cmp::Reverse(*applied));
    found.into_iter().map(|(_, client)| client).collect()
}

/// The state of the first member that gives a whole one.
///
/// # Errors
/// What each of them said.
pub async fn fetch_from_any(
    sources: Vec<Arc<PeerClient>>,
    data_dir: &Path,
    options: &StoreOptions,
    work: &Work,
) -> Result<Fetched, String> {
    let mut failures = Vec::new();
    for client in sources {
        let name = &client.member().name;
        match fetch(&client, data_dir, options.clone(), work).await {
            Ok(fetched) => {
                let durable = Durable::from(&fetched.loaded.checkpoint);
                tracing::info!(name, index = durable.applied.index, "fetched a member's state");
                return Ok(fetched);
            }
            Err(error) => failures.push(format!("{name}: {}", with_cause(&error))),
        }
    }
    match failures.is_empty() {
        true => Err("no other member answers that could tell its state".to_owned()),
        false => Err(failures.join("; ")),
    }
}

fn with_cause(error: &FetchError) -> String {
    error.source().map_or(error.to_string(), |cause| format!("{error}: {cause}"))
}
