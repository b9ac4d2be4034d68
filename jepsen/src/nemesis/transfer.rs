//! Leadership moves from member to member, and nothing else happens.

use super::{Fault, Nemesis, NemesisError, Rng};
use crate::history::{Edn, value};
use crate::host::Group;
use async_trait::async_trait;
use rand::Rng as _;
use rand::seq::IndexedRandom;
use std::ops::Range;
use std::time::Duration;

/// How often it moves in one fault.
const MOVES: Range<usize> = 1..6;
/// How long a leader leads, in milliseconds.
const REIGN_MS: Range<u64> = 0..800;

/// Moves leadership by `reddwarf member transfer`.
#[derive(Debug, Default)]
pub struct Transfer;

#[async_trait]
impl Nemesis for Transfer {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let (mut targets, mut evidence) = (Vec::new(), Vec::new());
        for _ in 0..rng.random_range(MOVES) {
            let Some(old) = group.leader().await.map(|leader| leader.name.clone()) else {
                return Err(NemesisError::NoEvidence("nobody leads".to_owned()));
            };
            let others = group.members().into_iter().map(|member| &member.name);
            let others: Vec<&String> = others.filter(|name| **name != old).collect();
            let named = others.choose(rng).filter(|_| rng.random()).map(|name| name.as_str());
            let words = ["member", "transfer"].into_iter().chain(named).collect::<Vec<_>>();
            let said = group.operate(&words).await?;
            let new = said.split_whitespace().next().unwrap_or_default().to_owned();
            if new.is_empty() || new == old || named.is_some_and(|named| named != new) {
                let what = format!("{old} led, {named:?} should, and it said {said:?}");
                return Err(NemesisError::NoEvidence(what));
            }
            evidence.push(value::map([("from", value::text(&old)), ("to", value::text(new))]));
            targets.push(old);
            tokio::time::sleep(Duration::from_millis(rng.random_range(REIGN_MS))).await;
        }
        Ok(Fault::new(targets, Duration::ZERO, Edn::Vector(evidence)))
    }

    async fn end(&mut self, _: &Group) -> Result<Edn, NemesisError> {
        Ok(Edn::Nil)
    }
}
