//! Past: objects change and are listed and read on any member; later, what they were at that
//! revision is asked for, on any member and in each of the ways there are. It must be the same, byte
//! by byte.

use super::Workload;
use super::actor::Actor;
use super::object;
use super::outcome::{Effect, Outcome};
use super::register::{RegisterClient, Registers};
use super::stage::Stage;
use crate::client::{Answer, Call, ClientError};
use crate::generator::{Keys, Values};
use crate::history::{Edn, value};
use async_trait::async_trait;
use futures::future::join_all;
use parking_lot::Mutex;
use rand::Rng as _;
use rand::seq::IndexedRandom;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Clients that change one object at a time.
const CLIENTS_PER_KEY: usize = 2;
/// Changes until they go on to the next. The objects stay, and lists show all of them.
const OPERATIONS_PER_KEY: u64 = 60;
/// Of a hundred turns, those up to here change, and up to there read what is; the others read what
/// was.
const CHANGES: u32 = 40;
const PRESENTS: u32 = 60;
/// Moments that are remembered; of more, those at random places make room.
const MOMENTS_MAX: usize = 2_000;
/// Moments that are read once more on every member in the end.
const LAST_LOOKS: usize = 100;

/// The workload.
#[derive(Default)]
pub struct Past {
    values: Values,
    moments: Mutex<Vec<Moment>>,
}

/// A revision at which something was read: an object, or all of them.
#[derive(Clone, Copy, Debug)]
struct Moment {
    rev: u64,
    key: Option<u64>,
}

/// How the past is asked for.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// `/at/REVISION/…`
    At,
    /// The same in pages, each from another member.
    Pages,
    /// A list with `resourceVersionMatch=Exact`, which a server has for a while only.
    Exact,
}

#[async_trait]
impl Workload for Past {
    async fn act(&self, stage: &Arc<Stage>) {
        let groups = stage.concurrency.div_ceil(CLIENTS_PER_KEY);
        let keys = Keys::new(groups, OPERATIONS_PER_KEY);
        let registers = Registers { keys, values: Values::default() };
        let clients = (0..stage.concurrency).map(|n| self.client(stage, &registers, n));
        join_all(clients).await;
    }

    async fn conclude(&self, stage: &Arc<Stage>) {
        let mut rng = stage.rng(usize::MAX);
        let moments = self.moments.lock().clone();
        let chosen: Vec<Moment> = moments.choose_multiple(&mut rng, LAST_LOOKS).copied().collect();
        join_all((0..stage.servers.len()).map(|at| {
            let chosen = &chosen;
            async move {
                let mut actor = Actor::new(stage, at);
                for moment in chosen {
                    read_past(&mut actor, *moment, Way::At).await;
                }
            }
        }))
        .await;
    }
}

impl Past {
    async fn client(&self, stage: &Arc<Stage>, registers: &Registers, number: usize) {
        let mut writer = RegisterClient::new(Actor::new(stage, number));
        let mut actor = Actor::new(stage, stage.concurrency + number);
        while stage.turn().await {
            let drawn = actor.rng.random_range(0..100);
            if drawn < CHANGES {
                let key = registers.keys.next(number / CLIENTS_PER_KEY);
                writer.operate(key, self.values.next()).await;
            } else if drawn < PRESENTS {
                let one = actor.rng.random_bool(0.3);
                let key = one.then(|| registers.keys.next(number / CLIENTS_PER_KEY));
                self.read_present(&mut actor, key).await;
            } else if let Some(moment) = self.moment(&mut actor) {
                actor.hop();
                let way = way(&mut actor, moment);
                read_past(&mut actor, moment, way).await;
            }
        }
    }

    async fn read_present(&self, actor: &mut Actor, key: Option<u64>) {
        let call = Call::get(path(actor, "", key));
        let asked = Edn::Map(key_edn(key).into_iter().collect());
        let pending = actor.invoke("present", asked);
        let read = read(actor.client.send(call).await, key);
        let rev = read.as_ref().ok().map(|read| read.rev);
        let outcome = read.map_or_else(|outcome| outcome, |read| Outcome::Ok(read.to_edn()));
        if let (Some(rev), Outcome::Ok(_)) = (rev, actor.complete(pending, outcome).await) {
            self.remember(actor, Moment { rev, key });
        }
    }

    fn remember(&self, actor: &mut Actor, moment: Moment) {
        let mut moments = self.moments.lock();
        if moments.len() < MOMENTS_MAX {
            moments.push(moment);
        } else {
            let at = actor.rng.random_range(0..MOMENTS_MAX);
            moments[at] = moment;
        }
    }

    fn moment(&self, actor: &mut Actor) -> Option<Moment> {
        self.moments.lock().choose(&mut actor.rng).copied()
    }
}

fn way(actor: &mut Actor, moment: Moment) -> Way {
    match (moment.key, actor.rng.random_range(0..10)) {
        (None, 0..3) => Way::Pages,
        (None, 3..5) => Way::Exact,
        _ => Way::At,
    }
}

/// `/PREFIX/…` of an object, or of all.
fn path(actor: &Actor, prefix: &str, key: Option<u64>) -> String {
    let maps = actor.stage.config_maps();
    match key {
        Some(key) => format!("{prefix}{maps}/{}", object::name(key)),
        None => format!("{prefix}{maps}?labelSelector={}", object::PARITY),
    }
}

