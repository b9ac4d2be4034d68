//! Opening a data folder, and making its state anew when that is damaged or too old.
//!
//! The log and the vote stay as they are. A log that was never purged leads to the state by
//! itself; otherwise another member is asked for its state, which may be ahead of the log as after
//! any snapshot. Only then does Raft start, and is told what it always is: where the state stands.

use crate::config::NodeConfig;
use crate::environment::Work;
use crate::error::StartError;
use crate::fanout::Fanout;
use crate::identity::{self, Claim};
use crate::machine::Machine;
use crate::members::roster;
use crate::metrics::RaftMetrics;
use crate::peer::{Identity, PeerClients};
use crate::persisting;
use crate::repair::{fetch_from_any, newest_first};
use crate::start_check;
use crate::types::LogId;
use crate::wal::{Mode, Wal, WalOptions};
use reddwarf_storage::{
    Durable, LoadError, OpenError, PersisterLimits, RedbStore, StoreOptions, catch_redb_panic,
    load, set_aside_in,
};
use reddwarf_versioning::WindowLimits;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How often a state is made anew before the disk is given up.
const RENEWALS_MAX: usize = 3;
/// Pause before the other members are asked again.
const RETRY: Duration = Duration::from_millis(500);

/// An open data folder.
pub struct Opened {
    /// The state.
    pub machine: Machine,
    /// The log.
    pub wal: Arc<Wal>,
    /// Which folder of its member's it is.
    pub incarnation: u64,
    /// Whether the state was made anew, and is to be compared before it is served.
    pub renewed: bool,
}

/// A folder whose state cannot be used, though its log can.
struct Broken {
    claim: Claim,
    /// What the log does not hold any more.
    purged: Option<LogId>,
    /// Whether there is a file that an operator may want to look at.
    kept: bool,
    error: StartError,
}

enum Tried {
    Open(Machine, Wal, Claim),
    Broken(Broken),
}

/// Opens the folder; waits for another member when its state must come from there.
///
/// # Errors
/// See [`StartError`].
pub async fn open(config: &NodeConfig, metrics: &RaftMetrics) -> Result<Opened, StartError> {
    for renewals in 0.. {
        let tried = {
            let (config, metrics) = (config.clone(), metrics.clone());
            let work = config.environment.work.clone();
            work.spawn(move || try_open(&config, &metrics)).await
        };
        match tried.map_err(|error| StartError::Raft(error.to_string()))?? {
            Tried::Open(machine, wal, claim) => {
                let (wal, incarnation) = (Arc::new(wal), claim.incarnation);
                return Ok(Opened { machine, wal, incarnation, renewed: renewals > 0 });
            }
            Tried::Broken(broken) if renewals == RENEWALS_MAX => return Err(broken.error),
            Tried::Broken(broken) => renew(config, broken).await?,
        }
    }
    unreachable!("the loop ends by returning")
}

/// Opens the log and the state if they can be used. Blocks.
fn try_open(config: &NodeConfig, metrics: &RaftMetrics) -> Result<Tried, StartError> {
    let claim = identity::claim(config)?;
    // The durable state first: its lock tells whether another process runs here.
    let machine = match open_machine(config, metrics) {
        Err(error @ StartError::Damaged { .. }) if !claim.is_new() => Err(error),
        opened => Ok(opened?),
    };
    let wal = open_wal(config, metrics)?;
    let (purged, last) = wal.state();
    let broken = |error, kept| Tried::Broken(Broken { claim, purged, kept, error });
    let machine = match machine {
        Ok(machine) => machine,
        // A log without a vote is not the one that stood beside that state.
        Err(error) if last.is_none() && wal.vote().is_none() => return Err(error),
        Err(error) => return Ok(broken(error, true)),
    };
    let state = machine.parts().checkpoint();
    let applied = start_check::applied_of(&state);
    match start_check::check(&config.data_dir, &wal, &state) {
        Err(error) if start_check::is_behind(&wal, applied) => {
            return Ok(broken(error, applied.is_some()));
        }
        checked => checked?,
    }
    identity::record(config, claim, &wal, applied)?;
    Ok(Tried::Open(machine, wal, claim))
}

