//! A client that watches, in pieces: each is cut after a while and goes on at another member from
//! the last version that was seen. The pieces together are one contiguous story.

use super::actor::Actor;
use super::object::{self, version};
use super::outcome::{Effect, Outcome, expired};
use super::stage::Stage;
use crate::client::{Call, Lines};
use crate::history::{Edn, value};
use rand::Rng as _;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long a piece may be, in milliseconds.
const PIECE_MS: std::ops::Range<u64> = 500..6_000;
/// How often a piece is ended by the server's own timeout.
const SERVER_ENDS: f64 = 0.2;
/// How often a watcher forgets what it saw and begins anew.
const BEGINS_ANEW: f64 = 0.1;
/// How often it then begins with a version from long ago.
const BEGINS_LONG_AGO: f64 = 0.4;
/// How many versions ago that mostly is at most.
const LONG_AGO: u64 = 4_000;
/// How long watchers may take to see the last write.
const LAST_WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a watcher that does not read looks whether it may.
const SLOW_POLL: Duration = Duration::from_millis(100);

/// Keys of an event and what they hold.
pub type Described = Vec<(&'static str, Edn)>;

/// What is watched.
pub struct Watched {
    /// The collection's path.
    pub path: String,
    /// `even`, `odd`, or all.
    pub selector: Option<&'static str>,
    /// What an event says of an object, beside type, version and uid; `None` when it is not one
    /// of the workload's.
    pub describe: fn(&Value) -> Option<Described>,
    /// What a first list says of an object; `None` when the workload has no lists.
    pub item: Option<fn(&Value) -> Option<Edn>>,
}

impl Watched {
    fn query(&self) -> String {
        match self.selector {
            Some(parity) => format!("{}?labelSelector={}%3D{parity}", self.path, object::PARITY),
            None => format!("{}?labelSelector={}", self.path, object::PARITY),
        }
    }

    fn selector(&self) -> Edn {
        self.selector.map_or(Edn::Nil, value::keyword)
    }
}

/// A watching client.
struct Watcher {
    actor: Actor,
    watched: Watched,
    /// The version up to which it saw everything.
    last: Option<u64>,
    /// The version of the run's last write, once it is done.
    until: watch::Receiver<Option<u64>>,
}

/// All watchers of a workload.
#[derive(Default)]
pub struct Watchers {
    tasks: JoinSet<()>,
    until: watch::Sender<Option<u64>>,
}

impl Watchers {
    /// Starts so many, the first at the first server, and so on; `watched` tells what each
    /// watches.
    pub fn start(&mut self, stage: &Arc<Stage>, count: usize, watched: impl Fn(usize) -> Watched) {
        for number in 0..count {
            // Clients that write have the numbers below.
            let actor = Actor::new(stage, stage.concurrency + number);
            let until = self.until.subscribe();
            let watcher = Watcher { actor, watched: watched(number), last: None, until };
            self.tasks.spawn(watcher.run());
        }
    }

    /// Tells them the version of the last write, and waits until they saw it. When it is not
    /// known, they end with what they have.
    pub async fn finish(mut self, last: Option<u64>) {
        self.until.send_replace(Some(last.unwrap_or_default()));
        while self.tasks.join_next().await.is_some() {}
    }
}

/// A piece as it is received.
struct Piece {
    events: Vec<Edn>,
    last: Option<u64>,
    /// Whether the first part of a WatchList is still under way: in no order, and not to be
    /// resumed from.
    initial: bool,
}

/// Where a piece begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Watch(u64),
    WatchList,
    Resume(u64),
}

impl Watcher {
    /// Watches until the last write was seen, or surely should have been.
    async fn run(mut self) {
        let mut give_up: Option<Instant> = None;
        loop {
            let until = *self.until.borrow();
            if let Some(until) = until {
                let deadline = *give_up.get_or_insert_with(|| Instant::now() + LAST_WRITE_TIMEOUT);
                if self.last >= Some(until) || Instant::now() > deadline {
                    return;
                }
            }
            if let Some(mode) = self.mode(until.is_some()).await {
                self.piece(mode).await;
            }
            self.actor.hop();
        }
    }

