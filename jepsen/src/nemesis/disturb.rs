//! What faults of single packets have in common; each kind is a file of its own.

use super::lines::{Changed, Count, network};
use super::{Fault, Nemesis, NemesisError, Rng, Who, victims::names};
use crate::history::Edn;
use crate::host::Group;
use crate::net::Rules;
use async_trait::async_trait;
use rand::Rng as _;
use std::ops::Range;
use std::time::Duration;

/// How long packets are disturbed, in milliseconds.
const HOLD_MS: Range<u64> = 2_000..10_000;

/// Which members' lines: those of any one, of the leader, or all.
const WAYS: [Who; 3] = [Who::One, Who::Leader, Who::All];

/// One kind of disturbance, with its strength.
pub trait Disturbance: Sized + Send + Sync {
    /// The counter that shows it.
    const COUNT: Count;

    /// Draws its strength.
    fn draw(rng: &mut Rng) -> Self;

    /// Its strength, as parameters of the fault.
    fn parameters(&self) -> Vec<(&'static str, Edn)>;

    /// Adds it to a line's rules.
    fn set(&self, rules: &mut Rules);

    /// Takes it away from a line's rules.
    fn clear(rules: &mut Rules);
}

/// Disturbs packets between members, in both directions.
#[derive(Debug)]
pub struct Disturb<D> {
    changed: Option<Changed>,
    kind: std::marker::PhantomData<D>,
}

impl<D> Disturb<D> {
    /// Disturbs the lines of members drawn anew each time.
    pub fn new() -> Disturb<D> {
        Disturb { changed: None, kind: std::marker::PhantomData }
    }
}

#[async_trait]
impl<D: Disturbance> Nemesis for Disturb<D> {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let who = Who::draw(&WAYS, rng);
        let targets = names(&who.choose(group, rng).await);
        let mut lines = network(group)?.between_members();
        lines.retain(|line| targets.contains(&line.from) || targets.contains(&line.to));
        let strength = D::draw(rng);
        let hold = Duration::from_millis(rng.random_range(HOLD_MS));
        let changed = Changed::begin(group, lines, D::COUNT, |rules| strength.set(rules))?;
        let evidence = self.changed.insert(changed).evidence().await?;
        let fault = Fault::new(targets, hold, evidence).with("who", who.to_edn());
        let parameters = strength.parameters();
        Ok(parameters.into_iter().fold(fault, |fault, (name, value)| fault.with(name, value)))
    }

    async fn end(&mut self, _group: &Group) -> Result<Edn, NemesisError> {
        self.changed.take().map_or(Ok(Edn::Nil), |changed| changed.end(D::clear))
    }
}
