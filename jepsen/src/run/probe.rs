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
/// Members keep the roots of these indexes whenever they applied them, so all have them in common.
const ROOTS_EVERY: u64 = 64;

/// The highest index of each member whose root it has told.
type Told = BTreeMap<String, u64>;

/// Asks until clients are to stop, and then a few times more.
pub async fn members(subject: Subject, recorder: Arc<Recorder>, signals: Signals) {
    if subject.group.members().is_empty() {
        return;
    }
    let mut told = Told::new();
    while !signals.stop.is_cancelled() {
        look(&subject, &recorder, &mut told).await;
        tokio::select! {
            () = signals.stop.cancelled() => break,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
    for _ in 0..LAST_LOOKS {
        tokio::time::sleep(INTERVAL).await;
        look(&subject, &recorder, &mut told).await;
    }
}

async fn look(subject: &Subject, recorder: &Recorder, told: &mut Told) {
    let log = |kind, value| recorder.log(Process::Probe, kind, "members", value, BTreeMap::new());
    log(Kind::Invoke, Edn::Nil);
    let running = subject.group.members().into_iter().filter(|member| member.pid().is_some());
    let since = &*told;
    let answers = running.map(|member| async move {
        let since = since.get(&member.name).copied().unwrap_or(0);
        ask(subject, member, since).await.map(|answer| (member.name.clone(), answer))
    });
    let answers: Vec<_> = join_all(answers).await.into_iter().flatten().collect();
    told.extend(answers.iter().map(|(name, (_, upto))| (name.clone(), *upto)));
    log(Kind::Ok, Edn::Vector(answers.into_iter().map(|(_, (edn, _))| edn).collect()));
}

/// What a member tells of itself (what it tells of others is theirs to tell), and the highest index
/// whose root is known of it after that.
async fn ask(subject: &Subject, member: &Member, since: u64) -> Option<(Edn, u64)> {
    let status = subject.group.status(member).await?;
    let all = status["members"].as_array()?;
    let own = all.iter().find(|told| told["name"] == member.name.as_str())?;
    let number = |name: &str| own[name].as_u64().map_or(Edn::Nil, value::number);
    let applied = own["appliedIndex"].as_u64().unwrap_or(0);
    // One that was started again applies entries anew, and has to come to the same.
    let since = if applied < since { 0 } else { since };
    let roots = subject.group.roots(member, since + 1).await.unwrap_or_default();
    let kept: Vec<_> = roots.iter().filter(|(at, _)| at.is_multiple_of(ROOTS_EVERY)).collect();
    let upto = kept.last().map_or(since, |(at, _)| *at);
    let root =
        |(at, root): &(u64, String)| Edn::Vector(vec![value::number(*at), value::text(root)]);
    let edn = value::map([
        ("node", value::text(&member.name)),
        ("index", number("appliedIndex")),
        ("rev", number("appliedRevision")),
        ("root", own["stateRoot"].as_str().map_or(Edn::Nil, value::text)),
        ("term", number("term")),
        ("leads", Edn::Bool(own["role"] == "leader")),
        ("diverged", number("divergedAt")),
        ("roots", Edn::Vector(kept.into_iter().map(root).collect())),
    ]);
    Some((edn, upto))
}