    /// Where the next piece begins; `None` when the list that should tell it failed.
    async fn mode(&mut self, ending: bool) -> Option<Mode> {
        if let Some(last) = self.last
            && (ending || !self.actor.rng.random_bool(BEGINS_ANEW))
        {
            return Some(Mode::Resume(last));
        }
        let last = self.last.take();
        if let Some(last) = last.filter(|_| self.actor.rng.random_bool(BEGINS_LONG_AGO)) {
            return Some(Mode::Watch(self.long_ago(last)));
        }
        if self.watched.item.is_none() || self.actor.rng.random_bool(0.5) {
            return Some(Mode::WatchList);
        }
        self.list().await.map(Mode::Watch)
    }

    /// A version that the server may have forgotten.
    fn long_ago(&mut self, last: u64) -> u64 {
        let back = if self.actor.rng.random_bool(0.3) { last } else { LONG_AGO.min(last) };
        last - self.actor.rng.random_range(0..back.max(1))
    }

    /// Lists, and gives the list's version.
    async fn list(&mut self) -> Option<u64> {
        let item = self.watched.item?;
        let asked = value::map([("selector", self.watched.selector())]);
        let mut listed = None;
        let read = |json: &Value| {
            listed = version(json);
            list_to_edn(json, item)
        };
        let call = Call::get(self.watched.query());
        self.actor.act(Effect::Read, "list", asked, call, read).await;
        listed
    }

    async fn piece(&mut self, mode: Mode) {
        let length = Duration::from_millis(self.actor.rng.random_range(PIECE_MS));
        let server_ends = self.actor.rng.random_bool(SERVER_ENDS);
        let seconds = if server_ends { 1 + length.as_secs() } else { 300 };
        let pending = self.actor.invoke("watch", mode.to_edn(self.watched.selector()));
        let call = Call::get(format!("{}{}", self.watched.query(), mode.query(seconds)));
        let started = Instant::now();
        let outcome = match self.actor.client.stream(call).await {
            Err(error) => Outcome::unanswered(Effect::Read, &error),
            Ok(lines) => {
                let cut_at = if server_ends { started + length * 3 } else { started + length };
                let full = started + Duration::from_secs(seconds);
                self.receive(lines, mode, cut_at, full).await
            }
        };
        if outcome == Outcome::fail("expired")
            || matches!(&outcome, Outcome::Fail(more) if more.contains_key("floor"))
        {
            self.last = None;
        }
        self.actor.complete(pending, outcome).await;
    }

    /// Reads a piece until `cut_at`; the server may end it from `full` on.
    async fn receive(
        &mut self,
        mut lines: Lines,
        mode: Mode,
        mut cut_at: Instant,
        full: Instant,
    ) -> Outcome {
        let mut piece =
            Piece { events: Vec::new(), last: self.last, initial: mode == Mode::WatchList };
        if let Mode::Watch(from) = mode {
            piece.last = Some(from);
        }
        let end = loop {
            if self.stand_still().await {
                cut_at = cut_at.max(Instant::now() + SLOW_POLL);
            }
            let until = *self.until.borrow();
            if until.is_some_and(|until| piece.seen() >= Some(until)) {
                break "cut";
            }
            let line = tokio::select! {
                line = tokio::time::timeout_at(cut_at, lines.next()) => line,
                // The last write is known now.
                Ok(()) = self.until.changed() => continue,
            };
            match line {
                Err(_) => break "cut",
                Ok(Ok(Some(event))) => match piece.take(&event, self.watched.describe) {
                    Taken::Event => {}
                    Taken::Gone(message) if piece.events.is_empty() => return expired(&message),
                    Taken::Gone(_) => break "gone",
                    Taken::Error => break "closed",
                },
                Ok(Ok(None)) if Instant::now() + Duration::from_millis(500) >= full => {
                    break "timeout";
                }
                Ok(Ok(None) | Err(_)) => break "closed",
            }
        };
        self.last = if end == "gone" { None } else { piece.seen() };
        Outcome::Ok(value::map([
            ("events", Edn::Vector(piece.events)),
            ("end", value::keyword(end)),
        ]))
    }

    /// Does not read while watchers are to be slow; whether it stood still.
    async fn stand_still(&self) -> bool {
        let habits = &self.actor.stage.habits;
        if !habits.slow_watchers() || self.until.borrow().is_some() {
            return false;
        }
        habits.stalled();
        while habits.slow_watchers() && self.until.borrow().is_none() {
            tokio::time::sleep(SLOW_POLL).await;
        }
        true
    }
}

