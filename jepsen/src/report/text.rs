//! The summary for a terminal.

use crate::checker::{Checked, Parameters, Valid, Verdict};
use std::fmt::Write;

/// The verdict in a few lines: each checker, then each anomaly.
pub fn summary(verdict: &Verdict, parameters: &Parameters) -> String {
    let mut text = format!("{}: {}\n\n", parameters.name, verdict.valid());
    for result in &verdict.results {
        let _ = writeln!(text, "{:<12} {:<8} {}", result.checker, result.valid, figures(result));
        for reason in &result.reasons {
            let _ = writeln!(text, "{:<12} {reason}", "");
        }
    }
    for (result, anomaly) in verdict.anomalies() {
        let lines: Vec<String> = anomaly.ops.iter().map(u64::to_string).collect();
        let _ = write!(text, "\n{}: {}\n  {}\n", result.checker, anomaly.kind, anomaly.words);
        let _ = writeln!(text, "  lines {}", lines.join(" "));
    }
    if verdict.valid() == Valid::Unknown {
        text.push_str("\nThe run does not count: see what is unknown above.\n");
    }
    text
}

fn figures(result: &Checked) -> String {
    let told = result.figures.iter().map(|(name, count)| format!("{name} {count}"));
    told.collect::<Vec<_>>().join(", ")
}
