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

/// The metrics of one server; clones count into the same numbers.
#[derive(Clone)]
pub struct Metrics {
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

    /// A request begins.
    pub fn begin(&self) {
        self.in_flight.inc();
    }

    /// A request is answered.
    pub fn end(&self, counted: &Counted<'_>, code: u16, took: Duration) {
        self.in_flight.dec();
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
    pub fn watcher(&self, group: &str, resource: &str) -> WatcherGuard {
        let labels = WatcherLabels { group: group.to_owned(), resource: resource.to_owned() };
        let gauge = self.watchers.get_or_create(&labels).clone();
        gauge.inc();
        WatcherGuard(gauge)
    }
}

/// An open watch, counted.
pub struct WatcherGuard(Gauge);

impl Drop for WatcherGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
