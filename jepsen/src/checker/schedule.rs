//! The scheduler: a pod is bound once and to one node, no node ever holds more than its CPUs, and in
//! the end no pod waits that a node has room for.
//!
//! Bindings are what watchers saw, in the order of revisions. An old leader's binding that was not
//! fenced shows as one of these two: a second binding, or a node over its capacity.

use super::context::{Context, Work};
use super::findings::Findings;
use crate::trace::{Call, Change, Event, Input, Name, Output, Placed, Trace};
use std::collections::{BTreeMap, HashMap, HashSet};

pub(super) fn check(context: &Context, findings: &mut Findings) {
    for work in context.named("schedule") {
        let cluster = Cluster::of(work);
        let mut look =
            Look { trace: context.trace, cluster, bound: HashMap::new(), held: HashMap::new() };
        for (rev, sight) in sights(work) {
            look.take(rev, sight, findings);
        }
        look.settled(work, findings);
        findings.figure("pods", look.cluster.cpus.len() as u64);
        findings.figure("bindings", look.bound.len() as u64);
    }
}

/// A pod: its number, and which of those that had it.
type Pod = (u64, Option<Name>);

/// What was asked for.
#[derive(Default)]
struct Cluster<'a> {
    /// Of each node.
    capacities: HashMap<Name, u64>,
    /// Of each pod.
    cpus: HashMap<u64, u64>,
    /// Deletions whose outcome nobody knows: their pods may be gone.
    doubtful: HashMap<u64, &'a Call>,
}

/// What happened to a pod at a revision, and who saw it.
#[derive(Clone, Copy)]
struct Sight<'a> {
    key: u64,
    uid: Option<Name>,
    deleted: bool,
    node: Option<Name>,
    cpu: Option<u64>,
    by: &'a Call,
}

struct Look<'a> {
    trace: &'a Trace,
    cluster: Cluster<'a>,
    /// The first binding of each pod.
    bound: HashMap<Pod, Sight<'a>>,
    /// The pods that each node holds, with their CPUs and who saw it.
    held: HashMap<Name, BTreeMap<Pod, (u64, Sight<'a>)>>,
}

impl<'a> Cluster<'a> {
    fn of(work: &Work<'a>) -> Cluster<'a> {
        let mut cluster = Cluster::default();
        for call in &work.calls {
            match call.input {
                Input::Node { node, cpu } if call.is_ok() => {
                    cluster.capacities.insert(node, cpu);
                }
                Input::Pod { key, cpu } => {
                    cluster.cpus.insert(key, cpu);
                }
                Input::DeletePod { key } if call.is_unknown() => {
                    cluster.doubtful.insert(key, call);
                }
                _ => {}
            }
        }
        cluster
    }
}

/// Everything that was seen of pods, by revision.
fn sights<'a>(work: &Work<'a>) -> BTreeMap<u64, Vec<Sight<'a>>> {
    let mut all: BTreeMap<u64, Vec<Sight>> = BTreeMap::new();
    for call in &work.calls {
        match (&call.output, &call.input) {
            (Output::Events { events, .. }, _) => {
                for event in events.iter().filter(|event| !event.change.is_bookmark()) {
                    add(&mut all, event.rev, Sight::of(event, call));
                }
            }
            (Output::Version { rev: Some(rev), uid }, Input::DeletePod { key }) => {
                let sight =
                    Sight { key: *key, uid: *uid, deleted: true, node: None, cpu: None, by: call };
                add(&mut all, *rev, sight);
            }
            _ => {}
        }
    }
    all
}

/// Watchers mostly see the same, which is kept once.
fn add<'a>(all: &mut BTreeMap<u64, Vec<Sight<'a>>>, rev: u64, sight: Sight<'a>) {
    let at = all.entry(rev).or_default();
    let same = |one: &Sight| (one.key, one.uid, one.node) == (sight.key, sight.uid, sight.node);
    if !at.iter().any(same) {
        at.push(sight);
    }
}

