//! What clients do: one file each.

mod actor;
mod append;
mod catalogue;
mod changes;
mod elector;
mod family;
mod lease;
mod merge;
mod object;
mod outcome;
mod past;
mod register;
mod revert;
mod schedule;
mod session;
mod set;
mod stage;
mod watch;
mod watcher;

pub use catalogue::{CATALOGUE, Entry, UnknownWorkload, find};
pub use stage::{Signals, Stage, StageError};

use async_trait::async_trait;
use std::sync::Arc;

/// What the clients of one workload do during a run.
#[async_trait]
pub trait Workload: Send + Sync {
    /// Makes what clients rely on, before the faults. The namespace is there already.
    ///
    /// # Errors
    /// [`StageError`]
    async fn set_up(&self, _stage: &Arc<Stage>) -> Result<(), StageError> {
        Ok(())
    }

    /// Lets clients act, until the stage says stop and the last of them is done.
    async fn act(&self, stage: &Arc<Stage>);

    /// Reads everything on every member, when faults are over and nobody writes any more.
    async fn conclude(&self, _stage: &Arc<Stage>) {}
}