impl Mode {
    fn to_edn(self, selector: Edn) -> Edn {
        let (from, mode) = match self {
            Mode::Watch(from) => (value::number(from), "watch"),
            Mode::WatchList => (Edn::Nil, "watch-list"),
            Mode::Resume(from) => (value::number(from), "resume"),
        };
        value::map([("from", from), ("mode", value::keyword(mode)), ("selector", selector)])
    }

    fn query(self, seconds: u64) -> String {
        let common = format!("&watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}");
        match self {
            Mode::Watch(from) | Mode::Resume(from) => format!("{common}&resourceVersion={from}"),
            Mode::WatchList => {
                format!("{common}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan")
            }
        }
    }
}

/// What an event was.
enum Taken {
    Event,
    Gone(String),
    Error,
}

impl Piece {
    /// The version up to which everything was seen.
    fn seen(&self) -> Option<u64> {
        self.last.filter(|_| !self.initial)
    }

    fn take(&mut self, event: &Value, describe: fn(&Value) -> Option<Described>) -> Taken {
        let object = &event["object"];
        let kind = match event["type"].as_str().unwrap_or_default() {
            "ADDED" => "added",
            "MODIFIED" => "modified",
            "DELETED" => "deleted",
            "BOOKMARK" => "bookmark",
            _ if object["code"] == 410 => {
                return Taken::Gone(object["message"].as_str().unwrap_or_default().to_owned());
            }
            _ => return Taken::Error,
        };
        let Some(rev) = version(object) else { return Taken::Error };
        let mut told = vec![("type", value::keyword(kind)), ("rev", value::number(rev))];
        if kind == "bookmark" {
            let annotations = &object["metadata"]["annotations"];
            if annotations["k8s.io/initial-events-end"] == "true" {
                told.push(("initial", Edn::Bool(true)));
                self.initial = false;
            }
        } else {
            let Some(described) = describe(object) else { return Taken::Event };
            told.extend(described);
            told.extend(object["metadata"]["uid"].as_str().map(|uid| ("uid", value::text(uid))));
        }
        self.last = self.last.max(Some(rev));
        let told = told.into_iter().map(|(name, content)| (value::keyword(name), content));
        self.events.push(Edn::Map(told.collect()));
        Taken::Event
    }
}

/// `{:rev R :items [[k state] …]}`
pub fn list_to_edn(list: &Value, item: fn(&Value) -> Option<Edn>) -> Option<Edn> {
    let items = list["items"].as_array()?.iter().filter_map(item).collect();
    Some(value::map([("rev", value::number(version(list)?)), ("items", Edn::Vector(items))]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn describe(object: &Value) -> Option<Described> {
        Some(vec![("key", value::number(object::key(object)?))])
    }

    fn event(kind: &str, k: u64, rev: u64) -> Value {
        json!({"type": kind, "object": object::config_map(k, 0, Some(rev))})
    }

    #[test]
    fn the_first_part_of_a_watch_list_is_not_resumed_from() {
        let mut piece = Piece { events: Vec::new(), last: None, initial: true };
        piece.take(&event("ADDED", 1, 9), describe);
        assert_eq!(piece.seen(), None);
        let annotations = json!({"k8s.io/initial-events-end": "true"});
        let metadata = json!({"resourceVersion": "12", "annotations": annotations});
        piece.take(&json!({"type": "BOOKMARK", "object": {"metadata": metadata}}), describe);
        assert_eq!(piece.seen(), Some(12));
        let told: Vec<String> = piece.events.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            ["{:key 1, :rev 9, :type :added}", "{:initial true, :rev 12, :type :bookmark}"]
        );
    }

    #[test]
    fn a_410_within_the_stream_is_told() {
        let mut piece = Piece { events: Vec::new(), last: Some(3), initial: false };
        let status = json!({"code": 410, "message": "too old resource version: 3 (8)"});
        let taken = piece.take(&json!({"type": "ERROR", "object": status}), describe);
        assert!(matches!(taken, Taken::Gone(message) if message.ends_with("(8)")));
    }
}
