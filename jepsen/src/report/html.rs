//! The page.

use super::chart::{Axes, Scale};
use super::outcome::Ending;
use super::series::{self, Latencies, Line, Parts};
use super::{anomaly, operations, timeline};
use crate::checker::{Checked, Parameters, Valid, Verdict};
use crate::trace::Trace;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::collections::BTreeMap;

const STYLE: &str = include_str!("style.css");

/// The whole page, which loads nothing.
pub(super) fn page(trace: &Trace, verdict: &Verdict, parameters: &Parameters) -> String {
    let lines = anomaly::Lines::of(trace, verdict);
    let moments = lines.moments(verdict);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (parameters.name) ": " (verdict.valid()) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head(trace, verdict, parameters))
                (checkers(verdict))
                (anomaly::all(&lines, verdict))
                (times(trace, &moments))
                (plots(trace))
                (faults(trace))
            }
        }
    };
    page.into_string()
}

fn badge(valid: Valid) -> Markup {
    let class = match valid {
        Valid::Yes => "valid",
        Valid::No => "invalid",
        Valid::Unknown => "unknown",
    };
    html! { span class={ "verdict " (class) } { (class) } }
}

fn head(trace: &Trace, verdict: &Verdict, parameters: &Parameters) -> Markup {
    let count = verdict.anomalies().count();
    let of = |ending| trace.calls.iter().filter(|call| Ending::of(trace, call) == ending).count();
    html! {
        header {
            h1 { (parameters.name) " " (badge(verdict.valid())) }
            p {
                (trace.calls.len()) " operations ("
                @for (place, ending) in Ending::ALL.into_iter().enumerate() {
                    @if place > 0 { ", " }
                    (of(ending)) " " (ending.name())
                }
                ") and " (trace.faults.len()) " faults in "
                (format!("{:.1}", trace.end_ns as f64 / 1e9)) " s; "
                @if count == 0 { "no anomaly" } @else { (count) " anomalies told below" }
            }
            p .soft {
                "workloads: " (parameters.workloads.join(", "))
                @for (name, fact) in parameters.facts.iter().filter(|(name, _)| name != "workloads") {
                    " · " (name) ": " (fact)
                }
            }
        }
    }
}

fn checkers(verdict: &Verdict) -> Markup {
    html! {
        h2 { "Checkers" }
        table {
            tr { th { "checker" } th { "verdict" } th { "what it counted" } }
            @for result in &verdict.results {
                tr {
                    td { (result.checker) }
                    td { (badge(result.valid)) }
                    td .figures { (counted(result)) }
                }
            }
        }
    }
}

fn counted(result: &Checked) -> Markup {
    html! {
        // How often each operation was done has a table of its own.
        @let of_operations = |name: &str| [" ok", " fail", " info"].iter().any(|end| name.ends_with(end));
        @for (name, count) in result.figures.iter().filter(|(name, _)| !of_operations(name)) {
            span { (name) " " b { (count) } }
        }
        @for reason in &result.reasons { p { (reason) } }
    }
}

fn key(class: &str, name: &str) -> Markup {
    html! { span class={ "key " (class) } {} (name) }
}

fn endings() -> Markup {
    html! { @for ending in Ending::ALL { (key(ending.name(), ending.name())) } }
}

fn times(trace: &Trace, moments: &[u64]) -> Markup {
    html! {
        h2 { "Operations and faults" }
        figure {
            figcaption {
                "each client's operations by their worst outcome:"
                (endings())
                @if !moments.is_empty() { "; dashed: an anomaly" }
            }
            (timeline::whole(trace, moments))
        }
    }
}

fn plots(trace: &Trace) -> Markup {
    let parts = Parts::of(trace);
    let latencies = series::latencies(trace, parts);
    html! {
        h2 { "Rate and latency" }
        (operations::table(trace, &latencies))
        figure {
            figcaption {
                "operations a second" (endings())
            }
            (rate(trace, &series::rates(trace, parts)))
        }
        div .pair {
            @for (name, latencies) in &latencies {
                figure {
                    figcaption {
                        b { (name) }
                        (key("p50", "p50")) (key("p99", "p99")) (key("max", "longest"))
                        (whole(latencies))
                    }
                    (latency(trace, latencies))
                }
            }
        }
    }
}

fn whole(latencies: &Latencies) -> Markup {
    html! { " of " (latencies.whole.0) " that were ok" }
}

fn rate(trace: &Trace, rates: &BTreeMap<Ending, Line>) -> Markup {
    let values = rates.values().flatten().filter_map(|(_, value)| *value);
    let most = values.fold(1.0, f64::max) * 1.05;
    let axes = Axes {
        width: 1_160.0,
        height: 200.0,
        from_ns: 0,
        to_ns: trace.end_ns,
        scale: Scale::Linear(most),
    };
    axes.draw(&html! {
        (timeline::bands(trace, &axes, 172.0))
        @for (ending, line) in rates { (axes.line(line, ending.name())) }
    })
}

fn latency(trace: &Trace, latencies: &Latencies) -> Markup {
    let most = 10_f64.powf(latencies.whole.3.max(1.0).log10().ceil()).max(10.0);
    let least = latencies.p50.iter().filter_map(|(_, value)| *value).fold(most / 10.0, f64::min);
    let least = 10_f64.powf(least.max(0.001).log10().floor());
    let axes = Axes {
        width: 570.0,
        height: 170.0,
        from_ns: 0,
        to_ns: trace.end_ns,
        scale: Scale::Log(least, most),
    };
    axes.draw(&html! {
        (timeline::bands(trace, &axes, 142.0))
        (axes.line(&latencies.max, "max"))
        (axes.line(&latencies.p99, "p99"))
        (axes.line(&latencies.p50, "p50"))
    })
}

fn faults(trace: &Trace) -> Markup {
    html! {
        @if !trace.faults.is_empty() {
            h2 { "Faults" }
            details open[trace.faults.len() <= 20] {
                summary { (trace.faults.len()) " faults and what showed that they happened" }
                table {
                    tr { th { "from" } th { "to" } th { "fault" } th { "evidence" } }
                    @for fault in &trace.faults {
                        tr {
                            td .number { (seconds(fault.begun_ns)) }
                            td .number { (fault.ended_ns.map_or("never".to_owned(), seconds)) }
                            td {
                                (trace.text(fault.f)) " "
                                span .soft {
                                    @for name in &fault.targets { (trace.text(*name)) " " }
                                }
                            }
                            td {
                                (fault.evidence.map_or("none", |name| trace.text(name)))
                                @if let Some(error) = fault.error { " (" (trace.text(error)) ")" }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn seconds(ns: u64) -> String {
    format!("{:.3} s", ns as f64 / 1e9)
}
