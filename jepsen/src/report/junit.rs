//! The verdict for continuous integration: a test case for each checker.

use super::ReportError;
use crate::checker::{Anomaly, Checked, Parameters, Valid, Verdict};
use crate::trace::Trace;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// As JUnit XML. What is unknown is an error, which is what a failed run of a test is.
pub(super) fn xml(
    trace: &Trace,
    verdict: &Verdict,
    parameters: &Parameters,
) -> Result<String, ReportError> {
    let mut suite = TestSuite::new(parameters.name.clone());
    suite.set_time(Duration::from_nanos(trace.end_ns));
    suite.add_test_cases(verdict.results.iter().map(case));
    let mut report = Report::new("jepsen");
    report.add_test_suite(suite);
    Ok(report.to_string()?)
}

fn case(result: &Checked) -> TestCase {
    let not = |kind, message: String| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(message);
        status
    };
    let status = match result.valid {
        Valid::Yes => TestCaseStatus::success(),
        Valid::No => {
            let words = result.anomalies.iter().map(words).collect::<Vec<_>>().join("\n");
            let first = result.anomalies.first().map_or("", |anomaly| anomaly.kind);
            let mut status = not(NonSuccessKind::Failure, first.to_owned());
            status.set_description(words);
            status
        }
        Valid::Unknown => not(NonSuccessKind::Error, result.reasons.join("; ")),
    };
    let mut case = TestCase::new(result.checker, status);
    case.set_classname("jepsen");
    case
}

fn words(anomaly: &Anomaly) -> String {
    format!("{}: {} (lines {:?})", anomaly.kind, anomaly.words, anomaly.ops)
}
