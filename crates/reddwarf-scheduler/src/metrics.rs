//! What the scheduler counts, under upstream's names.

use crate::queue::Depths;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types)]
pub enum AttemptResult {
    /// Bound.
    scheduled,
    /// No node does.
    unschedulable,
    /// The API refused.
    error,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    result: AttemptResult,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueLabels {
    queue: &'static str,
}

/// The scheduler's metrics; cheap to clone, all clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    attempts: Family<AttemptLabels, Counter>,
    pending: Family<QueueLabels, Gauge>,
    seconds: Histogram,
    bindings: Gauge,
    reports_dropped: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics {
            attempts: Family::default(),
            pending: Family::default(),
            seconds: Histogram::new(exponential_buckets(0.000_5, 2.0, 15)),
            bindings: Gauge::default(),
            reports_dropped: Counter::default(),
        }
    }
}

impl Metrics {
    /// Makes the metrics and registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Metrics::default();
        let registry = registry.sub_registry_with_prefix("scheduler");
        registry.register(
            "schedule_attempts",
            "Attempts to schedule a pod, by result",
            metrics.attempts.clone(),
        );
        registry.register("pending_pods", "Waiting pods, by queue", metrics.pending.clone());
        registry.register(
            "scheduling_attempt_duration_seconds",
            "From taking a pod out of the queue until it is bound",
            metrics.seconds.clone(),
        );
        registry.register("bindings_in_flight", "Bindings under way", metrics.bindings.clone());
        registry.register(
            "reports_dropped",
            "Events and conditions not written because too many waited",
            metrics.reports_dropped.clone(),
        );
        metrics
    }

    pub(crate) fn attempt(&self, result: AttemptResult) {
        self.attempts.get_or_create(&AttemptLabels { result }).inc();
    }

    pub(crate) fn bound(&self, seconds: f64) {
        self.attempt(AttemptResult::scheduled);
        self.seconds.observe(seconds);
    }

    pub(crate) fn report_dropped(&self) {
        self.reports_dropped.inc();
    }

    pub(crate) fn show(&self, depths: Depths, bindings: usize) {
        let of = |queue, depth: usize| {
            self.pending.get_or_create(&QueueLabels { queue }).set(depth as i64);
        };
        of("active", depths.active);
        of("backoff", depths.backoff);
        of("unschedulable", depths.unschedulable);
        self.bindings.set(bindings as i64);
    }
}
