//! Clients that send a request that failed once more, to another member, and never again.
//!
//! That is what a careful client does while members are restarted one after the other; a request
//! that fails twice is what an operator's users would see.

use crate::cluster::Cluster;
use crate::writers::{PATH, Written};
use http::{Method, StatusCode};
use reddwarf::client::{Answer, ClientError, Connection};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long a client waits for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// First attempts that failed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Firsts {
    /// The member said that it did not carry the request out (429, 503).
    pub refused: usize,
    /// The request did not leave the client: no connection.
    pub unsent: usize,
    /// Nothing tells whether it was carried out.
    pub unknown: usize,
}

/// What clients did and met.
#[derive(Debug, Default)]
pub struct Done {
    /// What was acknowledged. Nothing is left unknown: an object that a second attempt finds
    /// there is looked at, and was acknowledged if it is the client's own.
    pub written: Vec<Written>,
    /// When writes were acknowledged, in order.
    pub acknowledged: Vec<Instant>,
    /// Requests in all.
    pub requests: usize,
    /// First attempts that failed.
    pub firsts: Firsts,
    /// Of those that are unknown, what the clients saw.
    pub unknown: Vec<String>,
    /// Requests that failed twice, or whose answer was wrong.
    pub failures: Vec<String>,
}

impl Done {
    /// The longest time between two acknowledged writes of which one came after `from` and the
    /// other before `to`.
    pub fn longest_gap(&self, from: Instant, to: Instant) -> Duration {
        let gaps = self.acknowledged.windows(2).filter(|two| two[1] >= from && two[0] <= to);
        gaps.map(|two| two[1] - two[0]).max().unwrap_or_default()
    }
}

/// Clients at work.
pub struct Clients {
    stop: Arc<AtomicBool>,
    running: JoinSet<Done>,
}

impl Clients {
    /// Starts `count` clients, spread over the members. By turns each creates a ConfigMap, patches
    /// one of its own, gets that, and lists it.
    pub fn start(cluster: &Arc<Cluster>, count: u16) -> Clients {
        let stop = Arc::new(AtomicBool::new(false));
        let mut running = JoinSet::new();
        for number in 0..count {
            let client = Client {
                cluster: cluster.clone(),
                number,
                member: number % cluster.group.plan.nodes + 1,
                connection: None,
                done: Done::default(),
            };
            running.spawn(client.run(stop.clone()));
        }
        Clients { stop, running }
    }

    /// Lets them finish; gives what all of them did.
    pub async fn finish(self) -> Done {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Done::default();
        for done in self.running.join_all().await {
            all.written.extend(done.written);
            all.acknowledged.extend(done.acknowledged);
            all.requests += done.requests;
            all.firsts.refused += done.firsts.refused;
            all.firsts.unsent += done.firsts.unsent;
            all.firsts.unknown += done.firsts.unknown;
            all.unknown.extend(done.unknown);
            all.failures.extend(done.failures);
        }
        all.acknowledged.sort_unstable();
        all
    }
}

struct Client {
    cluster: Arc<Cluster>,
    number: u16,
    member: u16,
    connection: Option<Connection>,
    done: Done,
}

/// Why an attempt has no answer that counts.
enum Missed {
    Refused(String),
    Unsent(String),
    Unknown(String),
}

#[derive(Clone)]
struct Request {
    method: Method,
    path: String,
    content_type: Option<&'static str>,
    body: String,
}

impl Request {
    fn get(path: String) -> Request {
        Request { method: Method::GET, path, content_type: None, body: String::new() }
    }

    fn create(name: &str, own: u64) -> Request {
        let body = json!({"metadata": {"name": name}, "data": {"n": "0", "own": own.to_string()}});
        Request {
            method: Method::POST,
            path: PATH.to_owned(),
            content_type: Some("application/json"),
            body: body.to_string(),
        }
    }

    fn patch(name: &str, n: u64) -> Request {
        Request {
            method: Method::PATCH,
            path: format!("{PATH}/{name}"),
            content_type: Some("application/merge-patch+json"),
            body: json!({"data": {"n": n.to_string()}}).to_string(),
        }
    }
}

impl Client {
    async fn run(mut self, stop: Arc<AtomicBool>) -> Done {
        let counter = format!("counter-{}", self.number);
        let mut written = Written::default();
        let mut counted = Vec::new();
        if self.create(&counter).await {
            written.created.insert(counter.clone());
        }
        let mut n = 0;
        while !stop.load(Ordering::Relaxed) {
            n += 1;
            let name = format!("w{}-{n}", self.number);
            if self.create(&name).await {
                written.created.insert(name);
            }
            if self.write(Request::patch(&counter, n)).await {
                counted.push(n);
            }
            let expected = counted.last().copied().unwrap_or_default();
            let one = self.read(format!("{PATH}/{counter}")).await;
            self.expect(&counter, one.as_ref(), expected);
            let list = self.read(format!("{PATH}?fieldSelector=metadata.name={counter}")).await;
            self.expect(&counter, list.as_ref().map(|list| &list["items"][0]), expected);
        }
        written.counters.push((counter, counted));
        self.done.written.push(written);
        self.done
    }

