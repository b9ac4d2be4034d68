//! From policies to floors: data in, data out.
//!
//! Each collection, and each namespace in it, has the floor that the most particular policy gives
//! it. A scope of floors holds for all that its prefix names, so what is kept longer in one
//! namespace lowers the collection's own floor, and the other namespaces get floors of their own.

use super::Policy;
use reddwarf_core::{Collection, Floors, Revision};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the state.
pub(crate) struct Demand<'a> {
    /// The policies, in a fixed order.
    pub policies: &'a [Policy],
    /// The cluster clock, in milliseconds.
    pub clock_ms: u64,
    /// Which revision the clock had reached when, oldest first.
    pub marks: &'a [(u64, Revision)],
    /// The collections, and the namespaces in which they have objects.
    pub collections: &'a BTreeMap<Collection, BTreeSet<String>>,
    /// See [`Limit`].
    pub room: &'a BTreeMap<Limit, Revision>,
}

/// A limit of number or size on a scope; how far back it reaches is asked of the history.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Limit {
    /// With what the keys begin.
    pub scope: String,
    /// See [`Policy::versions_max`].
    pub versions_max: Option<u64>,
    /// See [`Policy::bytes_max`].
    pub bytes_max: Option<u64>,
}

/// The floors that the policies ask for, and the limits whose reach was not known.
pub(crate) fn plan(demand: &Demand<'_>) -> (Floors, Vec<Limit>) {
    let mut plan = Plan { demand, wanted: BTreeSet::new() };
    let mut floors = Floors { all: plan.of_all(), scopes: Vec::new() };
    for (collection, namespaces) in demand.collections {
        let everywhere = plan.of(collection, None);
        let within: Vec<(&String, Revision)> =
            namespaces.iter().map(|name| (name, plan.of(collection, Some(name)))).collect();
        let lowest = within.iter().map(|(_, floor)| *floor).fold(everywhere, Revision::min);
        floors.all = floors.all.min(lowest);
        floors.scopes.push((collection.prefix(), lowest));
        for (namespace, floor) in within.into_iter().filter(|(_, floor)| *floor > lowest) {
            floors.scopes.push((collection.namespace_prefix(namespace), floor));
        }
    }
    let all = floors.all;
    floors.scopes.retain(|(_, floor)| *floor > all);
    floors.scopes.sort();
    (floors, plan.wanted.into_iter().collect())
}

struct Plan<'a> {
    demand: &'a Demand<'a>,
    wanted: BTreeSet<Limit>,
}

