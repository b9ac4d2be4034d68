//! Faults and operations over time: the whole run, and windows of it.

use super::chart::{Axes, fault_colour, push_box, round};
use super::lanes::{Lanes, end_ns};
use super::outcome::Ending;
use crate::trace::{Call, Name, Trace};
use maud::{Markup, html};
use std::collections::{BTreeMap, HashSet};

const WIDTH: f64 = 1_160.0;

/// Cells of a lane over the whole run.
const CELLS: usize = 700;

/// Lanes beyond this are not drawn.
const LANES_MAX: usize = 80;

/// Calls of a window beyond this are not drawn, unless they belong to what it shows.
const CALLS_MAX: usize = 400;

/// The names of faults, in the order in which they first happened; their places are their colours.
pub(super) fn fault_names(trace: &Trace) -> Vec<Name> {
    let mut names = Vec::new();
    for fault in &trace.faults {
        if !names.contains(&fault.f) {
            names.push(fault.f);
        }
    }
    names
}

/// Faults as bands behind a chart.
pub(super) fn bands(trace: &Trace, axes: &Axes, height: f64) -> Markup {
    let names = fault_names(trace);
    html! {
        @for fault in &trace.faults {
            @let end_ns = fault.ended_ns.unwrap_or(trace.end_ns);
            @if end_ns >= axes.from_ns && fault.begun_ns <= axes.to_ns {
                @let x = axes.x(fault.begun_ns);
                @let place = names.iter().position(|name| *name == fault.f).unwrap_or(0);
                rect .band x=(round(x)) y="8" width=(round((axes.x(end_ns) - x).max(1.0)))
                    height=(round(height)) fill=(fault_colour(place)) {
                    title { (trace.describe_fault(fault)) }
                }
            }
        }
    }
}

/// The whole run.
pub(super) fn whole(trace: &Trace, moments: &[u64]) -> Markup {
    let lanes = Lanes::of(trace);
    let names = fault_names(trace);
    let shown = lanes.count.min(LANES_MAX);
    let row = if shown > 30 { 12.0 } else { 15.0 };
    let axes = Axes::rows(WIDTH, names.len() + shown, row, 0, trace.end_ns);
    let cells = cells(trace, &lanes, &axes, names.len());
    axes.draw(&html! {
        (fault_rows(trace, &axes, &names, row))
        @for lane in 0..shown {
            @if shown <= 30 || lane % 5 == 0 {
                (axes.label(names.len() + lane, &format!("client {lane}")))
            }
        }
        @for (ending, path) in &cells {
            path class={ "cell " (ending.name()) } d=(path) {}
        }
        @for ns in moments {
            line .moment x1=(round(axes.x(*ns))) x2=(round(axes.x(*ns))) y1="2" y2=(axes.height - 20.0) {}
        }
    })
}

fn fault_rows(trace: &Trace, axes: &Axes, names: &[Name], row: f64) -> Markup {
    let colours = fault_names(trace);
    let colour = |name| colours.iter().position(|one| *one == name).unwrap_or(0);
    html! {
        @for (place, name) in names.iter().enumerate() {
            (axes.label(place, trace.text(*name)))
            @for fault in trace.faults.iter().filter(|fault| fault.f == *name) {
                @let end_ns = fault.ended_ns.unwrap_or(trace.end_ns);
                @if end_ns >= axes.from_ns && fault.begun_ns <= axes.to_ns {
                    @let x = axes.x(fault.begun_ns);
                    rect .fault x=(round(x)) y=(round(axes.y(place as f64) + 1.5))
                        width=(round((axes.x(end_ns) - x).max(1.5))) height=(row - 3.0)
                        fill=(fault_colour(colour(*name))) {
                        title { (trace.describe_fault(fault)) }
                    }
                }
            }
        }
    }
}

/// One path for each outcome. A cell has the colour of the worst that ended in it.
fn cells(trace: &Trace, lanes: &Lanes, axes: &Axes, first: usize) -> BTreeMap<Ending, String> {
    let mut worst: Vec<[Option<Ending>; CELLS]> = vec![[None; CELLS]; lanes.count];
    let cell_ns = (trace.end_ns / CELLS as u64).max(1);
    let cell = |ns: u64| ((ns / cell_ns) as usize).min(CELLS - 1);
    for call in &trace.calls {
        let Some(lane) = lanes.lane(call) else { continue };
        let (from, to) = (cell(call.invoked.ns), cell(end_ns(call, trace.end_ns)));
        let ending = Some(Ending::of(trace, call));
        for one in &mut worst[lane][from..=to] {
            *one = (*one).max(ending);
        }
    }
    let mut paths = BTreeMap::new();
    let height = axes.y(1.0) - axes.y(0.0) - 3.0;
    for (lane, cells) in worst.iter().take(LANES_MAX).enumerate() {
        let y = axes.y((first + lane) as f64) + 1.5;
        let mut from = 0;
        for run in cells.chunk_by(|a, b| a == b) {
            let to = from + run.len();
            if let Some(ending) = run[0] {
                let x = axes.x(from as u64 * cell_ns);
                let width = axes.x(to as u64 * cell_ns) - x;
                let path: &mut String = paths.entry(ending).or_default();
                push_box(path, (x, y), (width, height));
            }
            from = to;
        }
    }
    paths
}

