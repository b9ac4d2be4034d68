//! Asks the members now and then for their state.

use super::Recorder;
use super::subject::Subject;
use crate::history::{Edn, Kind, Process, value};
use crate::host::Member;
use crate::workload::Signals;
use futures::future::join_all;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often they are asked.
const INTERVAL: Duration = Duration::from_secs(1);
/// Looks after the clients stopped, at which all members should agree.
const LAST_LOOKS: usize = 3;

/// Asks until clients are to stop, and then a few times more.
pub async fn members(subject: Subject, recorder: Arc<Recorder>, signals: Signals) {
    if subject.group.members.is_empty() {
        return;
    }
    while !signals.stop.is_cancelled() {
        look(&subject, &recorder).await;
        tokio::select! {
            () = signals.stop.cancelled() => break,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
    for _ in 0..LAST_LOOKS {
        tokio::time::sleep(INTERVAL).await;
        look(&subject, &recorder).await;
    }
}

async fn look(subject: &Subject, recorder: &Recorder) {
    let log = |kind, value| recorder.log(Process::Probe, kind, "members", value, BTreeMap::new());
    log(Kind::Invoke, Edn::Nil);
    let running = subject.group.members.iter().filter(|member| member.pid().is_some());
    let answers = join_all(running.map(|member| ask(subject, member))).await;
    log(Kind::Ok, Edn::Vector(answers.into_iter().flatten().collect()));
}

/// What a member tells of itself; what it tells of others is theirs to tell.
async fn ask(subject: &Subject, member: &Member) -> Option<Edn> {
    let status = subject.group.status(member).await?;
    let all = status["members"].as_array()?;
    let own = all.iter().find(|told| told["name"] == member.name.as_str())?;
    let number = |name: &str| own[name].as_u64().map_or(Edn::Nil, value::number);
    Some(value::map([
        ("node", value::text(&member.name)),
        ("index", number("appliedIndex")),
        ("rev", number("appliedRevision")),
        ("root", own["stateRoot"].as_str().map_or(Edn::Nil, value::text)),
        ("term", number("term")),
        ("leads", Edn::Bool(own["role"] == "leader")),
        ("diverged", number("divergedAt")),
    ]))
}
