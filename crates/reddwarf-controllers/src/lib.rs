//! The built-in controllers that the leader runs beside the scheduler.
//!
//! Each is a pure plan and a thin driver. The plan is plain data and functions: it takes the
//! state as a [`View`](reddwarf_core::View) and the time as an argument, and says what is to be
//! done. The driver follows the store's changes, asks the plan, and carries out what it says
//! through the same API as any client, fenced by the leader's term.
//!
//! A view holds all objects at one revision, so a plan need not guess: whether an owner exists is
//! looked up where the dependent names it. What a controller keeps of its own is only what a view
//! cannot answer quickly.

pub mod collector;
pub mod disruption;
mod feed;
pub mod members;
mod meta;
pub mod protection;
mod queue;
mod recorder;
#[cfg(test)]
mod sample;

pub use meta::{OwnerRef, Uid};

use reddwarf_core::api::ApiClient;
use reddwarf_core::{Kinds, Store};
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What the controllers work with.
#[derive(Clone)]
pub struct Controllers {
    /// Writes of the leader, fenced by its term.
    pub client: Arc<dyn ApiClient>,
    /// This member's state.
    pub store: Arc<dyn Store>,
    /// The kinds that are served.
    pub kinds: Arc<dyn Kinds>,
    /// How the group's members are, for events.
    pub members: watch::Receiver<Vec<members::Health>>,
}

/// Runs all controllers until `stop` fires.
pub async fn run(controllers: Controllers, stop: CancellationToken) {
    tokio::join!(
        collector::run(controllers.clone(), stop.clone()),
        disruption::run(controllers.clone(), stop.clone()),
        protection::run(controllers.clone(), stop.clone()),
        members::run(controllers, stop),
    );
}
