//! Calls, faults and events in words, for people.

use super::{
    Call, Change, Deed, Event, Fault, Input, LeaseVerb, ListOp, Mode, Name, Outcome, Output,
    Selector, State, Trace,
};
use std::fmt::Write;

/// Of a long answer, no more than this many parts are told.
const PARTS_MAX: usize = 12;

impl Trace {
    /// One call in a sentence: who, where, what, how it ended.
    pub fn describe(&self, call: &Call) -> String {
        format!("{}: {}", self.describe_asked(call), self.answered(call))
    }

    /// The first half of that: who, where, what.
    pub fn describe_asked(&self, call: &Call) -> String {
        let who = call.process.map_or("the probe".to_owned(), |number| format!("client {number}"));
        let place = call.node.map_or(String::new(), |node| format!(" at {}", self.text(node)));
        format!("{who}{place}: {}", self.asked(call))
    }

    /// One fault in a sentence.
    pub fn describe_fault(&self, fault: &Fault) -> String {
        let targets: Vec<&str> = fault.targets.iter().map(|name| self.text(*name)).collect();
        let shown = fault.evidence.map_or("no evidence", |evidence| self.text(evidence));
        format!("{} of {}: {shown}", self.text(fault.f), targets.join(", "))
    }

    fn asked(&self, call: &Call) -> String {
        match &call.input {
            Input::Read { key, at_least: None } => format!("read object {key}"),
            Input::Read { key, at_least: Some(rev) } => {
                format!("read object {key}, not older than {rev}")
            }
            Input::Create { key, val } => format!("create object {key} with {val}"),
            Input::Write { key, val } => format!("write {val} to object {key}"),
            Input::Cas { key, rev, val } => format!("write {val} to object {key} if at {rev}"),
            Input::Delete { key, rev: None } => format!("delete object {key}"),
            Input::Delete { key, rev: Some(rev) } => format!("delete object {key} if at {rev}"),
            Input::Add { val } => format!("add {val}"),
            Input::List { selector, at_least } => {
                format!("list{}{}", of(*selector), since(*at_least))
            }
            Input::Watch { from, mode, selector } => watch(*from, *mode, *selector),
            Input::Lease { verb, holder } => format!("{} as {}", lease(*verb), self.text(*holder)),
            Input::Fenced { fence, val } => format!("write {val} under fence {fence}"),
            Input::Pod { key, cpu } => format!("create pod {key} of {cpu}m"),
            Input::DeletePod { key } => format!("delete pod {key}"),
            Input::Node { node, cpu } => format!("create node {} of {cpu}m", self.text(*node)),
            Input::Settle => "wait until no pod waits that a node has room for".to_owned(),
            Input::Txn { ops } => some(ops.iter().map(list_op), ops.len()),
            Input::Deed { deed, element, objects, .. } => {
                format!("{} element {element}, objects {objects:?}", done(*deed))
            }
            Input::Look { family, local } => {
                format!("list family {family}{}", if *local { ", however old" } else { "" })
            }
            Input::Present { key } => format!("read {} as now", which(*key)),
            Input::Past { rev, key } => format!("read {} as at {rev}", which(*key)),
            Input::Writable => "write after the last fault".to_owned(),
            Input::Other => self.text(call.f).to_owned(),
        }
    }

    fn answered(&self, call: &Call) -> String {
        let error = call.error.map_or(String::new(), |error| format!(" ({})", self.text(error)));
        match (call.outcome, call.ended) {
            (Outcome::Info, None) => "never answered".to_owned(),
            (Outcome::Info, Some(_)) => format!("unknown{error}"),
            (Outcome::Fail, _) => format!("failed{error}"),
            (Outcome::Ok, _) => self.output(&call.output),
        }
    }

