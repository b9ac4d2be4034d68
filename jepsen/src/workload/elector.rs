//! Lease: clients elect a leader with a `coordination.k8s.io` Lease, as client-go does, and the
//! leader writes to a counter with the Lease's number of transitions as its fence.

use super::Workload;
use super::actor::Actor;
use super::lease::{DURATION, Held, Observed, RENEW, Wanted, lease};
use super::object::version;
use super::outcome::{Effect, Outcome};
use super::stage::{Stage, StageError};
use crate::client::{Answer, Call};
use crate::generator::Values;
use crate::history::{Edn, value};
use async_trait::async_trait;
use futures::future::join_all;
use rand::Rng as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Instant;

/// Clients that want to lead.
const ELECTORS_MAX: usize = 5;
/// How often a leader gives the lease back by itself.
const RELEASES: f64 = 0.2;
/// Fenced writes between two renewals.
const WRITES: usize = 3;
/// The counter's name.
const COUNTER: &str = "counter";

/// The workload.
#[derive(Default)]
pub struct Election {
    values: Values,
}

#[async_trait]
impl Workload for Election {
    async fn set_up(&self, stage: &Arc<Stage>) -> Result<(), StageError> {
        let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": COUNTER},
            "data": {"fence": "0", "v": "0"}});
        stage.make(&stage.config_maps(), &body).await
    }

    async fn act(&self, stage: &Arc<Stage>) {
        let electors = stage.concurrency.clamp(2, ELECTORS_MAX);
        join_all((0..electors).map(|number| self.elector(stage, number))).await;
    }
}

impl Election {
    async fn elector(&self, stage: &Arc<Stage>, number: usize) {
        let mut elector = Elector {
            actor: Actor::new(stage, number),
            holder: format!("h{number}"),
            observed: Observed::default(),
        };
        while stage.turn().await {
            if let Some(held) = elector.acquire().await {
                self.lead(&mut elector, held).await;
            }
            let rest = RENEW.mul_f64(elector.actor.rng.random_range(0.5..1.5));
            if !stage.rest(rest).await {
                return;
            }
        }
    }

    /// Writes and renews for as long as the lease is surely held.
    async fn lead(&self, elector: &mut Elector, mut held: Held) {
        let stage = elector.actor.stage.clone();
        loop {
            for _ in 0..WRITES {
                if !held.is_fresh() || !stage.turn().await {
                    break;
                }
                elector.fenced(&held, self.values.next() + 1).await;
            }
            if elector.actor.rng.random_bool(RELEASES) || stage.signals.stop.is_cancelled() {
                elector.update("release", &held, Wanted::Release).await;
                return;
            }
            if !stage.rest(RENEW).await {
                continue;
            }
            // A renewal whose answer does not come is tried again until the lease is too old.
            match elector.update("renew", &held, Wanted::Renew).await {
                Some(renewed) => held = renewed,
                None if held.is_fresh() && elector.still_holds(&mut held).await => {}
                None => return,
            }
        }
    }
}

struct Elector {
    actor: Actor,
    holder: String,
    observed: Observed,
}

impl Elector {
    fn path(&self) -> String {
        let namespace = &self.actor.stage.namespace;
        format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")
    }

    fn asked(&self) -> Edn {
        value::map([("holder", value::text(&self.holder))])
    }

    /// Reads the lease, and takes it when nobody has it.
    async fn acquire(&mut self) -> Option<Held> {
        let pending = self.actor.invoke("acquire", self.asked());
        let read = self.actor.client.send(Call::get(format!("{}/leader", self.path()))).await;
        let decided = match read {
            Ok(answer) if answer.status.as_u16() == 404 => Ok(None),
            Ok(answer) if answer.is_success() => Ok(answer.json()),
            answer => Err(Outcome::of(Effect::Read, answer, |_| None)),
        };
        let outcome = match decided {
            Err(outcome) => outcome,
            Ok(Some(found)) if !self.observed.is_free(&found, &self.holder) => {
                Outcome::fail("held")
            }
            Ok(found) => self.write(found.as_ref(), Wanted::Acquire).await,
        };
        self.end(pending, outcome).await
    }

    /// Renews or releases what is held.
    async fn update(&mut self, f: &'static str, held: &Held, wanted: Wanted) -> Option<Held> {
        let pending = self.actor.invoke(f, self.asked());
        let outcome = self.write(Some(&held.lease), wanted).await;
        self.end(pending, outcome).await
    }

    async fn write(&mut self, found: Option<&Value>, wanted: Wanted) -> Outcome {
        let body = lease(found, &self.holder, wanted);
        let call = match found {
            None => Call::post(self.path(), &body),
            Some(_) => Call::put(format!("{}/leader", self.path()), &body),
        };
        let started = Instant::now();
        let answer = self.actor.client.send(call).await;
        let holder = value::text(&self.holder);
        let last = &mut self.observed.written;
        Outcome::of(Effect::Write, answer, |json| {
            let held = Held::of(json, started)?;
            let told = value::map([
                ("holder", holder),
                ("fence", value::number(held.fence)),
                ("rev", value::number(version(json)?)),
            ]);
            *last = Some(held);
            Some(told)
        })
    }

    async fn end(&mut self, pending: super::actor::Pending, outcome: Outcome) -> Option<Held> {
        match self.actor.complete(pending, outcome).await {
            Outcome::Ok(_) => self.observed.written.take(),
            _ => None,
        }
    }

    /// After a renewal that failed: reads whether the lease is still this holder's, at which
    /// version. No operation of the history.
    async fn still_holds(&mut self, held: &mut Held) -> bool {
        let read = self.actor.client.send(Call::get(format!("{}/leader", self.path()))).await;
        let found = read.ok().filter(Answer::is_success).and_then(|answer| answer.json());
        let Some(found) = found else { return true };
        if found["spec"]["holderIdentity"] != self.holder.as_str() {
            return false;
        }
        held.lease = found;
        true
    }

    /// Writes to the counter unless a newer leader did.
    async fn fenced(&mut self, held: &Held, v: u64) {
        let fence = held.fence;
        let asked = value::map([("fence", value::number(fence)), ("val", value::number(v))]);
        let pending = self.actor.invoke("fenced", asked);
        let path = format!("{}/{COUNTER}", self.actor.stage.config_maps());
        let read = self.actor.client.send(Call::get(path.clone())).await;
        let outcome = match read {
            Ok(answer) if answer.is_success() => {
                let found = answer.json().unwrap_or_default();
                let newest = found["data"]["fence"].as_str().and_then(|f| f.parse::<u64>().ok());
                if newest.is_none_or(|newest| newest > fence) {
                    Outcome::fail("fenced")
                } else {
                    self.write_fenced(path, &found, fence, v).await
                }
            }
            answer => Outcome::of(Effect::Read, answer, |_| None),
        };
        self.actor.complete(pending, outcome).await;
    }

    async fn write_fenced(&mut self, path: String, found: &Value, fence: u64, v: u64) -> Outcome {
        let body = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": COUNTER,
                "resourceVersion": found["metadata"]["resourceVersion"]},
            "data": {"fence": fence.to_string(), "v": v.to_string()},
        });
        let answer = self.actor.client.send(Call::put(path, &body)).await;
        Outcome::of(Effect::Write, answer, |json| {
            Some(value::map([
                ("fence", value::number(fence)),
                ("val", value::number(v)),
                ("rev", value::number(version(json)?)),
            ]))
        })
    }
}

impl Held {
    /// Whether others surely take it for held.
    fn is_fresh(&self) -> bool {
        self.since.elapsed() < DURATION / 2
    }
}
