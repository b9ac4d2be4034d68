//! In which order each list grew, and what contradicts itself in what was shown of it.

use super::Txn;
use crate::checker::findings::Findings;
use crate::trace::Trace;
use std::collections::{BTreeMap, HashMap, HashSet};

/// All lists.
pub(super) struct Lists {
    pub by_key: BTreeMap<u64, List>,
    /// Which transaction appends an element to a list, by its place.
    writers: HashMap<(u64, i64), usize>,
}

/// One list.
#[derive(Default)]
pub(super) struct List {
    /// Its elements in order, as far as anybody was shown them.
    pub order: Vec<i64>,
    /// Who was shown most of it.
    longest: usize,
    /// Transactions that happened and appended what nobody was shown: later than all of `order`.
    pub unseen: Vec<(i64, usize)>,
    /// Who was shown it, and how many of its first elements.
    pub reads: Vec<(usize, usize)>,
    /// Who was shown what does not fit.
    odd: Vec<usize>,
}

impl Lists {
    /// Reads the order off what transactions were shown, and notes which of them happened.
    pub fn of(txns: &mut [Txn]) -> Lists {
        let mut lists = Lists { by_key: BTreeMap::new(), writers: HashMap::new() };
        for (at, txn) in txns.iter().enumerate() {
            lists.writers.extend(txn.appends().map(|(key, val)| ((key, val), at)));
        }
        let mut reads: Vec<(u64, &[i64], usize)> = Vec::new();
        for (at, txn) in txns.iter().enumerate() {
            reads.extend(txn.reads().map(|(key, list)| (key, list, at)));
        }
        // The longest one first: the others must be how it began.
        reads.sort_by_key(|(key, list, at)| (*key, usize::MAX - list.len(), *at));
        for (key, shown, at) in reads {
            let list = lists.by_key.entry(key).or_default();
            if list.reads.is_empty() {
                (list.order, list.longest) = (shown.to_vec(), at);
            }
            if list.order.starts_with(shown) {
                list.reads.push((at, shown.len()));
            } else {
                list.odd.push(at);
            }
        }
        lists.note_happened(txns);
        lists
    }

    fn note_happened(&mut self, txns: &mut [Txn]) {
        for (key, list) in &self.by_key {
            for val in &list.order {
                if let Some(at) = self.writers.get(&(*key, *val)) {
                    txns[*at].happened |= !txns[*at].failed();
                }
            }
        }
        for (at, txn) in txns.iter().enumerate().filter(|(_, txn)| txn.happened) {
            for (key, val) in txn.appends() {
                let list = self.by_key.entry(key).or_default();
                if !list.order.contains(&val) {
                    list.unseen.push((val, at));
                }
            }
        }
    }

    /// The place of the transaction that appends an element.
    pub fn writer(&self, key: u64, val: i64) -> Option<usize> {
        self.writers.get(&(key, val)).copied()
    }
}

/// Tells what needs no graph to be wrong.
pub(super) fn check(trace: &Trace, lists: &Lists, txns: &[Txn], findings: &mut Findings) {
    let look = Look { trace, lists, txns };
    for (key, list) in &lists.by_key {
        look.order(*key, list, findings);
    }
    for (at, txn) in txns.iter().enumerate() {
        for (key, shown) in txn.reads() {
            look.elements(at, key, shown, findings);
        }
        look.parts(at, findings);
        look.missing(at, findings);
    }
}

struct Look<'a> {
    trace: &'a Trace,
    lists: &'a Lists,
    txns: &'a [Txn<'a>],
}

impl Look<'_> {
    fn words(&self, at: usize) -> String {
        self.trace.describe(self.txns[at].call)
    }

    /// Two orders of one list.
    fn order(&self, key: u64, list: &List, findings: &mut Findings) {
        for odd in &list.odd {
            let calls = [self.txns[*odd].call, self.txns[list.longest].call];
            findings.found_in("incompatible-order", calls, || {
                format!(
                    "list {key} is {:?} and was not so before: {}",
                    list.order,
                    self.words(*odd)
                )
            });
        }
    }

    /// Elements that must not be in a list.
    fn elements(&self, at: usize, key: u64, shown: &[i64], findings: &mut Findings) {
        let call = self.txns[at].call;
        let mut seen = HashSet::new();
        for val in shown {
            if !seen.insert(*val) {
                findings.found_in("duplicate-append", [call], || {
                    format!("{val} is in list {key} twice: {}", self.words(at))
                });
            }
            let Some(writer) = self.lists.writer(key, *val) else {
                findings.found_in("never-appended", [call], || {
                    format!("nobody appended {val} to list {key}: {}", self.words(at))
                });
                continue;
            };
            let by = &self.txns[writer];
            let wrong = match () {
                () if by.failed() => Some(("aborted-read", "failed")),
                () if writer == at => Some(("future-read", "is the same transaction")),
                () if by.call.invoked.index > call.returned() => {
                    Some(("future-read", "had not begun"))
                }
                () => None,
            };
            if let Some((kind, why)) = wrong {
                findings.found_in(kind, [call, by.call], || {
                    let (by, read) = (self.words(writer), self.words(at));
                    format!("{val} is in list {key}, though its transaction {why}: {by}; {read}")
                });
            }
        }
    }

    /// Transactions of which a transaction was shown a part.
    fn parts(&self, at: usize, findings: &mut Findings) {
        let shown: HashMap<u64, &[i64]> = self.txns[at].reads().collect();
        let writers = shown.iter().flat_map(|(key, list)| {
            list.iter().filter_map(|val| self.lists.writer(*key, *val)).collect::<Vec<_>>()
        });
        let mut writers: Vec<usize> = writers.filter(|writer| *writer != at).collect();
        writers.sort_unstable();
        writers.dedup();
        for writer in writers {
            let lacks =
                |(key, val): &(u64, i64)| shown.get(key).is_some_and(|list| !list.contains(val));
            let Some((key, val)) = self.txns[writer].appends().find(lacks) else { continue };
            findings.found_in(
                "partial-transaction",
                [self.txns[at].call, self.txns[writer].call],
                || {
                    let (by, read) = (self.words(writer), self.words(at));
                    format!(
                        "some of a transaction is there, but not {val} in list {key}: {by}; {read}"
                    )
                },
            );
        }
    }

    /// Elements that were acknowledged before a list was read that does not have them.
    fn missing(&self, at: usize, findings: &mut Findings) {
        let txn = &self.txns[at];
        if !txn.call.is_ok() {
            return;
        }
        for (key, val) in txn.appends() {
            let Some(list) = self.lists.by_key.get(&key) else { continue };
            let later = |by: usize| self.txns[by].call.invoked.index > txn.call.returned();
            let place = list.order.iter().position(|one| *one == val);
            let short = list
                .reads
                .iter()
                .find(|(by, count)| later(*by) && place.is_none_or(|place| *count <= place));
            let Some((by, _)) = short else { continue };
            let (kind, back) = match place {
                None => ("lost-append", "and nobody ever saw it"),
                Some(_) => ("stale-read", "and others saw it"),
            };
            findings.found_in(kind, [txn.call, self.txns[*by].call], || {
                let (by, read) = (self.words(at), self.words(*by));
                format!("{val} is not in list {key}, {back}: {by}; {read}")
            });
        }
    }
}