fn key_edn(key: Option<u64>) -> Option<(Edn, Edn)> {
    key.map(|key| (value::keyword("key"), value::number(key)))
}

async fn read_past(actor: &mut Actor, moment: Moment, way: Way) {
    let Moment { rev, key } = moment;
    let name = match way {
        Way::At => "at",
        Way::Pages => "pages",
        Way::Exact => "exact",
    };
    let told = [
        (value::keyword("rev"), value::number(rev)),
        (value::keyword("way"), value::keyword(name)),
    ];
    let pending = actor.invoke("past", Edn::Map(told.into_iter().chain(key_edn(key)).collect()));
    let at = path(actor, &format!("/at/{rev}"), key);
    let read = match way {
        Way::At => gone_is_nothing(actor.client.send(Call::get(at)).await, moment),
        Way::Pages => read_pages(actor, &at).await,
        Way::Exact => {
            let path = path(actor, "", key);
            let query = format!("&resourceVersion={rev}&resourceVersionMatch=Exact");
            read(actor.client.send(Call::get(path + &query)).await, key)
        }
    };
    let outcome = read.map_or_else(|outcome| outcome, |read| Outcome::Ok(read.to_edn()));
    actor.complete(pending, outcome).await;
}

/// What an answer shows.
struct Read {
    rev: u64,
    digests: Vec<Edn>,
}

impl Read {
    /// `{:rev R :digests ["…" …]}`
    fn to_edn(&self) -> Edn {
        let digests = Edn::Vector(self.digests.clone());
        value::map([("rev", value::number(self.rev)), ("digests", digests)])
    }
}

/// A list as it came, or an object, whose items are left out.
#[derive(Deserialize)]
struct Shown<'a> {
    metadata: Metadata,
    #[serde(borrow, default)]
    items: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    resource_version: String,
    #[serde(default, rename = "continue")]
    token: String,
}

/// An answer's revision and its bytes, object by object.
fn read(answer: Result<Answer, ClientError>, key: Option<u64>) -> Result<Read, Outcome> {
    let body = match answer {
        Ok(answer) if answer.is_success() => answer.body,
        answer => return Err(Outcome::of(Effect::Read, answer, |_| None)),
    };
    page(&body, key).map(|(read, _)| read).ok_or_else(unreadable)
}

/// The same of a moment of the past, where an object that was read must be: that it is not there
/// is an answer, and a wrong one.
fn gone_is_nothing(answer: Result<Answer, ClientError>, moment: Moment) -> Result<Read, Outcome> {
    match answer {
        Ok(answer) if answer.status.as_u16() == 404 => {
            Ok(Read { rev: moment.rev, digests: Vec::new() })
        }
        answer => read(answer, moment.key),
    }
}

fn unreadable() -> Outcome {
    Outcome::unanswered(Effect::Read, &ClientError::Broken("the answer cannot be read".into()))
}

/// What a page shows, and the token of the next.
fn page(body: &[u8], key: Option<u64>) -> Option<(Read, String)> {
    let shown: Shown = serde_json::from_slice(body).ok()?;
    let rev = shown.metadata.resource_version.parse().ok()?;
    let digests = match key {
        Some(_) => vec![digest(body)],
        None => shown.items.iter().map(|item| digest(item.get().as_bytes())).collect(),
    };
    Some((Read { rev, digests }, shown.metadata.token))
}

/// 64 bits tell bytes apart that are different by mistake.
fn digest(bytes: &[u8]) -> Edn {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    value::text(format!("{:016x}", hasher.finish()))
}

async fn read_pages(actor: &mut Actor, path: &str) -> Result<Read, Outcome> {
    let limit = actor.rng.random_range(1..8);
    let mut whole: Option<Read> = None;
    let mut next = String::new();
    loop {
        let call = Call::get(format!("{path}&limit={limit}{next}"));
        let body = match actor.client.send(call).await {
            Ok(answer) if answer.is_success() => answer.body,
            answer => return Err(Outcome::of(Effect::Read, answer, |_| None)),
        };
        let (read, token) = page(&body, None).ok_or_else(unreadable)?;
        match &mut whole {
            // Pages of two revisions are no state, which shows as another revision.
            Some(whole) => {
                whole.rev = if whole.rev == read.rev { whole.rev } else { 0 };
                whole.digests.extend(read.digests);
            }
            None => whole = Some(read),
        }
        if token.is_empty() {
            return whole.ok_or_else(unreadable);
        }
        next = format!("&continue={token}");
        actor.hop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_told_byte_by_byte() {
        let list = |item: &str| {
            format!(r#"{{"metadata":{{"resourceVersion":"7","continue":"T"}},"items":[{item}]}}"#)
        };
        let told = |item: &str| page(list(item).as_bytes(), None).expect("a list");
        let (read, token) = told(r#"{"a":1,"b":2}"#);
        assert_eq!((read.rev, token.as_str(), read.digests.len()), (7, "T", 1));
        assert_eq!(read.digests, told(r#"{"a":1,"b":2}"#).0.digests);
        assert_ne!(read.digests, told(r#"{"b":2,"a":1}"#).0.digests);
        assert!(page(b"{}", None).is_none());
    }
}
