//! The plan: the best node for a pod, as a function of the cluster alone.

use crate::cluster::{Cluster, NodeState};
use crate::diagnosis::Diagnosis;
use crate::object::PodInfo;
use crate::plugins::{self, SCORE_MAX, node_affinity, node_resources_fit, taint_toleration};

/// A node on which the pod fits.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// Where it stands in [`Cluster::nodes`].
    at: usize,
    room: i64,
    preference: i64,
    unwelcome: i64,
}

/// Chooses nodes. Keeps the memory that it works in from pod to pod.
#[derive(Debug, Default)]
pub struct Planner {
    candidates: Vec<Candidate>,
}

impl Planner {
    /// The best node for `pod`, as its place in [`Cluster::nodes`].
    ///
    /// Of nodes with equal scores it takes the one with fewer pods, then the first by name, so
    /// that the same cluster always gives the same answer.
    ///
    /// # Errors
    /// Why no node does.
    pub fn choose(&mut self, cluster: &Cluster, pod: &PodInfo) -> Result<usize, Diagnosis> {
        self.candidates.clear();
        let existing = cluster.nodes().iter().enumerate().filter(|(_, node)| node.exists);
        for (at, node) in existing {
            if plugins::filter(pod, node).is_none() {
                self.candidates.push(Candidate::new(at, pod, node));
            }
        }
        let most = |of: fn(&Candidate) -> i64| self.candidates.iter().map(of).max().unwrap_or(0);
        let (preference_max, unwelcome_max) = (most(|c| c.preference), most(|c| c.unwelcome));
        self.candidates
            .iter()
            .min_by_key(|candidate| {
                let score = candidate.score(preference_max, unwelcome_max);
                (-score, cluster.nodes()[candidate.at].pods)
            })
            .map(|best| best.at)
            .ok_or_else(|| diagnose(cluster, pod))
    }
}

impl Candidate {
    fn new(at: usize, pod: &PodInfo, node: &NodeState) -> Candidate {
        Candidate {
            at,
            room: node_resources_fit::least_allocated(pod, node),
            preference: node_affinity::preference(pod, node),
            unwelcome: taint_toleration::unwelcome(pod, node),
        }
    }

    /// The weighted sum; preferences and taints count in relation to the candidates' largest.
    fn score(&self, preference_max: i64, unwelcome_max: i64) -> i64 {
        let part = |of: i64, most: i64| if most > 0 { of * SCORE_MAX / most } else { 0 };
        node_resources_fit::WEIGHT * self.room
            + node_affinity::WEIGHT * part(self.preference, preference_max)
            + taint_toleration::WEIGHT * (SCORE_MAX - part(self.unwelcome, unwelcome_max))
    }
}

/// Asks every node again, for its reasons: the way that finds a place collects none.
fn diagnose(cluster: &Cluster, pod: &PodInfo) -> Diagnosis {
    let mut diagnosis = Diagnosis::new(pod);
    let existing = cluster.nodes().iter().filter(|node| node.exists);
    existing.filter_map(|node| plugins::filter(pod, node)).for_each(|r| diagnosis.add(r));
    diagnosis
}
