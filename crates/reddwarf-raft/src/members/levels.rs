//! Raising the group's feature level, and recording which builds the members run.
//!
//! Nobody can take a level back, so the leader raises it by itself only when every member has run,
//! and supported it, for the settle time; an operator may ask for it sooner. What decides is pure;
//! see [`lacking`] and [`Settling`].

use super::change::look;
use crate::core::Core;
use crate::data::LogData;
use crate::peer::{MembersReply, PeerBuild};
use reddwarf_core::feature::VERSION_BYTES_MAX;
use reddwarf_core::{FeatureLevel, Fence, MemberBuild, Outcome, Proposal, ProposalKind, RequestId};
use reddwarf_versioning::needs_level;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the leader looks at the members' builds.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long an entry may take to be applied.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(5);

/// A member as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its Raft node id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// What it runs, `None` when it does not answer.
    pub build: Option<PeerBuild>,
}

/// What keeps the group from `level`: the first member that does not answer, or does not support it.
pub fn lacking(level: FeatureLevel, members: &[Seen]) -> Option<String> {
    members.iter().find_map(|Seen { name, build, .. }| match build {
        None => Some(format!("{name} does not answer")),
        Some(build) if !build.levels.contains(level) => {
            let (version, levels) = (&build.version, build.levels);
            let of =
                if version.is_empty() { String::new() } else { format!(" (reddwarf {version})") };
            Some(format!("{name}{of} supports feature level {levels}, not {level}"))
        }
        Some(_) => None,
    })
}

/// Since when nothing has been lacking.
#[derive(Debug, Default)]
pub struct Settling {
    since: Option<Instant>,
}

