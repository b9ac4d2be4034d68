//! Why a pod fits nowhere.

use crate::object::PodInfo;
use crate::plugins::{PluginSet, Refusal};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;

/// The refusals of all nodes, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    nodes: usize,
    reasons: HashMap<Cow<'static, str>, usize>,
    beyond_preemption: usize,
    never_preempts: bool,
    plugins: PluginSet,
}

impl Diagnosis {
    /// Of no node so far.
    pub fn new(pod: &PodInfo) -> Self {
        Diagnosis { never_preempts: pod.never_preempts, ..Diagnosis::default() }
    }

    /// Counts a node's refusal.
    pub fn add(&mut self, refusal: Refusal) {
        self.nodes += 1;
        self.beyond_preemption += usize::from(refusal.beyond_preemption);
        self.plugins = self.plugins.with(refusal.plugin);
        for reason in refusal.reasons {
            *self.reasons.entry(reason).or_default() += 1;
        }
    }

    /// Who refused.
    pub fn plugins(&self) -> PluginSet {
        self.plugins
    }

    /// The text of the condition and of the event, as upstream has it.
    pub fn message(&self) -> String {
        if self.nodes == 0 {
            return "no nodes available to schedule pods".into();
        }
        let reasons = self.reasons.iter().map(|(reason, n)| (reason.as_ref(), *n));
        let mut text = self.sentence(reasons);
        // Upstream's preemption tells first what its resource claims plugin found.
        text.push_str(" no new claims to deallocate, preemption: ");
        if self.never_preempts {
            text.push_str("not eligible due to preemptionPolicy=Never.");
            return text;
        }
        let outlook = [
            ("No preemption victims found for incoming pod", self.nodes - self.beyond_preemption),
            ("Preemption is not helpful for scheduling", self.beyond_preemption),
        ];
        text.push_str(&self.sentence(outlook.into_iter().filter(|(_, n)| *n > 0)));
        text
    }

    /// `0/3 nodes are available: 1 this, 2 that.`
    fn sentence<'a>(&self, counts: impl Iterator<Item = (&'a str, usize)>) -> String {
        let mut parts: Vec<String> = counts.map(|(reason, n)| format!("{n} {reason}")).collect();
        parts.sort_unstable();
        let mut text = format!("0/{} nodes are available: ", self.nodes);
        let _ = write!(text, "{}.", parts.join(", "));
        text
    }
}
