//! What a change of the members comes to, given what the leader knows: no I/O, no clock.

use crate::types::Member;
use openraft::ChangeMembers;
use std::collections::{BTreeMap, BTreeSet};

/// Members that a group may have, learners included.
pub const MEMBERS_MAX: usize = 9;

/// A change for Raft.
pub type Change = ChangeMembers<u64, Member>;

/// What the leader knows of the members.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// The leader.
    pub leader: u64,
    /// Those who vote.
    pub voters: BTreeSet<u64>,
    /// Whether a change of the voters is half done.
    pub joint: bool,
    /// All, learners included.
    pub members: BTreeMap<u64, Member>,
    /// Those that answer now, the leader included.
    pub reachable: BTreeSet<u64>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Propose this.
    Change(Change),
    /// Let another member lead first.
    HandOver,
}

/// A learner that has caught up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its id.
    pub id: u64,
    /// The voter whose place it is to take, beside one of its own name.
    pub replaces: Option<String>,
}

const UNDER_WAY: &str = "another change of the members is under way; try again when it is done";

impl View {
    fn name(&self, id: u64) -> &str {
        self.members.get(&id).map_or("", |member| member.name.as_str())
    }

    fn voter_named(&self, name: &str) -> Option<u64> {
        self.voters.iter().copied().find(|id| self.name(*id) == name)
    }

    fn learner_named(&self, name: &str) -> Option<u64> {
        let mut learners = self.members.keys().copied().filter(|id| !self.voters.contains(id));
        learners.find(|id| self.name(*id) == name)
    }

    /// Why these voters could not decide anything now, if that is so.
    fn lacks_majority(&self, voters: &BTreeSet<u64>) -> Option<String> {
        let silent: Vec<&str> =
            voters.difference(&self.reachable).map(|id| self.name(*id)).collect();
        let (answering, needed) = (voters.len() - silent.len(), voters.len() / 2 + 1);
        (answering < needed).then(|| {
            format!(
                "of the {} voters that there would be, {needed} must run to be a majority, and only \
                 {answering} answer ({} does not)",
                voters.len(),
                silent.join(", ")
            )
        })
    }
}

/// How a node comes in as a learner.
///
/// # Errors
/// Why it may not, for the operator.
pub fn admit(
    view: &View,
    id: u64,
    member: &Member,
    replaces: Option<&str>,
) -> Result<Change, String> {
    if view.joint {
        return Err(UNDER_WAY.to_owned());
    }
    let name = member.name.as_str();
    if let Some(old) = replaces.filter(|old| view.voter_named(old).is_none()) {
        return Err(format!("{old} is no voter of this group, so that nobody can take its place"));
    }
    let earlier = view.learner_named(name);
    for before in [view.voter_named(name), earlier].into_iter().flatten() {
        if view.reachable.contains(&before) {
            return Err(format!(
                "{name} is a member and runs: stop it first if this is the same machine, or give \
                 another name"
            ));
        }
    }
    let gives_way = |other: &Member| other.name == name || Some(other.name.as_str()) == replaces;
    let same_place = |other: &&Member| other.addr == member.addr && !gives_way(other);
    if let Some(other) = view.members.values().find(same_place) {
        return Err(format!("{} has the address {}", other.name, member.addr));
    }
    let places = view.members.values().filter(|other| !gives_way(other)).count();
    if places >= MEMBERS_MAX {
        return Err(format!("a group has {MEMBERS_MAX} members at most"));
    }
    let add = ChangeMembers::AddNodes(BTreeMap::from([(id, member.clone())]));
    Ok(match earlier {
        // An attempt that came to nothing.
        Some(earlier) => ChangeMembers::Batch(vec![remove_node(earlier), add]),
        None => add,
    })
}

fn remove_node(id: u64) -> Change {
    ChangeMembers::RemoveNodes(BTreeSet::from([id]))
}

/// How a member goes.
///
/// # Errors
/// Why it may not, for the operator.
pub fn remove(view: &View, name: &str) -> Result<Step, String> {
    if view.joint {
        return Err(UNDER_WAY.to_owned());
    }
    // One that is just coming back under the name of a voter goes first.
    if let Some(learner) = view.learner_named(name) {
        return Ok(Step::Change(remove_node(learner)));
    }
    let Some(id) = view.voter_named(name) else {
        return Err(format!("{name} is no member of this group"));
    };
    let mut left = view.voters.clone();
    left.remove(&id);
    if left.is_empty() {
        return Err(format!("{name} is the only voter: the group would end with it"));
    }
    if let Some(why) = view.lacks_majority(&left) {
        return Err(format!("without {name} the group could not go on: {why}"));
    }
    if id == view.leader {
        return Ok(Step::HandOver);
    }
    Ok(Step::Change(ChangeMembers::RemoveVoters(BTreeSet::from([id]))))
}

