//! A group that is right by construction, and clients of it: histories of any length from a seed.
//!
//! Every operation has its effect at one moment between invocation and return; an operation of
//! unknown outcome has it then, later, or never.

#![allow(dead_code, reason = "each test uses a part")]

mod store;

use jepsen::history::{Edn, History, Kind, Op, Process};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
pub use store::{Store, map};

/// How a simulated run is.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    /// Lines, about.
    pub lines: u64,
    pub writers: usize,
    pub watchers: usize,
    pub listers: usize,
    pub keys: u64,
    /// After so many operations on it, a key is replaced by a new one; 0 for never.
    pub retire_after: u64,
    /// Of a hundred operations, so many are of unknown outcome.
    pub unknown_percent: u32,
    /// How long a piece of a watch is.
    pub watch_ms: u64,
    /// How long a client that lists waits between two lists.
    pub list_every_ms: u64,
    /// A fault begins as often as this, and lasts for a quarter of it; 0 for never.
    pub fault_every_ms: u64,
}

impl Default for Plan {
    fn default() -> Self {
        Plan {
            seed: 1,
            lines: 400,
            writers: 5,
            watchers: 2,
            listers: 1,
            keys: 2,
            retire_after: 0,
            unknown_percent: 10,
            watch_ms: 20,
            list_every_ms: 1,
            fault_every_ms: 0,
        }
    }
}

/// Something that happens at a time to an actor: its place, and what.
type Due = Reverse<(u64, usize, Step)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Start,
    Effect,
    Return,
    /// The effect of an operation that was given up before.
    Late(usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Writer,
    Watcher,
    Lister,
}

/// What happens to an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Known,
    Applied,
    Late,
    Lost,
}

struct Actor {
    role: Role,
    process: u64,
    f: &'static str,
    value: Edn,
    fate: Fate,
    answer: Option<Result<Edn, &'static str>>,
    /// The last revision that it saw of anything.
    seen: BTreeMap<u64, u64>,
    upto: Option<u64>,
    selector: Option<&'static str>,
}

/// A run.
pub struct Simulation<F> {
    plan: Plan,
    rng: StdRng,
    store: Store,
    actors: Vec<Actor>,
    due: BinaryHeap<Due>,
    late: Vec<(&'static str, Edn)>,
    now_us: u64,
    index: u64,
    next_process: u64,
    next_val: i64,
    used: u64,
    fault: Option<u64>,
    emit: F,
}

/// A history in memory.
pub fn history(plan: Plan) -> History {
    let mut ops = Vec::new();
    Simulation::run(plan, |op| ops.push(op));
    History { ops }
}

impl<F: FnMut(Op)> Simulation<F> {
    /// Tells every line.
    pub fn run(plan: Plan, emit: F) {
        let roles = std::iter::repeat_n(Role::Writer, plan.writers)
            .chain(std::iter::repeat_n(Role::Watcher, plan.watchers))
            .chain(std::iter::repeat_n(Role::Lister, plan.listers));
        let actors: Vec<Actor> = roles.enumerate().map(|(at, role)| actor(at, role)).collect();
        let mut run = Simulation {
            rng: StdRng::seed_from_u64(plan.seed),
            store: Store::default(),
            due: (0..actors.len()).map(|at| Reverse((at as u64, at, Step::Start))).collect(),
            late: Vec::new(),
            now_us: 0,
            index: 0,
            next_process: actors.len() as u64,
            next_val: 1,
            used: 0,
            fault: None,
            actors,
            plan,
            emit,
        };
        while let Some(Reverse((at_us, actor, step))) = run.due.pop() {
            run.now_us = at_us;
            run.nemesis();
            run.step(actor, step);
        }
    }

    fn step(&mut self, at: usize, step: Step) {
        match step {
            Step::Start if self.index < self.plan.lines => self.start(at),
            Step::Start => {}
            Step::Effect => {
                let (f, value) = (self.actors[at].f, self.actors[at].value.clone());
                self.actors[at].answer = Some(self.store.act(f, &value));
            }
            Step::Return => self.finish(at),
            Step::Late(number) => {
                let (f, value) = self.late[number].clone();
                let _ = self.store.act(f, &value);
            }
        }
    }

    fn start(&mut self, at: usize) {
        let (f, value) = match self.actors[at].role {
            Role::Writer => self.choose(at),
            Role::Lister => ("list", map([("selector", Edn::Nil)])),
            Role::Watcher => self.watch(at),
        };
        let mean_us = if self.fault.is_some() { 40_000 } else { 4_000 };
        let long_us = match f {
            "watch" => self.plan.watch_ms * 1_000,
            _ => self.rng.random_range(200..mean_us),
        };
        let effect_us = self.rng.random_range(0..=long_us);
        let percent = self.plan.unknown_percent * if self.fault.is_some() { 4 } else { 1 };
        let unknown = self.rng.random_ratio(percent.min(100), 100) && f != "watch";
        let fate = match self.rng.random_range(0..3) {
            _ if !unknown => Fate::Known,
            0 => Fate::Applied,
            1 => Fate::Late,
            _ => Fate::Lost,
        };
        if matches!(fate, Fate::Known | Fate::Applied) && f != "watch" {
            self.due.push(Reverse((self.now_us + effect_us, at, Step::Effect)));
        }
        if fate == Fate::Late {
            let late_us = self.now_us + self.rng.random_range(long_us..long_us * 20);
            self.due.push(Reverse((late_us, at, Step::Late(self.late.len()))));
            self.late.push((f, value.clone()));
        }
        self.due.push(Reverse((self.now_us + long_us, at, Step::Return)));
        self.tell(Process::Client(self.actors[at].process), Kind::Invoke, f, value.clone(), None);
        let actor = &mut self.actors[at];
        (actor.f, actor.value, actor.fate, actor.answer) = (f, value, fate, None);
    }

