//! The scheduler: decides on which node a pod runs, and binds it there.
//!
//! It is a pure plan and a thin driver. [`cluster`], [`plan`] and [`queue`] are plain data and
//! functions: they take the time as an argument, perform no I/O and hold no lock. [`driver`]
//! lists and watches pods and nodes, feeds the plan, and carries out what it says through the
//! same API as any client.
//!
//! Not here yet: pod affinity, topology spread, preemption, volumes. Each is one more file
//! under [`plugins`].

pub mod cluster;
pub mod diagnosis;
pub mod driver;
mod events;
pub mod metrics;
pub mod object;
pub mod plan;
pub mod plugins;
pub mod queue;
mod source;

pub use driver::run;
pub use metrics::Metrics;

/// The scheduler's name: the pods that it places, and the source of its events.
pub const SCHEDULER_NAME: &str = "default-scheduler";