    fn output(&self, output: &Output) -> String {
        match output {
            Output::None => "ok".to_owned(),
            Output::State(None) => "there is none".to_owned(),
            Output::State(Some(state)) => self.state(*state),
            Output::Version { rev, uid } => format!(
                "ok{}{}",
                rev.map_or(String::new(), |rev| format!(", revision {rev}")),
                self.uid(*uid)
            ),
            Output::Elements { rev, elements } => {
                format!("{} elements at revision {rev}", elements.len())
            }
            Output::Items { rev, items } => {
                let parts =
                    items.iter().map(|(key, state)| format!("{key} = {}", self.state(*state)));
                format!("at revision {rev}: {}", some(parts, items.len()))
            }
            Output::Events { events, end } => {
                let parts = events.iter().map(|event| self.event(event));
                format!("{}; ended: {end:?}", some(parts, events.len()))
            }
            Output::Pods { rev, pods } => {
                let waiting = pods.iter().filter(|pod| pod.node.is_none()).count();
                format!("at revision {rev}: {} pods, {waiting} of them wait", pods.len())
            }
            Output::Txn { ops } => {
                let reads = || ops.iter().filter(|op| matches!(op, ListOp::Read { .. }));
                match reads().count() {
                    0 => "ok".to_owned(),
                    count => some(reads().map(list_op), count),
                }
            }
            Output::Range { revs: None } => "ok, nothing to change".to_owned(),
            Output::Range { revs: Some((first, last)) } => {
                format!("ok, revisions {first} to {last}")
            }
            Output::Family { rev, objects } => {
                let parts = objects
                    .iter()
                    .map(|(key, marked)| format!("{key} has {}", self.text(marked.has)));
                format!("at revision {rev}: {}", some(parts, objects.len()))
            }
            Output::Bytes { rev, digests } => {
                let parts = digests.iter().map(|digest| self.text(*digest).to_owned());
                format!("at revision {rev}: {}", some(parts, digests.len()))
            }
            Output::Lease { fence, rev } => {
                let rev = rev.map_or(String::new(), |rev| format!(" at revision {rev}"));
                format!("ok, fence {fence}{rev}")
            }
        }
    }

    /// A state in words.
    pub fn state(&self, state: State) -> String {
        format!("{} at revision {}{}", state.val, state.rev, self.uid(state.uid))
    }

    /// An event in words.
    pub fn event(&self, event: &Event) -> String {
        let rev = event.rev;
        let node = event.node.map_or(String::new(), |node| format!(" on {}", self.text(node)));
        let val = event.val.map_or(String::new(), |val| format!(" = {val}"));
        let has = event.has.map_or(String::new(), |has| format!(" with {}", self.text(has)));
        let val = val + &has;
        match event.change {
            Change::Bookmark => format!("bookmark {rev}"),
            Change::InitialEnd => format!("end of the initial part at {rev}"),
            Change::Added => format!("added {}{val}{node} at {rev}", event.key),
            Change::Modified => format!("modified {}{val}{node} at {rev}", event.key),
            Change::Deleted => format!("deleted {}{val}{node} at {rev}", event.key),
        }
    }

    fn uid(&self, uid: Option<Name>) -> String {
        uid.map_or(String::new(), |uid| format!(", uid {}", self.text(uid)))
    }
}

fn of(selector: Selector) -> &'static str {
    match selector {
        Selector::All => "",
        Selector::Even => " of the even",
        Selector::Odd => " of the odd",
    }
}

fn since(at_least: Option<u64>) -> String {
    at_least.map_or(String::new(), |rev| format!(", not older than {rev}"))
}

fn watch(from: Option<u64>, mode: Mode, selector: Selector) -> String {
    let how = match mode {
        Mode::Watch => "watch",
        Mode::WatchList => "watch with the state first",
        Mode::Resume => "resume a watch",
    };
    let from = from.map_or(String::new(), |rev| format!(" from {rev}"));
    format!("{how}{}{from}", of(selector))
}

fn list_op(op: &ListOp) -> String {
    match op {
        ListOp::Read { key, list: None } => format!("read list {key}"),
        ListOp::Read { key, list: Some(list) } => format!("list {key} is {list:?}"),
        ListOp::Append { key, val } => format!("append {val} to list {key}"),
    }
}

fn done(deed: Deed) -> &'static str {
    match deed {
        Deed::Note => "note",
        Deed::Branch => "put on a branch",
        Deed::Merge => "merge",
        Deed::Apply => "apply",
        Deed::Revert => "revert",
    }
}

fn which(key: Option<u64>) -> String {
    key.map_or("all objects".to_owned(), |key| format!("object {key}"))
}

fn lease(verb: LeaseVerb) -> &'static str {
    match verb {
        LeaseVerb::Acquire => "acquire the lease",
        LeaseVerb::Renew => "renew the lease",
        LeaseVerb::Release => "release the lease",
    }
}

fn some(parts: impl Iterator<Item = String>, count: usize) -> String {
    let mut told = parts.take(PARTS_MAX).collect::<Vec<_>>().join("; ");
    if count > PARTS_MAX {
        let _ = write!(told, "; … {} more", count - PARTS_MAX);
    }
    if told.is_empty() { "nothing".to_owned() } else { told }
}
