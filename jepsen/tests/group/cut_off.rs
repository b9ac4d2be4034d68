//! A member without a majority says so soon, refuses what takes one, and labels what it knows.

use crate::trio::{MAPS, Trio, eventually, map, version};
use jepsen::client::{Call, Lines};
use jepsen::host::Member;
use jepsen::net::Grudge;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The longest election timeout of a member, and what is promised beyond it.
const UNREADY_MAX: Duration = Duration::from_millis(300 + 200);
/// How long a request waits for another leader.
const PATIENCE_OF_READS: Duration = Duration::from_millis(1_800);
/// How long an answer that waits for nothing may take on a busy machine.
const AT_ONCE: Duration = Duration::from_millis(400);
/// How soon a member serves again when it is let in again.
const READY_AGAIN_MAX: Duration = Duration::from_secs(5);
const ROUNDS: usize = 2;

const BRANCHES: &str = "/apis/history.reddwarf.dev/v1alpha1/branches";
const AGE: &str = "reddwarf-age-seconds";

/// Asks for `/readyz` without a pause until it is answered as `ready` says; how long after `since`
/// that was.
async fn until(trio: &Trio, member: &Member, ready: bool, since: Instant) -> Duration {
    let mut client = trio.client(member);
    loop {
        let answer = client.send(Call::get("/readyz")).await;
        let took = since.elapsed();
        if answer.is_ok_and(|answer| answer.is_success()) == ready {
            return took;
        }
        assert!(took < crate::trio::PATIENCE, "{} is never ready: {ready}", member.name);
    }
}

fn isolate(trio: &Trio, member: &Member) -> Grudge {
    let names: Vec<String> = trio.group.all.iter().map(|member| member.name.clone()).collect();
    Grudge::isolate(&names, &member.name)
}

/// What a member that was cut off at `since` answers.
async fn check_answers(trio: &Trio, member: &Member, since: Instant) {
    // The first one waits for another leader, those later on for nothing.
    for patience in [PATIENCE_OF_READS, Duration::ZERO] {
        let asked = Instant::now();
        let answer = trio.ask(member, Call::get(MAPS)).await;
        let took = asked.elapsed();
        assert!(took < patience + AT_ONCE, "{took:?}");
        let status = answer.json().expect("a status");
        assert_eq!(
            (&status["reason"], &status["code"]),
            (&json!("ServiceUnavailable"), &json!(503))
        );
        assert_eq!(status["details"]["retryAfterSeconds"], 1);
        let message = status["message"].as_str().expect("a message");
        assert!(message.contains("has reached no majority of the members for"), "{message}");
    }
    let asked = Instant::now();
    let answer = trio.ask(member, Call::post(MAPS, &map("refused"))).await;
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    assert_eq!(answer.status, 503, "{answer:?}");

    let object = format!("{MAPS}/before");
    let branch = format!("/branches/canary{MAPS}");
    for path in [MAPS, object.as_str(), branch.as_str()] {
        let answer = trio.ask(member, Call::get(format!("{path}?resourceVersion=0"))).await;
        assert!(answer.is_success(), "{path}: {answer:?}");
        let told = answer.header(AGE).and_then(|age| age.parse::<f64>().ok());
        let told = told.unwrap_or_else(|| panic!("{path} is not labelled: {answer:?}"));
        let true_age = since.elapsed().as_secs_f64();
        // A majority was last heard a heartbeat before the cut at most, and the answer was under way.
        assert!((told - true_age).abs() < AT_ONCE.as_secs_f64(), "{path}: {told} of {true_age}");
        let warning = answer.header("warning").expect("kubectl shows it");
        assert!(warning.contains("no majority for"), "{warning}");
    }
}

/// The next event of a watch that is no bookmark.
async fn next(watch: &mut Lines) -> Value {
    loop {
        let event = watch.next().await.expect("it goes on").expect("it does not end");
        if event["type"] != "BOOKMARK" {
            return event;
        }
    }
}

