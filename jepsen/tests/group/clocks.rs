//! One member's wall clock jumps, or stands: nothing acknowledged is lost, no watch misses anything,
//! commits keep their times, nothing is forgotten early, and nobody else is elected for it.
//!
//! What it may cost is that member's new connections, while its clock is outside of what the
//! certificates are good for; the connections that are open stay.

use crate::trio::{MAPS, PATIENCE, Trio, eventually, map, version};
use jepsen::client::{Call, Lines};
use jepsen::clock::{self, Clock, SETTLES, Setting};
use jepsen::host::{Group, Member};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::UNIX_EPOCH;

const DAY: f64 = 86_400.0;
const YEARS: f64 = 10.0 * 365.0 * DAY;
const COMMITS: &str = "/apis/history.reddwarf.dev/v1alpha1/namespaces/default/commits";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
const EVENTS: &str = "/api/v1/namespaces/default/events";
/// How far a commit's time may be from the true one.
const TRUE_SECONDS: f64 = 30.0;

fn clocks(group: &mut Group) -> Result<(), String> {
    clock::lay(group).map_err(|error| error.to_string())
}

/// What happens to a clock.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Jump(f64),
    /// It stands still.
    Stand,
}

/// A trio, and what was acknowledged.
struct Trial {
    trio: Trio,
    written: BTreeSet<String>,
}

fn true_seconds() -> f64 {
    UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64()
}

async fn term(trio: &Trio, member: &Member) -> u64 {
    let status = trio.group.status(member).await.expect("a status");
    let members = status["members"].as_array().expect("members");
    members.iter().filter_map(|member| member["term"].as_u64()).max().expect("terms")
}

impl Trial {
    /// Writes through a member over a connection that is open already.
    async fn write(&mut self, client: &mut jepsen::client::Client, name: &str) {
        let answer = client.send(Call::post(MAPS, &map(name))).await.expect("an answer");
        assert!(answer.is_success(), "{name}: {answer:?}");
        self.written.insert(name.to_owned());
    }

    /// Lets a member's clock go wrong, for a moment in which all members are written to.
    async fn fault(&mut self, at: usize, fault: Fault, round: usize) {
        let name = self.trio.group.all[at].name.clone();
        let clock = Clock::of(&self.trio.group.all[at].folder);
        // Connections that are open before: the member may take no new ones.
        let mut clients: Vec<_> =
            self.trio.group.all.iter().map(|member| self.trio.client(member)).collect();
        for (number, client) in clients.iter_mut().enumerate() {
            self.write(client, &format!("before-{round}-{number}")).await;
        }
        let leader = self.trio.leader().await.name.clone();
        let other = (at + 1) % 3;
        let before = term(&self.trio, &self.trio.group.all[other]).await;
        let done = match fault {
            Fault::Jump(seconds) => clock.set(Setting::jump(seconds)),
            Fault::Stand => clock.stop(jiff::Timestamp::now()),
        };
        done.expect("a clock that goes wrong");
        tokio::time::sleep(SETTLES).await;
        for number in 0..5 {
            for (member, client) in clients.iter_mut().enumerate() {
                self.write(client, &format!("wrong-{round}-{number}-{member}")).await;
            }
            // A lease is renewed by whoever holds it; its times are the client's.
            let renewed = json!({"spec": {"leaseDurationSeconds": 15 + number}});
            let call = Call::merge_patch(format!("{LEASE}/held"), &renewed);
            let answer = clients[number % 3].send(call).await.expect("an answer");
            assert!(answer.is_success(), "{answer:?}");
        }
        let after = term(&self.trio, &self.trio.group.all[other]).await;
        let leads = self.trio.group.leader().await.map(|member| member.name.clone());
        println!("{fault:?} of {name} ({leader} led): terms {before} and {after}, {leads:?} leads");
        assert!(after <= before + 1, "elections for a clock: {before}, then {after}");

        clock.set(Setting::TRUE).expect("set");
        tokio::time::sleep(SETTLES).await;
        // What was made while the clock was ahead is made anew once it is not.
        let member = &self.trio.group.all[at];
        member.signal(rustix::process::Signal::HUP).expect("it runs");
        self.trio.group.all_ready(PATIENCE).await.expect("all take new connections");
    }

