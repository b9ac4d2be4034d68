//! Axes, grids and lines as SVG.
//!
//! Our own and not `plotters`': its colours are fixed when drawn, and a page that follows the
//! reader's dark or light needs classes.

use maud::{Markup, html};
use std::fmt::Write;

/// Colours of faults, told apart by their place; hues in degrees.
const HUES: [u32; 10] = [0, 210, 40, 280, 170, 330, 100, 240, 20, 190];

/// Room for labels to the left of a chart.
const LEFT: f64 = 118.0;
const RIGHT: f64 = 12.0;
const BOTTOM: f64 = 20.0;
const TOP: f64 = 8.0;

/// Where times and values lie in a drawing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axes {
    pub width: f64,
    pub height: f64,
    pub from_ns: u64,
    pub to_ns: u64,
    pub scale: Scale,
}

/// How values lie.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scale {
    /// Rows, each as high as this.
    Rows(f64),
    /// From 0 to this.
    Linear(f64),
    /// Milliseconds, by tens.
    Log(f64, f64),
}

impl Axes {
    pub(super) fn x(&self, ns: u64) -> f64 {
        let span = self.to_ns.saturating_sub(self.from_ns).max(1) as f64;
        let part = ns.clamp(self.from_ns, self.to_ns).saturating_sub(self.from_ns) as f64 / span;
        LEFT + part * (self.width - LEFT - RIGHT)
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        let high = self.height - TOP - BOTTOM;
        let part = match self.scale {
            Scale::Rows(row) => return TOP + value * row,
            Scale::Linear(most) => value / most.max(f64::MIN_POSITIVE),
            Scale::Log(least, most) => {
                (value.max(least) / least).ln() / (most / least).ln().max(f64::MIN_POSITIVE)
            }
        };
        TOP + high * (1.0 - part.clamp(0.0, 1.0))
    }

    pub(super) fn rows(width: f64, rows: usize, row: f64, from_ns: u64, to_ns: u64) -> Axes {
        let height = TOP + row * rows as f64 + BOTTOM;
        Axes { width, height, from_ns, to_ns, scale: Scale::Rows(row) }
    }

    /// A drawing with its time axis.
    pub(super) fn draw(&self, content: &Markup) -> Markup {
        let (bottom, height) = (self.height - BOTTOM, self.height);
        html! {
            svg viewBox=(format!("0 0 {} {}", self.width, height.ceil())) {
                @for (at, label) in self.ticks() {
                    line .grid x1=(round(at)) x2=(round(at)) y1=(TOP) y2=(bottom) {}
                    text x=(round(at)) y=(height - 5.0) text-anchor="middle" { (label) }
                }
                (self.values())
                (content)
            }
        }
    }

    /// Times with round numbers.
    fn ticks(&self) -> Vec<(f64, String)> {
        let span = self.to_ns.saturating_sub(self.from_ns).max(1);
        let steps = (0..13).flat_map(|power| [1, 2, 5].map(|step| step * 10_u64.pow(power)));
        let minutes = [15, 30, 60, 120, 300, 600, 1_200, 3_600].map(|s| s * 1_000_000_000);
        let mut steps: Vec<u64> =
            steps.filter(|step| *step <= 10_000_000_000).chain(minutes).collect();
        steps.sort_unstable();
        let step = steps.into_iter().find(|step| span / step <= 9).unwrap_or(span);
        let first = self.from_ns.div_ceil(step) * step;
        let times = (first..=self.to_ns).step_by(usize::try_from(step).unwrap_or(usize::MAX));
        times.map(|ns| (self.x(ns), time(ns, step))).collect()
    }

    /// Values with round numbers, and lines to them.
    fn values(&self) -> Markup {
        let marks: Vec<f64> = match self.scale {
            Scale::Rows(_) => Vec::new(),
            Scale::Linear(most) => {
                let step =
                    [1.0, 2.0, 5.0].map(|step| step * 10_f64.powf((most / 4.0).log10().floor()));
                let step = step.into_iter().rfind(|step| most / step >= 3.0).unwrap_or(most / 4.0);
                (0..=(most / step) as u64).map(|count| count as f64 * step).collect()
            }
            Scale::Log(least, most) => (-3..6)
                .map(|power| 10_f64.powi(power))
                .filter(|value| *value >= least && *value <= most * 1.001)
                .collect(),
        };
        let unit = if matches!(self.scale, Scale::Log(..)) { " ms" } else { "/s" };
        html! {
            @for value in marks {
                line .grid x1=(LEFT) x2=(self.width - RIGHT) y1=(round(self.y(value))) y2=(round(self.y(value))) {}
                text x=(LEFT - 6.0) y=(round(self.y(value) + 4.0)) text-anchor="end" { (value) (unit) }
            }
        }
    }

    /// A line through points; a gap where there is no value.
    pub(super) fn line(&self, points: &[(u64, Option<f64>)], class: &str) -> Markup {
        let mut path = String::new();
        let mut pen_up = true;
        for (ns, value) in points {
            let Some(value) = value else {
                pen_up = true;
                continue;
            };
            let step = if pen_up { 'M' } else { 'L' };
            let _ = write!(path, "{step}{} {}", round(self.x(*ns)), round(self.y(*value)));
            if pen_up {
                // A lone point shows as a dot.
                path.push_str("h.1");
            }
            pen_up = false;
        }
        html! { path class={ "line " (class) } stroke-linecap="round" d=(path) {} }
    }

    /// The name of a row.
    pub(super) fn label(&self, row: usize, name: &str) -> Markup {
        let Scale::Rows(high) = self.scale else { return html! {} };
        let y = self.y(row as f64) + high / 2.0 + 4.0;
        html! { text x=(LEFT - 6.0) y=(round(y)) text-anchor="end" { (name) } }
    }
}

/// A rectangle as part of a path, at least half a pixel wide.
pub(super) fn push_box(path: &mut String, (x, y): (f64, f64), (width, height): (f64, f64)) {
    let (width, height) = (round(width.max(0.5)), round(height));
    let _ = write!(path, "M{} {}h{width}v{height}h-{width}z", round(x), round(y));
}

/// The colour of the fault that is at a place in the list of names.
pub(super) fn fault_colour(place: usize) -> String {
    format!("hsl({} 62% 52%)", HUES[place % HUES.len()])
}

/// Enough digits for a screen, few enough for a small page.
pub(super) fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn time(ns: u64, step: u64) -> String {
    let seconds = ns as f64 / 1e9;
    if step >= 60_000_000_000 {
        format!("{} min", ns / 60_000_000_000)
    } else if step >= 1_000_000_000 {
        format!("{seconds:.0} s")
    } else {
        let digits = (9.0 - (step as f64).log10().floor()).clamp(1.0, 9.0) as usize;
        format!("{seconds:.digits$} s")
    }
}
