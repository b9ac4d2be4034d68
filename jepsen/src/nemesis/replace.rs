//! A member is killed for good, and another machine takes its place in one step; or its data
//! folder is lost, and it comes back under its name as somebody new.

use super::kill::{kill, start_again};
use super::turnover::{abandon, joined};
use super::victims::Who;
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::history::{Edn, value};
use crate::host::{Group, Member};
use async_trait::async_trait;
use rand::Rng as _;
use std::ops::Range;
use std::time::Duration;

const WAYS: [Who; 2] = [Who::One, Who::Leader];
/// How long the member is down before somebody comes for it, in milliseconds.
const DOWN_MS: Range<u64> = 0..2_500;
const HOLD_MS: Range<u64> = 500..3_000;

/// What becomes of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Another machine joins with `--replace`.
    Replaced,
    /// The same machine joins with nothing.
    Wiped,
}

/// Replaces members.
#[derive(Debug)]
pub struct Replace {
    way: Way,
    /// The old one and the new one, until the new one votes.
    under_way: Option<(String, String)>,
}

impl Replace {
    /// By other machines.
    pub fn by_another() -> Replace {
        Replace { way: Way::Replaced, under_way: None }
    }

    /// By themselves, without their data.
    pub fn wiped() -> Replace {
        Replace { way: Way::Wiped, under_way: None }
    }

    fn successor<'a>(&self, group: &'a Group, old: &'a Member) -> Option<&'a Member> {
        match self.way {
            Way::Wiped => Some(old),
            Way::Replaced => group.vacant().into_iter().find(|place| place.pid().is_none()),
        }
    }
}

#[async_trait]
impl Nemesis for Replace {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let who = Who::draw(&WAYS, rng);
        let Some(old) = who.choose(group, rng).await.into_iter().next() else {
            return Err(NemesisError::Lacking("member"));
        };
        let Some(new) = self.successor(group, old) else {
            return Err(NemesisError::Lacking("place for another member"));
        };
        let hold = Duration::from_millis(rng.random_range(HOLD_MS));
        let down = Duration::from_millis(rng.random_range(DOWN_MS));
        let before = group.voter(&old.name).await;
        self.under_way = Some((old.name.clone(), new.name.clone()));
        let killed = kill(old).await?;
        tokio::time::sleep(down).await;
        let id = group.join(new, Some(old).filter(|_| self.way == Way::Replaced)).await?;
        self.under_way = None;
        if before == Some(id) {
            let what = format!("{} came back with the id {id} that it had", new.name);
            return Err(NemesisError::NoEvidence(what));
        }
        let evidence = Edn::Vector(vec![killed, joined(&new.name, id)]);
        Ok(Fault::new(vec![old.name.clone()], hold, evidence).with("who", who.to_edn()))
    }

    async fn end(&mut self, group: &Group) -> Result<Edn, NemesisError> {
        let Some((old, new)) = self.under_way.take() else { return Ok(Edn::Nil) };
        match (self.way, group.member(&new)) {
            (Way::Replaced, Some(new)) => {
                if !new.belongs() {
                    abandon(group, new).await;
                }
                start_again(group, vec![old])
            }
            // What it had is gone, so there is only one way back.
            (Way::Wiped, Some(member)) if member.pid().is_none() => {
                let id = group.join(member, None).await?;
                Ok(Edn::Vector(vec![joined(&member.name, id)]))
            }
            _ => Ok(value::map([])),
        }
    }
}