impl<'a> Sight<'a> {
    fn of(event: &Event, by: &'a Call) -> Sight<'a> {
        Sight {
            key: event.key,
            uid: event.uid,
            deleted: event.change == Change::Deleted,
            node: event.node,
            cpu: event.val.and_then(|cpu| u64::try_from(cpu).ok()),
            by,
        }
    }
}

impl<'a> Look<'a> {
    fn take(&mut self, rev: u64, sights: Vec<Sight<'a>>, findings: &mut Findings) {
        for sight in sights {
            let pod = (sight.key, sight.uid);
            if sight.deleted {
                self.held.values_mut().for_each(|pods| {
                    pods.remove(&pod);
                });
                continue;
            }
            match (self.bound.get(&pod).copied(), sight.node) {
                (Some(first), node) if first.node != node => {
                    self.again(rev, first, sight, findings)
                }
                (None, Some(node)) => {
                    self.bound.insert(pod, sight);
                    self.hold(rev, node, sight, findings);
                }
                _ => {}
            }
        }
    }

    fn again(&self, rev: u64, first: Sight, then: Sight, findings: &mut Findings) {
        let kind = if then.node.is_some() { "bound-twice" } else { "unbound-again" };
        let name = |node: Option<Name>| node.map_or("no node", |node| self.trace.text(node));
        findings.found_in(kind, [first.by, then.by], || {
            format!(
                "pod {} was bound to {} and is on {} at revision {rev}",
                then.key,
                name(first.node),
                name(then.node)
            )
        });
    }

    /// The last look at the pods, which was taken after the faults with time enough.
    fn settled(&self, work: &Work, findings: &mut Findings) {
        let mut settles = work.calls.iter().filter(|call| matches!(call.input, Input::Settle));
        let Some(call) = settles.next_back() else { return };
        let Output::Pods { rev, pods } = &call.output else {
            return findings.unknown("nobody could see where the pods are in the end".to_owned());
        };
        let mut free = self.cluster.capacities.clone();
        for (node, cpu) in pods.iter().filter_map(|pod| Some((pod.node?, pod.cpu))) {
            if let Some(free) = free.get_mut(&node) {
                *free = free.saturating_sub(cpu);
            }
        }
        let room = free.into_iter().max_by_key(|(node, free)| (*free, *node));
        let (waiting, bound): (Vec<Placed>, Vec<Placed>) =
            pods.iter().copied().partition(|pod| pod.node.is_none());
        findings.figure("bound in the end", bound.len() as u64);
        findings.figure("waiting in the end", waiting.len() as u64);
        let Some((node, free)) = room else { return };
        let fits: Vec<u64> =
            waiting.iter().filter(|pod| pod.cpu <= free).map(|pod| pod.key).collect();
        if !fits.is_empty() {
            findings.found_in("not-bound", [*call], || {
                format!(
                    "at revision {rev} node {} has {free}m free, and pods {fits:?} still wait",
                    self.trace.text(node)
                )
            });
        }
    }

    fn hold(&mut self, rev: u64, node: Name, sight: Sight<'a>, findings: &mut Findings) {
        if self.cluster.doubtful.contains_key(&sight.key) {
            return;
        }
        let cpu = sight.cpu.or_else(|| self.cluster.cpus.get(&sight.key).copied()).unwrap_or(0);
        let pods = self.held.entry(node).or_default();
        pods.insert((sight.key, sight.uid), (cpu, sight));
        let Some(capacity) = self.cluster.capacities.get(&node) else { return };
        let total: u64 = pods.values().map(|(cpu, _)| cpu).sum();
        if total > *capacity {
            let keys: Vec<u64> = pods.keys().map(|(key, _)| *key).collect();
            let by: HashSet<u64> = pods.values().flat_map(|(_, sight)| sight.by.lines()).collect();
            findings.found("over-capacity", by, || {
                format!(
                    "node {} has {capacity}m and holds {total}m at revision {rev}: pods {keys:?}",
                    self.trace.text(node)
                )
            });
        }
    }
}