impl Settling {
    /// Whether the level is to be raised at `now`, by what is seen now and was seen before.
    pub fn is_over(&mut self, now: Instant, lacks: bool, settle: Option<Duration>) -> bool {
        if lacks {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        settle.is_some_and(|settle| now.duration_since(since) >= settle)
    }
}

/// Looks after level and builds while this member leads, until the node stops.
pub async fn keep(core: Arc<Core>) {
    core.stop.run_until_cancelled(look_after(&core)).await;
}

async fn look_after(core: &Core) {
    let mut settling = Settling::default();
    let mut told = String::new();
    loop {
        tokio::time::sleep(INTERVAL).await;
        let level = *core.machine.level.borrow();
        let leads = core.leadership.borrow().is_some();
        let next = Some(level.next()).filter(|next| core.build.levels.contains(*next));
        if !leads || (next.is_none() && level < FeatureLevel::MEMBER_BUILDS) {
            settling = Settling::default();
            continue;
        }
        let members = if next.is_some() { see(core).await } else { remembered(core) };
        let recorded = record(core, &members).await;
        let lacks = next.and_then(|next| lacking(next, &members));
        let settle = core.limits.level_settle;
        let raised = match next {
            Some(_) if settling.is_over(Instant::now(), lacks.is_some(), settle) => {
                settling = Settling::default();
                raise(core).await.map(drop)
            }
            _ => Ok(()),
        };
        for why in [recorded, raised].into_iter().filter_map(Result::err) {
            if why != told {
                tracing::warn!(why, "the feature level");
                told = why;
            }
        }
    }
}

/// Raises the level as far as all members support it; the level that there is then.
pub async fn finish(core: &Core) -> MembersReply {
    let mut raised = false;
    loop {
        let level = *core.machine.level.borrow();
        if level >= core.build.levels.newest {
            return MembersReply::Done(level.0.into());
        }
        match raise(core).await {
            Ok(_) => raised = true,
            Err(_) if raised => return MembersReply::Done(level.0.into()),
            Err(_) if core.leadership.borrow().is_none() => return MembersReply::NotLeader,
            Err(why) => return MembersReply::Refused(why),
        }
    }
}

/// Raises the level by one. No member comes in meanwhile: `changing_members` is held by whoever lets
/// one in.
async fn raise_in_turn(core: &Core) -> Result<FeatureLevel, String> {
    let next = core.machine.level.borrow().next();
    if !core.build.levels.contains(next) {
        let (version, levels) = (&core.build.version, core.build.levels);
        return Err(format!(
            "the leader (reddwarf {version}) supports feature level {levels}, not {next}"
        ));
    }
    if core.membership().membership().get_joint_config().len() > 1 {
        return Err("a change of the members is under way".to_owned());
    }
    if let Some(why) = lacking(next, &see(core).await) {
        return Err(why);
    }
    let term = *core.leadership.borrow();
    let fence = Fence { term: term.ok_or("this member leads no longer")? };
    propose(core, ProposalKind::RaiseLevel { fence, level: next }).await?;
    Ok(next)
}

async fn raise(core: &Core) -> Result<FeatureLevel, String> {
    let turn = tokio::time::timeout(COMMIT_TIMEOUT, core.changing_members.lock()).await;
    let _turn = turn.map_err(|_| "a change of the members is under way")?;
    raise_in_turn(core).await
}

/// Every member and what it ran when it was dialed last, without asking them.
fn remembered(core: &Core) -> Vec<Seen> {
    let build = |id: u64| match id == core.node_id {
        true => Some(core.build.clone()),
        false => core.client(id).and_then(|client| client.build()),
    };
    let members = core.members().into_iter();
    members.map(|(id, member)| Seen { id, name: member.name, build: build(id) }).collect()
}

/// Every member, and what it runs if it answers now.
async fn see(core: &Core) -> Vec<Seen> {
    let (view, _) = look(core).await;
    let mut members = remembered(core);
    for member in members.iter_mut().filter(|member| !view.reachable.contains(&member.id)) {
        member.build = None;
    }
    members
}

/// Records the members' builds where they are others than those that are recorded. Of a member that
/// does not answer that is kept which it ran last.
async fn record(core: &Core, members: &[Seen]) -> Result<(), String> {
    let level = *core.machine.level.borrow();
    if level < FeatureLevel::MEMBER_BUILDS {
        return Ok(());
    }
    let recorded = core.machine.builds();
    let builds = to_record(&recorded, members);
    let Some(term) = *core.leadership.borrow() else { return Ok(()) };
    match builds == *recorded {
        true => Ok(()),
        false => propose(core, ProposalKind::RecordBuilds { fence: Fence { term }, builds }).await,
    }
}

/// What is to be recorded of these members, in the order of the nodes.
fn to_record(recorded: &[MemberBuild], members: &[Seen]) -> Vec<MemberBuild> {
    let mut builds: BTreeMap<u64, MemberBuild> =
        recorded.iter().map(|build| (build.node, build.clone())).collect();
    builds.retain(|node, _| members.iter().any(|member| member.id == *node));
    for Seen { id, build, .. } in members {
        if let Some(PeerBuild { version, levels }) = build {
            let version = shortened(version);
            builds.insert(*id, MemberBuild { node: *id, version, levels: *levels });
        }
    }
    builds.into_values().collect()
}

/// What of a version can be recorded.
fn shortened(version: &str) -> String {
    let ends = version.char_indices().map(|(at, char)| at + char.len_utf8());
    let end = ends.take_while(|end| *end <= VERSION_BYTES_MAX).last().unwrap_or_default();
    version[..end].to_owned()
}

/// Appends what only the leader proposes, if the group's level allows it (invariant 2), and waits
/// until it is applied.
async fn propose(core: &Core, kind: ProposalKind) -> Result<(), String> {
    let level = *core.machine.level.borrow();
    if kind.needs() > level {
        return Err(needs_level(kind.needs(), level));
    }
    let made_at = core.machine.applied.borrow().index;
    let proposal = Proposal { request_id: RequestId(rand::random()), made_at, kind };
    let data = LogData::encode(proposal).map_err(|error| error.to_string())?;
    let written = tokio::time::timeout(COMMIT_TIMEOUT, core.raft.client_write(data)).await;
    let written = written.map_err(|_| "no majority has confirmed it in time")?;
    match written.map_err(|error| error.to_string())?.response() {
        Outcome::Rejected(rejection) => Err(rejection.to_string()),
        Outcome::Done | Outcome::Committed(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(id: u64, levels: Option<&str>) -> Seen {
        let build = levels.map(|levels| PeerBuild {
            version: "0.1.0".to_owned(),
            levels: levels.parse().expect("levels"),
        });
        Seen { id, name: format!("node-{id}"), build }
    }

    #[test]
    fn every_member_has_to_answer_and_to_support_the_level() {
        let lacks = |members: &[Seen]| lacking(FeatureLevel(2), members);
        assert_eq!(lacks(&[seen(1, Some("1-2")), seen(2, Some("2-3"))]), None);
        let silent = lacks(&[seen(1, Some("1-2")), seen(2, None)]);
        assert_eq!(silent.as_deref(), Some("node-2 does not answer"));
        let old = lacks(&[seen(1, Some("1-2")), seen(2, Some("1"))]);
        let expected = "node-2 (reddwarf 0.1.0) supports feature level 1, not 2";
        assert_eq!(old.as_deref(), Some(expected));
        assert!(lacks(&[seen(1, Some("3-4"))]).is_some(), "too new");
    }

    #[test]
    fn the_settle_time_begins_again_whenever_something_lacks() {
        let (start, settle) = (Instant::now(), Some(Duration::from_secs(60)));
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut settling = Settling::default();
        assert!(!settling.is_over(at(0), false, settle));
        assert!(!settling.is_over(at(59), false, settle));
        assert!(!settling.is_over(at(60), true, settle), "a member is gone");
        assert!(!settling.is_over(at(61), false, settle));
        assert!(!settling.is_over(at(120), false, settle));
        assert!(settling.is_over(at(121), false, settle));
    }

    #[test]
    fn without_a_settle_time_it_is_raised_at_once_or_never() {
        let now = Instant::now();
        assert!(Settling::default().is_over(now, false, Some(Duration::ZERO)));
        assert!(!Settling::default().is_over(now, true, Some(Duration::ZERO)));
        let mut held = Settling::default();
        assert!(!held.is_over(now, false, None));
        assert!(!held.is_over(now + Duration::from_secs(1_000_000), false, None));
    }

    #[test]
    fn what_a_silent_member_ran_last_is_kept_and_a_removed_one_forgotten() {
        let first = to_record(&[], &[seen(3, Some("1-2")), seen(1, Some("1-2"))]);
        assert_eq!(first.iter().map(|build| build.node).collect::<Vec<_>>(), [1, 3]);
        let then = to_record(&first, &[seen(1, Some("2-3")), seen(3, None), seen(4, None)]);
        let levels: Vec<_> = then.iter().map(|b| (b.node, b.levels.to_string())).collect();
        assert_eq!(levels, [(1, "2-3".to_owned()), (3, "1-2".to_owned())]);
        assert_eq!(to_record(&then, &[seen(1, None)]).len(), 1);
    }

    #[test]
    fn a_long_version_is_cut_between_characters() {
        assert_eq!(shortened("0.1.0+next"), "0.1.0+next");
        assert_eq!(shortened(""), "");
        let long = "ü".repeat(VERSION_BYTES_MAX);
        assert_eq!(shortened(&format!("v{long}")), format!("v{}", "ü".repeat(31)));
    }
}