/// Who is to lead; `None` is whichever is fittest of those that do not.
///
/// # Errors
/// Why that is not possible, for the operator.
pub fn lead(view: &View, name: Option<&str>) -> Result<Option<u64>, String> {
    let others = view.voters.iter().filter(|id| **id != view.leader);
    let Some(name) = name else {
        return match others.copied().any(|id| view.reachable.contains(&id)) {
            true => Ok(None),
            false => Err("there is no other voter that answers, and could lead".to_owned()),
        };
    };
    match view.voter_named(name) {
        Some(id) if view.reachable.contains(&id) => Ok(Some(id)),
        Some(_) => Err(format!("{name} does not answer")),
        None if view.learner_named(name).is_some() => Err(format!("{name} does not vote yet")),
        None => Err(format!("{name} is no member of this group")),
    }
}

/// How a learner that has caught up becomes a voter, in the place of another if it takes one's.
///
/// # Errors
/// Why it has to wait.
pub fn promote(view: &View, candidate: &Candidate) -> Result<Step, String> {
    if view.joint {
        return Err(UNDER_WAY.to_owned());
    }
    let named = [Some(view.name(candidate.id)), candidate.replaces.as_deref()];
    let gone: BTreeSet<u64> =
        named.into_iter().flatten().filter_map(|name| view.voter_named(name)).collect();
    let mut voters: BTreeSet<u64> = view.voters.difference(&gone).copied().collect();
    voters.insert(candidate.id);
    if let Some(why) = view.lacks_majority(&voters) {
        return Err(why);
    }
    if gone.contains(&view.leader) {
        return Ok(Step::HandOver);
    }
    let add = ChangeMembers::AddVoterIds(BTreeSet::from([candidate.id]));
    Ok(Step::Change(match gone.is_empty() {
        true => add,
        false => ChangeMembers::Batch(vec![add, ChangeMembers::RemoveVoters(gone)]),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str) -> Member {
        Member { name: name.to_owned(), addr: format!("{name}:1"), incarnation: 7 }
    }

    /// Voters `1..=voters`, named `a`, `b` and so on, led by the first; `silent` do not answer.
    fn view(voters: u64, silent: &[u64]) -> View {
        let name = |id: u64| char::from(b'a' + id as u8 - 1).to_string();
        View {
            leader: 1,
            voters: (1..=voters).collect(),
            joint: false,
            members: (1..=voters).map(|id| (id, member(&name(id)))).collect(),
            reachable: (1..=voters).filter(|id| !silent.contains(id)).collect(),
        }
    }

    fn with_learner(mut view: View, id: u64, name: &str, answers: bool) -> View {
        view.members.insert(id, member(name));
        if answers {
            view.reachable.insert(id);
        }
        view
    }

    fn candidate(id: u64, replaces: Option<&str>) -> Candidate {
        Candidate { id, replaces: replaces.map(str::to_owned) }
    }

    fn refusal<T: std::fmt::Debug>(found: Result<T, String>) -> String {
        found.expect_err("refused")
    }

    #[test]
    fn a_new_name_comes_in_as_a_learner() {
        let added = ChangeMembers::AddNodes(BTreeMap::from([(90, member("x"))]));
        assert_eq!(admit(&view(3, &[]), 90, &member("x"), None), Ok(added));
    }

    #[test]
    fn a_name_comes_back_only_when_its_bearer_is_silent() {
        assert!(refusal(admit(&view(3, &[]), 90, &member("b"), None)).contains("b is a member"));
        admit(&view(3, &[2]), 90, &member("b"), None).expect("admitted");
        let stale = with_learner(view(3, &[2]), 80, "b", false);
        let change = admit(&stale, 90, &member("b"), None).expect("admitted");
        let add = ChangeMembers::AddNodes(BTreeMap::from([(90, member("b"))]));
        assert_eq!(change, ChangeMembers::Batch(vec![remove_node(80), add]));
    }

    #[test]
    fn nobody_comes_in_by_contradictions() {
        let refused =
            |view: &View, member: &Member, replaces| refusal(admit(view, 90, member, replaces));
        assert!(refused(&view(3, &[]), &member("x"), Some("y")).contains("y is no voter"));
        let place = Member { addr: "c:1".to_owned(), ..member("x") };
        assert!(refused(&view(3, &[]), &place, None).contains("c has the address"));
        admit(&view(3, &[]), 90, &place, Some("c")).expect("its place is what it takes");
        assert!(refused(&view(9, &[]), &member("x"), None).contains("9 members"));
        admit(&view(9, &[]), 90, &member("x"), Some("c")).expect("one goes for it");
        let joint = View { joint: true, ..view(3, &[]) };
        assert!(refused(&joint, &member("x"), None).contains("under way"));
    }

    #[test]
    fn who_is_needed_for_a_majority_is_not_removed() {
        let one = |id| Ok(Step::Change(ChangeMembers::RemoveVoters(BTreeSet::from([id]))));
        assert_eq!(remove(&view(3, &[]), "b"), one(2));
        assert_eq!(remove(&view(3, &[2]), "b"), one(2), "the dead one itself");
        let said = refusal(remove(&view(3, &[2]), "c"));
        assert!(said.contains("2 must run") && said.contains("(b does not)"), "{said}");
        assert_eq!(remove(&view(5, &[2]), "c"), one(3));
        assert!(refusal(remove(&view(5, &[2, 3]), "d")).contains("only 2 answer"));
        assert!(refusal(remove(&view(1, &[]), "a")).contains("only voter"));
        assert!(refusal(remove(&view(3, &[]), "z")).contains("no member"));
    }

    #[test]
    fn the_leader_leads_no_more_before_it_goes() {
        assert_eq!(remove(&view(3, &[]), "a"), Ok(Step::HandOver));
        let learner = with_learner(view(3, &[]), 90, "x", true);
        assert_eq!(promote(&learner, &candidate(90, Some("a"))), Ok(Step::HandOver));
    }

    #[test]
    fn a_voter_that_answers_can_lead() {
        assert_eq!(lead(&view(3, &[2]), None), Ok(None));
        assert_eq!(lead(&view(3, &[]), Some("b")), Ok(Some(2)));
        assert_eq!(lead(&view(3, &[]), Some("a")), Ok(Some(1)), "it leads already");
        assert!(refusal(lead(&view(3, &[2]), Some("b"))).contains("b does not answer"));
        assert!(refusal(lead(&view(3, &[]), Some("x"))).contains("no member"));
        let learner = with_learner(view(3, &[]), 90, "x", true);
        assert!(refusal(lead(&learner, Some("x"))).contains("does not vote"));
        assert!(refusal(lead(&view(1, &[]), None)).contains("no other voter"));
        assert!(refusal(lead(&view(3, &[2, 3]), None)).contains("no other voter"));
    }

    #[test]
    fn a_learner_is_removed_before_the_voter_of_its_name() {
        let coming = with_learner(view(3, &[2]), 90, "b", true);
        assert_eq!(remove(&coming, "b"), Ok(Step::Change(remove_node(90))));
    }

    #[test]
    fn a_learner_takes_the_place_of_its_name_and_of_whom_it_replaces() {
        let add = ChangeMembers::AddVoterIds(BTreeSet::from([90]));
        let swap = |gone: &[u64]| {
            let gone = ChangeMembers::RemoveVoters(gone.iter().copied().collect());
            Ok(Step::Change(ChangeMembers::Batch(vec![add.clone(), gone])))
        };
        let new = with_learner(view(3, &[]), 90, "x", true);
        assert_eq!(promote(&new, &candidate(90, None)), Ok(Step::Change(add.clone())));
        assert_eq!(promote(&new, &candidate(90, Some("c"))), swap(&[3]));
        assert_eq!(promote(&new, &candidate(90, Some("gone"))), Ok(Step::Change(add.clone())));
        let back = with_learner(view(3, &[2]), 90, "b", true);
        assert_eq!(promote(&back, &candidate(90, None)), swap(&[2]));
    }

    #[test]
    fn a_learner_waits_when_the_voters_would_be_no_majority() {
        let learner = with_learner(view(5, &[2, 3, 4]), 90, "x", true);
        assert!(refusal(promote(&learner, &candidate(90, None))).contains("only 3 answer"));
        let joint = View { joint: true, ..with_learner(view(3, &[]), 90, "x", true) };
        assert!(refusal(promote(&joint, &candidate(90, None))).contains("under way"));
    }
}
