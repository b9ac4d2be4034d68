//! Set: elements are added and never removed, and the set is listed in pages that come from
//! different members.

use super::Workload;
use super::actor::Actor;
use super::object::{self, config_map, version};
use super::outcome::{Effect, Outcome};
use super::stage::Stage;
use crate::client::{Call, ClientError};
use crate::generator::{Pace, Values};
use crate::history::{Edn, value};
use async_trait::async_trait;
use futures::future::join_all;
use rand::Rng as _;
use serde_json::Value;
use std::sync::Arc;

/// Elements of a whole run: a list shows all of them, so an hour's must be few.
const ELEMENTS_MAX: f64 = 20_000.0;
/// Lists in a second; each is as long as the set.
const LISTS_PER_SECOND: f64 = 1.0;
/// Lists of a whole run.
const LISTS_MAX: f64 = 600.0;
/// Clients that list.
const LISTERS: usize = 3;
/// Elements of a page.
const PAGE: std::ops::RangeInclusive<usize> = 20..=500;

/// The workload.
#[derive(Default)]
pub struct Set {
    values: Values,
}

#[async_trait]
impl Workload for Set {
    async fn act(&self, stage: &Arc<Stage>) {
        let seconds = stage.time.as_secs_f64().max(1.0);
        let lists = Pace::per_second(LISTS_PER_SECOND.min(LISTS_MAX / seconds));
        // The stage's pace is that of all; a run too long for it is slowed down.
        let adds = Pace::per_second(ELEMENTS_MAX / seconds);
        let adders = (0..stage.concurrency).map(|number| self.add(stage, &adds, number));
        let listers = (0..LISTERS).map(|n| list_often(stage, &lists, stage.concurrency + n));
        tokio::join!(join_all(adders), join_all(listers));
    }

    async fn conclude(&self, stage: &Arc<Stage>) {
        join_all((0..stage.servers.len()).map(|at| async move {
            list(&mut Actor::new(stage, at), false).await;
        }))
        .await;
    }
}

impl Set {
    async fn add(&self, stage: &Arc<Stage>, adds: &Pace, number: usize) {
        let mut actor = Actor::new(stage, number);
        while stage.turn().await && stage.turn_of(adds).await {
            let v = self.values.next();
            let call = Call::post(stage.config_maps(), &config_map(v, v, None));
            let read = |json: &Value| {
                let state = object::State::of(json)?;
                let uid = ("uid", value::text(state.uid));
                Some(value::map([("rev", value::number(state.rev)), uid]))
            };
            actor.act(Effect::Write, "add", value::number(v), call, read).await;
        }
    }
}

async fn list_often(stage: &Arc<Stage>, lists: &Pace, number: usize) {
    let mut actor = Actor::new(stage, number);
    while stage.turn_of(lists).await {
        list(&mut actor, true).await;
    }
}

/// Lists the whole set; each page on any member when `hop`.
async fn list(actor: &mut Actor, hop: bool) {
    let pending = actor.invoke("list", Edn::Nil);
    let limit = actor.rng.random_range(PAGE);
    let mut pages = Pages::default();
    let outcome = loop {
        let call = Call::get(pages.path(&actor.stage.config_maps(), limit));
        match actor.client.send(call).await {
            Ok(answer) if answer.is_success() => {
                match answer.json().map(|page| pages.take(&page)) {
                    Some(Some(true)) => break Outcome::Ok(pages.to_edn()),
                    Some(Some(false)) if hop => actor.hop(),
                    Some(Some(false)) => {}
                    _ => {
                        let broken = ClientError::Broken("the list cannot be read".into());
                        break Outcome::unanswered(Effect::Read, &broken);
                    }
                }
            }
            answer => break Outcome::of(Effect::Read, answer, |_| None),
        }
    };
    actor.complete(pending, outcome).await;
}

/// The pages of one list so far.
#[derive(Default)]
struct Pages {
    revisions: Vec<u64>,
    elements: Vec<u64>,
    token: Option<String>,
}

impl Pages {
    fn path(&self, collection: &str, limit: usize) -> String {
        let token = self.token.as_ref().map(|token| format!("&continue={token}"));
        format!(
            "{collection}?labelSelector={}&limit={limit}{}",
            object::PARITY,
            token.unwrap_or_default()
        )
    }

    /// Adds a page; whether it was the last. `None` when it is no list.
    fn take(&mut self, page: &Value) -> Option<bool> {
        self.revisions.push(version(page)?);
        // An object that workloads did not make is shown, as a wrong element is.
        let element = |item| object::State::of(item)?.val;
        self.elements.extend(page["items"].as_array()?.iter().filter_map(element));
        self.token =
            page["metadata"]["continue"].as_str().filter(|t| !t.is_empty()).map(Into::into);
        Some(self.token.is_none())
    }

    /// The revision is the first page's; pages of another one are told.
    fn to_edn(&self) -> Edn {
        let first = self.revisions.first().copied().unwrap_or_default();
        let elements = self.elements.iter().map(|element| value::number(*element)).collect();
        let pages = self.revisions.len() as u64;
        let mut told = vec![
            (value::keyword("rev"), value::number(first)),
            (value::keyword("elements"), Edn::Vector(elements)),
            (value::keyword("pages"), value::number(pages)),
        ];
        if self.revisions.iter().any(|revision| *revision != first) {
            let revisions = self.revisions.iter().map(|rev| value::number(*rev)).collect();
            told.push((value::keyword("revs"), Edn::Vector(revisions)));
        }
        Edn::Map(told.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pages_of_different_revisions_are_told() {
        let page = |rev: u64, element: u64, token: &str| {
            let mut item = config_map(element, element, Some(rev));
            item["metadata"]["uid"] = "U".into();
            json!({"metadata": {"resourceVersion": rev.to_string(), "continue": token},
                "items": [item]})
        };
        let mut pages = Pages::default();
        assert_eq!(pages.take(&page(5, 1, "T")), Some(false));
        assert_eq!(pages.path("/c", 9), "/c?labelSelector=parity&limit=9&continue=T");
        assert_eq!(pages.take(&page(6, 2, "")), Some(true));
        assert_eq!(pages.to_edn().to_string(), "{:elements [1 2], :pages 2, :rev 5, :revs [5 6]}");
        assert_eq!(pages.take(&json!({"kind": "Status"})), None);
    }
}
