//! Once faults are over, every member gets everything.

use super::Sight;
use crate::model::Model;

/// Whether all members run, follow one leader that leads, and have applied everything.
///
/// # Errors
/// What is still missing.
pub fn at_rest(members: &[Sight], expected: &[u64], model: &Model) -> Result<(), String> {
    for id in expected {
        let Some(member) = members.iter().find(|member| member.id == *id) else {
            return Err(format!("node {id} does not run"));
        };
        let machine = member.machine;
        if let Some(what) = &member.trouble {
            return Err(format!("m{machine} is not repaired: {what}"));
        }
        if member.applied != model.applied() {
            return Err(format!(
                "m{machine} has applied {:?}, others {:?}",
                member.applied,
                model.applied()
            ));
        }
        if !member.votes() {
            return Err(format!("node {id} on m{machine} does not vote"));
        }
    }
    let leaders = members.iter().filter(|member| member.leads);
    match leaders.max_by_key(|leader| leader.vote.term) {
        Some(leader) if leader.members.is_joint() => {
            Err("a change of members does not end".to_owned())
        }
        Some(_) => Ok(()),
        None => Err("nobody leads".to_owned()),
    }
}
