//! Makes one fault after the other, all choices drawn from the run's seed.

use super::Recorder;
use super::plan::{Plan, Where};
use crate::history::{Edn, Kind, Process, value};
use crate::host::{Group, READY_TIMEOUT};
use crate::nemesis::{self, Fault, Nemesis, NemesisError, Rng};
use rand::seq::SliceRandom;
use rand::{Rng as _, SeedableRng};
use std::collections::BTreeMap;
use std::error::Error;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long nothing is broken between two faults, in milliseconds.
const PEACE_MS: Range<u64> = 500..3_000;

/// The nemeses of a run, one of which acts at a time.
pub struct Chaos {
    nemeses: Vec<(&'static str, Box<dyn Nemesis>)>,
    /// Those whose turn is still to come: everyone has one before anyone has another.
    deck: Vec<usize>,
    rng: Rng,
    recorder: Arc<Recorder>,
    /// Who acts, and what the lines say of it.
    current: Option<(usize, BTreeMap<String, Edn>)>,
}

/// Which part of a fault a line is about.
#[derive(Clone, Copy)]
enum Phase {
    Begin,
    End,
}

impl Chaos {
    pub fn new(plan: &Plan, recorder: Arc<Recorder>) -> Chaos {
        let mut nemeses: Vec<(&'static str, Box<dyn Nemesis>)> =
            plan.nemeses.iter().map(|entry| (entry.name, (entry.make)())).collect();
        if let Where::Servers { command: Some((begin, end)), .. } = &plan.subject {
            nemeses.push((nemesis::COMMAND, nemesis::command(begin, end)));
        }
        let rng = Rng::seed_from_u64(plan.seed);
        Chaos { nemeses, deck: Vec::new(), rng, recorder, current: None }
    }

    /// Makes faults until `until`. When it is cut short, [`Chaos::end`] undoes the last.
    pub async fn run(&mut self, group: &Group, until: Instant) {
        if self.nemeses.is_empty() {
            tokio::time::sleep_until(until.into()).await;
        }
        while Instant::now() < until {
            let peace = Duration::from_millis(self.rng.random_range(PEACE_MS));
            tokio::time::sleep(peace.min(until.saturating_duration_since(Instant::now()))).await;
            if Instant::now() >= until {
                return;
            }
            let hold = self.begin(group).await;
            tokio::time::sleep(hold.min(until.saturating_duration_since(Instant::now()))).await;
            self.end(group).await;
            if Instant::now() < until {
                recovered(group).await;
            }
        }
    }

    async fn begin(&mut self, group: &Group) -> Duration {
        let at = self.draw();
        let (name, nemesis) = &mut self.nemeses[at];
        // Already now: an interrupted beginning is undone too.
        self.current = Some((at, BTreeMap::new()));
        log(&self.recorder, name, Phase::Begin, BTreeMap::new(), None);
        match nemesis.begin(group, &mut self.rng).await {
            Ok(fault) => {
                let described = fault.describe();
                tracing::info!(nemesis = name, targets = ?fault.targets, hold = ?fault.hold, "begins");
                self.current = Some((at, described.clone()));
                let Fault { evidence, hold, .. } = fault;
                log(&self.recorder, name, Phase::Begin, described, Some(Ok(evidence)));
                hold
            }
            Err(error) => {
                tracing::warn!(nemesis = name, error = words(&error), "did not begin");
                log(&self.recorder, name, Phase::Begin, BTreeMap::new(), Some(Err(error)));
                Duration::ZERO
            }
        }
    }

    /// Undoes the fault that is in progress, if any.
    pub async fn end(&mut self, group: &Group) {
        let Some((at, described)) = self.current.take() else { return };
        let (name, nemesis) = &mut self.nemeses[at];
        log(&self.recorder, name, Phase::End, described.clone(), None);
        let ended = nemesis.end(group).await;
        if let Err(error) = &ended {
            tracing::warn!(nemesis = name, error = words(error), "did not end well");
        }
        log(&self.recorder, name, Phase::End, described, Some(ended));
    }

    fn draw(&mut self) -> usize {
        if self.deck.is_empty() {
            self.deck = (0..self.nemeses.len()).collect();
            self.deck.shuffle(&mut self.rng);
        }
        self.deck.pop().unwrap_or_default()
    }
}

/// Waits until all members serve again: the next fault shall be the only one.
async fn recovered(group: &Group) {
    if let Err(error) = group.all_ready(READY_TIMEOUT).await {
        tracing::error!(error = words(&error), "a member did not come back");
    }
}

fn log(
    recorder: &Recorder,
    name: &str,
    phase: Phase,
    mut described: BTreeMap<String, Edn>,
    result: Option<Result<Edn, NemesisError>>,
) {
    let phase = match phase {
        Phase::Begin => "begin",
        Phase::End => "end",
    };
    described.insert("phase".into(), value::keyword(phase));
    let mut more = BTreeMap::new();
    match result {
        None => {}
        Some(Ok(evidence)) => {
            described.insert("evidence".into(), evidence);
        }
        Some(Err(error)) => {
            more.insert("error".to_owned(), value::text(words(&error)));
        }
    }
    recorder.log(Process::Nemesis, Kind::Info, name, value::map_of(described), more);
}

/// An error with everything that caused it.
fn words(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