    async fn create(&mut self, name: &str) -> bool {
        self.write(Request::create(name, rand::random())).await
    }

    async fn write(&mut self, request: Request) -> bool {
        let answer = self.ask(&request).await;
        let landed = answer.is_some();
        if landed {
            self.done.acknowledged.push(Instant::now());
        }
        landed
    }

    async fn read(&mut self, path: String) -> Option<Value> {
        let answer = self.ask(&Request::get(path)).await?;
        Some(serde_json::from_slice(&answer.body).expect("JSON"))
    }

    /// A read shows this client's last write: nobody else writes to its counter.
    fn expect(&mut self, counter: &str, seen: Option<&Value>, expected: u64) {
        let Some(seen) = seen else { return };
        let n: Option<u64> = seen["data"]["n"].as_str().and_then(|n| n.parse().ok());
        if n != Some(expected) {
            let failure = format!("{counter} is {} after {expected}", seen["data"]["n"]);
            self.done.failures.push(failure);
        }
    }

    /// The answer to a request that is sent once more when it fails; `None` counts as a failure.
    async fn ask(&mut self, request: &Request) -> Option<Answer> {
        self.done.requests += 1;
        let missed = match self.attempt(request).await {
            Ok(answer) => return self.good(request, answer),
            Err(missed) => missed,
        };
        let from = self.member;
        self.connection = None;
        self.member = self.member % self.cluster.group.plan.nodes + 1;
        let (count, why) = match &missed {
            Missed::Refused(why) => (&mut self.done.firsts.refused, why),
            Missed::Unsent(why) => (&mut self.done.firsts.unsent, why),
            Missed::Unknown(why) => (&mut self.done.firsts.unknown, why),
        };
        *count += 1;
        let first = format!("{} {} on node-{from}: {why}", request.method, request.path);
        let unknown = matches!(missed, Missed::Unknown(_));
        if unknown {
            self.done.unknown.push(first.clone());
        }
        match self.attempt(request).await {
            Ok(answer)
                if unknown
                    && request.method == Method::POST
                    && answer.status == StatusCode::CONFLICT
                    && self.is_own(request).await =>
            {
                Some(answer)
            }
            Ok(answer) => self.good(request, answer),
            Err(Missed::Refused(why) | Missed::Unsent(why) | Missed::Unknown(why)) => {
                let failure = format!("{first}; then on node-{}: {why}", self.member);
                self.done.failures.push(failure);
                None
            }
        }
    }

    fn good(&mut self, request: &Request, answer: Answer) -> Option<Answer> {
        if answer.status.is_success() {
            return Some(answer);
        }
        let said = String::from_utf8_lossy(&answer.body);
        let Request { method, path, .. } = request;
        let failure = format!("{method} {path} on node-{}: {} {said}", self.member, answer.status);
        self.done.failures.push(failure);
        None
    }

    /// Whether the object that is there has the mark that this request gives it.
    async fn is_own(&mut self, request: &Request) -> bool {
        let sent: Value = serde_json::from_str(&request.body).expect("JSON");
        let name = sent["metadata"]["name"].as_str().expect("a name");
        let found = self.attempt(&Request::get(format!("{PATH}/{name}"))).await;
        let found = found.ok().and_then(|found| serde_json::from_slice::<Value>(&found.body).ok());
        found.is_some_and(|found| found["data"]["own"] == sent["data"]["own"])
    }

    async fn attempt(&mut self, request: &Request) -> Result<Answer, Missed> {
        let connection = match &mut self.connection {
            Some(open) => open,
            None => {
                let open = self.cluster.connect(self.member).await;
                self.connection.insert(open.map_err(|error| Missed::Unsent(words(&error)))?)
            }
        };
        let Request { method, path, content_type, body } = request.clone();
        let sent = connection.send(method, &path, content_type, body.into());
        let answer = match tokio::time::timeout(ANSWER_TIMEOUT, sent).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error @ ClientError::Broken { .. })) if was_not_sent(&error) => {
                return Err(Missed::Unsent(words(&error)));
            }
            Ok(Err(error)) => return Err(Missed::Unknown(words(&error))),
            Err(_) => return Err(Missed::Unknown(format!("no answer in {ANSWER_TIMEOUT:?}"))),
        };
        let said = || format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body).trim());
        match answer.status.as_u16() {
            429 | 503 => Err(Missed::Refused(said())),
            500..600 => Err(Missed::Unknown(said())),
            _ => Ok(answer),
        }
    }
}

/// Whether a connection was closed before the request went out.
fn was_not_sent(error: &ClientError) -> bool {
    match error {
        ClientError::Broken { source, .. } => source.is_canceled() || source.is_closed(),
        _ => false,
    }
}

/// An error with everything that caused it.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
