//! What a run was to do, as far as a verdict depends on it.

use std::time::Duration;

/// A fault that must have happened for a run to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedFault {
    /// The nemesis' name: `:f` of its lines.
    pub name: String,
    /// How often it must have happened, with evidence.
    pub at_least: u64,
}

/// What a run was to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// What the run is called in the report.
    pub name: String,
    /// The workloads; lines without `:workload` belong to the first.
    pub workloads: Vec<String>,
    /// The nemeses chosen.
    pub faults: Vec<ExpectedFault>,
    /// Successful operations of clients, on average over the run.
    pub ok_per_second_min: f64,
    /// How soon after the last fault the group must accept writes again.
    pub writable_within: Duration,
    /// How late an event may reach a watcher when no fault is going on.
    pub watch_lag_max: Duration,
    /// How long the search for an order of one object's operations may take.
    pub search_max: Duration,
    /// Further lines for the head of the report, such as the seed and versions.
    pub facts: Vec<(String, String)>,
}

impl Default for Parameters {
    fn default() -> Self {
        Parameters {
            name: "jepsen".to_owned(),
            workloads: vec!["register".to_owned()],
            faults: Vec::new(),
            ok_per_second_min: 0.0,
            writable_within: Duration::from_secs(5),
            watch_lag_max: Duration::from_secs(10),
            search_max: Duration::from_secs(20),
            facts: Vec::new(),
        }
    }
}
