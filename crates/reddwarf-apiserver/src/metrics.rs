//! What the API server counts.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::borrow::Cow;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    verb: Cow<'static, str>,
    group: String,
    resource: String,
    subresource: String,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    verb: Cow<'static, str>,
    resource: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatcherLabels {
    group: String,
    resource: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FlowLabels {
    priority_level: String,
    flow_schema: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RejectedLabels {
    priority_level: String,
    flow_schema: String,
    reason: &'static str,
}

/// What priority and fairness counts; clones count into the same numbers.
#[derive(Clone, Default)]
pub struct FlowMetrics {
    dispatched: Family<FlowLabels, Counter>,
    waiting: Family<FlowLabels, Gauge>,
    rejected: Family<RejectedLabels, Counter>,
}

impl FlowMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "apiserver_flowcontrol_dispatched_requests",
            "Requests let in by priority and fairness",
            self.dispatched.clone(),
        );
        registry.register(
            "apiserver_flowcontrol_current_inqueue_requests",
            "Requests that wait for a seat",
            self.waiting.clone(),
        );
        registry.register(
            "apiserver_flowcontrol_rejected_requests",
            "Requests refused by priority and fairness",
            self.rejected.clone(),
        );
    }

    /// The counters of one flow schema.
    pub fn counted(&self, level: &str, schema: &str) -> FlowCounted {
        let labels = FlowLabels { priority_level: level.into(), flow_schema: schema.into() };
        FlowCounted {
            dispatched: self.dispatched.get_or_create(&labels).clone(),
            waiting: self.waiting.get_or_create(&labels).clone(),
        }
    }

    /// A request was refused.
    pub fn rejected(&self, level: &str, schema: &str, reason: &'static str) {
        let (priority_level, flow_schema) = (level.to_owned(), schema.to_owned());
        let labels = RejectedLabels { priority_level, flow_schema, reason };
        self.rejected.get_or_create(&labels).inc();
    }
}

/// Counts the requests of one flow schema.
pub struct FlowCounted {
    dispatched: Counter,
    waiting: Gauge,
}

impl FlowCounted {
    /// A request was let in.
    pub fn dispatched(&self) {
        self.dispatched.inc();
    }

    /// A request waits until the guard is dropped.
    pub fn waiting(&self) -> GaugeGuard {
        GaugeGuard::count(self.waiting.clone())
    }
}

/// The metrics of one server; clones count into the same numbers.
#[derive(Clone)]
pub struct Metrics {
    /// Of priority and fairness.
    pub flow: FlowMetrics,
    requests: Family<RequestLabels, Counter>,
    durations: Family<DurationLabels, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    watchers: Family<WatcherLabels, Gauge>,
    panics: Counter,
}

fn histogram() -> Histogram {
    // 0.1 ms to about 13 s.
    Histogram::new(exponential_buckets(0.0001, 2.0, 18))
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics {
            flow: FlowMetrics::default(),
            requests: Family::default(),
            durations: Family::new_with_constructor(histogram),
            in_flight: Gauge::default(),
            watchers: Family::default(),
            panics: Counter::default(),
        }
    }
}

/// What a request was, for counting it.
pub struct Counted<'a> {
    /// Verb; the method for paths outside of the resources.
    pub verb: Cow<'static, str>,
    /// Group of the resource.
    pub group: &'a str,
    /// Plural resource; empty outside of the resources.
    pub resource: &'a str,
    /// Subresource.
    pub subresource: &'a str,
}

impl Metrics {
    /// Puts the metrics where `/metrics` finds them.
    pub fn register(&self, registry: &mut Registry) {
        self.flow.register(registry);
        registry.register(
            "apiserver_request",
            "Requests by verb, resource and HTTP status code",
            self.requests.clone(),
        );
        registry.register(
            "apiserver_request_duration_seconds",
            "Time from the whole request to the head of its answer",
            self.durations.clone(),
        );
        registry.register(
            "apiserver_requests_in_flight",
            "Requests whose answer has not begun",
            self.in_flight.clone(),
        );
        registry.register(
            "apiserver_registered_watchers",
            "Open watches by resource",
            self.watchers.clone(),
        );
        registry.register(
            "apiserver_request_panics",
            "Requests that hit a defect and were answered with 500",
            self.panics.clone(),
        );
    }

    /// A request panicked.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// How many have.
    pub fn panics(&self) -> u64 {
        self.panics.get()
    }

    /// A request is served until the guard is dropped, even if its client leaves before.
    pub fn begin(&self) -> GaugeGuard {
        GaugeGuard::count(self.in_flight.clone())
    }

    /// A request is answered.
    pub fn end(&self, counted: &Counted<'_>, code: u16, took: Duration) {
        let labels = RequestLabels {
            verb: counted.verb.clone(),
            group: counted.group.to_owned(),
            resource: counted.resource.to_owned(),
            subresource: counted.subresource.to_owned(),
            code,
        };
        self.requests.get_or_create(&labels).inc();
        let labels =
            DurationLabels { verb: counted.verb.clone(), resource: counted.resource.to_owned() };
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Counts an open watch until the guard is dropped.
    pub fn watcher(&self, group: &str, resource: &str) -> GaugeGuard {
        let labels = WatcherLabels { group: group.to_owned(), resource: resource.to_owned() };
        GaugeGuard::count(self.watchers.get_or_create(&labels).clone())
    }
}

/// Something that is there for a while, counted.
pub struct GaugeGuard(Gauge);

impl GaugeGuard {
    fn count(gauge: Gauge) -> Self {
        gauge.inc();
        GaugeGuard(gauge)
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
