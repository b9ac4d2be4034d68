//! The report, for people and for programs.

use super::load::{Measured, quantile};
use super::process::CpuTime;
use serde::Serialize;
use std::fmt::Write;

/// One measured figure.
#[derive(Debug, Default, Serialize)]
pub(super) struct Row {
    pub name: String,
    pub value: f64,
    /// `/s`, `ms` or `MiB`; more is better only for the first.
    pub unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
    pub errors: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_error: Option<String>,
    /// CPU time of this client for one request, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cpu_us: Option<f64>,
    /// CPU time of all members together for one request, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members_cpu_us: Option<f64>,
    /// What kube-apiserver 1.36.2 with etcd 3.6, three of each on two cores, did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
}

impl Row {
    /// A rate of requests, with its latencies, errors and CPU time.
    pub fn rate(name: String, measured: &Measured) -> Row {
        let row = Row::per_second(name, measured.per_second());
        row.with_latency(&measured.latencies_us)
            .with_errors(measured.errors, measured.first_error.clone())
            .with_cpu(measured.cpu, measured.ok)
    }

    /// A rate.
    pub fn per_second(name: String, value: f64) -> Row {
        Row { name, value, unit: "/s", ..Row::default() }
    }

    /// A time in milliseconds.
    pub fn time(name: impl Into<String>, ms: f64) -> Row {
        Row { name: name.into(), value: ms, unit: "ms", ..Row::default() }
    }

    /// Memory in MiB.
    pub fn memory(name: &str, mib: f64) -> Row {
        Row { name: name.into(), value: mib, unit: "MiB", ..Row::default() }
    }

    /// With quantiles of ascending microseconds.
    pub fn with_latency(mut self, sorted_us: &[u32]) -> Row {
        self.p50_ms = Some(quantile(sorted_us, 0.5));
        self.p99_ms = Some(quantile(sorted_us, 0.99));
        self
    }

    /// With what went wrong.
    pub fn with_errors(mut self, errors: u64, first: Option<String>) -> Row {
        self.errors = errors;
        self.first_error = first;
        self
    }

    /// With CPU time a request.
    pub fn with_cpu(mut self, cpu: CpuTime, requests: u64) -> Row {
        let each = |us: Option<u64>| Some(us? as f64 / requests.max(1) as f64);
        self.client_cpu_us = each(cpu.client_us);
        self.members_cpu_us = each(cpu.members_us);
        self
    }

    /// With the figure to compare with.
    pub fn against(mut self, baseline: f64) -> Row {
        self.baseline = Some(baseline);
        self
    }

    /// How many times better than the baseline.
    fn times(&self) -> Option<f64> {
        let baseline = self.baseline?;
        let more_is_better = self.unit == "/s";
        Some(if more_is_better { self.value / baseline } else { baseline / self.value })
    }
}

/// All figures of a run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub version: &'static str,
    pub cores: usize,
    pub rows: Vec<Row>,
}

impl Report {
    pub fn new() -> Report {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        Report { version: env!("CARGO_PKG_VERSION"), cores, rows: Vec::new() }
    }

    /// Adds a figure, and says so: a whole run takes minutes.
    pub fn add(&mut self, row: Row) {
        eprintln!("{}: {:.1} {}", row.name, row.value, row.unit);
        if let Some(error) = &row.first_error {
            eprintln!("  {} errors, the first: {error}", row.errors);
        }
        self.rows.push(row);
    }

    /// A table in Markdown, which also reads well on a terminal.
    pub fn table(&self) -> String {
        let head = [
            "what",
            "here",
            "p50 ms",
            "p99 ms",
            "errors",
            "client µs",
            "members µs",
            "kube-apiserver",
            "times",
        ];
        let mut rows = vec![head.map(str::to_owned)];
        rows.extend(self.rows.iter().map(cells));
        let width = |at: usize| rows.iter().map(|r| r[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let mut out = String::new();
        for (n, row) in rows.iter().enumerate() {
            line(&mut out, row, &widths);
            if n == 0 {
                let rules: [String; 9] = std::array::from_fn(|at| "-".repeat(widths[at]));
                line(&mut out, &rules, &widths);
            }
        }
        out
    }
}

fn line(out: &mut String, row: &[String; 9], widths: &[usize]) {
    for (cell, width) in row.iter().zip(widths) {
        // Writing to a string cannot fail.
        let _ = write!(out, "| {cell:<width$} ");
    }
    out.push_str("|\n");
}

fn cells(row: &Row) -> [String; 9] {
    let some = |value: Option<f64>, digits: usize| {
        value.map_or_else(String::new, |value| format!("{value:.digits$}"))
    };
    let whole = |value: f64| if value >= 100.0 { 0 } else { 1 };
    let unit = row.unit;
    let space = if unit == "/s" { "" } else { " " };
    let figure = |value: f64| format!("{value:.*}{space}{unit}", whole(value));
    [
        row.name.clone(),
        figure(row.value),
        some(row.p50_ms, 2),
        some(row.p99_ms, 2),
        row.errors.to_string(),
        some(row.client_cpu_us, 0),
        some(row.members_cpu_us, 0),
        row.baseline.map_or_else(String::new, figure),
        row.times().map_or_else(String::new, |times| format!("{times:.1}×")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_better_for_rates_and_less_for_times() {
        let rate = Row::per_second("r".into(), 900.0).against(450.0);
        let time = Row::time("t", 19.0).against(76.0);
        assert_eq!((rate.times(), time.times()), (Some(2.0), Some(4.0)));
    }

    #[test]
    fn a_table_has_a_line_a_figure() {
        let mut report = Report::new();
        report.add(Row::time("list", 19.04).against(76.0));
        let table = report.table();
        assert_eq!(table.lines().count(), 3);
        assert!(table.contains("| list | 19.0 ms |"), "{table}");
    }
}