    fn choose(&mut self, at: usize) -> (&'static str, Edn) {
        self.used += 1;
        let retired = self.used.checked_div(self.plan.retire_after * self.plan.keys).unwrap_or(0);
        let key = retired * self.plan.keys + self.rng.random_range(0..self.plan.keys);
        self.next_val += 1;
        let val = Edn::Int(self.next_val);
        let seen = self.actors[at].seen.get(&key).copied();
        let (f, argument) = match (self.rng.random_range(0..10), seen) {
            (0..4, _) => ("read", Edn::Nil),
            (4, _) => ("create", val),
            (5, Some(rev)) if self.rng.random_bool(0.5) => ("delete", map([("rev", number(rev))])),
            (5, _) if self.rng.random_bool(0.5) => ("delete", Edn::Nil),
            (6..8, Some(rev)) => ("cas", map([("rev", number(rev)), ("val", val)])),
            _ => ("write", val),
        };
        (f, Edn::Vector(vec![number(key), argument]))
    }

    fn watch(&mut self, at: usize) -> (&'static str, Edn) {
        let actor = &self.actors[at];
        let selector = actor.selector.map_or(Edn::Nil, |name| Edn::key(name.to_owned()));
        let (from, mode) = match actor.upto {
            Some(rev) => (number(rev), "resume"),
            None => (Edn::Nil, "watch-list"),
        };
        ("watch", map([("from", from), ("mode", Edn::key(mode)), ("selector", selector)]))
    }

    fn finish(&mut self, at: usize) {
        let (f, process) = (self.actors[at].f, self.actors[at].process);
        if f == "watch" {
            let actor = &mut self.actors[at];
            let (value, upto) = self.store.watch(actor.upto, actor.selector);
            actor.upto = Some(upto);
            self.tell(Process::Client(process), Kind::Ok, f, value, None);
            // Now and then a watcher begins anew.
            if self.rng.random_ratio(1, 20) {
                self.actors[at].upto = None;
            }
        } else if self.actors[at].fate != Fate::Known {
            let reads = matches!(f, "read" | "list");
            let kind = if reads { Kind::Fail } else { Kind::Info };
            let value = self.actors[at].value.clone();
            self.tell(Process::Client(process), kind, f, value, Some("timeout"));
            if !reads {
                self.actors[at].process = self.next_process;
                self.next_process += 1;
            }
        } else {
            self.answer(at);
        }
        let pause_us = match self.actors[at].role {
            Role::Lister => self.plan.list_every_ms * 1_000,
            _ => self.rng.random_range(0..2_000),
        };
        self.due.push(Reverse((self.now_us + pause_us, at, Step::Start)));
    }

    fn answer(&mut self, at: usize) {
        let actor = &mut self.actors[at];
        let (f, process) = (actor.f, actor.process);
        match actor.answer.take().expect("its effect comes first") {
            Ok(value) => {
                if let Some((key, rev)) = store::seen(&value) {
                    actor.seen.insert(key, rev);
                }
                self.tell(Process::Client(process), Kind::Ok, f, value, None);
            }
            Err(error) => {
                let value = actor.value.clone();
                self.tell(Process::Client(process), Kind::Fail, f, value, Some(error));
            }
        }
    }

    fn nemesis(&mut self) {
        let every_us = self.plan.fault_every_ms * 1_000;
        let Some(phase) = self.now_us.checked_rem(every_us) else { return };
        let on = phase > every_us / 2 && phase < every_us / 4 * 3;
        let kinds = ["kill", "partition", "pause", "slow-fsync"];
        match self.fault {
            None if on => {
                let number = self.now_us / every_us;
                self.fault = Some(number);
                self.fault_lines(kinds[number as usize % 4], number, "begin", "pid 7 is gone");
            }
            Some(number) if !on => {
                self.fault = None;
                self.fault_lines(kinds[number as usize % 4], number, "end", "ready after 214 ms");
            }
            _ => {}
        }
    }

    fn fault_lines(&mut self, f: &'static str, number: u64, phase: &'static str, shown: &str) {
        let target = Edn::string(format!("n{}", number % 3 + 1));
        let (phase, targets) = (("phase", Edn::key(phase)), ("targets", Edn::Vector(vec![target])));
        let evidence = ("evidence", Edn::string(shown.to_owned()));
        let before = map([phase.clone(), targets.clone()]);
        self.tell(Process::Nemesis, Kind::Info, f, before, None);
        self.tell(Process::Nemesis, Kind::Info, f, map([phase, targets, evidence]), None);
    }

    fn tell(&mut self, process: Process, kind: Kind, f: &str, value: Edn, error: Option<&str>) {
        let node = format!("n{}", self.rng.random_range(1..4));
        let mut more = BTreeMap::from([("node".to_owned(), Edn::string(node))]);
        if let Some(error) = error {
            more.insert("error".to_owned(), Edn::key(error.to_owned()));
        }
        let (index, time_ns) = (self.index, self.now_us * 1_000);
        self.index += 1;
        (self.emit)(Op { index, time_ns, process, kind, f: f.to_owned(), value, more });
    }
}

fn actor(at: usize, role: Role) -> Actor {
    Actor {
        role,
        process: at as u64,
        f: "",
        value: Edn::Nil,
        fate: Fate::Known,
        answer: None,
        seen: BTreeMap::new(),
        upto: None,
        selector: [None, Some("even"), None, Some("odd")][at % 4],
    }
}

fn number(number: u64) -> Edn {
    Edn::Int(number as i64)
}
