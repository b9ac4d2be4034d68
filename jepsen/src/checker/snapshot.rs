//! Whether what was shown as the state at a revision is that state.

use super::context::Work;
use super::ledger::{Effect, Version};
use crate::trace::{Call, Selector, State};
use std::collections::HashMap;

/// What a list, or the first part of a WatchList, says that the state was.
pub(super) struct Snapshot<'a> {
    pub call: &'a Call,
    /// The revision that it is of.
    pub rev: u64,
    pub selector: Selector,
    pub items: HashMap<u64, State>,
}

/// An object that was not shown as it was.
pub(super) struct Mismatch<'a> {
    pub kind: &'static str,
    pub words: String,
    pub version: Option<&'a Version>,
}

impl Snapshot<'_> {
    /// Every object that was not shown as it was.
    pub(super) fn mismatches<'a>(&self, work: &'a Work) -> Vec<Mismatch<'a>> {
        let shown = self.items.iter().filter_map(|(key, state)| self.wrong(work, *key, *state));
        let keys = work.ledger.by_key.keys().filter(|key| !self.items.contains_key(key));
        let mut all: Vec<Mismatch> =
            shown.chain(keys.filter_map(|key| self.missing(work, *key))).collect();
        all.sort_by(|a, b| a.words.cmp(&b.words));
        all
    }

    fn wrong<'a>(&self, work: &'a Work, key: u64, state: State) -> Option<Mismatch<'a>> {
        let rev = self.rev;
        let mismatch = |kind, version, words| Some(Mismatch { kind, words, version });
        if !self.selector.matches(state.val) {
            let words = format!("object {key} = {} is not selected", state.val);
            return mismatch("filter-not-exact", None, words);
        }
        if state.rev > rev {
            let words = format!("object {key} is shown at {}, beyond {rev}", state.rev);
            return mismatch("snapshot-beyond", None, words);
        }
        let version = work.ledger.at(key, rev)?;
        if version.rev == state.rev {
            return None;
        }
        let words = match version.effect {
            Effect::Deleted => format!("object {key} was deleted at {}", version.rev),
            _ => format!("object {key} is shown at {}, was at {}", state.rev, version.rev),
        };
        mismatch("snapshot-stale", Some(version), words)
    }

    fn missing<'a>(&self, work: &'a Work, key: u64) -> Option<Mismatch<'a>> {
        let version = work.ledger.at(key, self.rev)?;
        let val = version.val.filter(|_| version.effect != Effect::Deleted)?;
        let known = work.certain(key, version.rev, self.rev, self.call.returned());
        (known && self.selector.matches(val)).then(|| Mismatch {
            kind: "snapshot-missing",
            words: format!("object {key} was {val} since {}, and is not shown", version.rev),
            version: Some(version),
        })
    }
}

impl Mismatch<'_> {
    /// The calls that show it, beside the one that showed the state.
    pub(super) fn calls<'a>(&self, work: &Work<'a>) -> Vec<&'a Call> {
        let places = self.version.map(|version| [Some(version.witness), version.writer]);
        places.into_iter().flatten().flatten().map(|place| work.calls[place]).collect()
    }
}