/// Makes the state anew, as far as that is possible.
async fn renew(config: &NodeConfig, broken: Broken) -> Result<(), StartError> {
    let path = state_path(config);
    let io = |source| StartError::DataDir { path: config.data_dir.clone(), source };
    let reason = broken.error.to_string();
    if broken.purged.is_none() {
        tracing::error!(reason, "the durable state cannot be used: it is made anew from the log");
        return set_aside_in(config.environment.files.as_ref(), &path).map_err(io);
    }
    let others = roster::others(config);
    let Some(dial) = config.environment.dial.clone().filter(|_| !others.is_empty()) else {
        return Err(broken.error);
    };
    tracing::error!(reason, "the durable state cannot be used: it is fetched from another member");
    let incarnation = broken.claim.incarnation;
    let identity =
        Identity::new(&config.cluster_id, config.node_id, &config.name, incarnation, dial);
    // The level is not known without a state.
    let level = identity.level.clone();
    let identity = identity.of_build(config.build(), level);
    let refused = identity.refused.subscribe();
    let clients = PeerClients::new(Some(identity), BTreeMap::new());
    let mut told = String::new();
    loop {
        let ways = others.iter().filter_map(|peer| clients.get(peer.id, &peer.as_member()));
        let sources = newest_first(ways.collect()).await;
        let (options, work) = (store_options(config), &config.environment.work);
        match fetch_from_any(sources, &config.data_dir, &options, work).await {
            Ok(fetched)
                if start_check::reaches(fetched.loaded.checkpoint.applied.index, broken.purged) =>
            {
                if broken.kept {
                    set_aside_in(config.environment.files.as_ref(), &path).map_err(io)?;
                }
                return fetched.received.place(&path).map_err(io);
            }
            Ok(_) => tracing::debug!("the other member's state is older than this one's log"),
            // It may be that this folder is not the member's any more.
            Err(_) if refused.borrow().is_some() => return Err(broken.error),
            Err(reason) if reason != told => {
                tracing::warn!(reason, "waiting for a member to fetch the state from");
                told = reason;
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn state_path(config: &NodeConfig) -> PathBuf {
    config.data_dir.join("state.redb")
}

fn store_options(config: &NodeConfig) -> StoreOptions {
    let (cache_bytes, cluster) = (config.limits.store_cache_bytes, config.cluster_id.clone());
    let files = Arc::clone(&config.environment.files);
    StoreOptions { cache_bytes, cluster, levels: config.levels, files }
}

/// What keeps the state from being used, with all of its causes.
fn wrong_state(path: PathBuf, is_damage: bool, error: &dyn Error) -> StartError {
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    match is_damage {
        true => StartError::Damaged { path, reason },
        false => StartError::State { path, reason },
    }
}

/// Opens the durable state and what stands before and behind it. Blocks.
fn open_machine(config: &NodeConfig, metrics: &RaftMetrics) -> Result<Machine, StartError> {
    // redb may panic over a damaged file, even when it closes one that was refused.
    let opened = catch_redb_panic(|| open_state(config, metrics));
    opened.unwrap_or_else(|_| Err(wrong_state(state_path(config), true, &LoadError::Pages)))
}

fn open_state(config: &NodeConfig, metrics: &RaftMetrics) -> Result<Machine, StartError> {
    let path = state_path(config);
    let store = RedbStore::open(&path, store_options(config));
    let store = store.map_err(|e| {
        if let OpenError::Level { level, supported, .. } = e {
            let (path, reason) = (path.clone(), e.to_string());
            return StartError::Level { path, level, supported, reason };
        }
        // The folder is known to be this cluster's, and the name in the file has no checksum.
        let damaged = e.is_damage() || matches!(e, OpenError::OtherCluster { .. });
        wrong_state(path.clone(), damaged, &e)
    })?;
    let store = Arc::new(store);
    let window = WindowLimits::default();
    let loaded = load(store.as_ref(), window);
    let loaded = loaded.map_err(|e| wrong_state(path.clone(), e.is_damage(), &e))?;
    let progressed = Arc::new(Notify::new());
    let hook = {
        let (progressed, persist) = (Arc::clone(&progressed), metrics.persist.clone());
        Arc::new(move |took: Option<Duration>| {
            took.iter().for_each(|took| persist.observe(took.as_secs_f64()));
            progressed.notify_waiters();
        })
    };
    let durable = Durable::from(&loaded.checkpoint);
    let limits = PersisterLimits::default();
    let (work, rows) = (&config.environment.work, Arc::clone(&store) as _);
    let persist = persisting::start(work, rows, durable, limits, hook);
    let persist = persist.map_err(|e| wrong_state(path, false, &e))?;
    let fanout = Fanout::new(loaded.state.view(), loaded.window);
    Ok(Machine::new(
        loaded.state,
        fanout,
        store,
        persist,
        progressed,
        metrics.clone(),
        window,
        &config.environment,
    ))
}

fn open_wal(config: &NodeConfig, metrics: &RaftMetrics) -> Result<Wal, StartError> {
    let options = WalOptions {
        dir: config.data_dir.join("wal"),
        segment_bytes: config.limits.wal_segment_bytes,
        cache_bytes: config.limits.wal_cache_bytes,
    };
    let mode = match &config.environment.work {
        Work::Threads => Mode::Thread,
        Work::Tasks(pace) => Mode::Task(Arc::clone(pace)),
    };
    let disk = Arc::clone(&config.environment.disk);
    Wal::open(options, disk, mode, metrics.clone()).map_err(StartError::Wal)
}
