//! Linearizability of each object: as if every operation happened at once, at some moment between
//! its invocation and its return.
//!
//! An object at a time is enough, since linearizability is local (Horn and Kroening, "Faster
//! linearizability checking via P-compositionality", 2015). Every acknowledged write tells its
//! resource version, and these order all writes that anybody saw; what contradicts that order needs
//! no search and is told in a few words ([`direct`]). What is left, the operations that nobody saw
//! and answers like "there is none", is searched ([`search`]), in the manner of Wing and Gong with
//! Lowe's just-in-time steps and a memory of what was tried.
//!
//! The search is our own: `stateright` and `todc-utils`, which have one, know no operations of
//! unknown outcome, copy a whole bit set a step, and cannot use the order that is known.

mod direct;
mod object;
mod search;
mod shrink;

use super::context::{Context, Work};
use super::findings::Findings;
use object::Object;
use search::{Answer, Search, Start};
use std::collections::BTreeMap;
use std::time::Instant;

pub(super) fn check(context: &Context, findings: &mut Findings) {
    for work in context.with_objects() {
        for (key, calls) in by_key(work) {
            let object = Object::new(work, key, &calls);
            check_object(context, &object, findings);
        }
    }
}

fn by_key(work: &Work) -> BTreeMap<u64, Vec<usize>> {
    let mut keys: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for (place, call) in work.calls.iter().enumerate() {
        if let Some(key) = call.key() {
            keys.entry(key).or_default().push(place);
        }
    }
    keys
}

fn check_object(context: &Context, object: &Object, findings: &mut Findings) {
    findings.figure("objects", 1);
    findings.figure("operations", object.steps.len() as u64);
    if direct::check(context.trace, object, findings) {
        return;
    }
    let deadline = Instant::now() + context.parameters.search_max;
    let answer = Search::new(object, deadline).run(&Start::beginning(object), None);
    match answer {
        Answer::Linearizable => {}
        Answer::Stuck(stuck) => shrink::report(context.trace, object, &stuck, findings),
        Answer::GaveUp(why) => findings.unknown(format!("object {}: {why}", object.key)),
    }
}
