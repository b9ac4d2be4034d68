//! Machines join the group while it runs, and as many members are let go afterwards: those that
//! came or others, the leader too.

use super::turnover::{abandon, joined, removed};
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::history::Edn;
use crate::host::{Group, Member};
use async_trait::async_trait;
use rand::Rng as _;
use rand::seq::{IndexedRandom, IteratorRandom};
use std::ops::Range;
use std::time::Duration;

const HOLD_MS: Range<u64> = 500..5_000;

/// Lets a group grow, and shrink to what it was.
#[derive(Debug, Default)]
pub struct Grow {
    came: Vec<String>,
    to_go: Vec<String>,
}

#[async_trait]
impl Nemesis for Grow {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let vacant = group.vacant();
        let count = rng.random_range(1..=vacant.len().max(1));
        let came: Vec<&Member> = vacant.into_iter().take(count).collect();
        if came.is_empty() {
            return Err(NemesisError::Lacking("place for another member"));
        }
        let hold = Duration::from_millis(rng.random_range(HOLD_MS));
        let mut evidence = Vec::new();
        for member in came {
            self.came.push(member.name.clone());
            evidence.push(joined(&member.name, group.join(member, None).await?));
        }
        let names = group.members().into_iter().map(|member| member.name.clone());
        self.to_go = names.choose_multiple(rng, count);
        Ok(Fault::new(self.came.clone(), hold, Edn::Vector(evidence)))
    }

    async fn end(&mut self, group: &Group) -> Result<Edn, NemesisError> {
        for member in std::mem::take(&mut self.came).iter().filter_map(|name| group.member(name)) {
            if !member.belongs() {
                abandon(group, member).await;
            }
        }
        let mut evidence = Vec::new();
        for member in std::mem::take(&mut self.to_go).iter().filter_map(|name| group.member(name)) {
            evidence.push(removed(&member.name, group.remove(member).await?));
        }
        Ok(Edn::Vector(evidence))
    }
}

/// Lets a group shrink, and grow to what it was: a member leaves, and a machine joins for it later.
#[derive(Debug, Default)]
pub struct Shrink {
    /// How many machines have to join.
    owed: usize,
}

#[async_trait]
impl Nemesis for Shrink {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let leader = if rng.random() { group.leader().await } else { None };
        let any = || group.members().choose(rng).copied();
        let Some(member) = leader.or_else(any) else { return Err(NemesisError::Lacking("member")) };
        let hold = Duration::from_millis(rng.random_range(HOLD_MS));
        self.owed = 1;
        let gone = removed(&member.name, group.remove(member).await?);
        Ok(Fault::new(vec![member.name.clone()], hold, Edn::Vector(vec![gone])))
    }

    async fn end(&mut self, group: &Group) -> Result<Edn, NemesisError> {
        let mut evidence = Vec::new();
        let gone = group.vacant().into_iter().filter(|place| place.pid().is_none());
        for member in gone.take(std::mem::take(&mut self.owed)) {
            evidence.push(joined(&member.name, group.join(member, None).await?));
        }
        Ok(Edn::Vector(evidence))
    }
}