/// Cuts a member off, looks at it, and lets it in again.
async fn cut_off(trio: &Trio, member: &Member, name: &str) -> (Duration, Duration) {
    let network = trio.group.network.as_ref().expect("namespaces have links");
    let other = trio.others(member)[0];
    let list = trio.get(member, MAPS).await;
    let mut watch = trio.watch(member, MAPS, &version(&list)).await;
    until(trio, member, true, Instant::now()).await;

    let cut = Instant::now();
    network.cut(&isolate(trio, member)).expect("known members");
    let unready = until(trio, member, false, cut).await;
    assert!(unready <= UNREADY_MAX, "/readyz of {} failed after {unready:?}", member.name);
    check_answers(trio, member, cut).await;
    // The others go on, of which a watch here knows nothing and says nothing.
    eventually("the others are ready", async || {
        trio.client(other).send(Call::get("/readyz")).await.is_ok_and(|a| a.is_success())
    })
    .await;
    trio.write(other, name).await;
    tokio::select! {
        event = next(&mut watch) => panic!("{} cannot know of {event}", member.name),
        () = tokio::time::sleep(AT_ONCE) => {}
    }

    let healed = Instant::now();
    network.heal();
    let again = until(trio, member, true, healed).await;
    assert!(again <= READY_AGAIN_MAX, "{} is ready after {again:?}", member.name);
    let event = next(&mut watch).await;
    assert_eq!(
        (&event["type"], &event["object"]["metadata"]["name"]),
        (&json!("ADDED"), &json!(name))
    );
    let answer = trio.ask(member, Call::get(format!("{MAPS}?resourceVersion=0"))).await;
    assert!(answer.header(AGE).is_none() && answer.header("warning").is_none(), "{answer:?}");
    (unready, again)
}

async fn prepare() -> Option<Trio> {
    let trio = Trio::in_namespaces(|_| Ok(())).await?;
    let one = &trio.group.all[0];
    trio.write(one, "before").await;
    let branch = json!({
        "apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "Branch",
        "metadata": {"name": "canary"},
    });
    let made = trio.ask(one, Call::post(BRANCHES, &branch)).await;
    assert!(made.is_success(), "{made:?}");
    for member in &trio.group.all {
        // Whoever has shown a branch need not read the past for it.
        trio.get(member, &format!("/branches/canary{MAPS}")).await;
    }
    Some(trio)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_is_cut_off_is_not_ready_and_labels_what_it_knows() {
    let Some(trio) = prepare().await else { return };
    for round in 0..ROUNDS {
        let follower = trio.followers().await[0];
        let (unready, again) = cut_off(&trio, follower, &format!("follower-{round}")).await;
        println!("a follower: not ready after {unready:?}, ready again after {again:?}");
        let leader = trio.leader().await;
        let (unready, again) = cut_off(&trio, leader, &format!("leader-{round}")).await;
        println!("the leader: not ready after {unready:?}, ready again after {again:?}");
    }
    trio.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_one_of_three_is_not_ready_until_another_one_runs() {
    let Some(trio) = prepare().await else { return };
    for leads in [false, true] {
        let last = if leads { trio.leader().await } else { trio.followers().await[0] };
        let others = trio.others(last);
        until(&trio, last, true, Instant::now()).await;
        let killed = Instant::now();
        for other in &others {
            other.signal(rustix::process::Signal::KILL).expect("it runs");
        }
        let unready = until(&trio, last, false, killed).await;
        assert!(unready <= UNREADY_MAX, "/readyz failed after {unready:?}");
        check_answers(&trio, last, killed).await;
        for other in &others {
            other.wait_ended(crate::trio::PATIENCE).await.expect("killed");
            other.start().expect("it starts");
        }
        let started = Instant::now();
        let again = until(&trio, last, true, started).await;
        println!(
            "leads: {leads}; not ready after {unready:?}, again {again:?} after the others' start"
        );
        trio.group.all_ready(crate::trio::PATIENCE).await.expect("all serve again");
    }
    trio.end().await;
}