/// A window around the calls that show an anomaly: these are marked.
pub(super) fn window(trace: &Trace, shown: &[&Call]) -> Markup {
    let Some(from) = shown.iter().map(|call| call.invoked.ns).min() else { return html! {} };
    let ends = shown.iter().map(|call| end_ns(call, call.invoked.ns));
    let to = ends.max().unwrap_or(from).max(from + 1_000);
    let room = ((to - from) / 8).max(500);
    let (from, to) = (from.saturating_sub(room), to + room);
    let marked: HashSet<u64> = shown.iter().map(|call| call.invoked.index).collect();
    let near = near(trace, (from, to), shown);
    let mut processes: Vec<Option<u64>> = near.iter().map(|call| call.process).collect();
    processes.sort_unstable();
    processes.dedup();
    processes.truncate(LANES_MAX);
    let row = 18.0;
    let mut names = fault_names(trace);
    names.retain(|name| {
        let mut faults = trace.faults.iter().filter(|fault| fault.f == *name);
        faults.any(|fault| fault.begun_ns <= to && fault.ended_ns.is_none_or(|end| end >= from))
    });
    let axes = Axes::rows(WIDTH, names.len() + processes.len(), row, from, to);
    axes.draw(&html! {
        (fault_rows(trace, &axes, &names, row))
        @for (place, process) in processes.iter().enumerate() {
            @let name = process.map_or("probe".to_owned(), |number| format!("client {number}"));
            (axes.label(names.len() + place, &name))
        }
        @for call in &near {
            @if let Some(place) = processes.iter().position(|process| *process == call.process) {
                (bar(trace, &axes, call, names.len() + place, marked.contains(&call.invoked.index)))
            }
        }
    })
}

/// Calls within a window: what is shown, then the same clients' and the same objects', then others
/// if there is room for all of these.
fn near<'a>(trace: &'a Trace, (from, to): (u64, u64), shown: &[&'a Call]) -> Vec<&'a Call> {
    let marked: HashSet<u64> = shown.iter().map(|call| call.invoked.index).collect();
    let processes: HashSet<Option<u64>> = shown.iter().map(|call| call.process).collect();
    let objects: HashSet<_> =
        shown.iter().filter_map(|call| Some((call.workload, call.key()?))).collect();
    let within = trace.calls.iter().filter(|call| {
        let overlaps = call.invoked.ns <= to && end_ns(call, trace.end_ns) >= from;
        overlaps && call.process.is_some() && !marked.contains(&call.invoked.index)
    });
    let related = |call: &&Call| {
        let object = call.key().map(|key| (call.workload, key));
        processes.contains(&call.process) || object.is_some_and(|key| objects.contains(&key))
    };
    let (mut near, others): (Vec<&Call>, Vec<&Call>) = within.partition(related);
    if near.len() + others.len() <= CALLS_MAX {
        near.extend(others);
    }
    let step = near.len().div_ceil(CALLS_MAX).max(1);
    near.into_iter().step_by(step).chain(shown.iter().copied()).collect()
}

fn bar(trace: &Trace, axes: &Axes, call: &Call, row: usize, marked: bool) -> Markup {
    let x = axes.x(call.invoked.ns);
    let width = (axes.x(end_ns(call, trace.end_ns)) - x).max(1.5);
    let (y, height) = (axes.y(row as f64) + 3.0, axes.y(1.0) - axes.y(0.0) - 6.0);
    html! {
        rect class={ "cell " (Ending::of(trace, call).name()) } x=(round(x)) y=(round(y)) width=(round(width))
            height=(round(height)) opacity=[(!marked).then_some("0.45")] {
            title { (trace.describe(call)) }
        }
        @if marked {
            rect .mark x=(round(x - 1.0)) y=(round(y - 1.0)) width=(round(width + 2.0))
                height=(round(height + 2.0)) rx="2" {}
        }
    }
}