    /// Every commit of the run has a time near the true one, and none is before its parent's.
    async fn check_history(&self, member: &Member, since: f64) {
        let list = self.trio.get(member, &format!("{COMMITS}?limit=1000")).await;
        let commits = list["items"].as_array().expect("commits");
        assert!(commits.len() >= self.written.len(), "{} of {}", commits.len(), self.written.len());
        let mut times: Vec<(u64, f64)> =
            commits.iter().map(|commit| (revision(commit), time(commit))).collect();
        times.sort_by_key(|(revision, _)| *revision);
        let now = true_seconds();
        for pair in times.windows(2) {
            assert!(pair[0].1 <= pair[1].1, "{pair:?}");
        }
        let wrong = times
            .iter()
            .filter(|(_, time)| *time < since - TRUE_SECONDS || *time > now + TRUE_SECONDS);
        assert_eq!(wrong.collect::<Vec<_>>(), Vec::<&(u64, f64)>::new());
    }
}

fn revision(commit: &Value) -> u64 {
    let text = commit["metadata"]["resourceVersion"].as_str().expect("a version");
    text.parse().expect("a number")
}

fn time(commit: &Value) -> f64 {
    let text = commit["metadata"]["creationTimestamp"].as_str().expect("a time");
    text.parse::<jiff::Timestamp>().expect("a time").as_second() as f64
}

/// Names that a watch tells of, until `last`.
async fn watched(watch: &mut Lines, last: &str) -> Vec<String> {
    let mut names = Vec::new();
    while names.last().is_none_or(|name| name != last) {
        let event = watch.next().await.expect("it goes on").expect("it does not end");
        if event["type"] == "ADDED" {
            names.push(event["object"]["metadata"]["name"].as_str().expect("a name").to_owned());
        }
    }
    names
}

async fn run(faults: &[Fault]) {
    let Some(trio) = Trio::in_namespaces(clocks).await else { return };
    let since = true_seconds();
    let mut trial = Trial { trio, written: BTreeSet::new() };
    let members = 0..trial.trio.group.all.len();
    let list = trial.trio.get(&trial.trio.group.all[0], MAPS).await;
    let mut watches = Vec::new();
    for at in members.clone() {
        let member = &trial.trio.group.all[at];
        watches.push(trial.trio.watch(member, MAPS, &version(&list)).await);
    }
    let first = &trial.trio.group.all[0];
    let lease = json!({"metadata": {"name": "held"}, "spec": {"leaseDurationSeconds": 15}});
    assert!(trial.trio.ask(first, Call::post(LEASE, &lease)).await.is_success());
    let event = json!({
        "metadata": {"name": "kept"}, "involvedObject": {"namespace": "default"}, "reason": "Kept",
    });
    let made = trial.trio.ask(first, Call::post(EVENTS, &event)).await;
    assert!(made.is_success(), "{made:?}");
    let oldest = trial.trio.get(first, &format!("{MAPS}?limit=1")).await;

    for (round, fault) in faults.iter().enumerate() {
        let leader = trial.trio.leader().await.name.clone();
        let leads = |member: &Member| member.name == leader;
        let leading = trial.trio.group.all.iter().position(leads).expect("a member");
        for at in [leading, (leading + 1) % 3] {
            trial.fault(at, *fault, 2 * round + usize::from(at != leading)).await;
        }
    }

    let mut client = trial.trio.client(&trial.trio.group.all[0]);
    trial.write(&mut client, "last").await;
    for at in members {
        let seen = watched(&mut watches[at], "last").await;
        let once: BTreeSet<String> = seen.iter().cloned().collect();
        assert_eq!((seen.len(), &once), (trial.written.len(), &trial.written), "a watch");
        let member = &trial.trio.group.all[at];
        eventually("it has the newest", async || {
            let list = trial.trio.get(member, MAPS).await;
            let names = list["items"].as_array().expect("a list").iter();
            let names = names.filter_map(|map| map["metadata"]["name"].as_str().map(str::to_owned));
            let names: BTreeSet<String> = names.collect();
            trial.written.is_subset(&names)
        })
        .await;
        trial.check_history(member, since).await;
        // Neither the event nor the past is gone: ages are not counted by clocks.
        trial.trio.get(member, &format!("{EVENTS}/kept")).await;
        trial.trio.get(member, &format!("/at/{}{MAPS}", version(&oldest))).await;
        let moment = jiff::Timestamp::from_second(since as i64 + 1).expect("a time");
        trial.trio.get(member, &format!("/at/{moment}{MAPS}")).await;
    }
    trial.trio.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_ten_years_costs_no_history() {
    run(&[Fault::Jump(YEARS)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes some minutes: all faults, of the leader and of a follower"]
async fn clocks_that_jump_and_stand_cost_no_history() {
    let jumps = [-YEARS, YEARS, 250.0 * DAY, -7_200.0, 7_200.0, -90.0].map(Fault::Jump);
    run(&[&jumps[..], &[Fault::Stand]].concat()).await;
}