impl Plan<'_> {
    /// What no policy needs any more, whatever there was.
    fn of_all(&self) -> Revision {
        let policies = self.demand.policies.iter();
        let rest = |policy: &&Policy| policy.resources.is_empty() && policy.namespaces.is_empty();
        // Without a policy for all the rest, the rest is kept for good.
        if !policies.clone().any(|policy| rest(&policy) && policy.age_ms_max.is_some()) {
            return Revision::ZERO;
        }
        // One without an age may keep what is as old as can be.
        let floors = policies.map(|policy| match policy.age_ms_max {
            Some(age) => self.older_than(age),
            None => Revision::ZERO,
        });
        floors.min().unwrap_or_default()
    }

    fn of(&mut self, collection: &Collection, namespace: Option<&str>) -> Revision {
        let ranked = self
            .demand
            .policies
            .iter()
            .filter_map(|policy| policy.rank(collection, namespace).map(|rank| (rank, policy)));
        let ranked: Vec<_> = ranked.collect();
        let Some(highest) = ranked.iter().map(|(rank, _)| *rank).max() else {
            return Revision::ZERO;
        };
        let scope = match namespace {
            Some(namespace) => collection.namespace_prefix(namespace),
            None => collection.prefix(),
        };
        let of_rank = ranked.into_iter().filter(|(rank, _)| *rank == highest);
        let floors: Vec<_> =
            of_rank.map(|(_, policy)| self.of_policy(policy, collection, &scope)).collect();
        floors.into_iter().min().unwrap_or_default()
    }

    /// The floor by age, or by number and size where that is higher.
    fn of_policy(&mut self, policy: &Policy, collection: &Collection, scope: &str) -> Revision {
        let by_age = policy.age_ms_max.map_or(Revision::ZERO, |age| self.older_than(age));
        if policy.versions_max.is_none() && policy.bytes_max.is_none() {
            return by_age;
        }
        // Where a policy names no namespaces, all of them share what it allows.
        let shared = policy.namespaces.is_empty();
        let limit = Limit {
            scope: if shared { collection.prefix() } else { scope.to_owned() },
            versions_max: policy.versions_max,
            bytes_max: policy.bytes_max,
        };
        let reached = self.demand.room.get(&limit).copied();
        self.wanted.insert(limit);
        by_age.max(reached.unwrap_or_default())
    }

    /// The newest mark that is as old as that.
    fn older_than(&self, age_ms: u64) -> Revision {
        let old = |(at, _): &&(u64, Revision)| at.saturating_add(age_ms) <= self.demand.clock_ms;
        let marks = self.demand.marks.iter();
        marks.take_while(old).last().map_or(Revision::ZERO, |(_, revision)| *revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const HOUR: u64 = 3_600_000;

    fn policies(specs: &[serde_json::Value]) -> Vec<Policy> {
        specs.iter().map(|spec| Policy::read(&json!({"spec": spec}))).collect()
    }

    fn floors(specs: &[serde_json::Value], room: &[(Limit, u64)]) -> (Floors, Vec<Limit>) {
        let collections =
            [("", "events", &["a", "b"][..]), ("", "pods", &["a", "b"]), ("", "nodes", &[])];
        let collections = collections.into_iter().map(|(group, resource, namespaces)| {
            let namespaces = namespaces.iter().map(|name| (*name).to_owned()).collect();
            (Collection::new(group, resource), namespaces)
        });
        // Each hour took ten revisions; a hundred hours have passed.
        let marks: Vec<_> = (0..100).map(|hour| (hour * HOUR, Revision(hour * 10))).collect();
        plan(&Demand {
            policies: &policies(specs),
            clock_ms: 100 * HOUR,
            marks: &marks,
            collections: &collections.collect(),
            room: &room.iter().map(|(limit, floor)| (limit.clone(), Revision(*floor))).collect(),
        })
    }

    fn told(floors: &Floors) -> String {
        let scopes = floors.scopes.iter().map(|(prefix, floor)| format!(" {prefix}={floor}"));
        format!("{}{}", floors.all, scopes.collect::<String>())
    }

    #[test]
    fn the_usual_policies() {
        let (usual, _) = floors(
            &[json!({"maxAge": "30h"}), json!({"resources": ["events"], "maxAge": "1h"})],
            &[],
        );
        assert_eq!(told(&usual), "700 /events/=990");
    }

    #[test]
    fn without_a_policy_for_the_rest_the_rest_stays() {
        assert_eq!(told(&floors(&[], &[]).0), "0");
        let (some, _) = floors(&[json!({"resources": ["events"], "maxAge": "1h"})], &[]);
        assert_eq!(told(&some), "0 /events/=990");
        let (unlimited, _) =
            floors(&[json!({}), json!({"resources": ["events"], "maxAge": "1h"})], &[]);
        assert_eq!(told(&unlimited), "0 /events/=990");
    }

    #[test]
    fn what_is_kept_longer_in_one_namespace_is_kept() {
        let longer = json!({"resources": ["events"], "namespaces": ["a"], "maxAge": "50h"});
        let specs =
            [json!({"maxAge": "30h"}), json!({"resources": ["events"], "maxAge": "1h"}), longer];
        let (floors, _) = floors(&specs, &[]);
        assert_eq!(told(&floors), "500 /events/b/=990 /nodes/=700 /pods/=700");
    }

    #[test]
    fn number_and_size_raise_the_floor_further() {
        let specs = [
            json!({"maxAge": "90h"}),
            json!({"resources": ["pods"], "maxVersions": 5, "maxAge": "90h"}),
        ];
        let (_, wanted) = floors(&specs, &[]);
        let limit = Limit { scope: "/pods/".into(), versions_max: Some(5), bytes_max: None };
        assert_eq!(wanted, std::slice::from_ref(&limit));
        let (floors, _) = floors(&specs, &[(limit, 830)]);
        assert_eq!(told(&floors), "100 /pods/=830");
    }
}
