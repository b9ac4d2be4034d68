//! Priority and fairness: who may be served now, who waits, and who is asked to come again.
//!
//! A request is classified by the `FlowSchema` objects into a priority level and, within it, a
//! flow (a user or a namespace). A level has a share of the member's seats; requests that find
//! none free wait in the level's queues, of which flows get a few each, so that one flow's flood
//! fills its own queues. Levels lend seats that they do not use. The level `exempt` has no limit.
//!
//! A request takes its seats before its body is read and gives them back when its answer is
//! there; a long list, when it is sent; a watch, when it has begun.
//!
//! Not there: upstream's periodic adjustment of limits (seats are lent at once and come back as
//! requests end), and seats that a write holds longer for the watchers it wakes.

mod config;
mod queue;
mod retry_after;
mod rule;
mod seats;
mod width;

pub use rule::Digest;
pub use width::list_width;

use crate::metrics::FlowMetrics;
use arc_swap::ArcSwap;
use config::{Config, Schema};
use http::HeaderMap;
use http::header::HeaderName;
use parking_lot::Mutex;
use reddwarf_core::View;
use retry_after::RetryAfter;
use seats::{Arrival, Seats, Ticket};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

static SCHEMA_UID: HeaderName = HeaderName::from_static("x-kubernetes-pf-flowschema-uid");
static LEVEL_UID: HeaderName = HeaderName::from_static("x-kubernetes-pf-prioritylevel-uid");

/// How often the flow schemas and priority levels are looked at for changes.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// How long a request waits at most, whatever its own limit.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// The seats of one member.
pub struct FlowControl {
    began: Instant,
    seats: u32,
    config: ArcSwap<Config>,
    /// Milliseconds since `began` at which the configuration is looked at again.
    check_at_ms: AtomicU64,
    state: Mutex<State>,
    metrics: FlowMetrics,
}

struct State {
    seats: Seats,
    /// Who is told when a seat is free.
    waiting: HashMap<Ticket, oneshot::Sender<()>>,
    /// By level.
    retry_after: HashMap<usize, RetryAfter>,
}

/// Where a request belongs.
pub struct Flow {
    config: Arc<Config>,
    schema: usize,
    /// Tells flows of a schema apart.
    hash: u64,
}

/// A request was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Seconds after which to try again.
    pub retry_after_seconds: u32,
}

impl FlowControl {
    /// So many seats, shared by the levels that `view` has or that every cluster begins with.
    pub fn new(seats: u32, view: &View, metrics: FlowMetrics) -> Self {
        let mut taken = Seats::default();
        let config = Config::read(view, seats, &mut taken, &metrics);
        let state = State { seats: taken, waiting: HashMap::new(), retry_after: HashMap::new() };
        FlowControl {
            began: Instant::now(),
            seats,
            config: ArcSwap::from_pointee(config),
            check_at_ms: AtomicU64::new(0),
            state: Mutex::new(state),
            metrics,
        }
    }

    /// Finds a request's flow; `newest` gives the state in which the objects are looked up.
    pub fn classify(&self, newest: impl FnOnce() -> View, digest: &Digest<'_>) -> Flow {
        self.follow(newest);
        let config = self.config.load_full();
        let schema = config.schema_of(digest);
        let mut hasher = DefaultHasher::new();
        schema.hash(&mut hasher);
        config.schemas[schema].distinguished(digest).hash(&mut hasher);
        Flow { config, schema, hash: hasher.finish() }
    }

    /// Takes over changed objects, from time to time.
    fn follow(&self, newest: impl FnOnce() -> View) {
        let now = self.now_ms();
        let due = self.check_at_ms.load(Ordering::Relaxed);
        let next = now + CHECK_INTERVAL.as_millis() as u64;
        let relaxed = Ordering::Relaxed;
        if now < due || self.check_at_ms.compare_exchange(due, next, relaxed, relaxed).is_err() {
            return;
        }
        let view = newest();
        if self.config.load().is_of(&view) {
            return;
        }
        let mut state = self.state.lock();
        let config = Config::read(&view, self.seats, &mut state.seats, &self.metrics);
        self.config.store(Arc::new(config));
        let seated = state.seats.seat_waiting();
        state.tell(seated);
    }

    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// Takes `width` seats, waiting for them up to a time.
    ///
    /// # Errors
    /// The level is full and so are the flow's queues, or the time passed.
    pub async fn enter(
        self: &Arc<Self>,
        flow: &Flow,
        width: u32,
        wait: Duration,
    ) -> Result<Permit, Refused> {
        let schema = flow.schema();
        let level = schema.level;
        let (ticket, arrival) = {
            let mut state = self.state.lock();
            let (ticket, arrival) = state.seats.arrive(level, flow.hash, width);
            let told = matches!(arrival, Arrival::Queued).then(|| {
                let (sender, told) = oneshot::channel();
                state.waiting.insert(ticket, sender);
                told
            });
            (ticket, (arrival, told))
        };
        let mut permit = Permit { flows: self.clone(), level, ticket, width, seated: false };
        match arrival {
            (Arrival::Seated, _) => permit.seated = true,
            (Arrival::Refused(reason), _) => {
                permit.width = 0;
                permit.seated = true;
                return Err(self.refuse(schema, reason));
            }
            (Arrival::Queued, told) => {
                let _waits = schema.counted.waiting();
                let told = async { told?.await.ok() };
                match tokio::time::timeout(wait.min(WAIT_MAX), told).await {
                    Ok(Some(())) => permit.seated = true,
                    _ => return Err(self.refuse(schema, "time-out")),
                }
            }
        }
        schema.counted.dispatched();
        Ok(permit)
    }

    fn refuse(&self, schema: &Schema, reason: &'static str) -> Refused {
        self.metrics.rejected(&schema.level_name, &schema.name, reason);
        let now_seconds = self.began.elapsed().as_secs();
        let mut state = self.state.lock();
        let advice = state.retry_after.entry(schema.level).or_default();
        Refused { retry_after_seconds: advice.refused(now_seconds) }
    }
}

impl State {
    fn tell(&mut self, seated: Vec<Ticket>) {
        for ticket in seated {
            if let Some(waiting) = self.waiting.remove(&ticket) {
                // One who has left gives the seat back himself.
                let _ = waiting.send(());
            }
        }
    }
}

impl Flow {
    fn schema(&self) -> &Schema {
        &self.config.schemas[self.schema]
    }

    /// Whether there is no limit for it.
    pub fn is_exempt(&self) -> bool {
        self.schema().exempt
    }

    /// Seats that one request may take at most.
    pub fn width_max(&self) -> u32 {
        self.schema().width_max
    }

    /// Tells in an answer's headers how its request was classified.
    pub fn mark(&self, headers: &mut HeaderMap) {
        let schema = self.schema();
        if let (Some(schema_uid), Some(level_uid)) = (&schema.uid, &schema.level_uid) {
            headers.insert(SCHEMA_UID.clone(), schema_uid.clone());
            headers.insert(LEVEL_UID.clone(), level_uid.clone());
        }
    }
}

/// Seats taken, or a place in a queue, until it is dropped.
pub struct Permit {
    flows: Arc<FlowControl>,
    level: usize,
    ticket: Ticket,
    width: u32,
    seated: bool,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.flows.state.lock();
        let queued = !self.seated && state.seats.cancel(self.level, self.ticket);
        if queued {
            state.waiting.remove(&self.ticket);
        } else if self.width > 0 {
            state.seats.leave(self.level, self.width);
        }
        let seated = state.seats.seat_waiting();
        state.tell(seated);
    }
}

#[cfg(test)]
mod tests;
