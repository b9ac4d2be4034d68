//! From lines to calls, faults and probes.

use super::{Call, Fault, Moment, Name, Outcome, Output, Probe, Trace, decode};
use crate::history::{Edn, Kind, Op, Process};
use std::collections::HashMap;

/// Takes lines one by one and makes a [`Trace`] of them.
#[derive(Debug, Default)]
pub struct Builder {
    trace: Trace,
    /// What each process has invoked and not yet been answered, by its place among the calls.
    open: HashMap<Process, usize>,
    /// Faults that were begun and not yet undone, by name.
    current: HashMap<Name, usize>,
}

impl Builder {
    /// The next line.
    pub fn push(&mut self, op: &Op) {
        self.trace.lines += 1;
        self.trace.end_ns = self.trace.end_ns.max(op.time_ns);
        let taken = match op.process {
            Process::Nemesis => {
                self.fault(op);
                Ok(())
            }
            Process::Probe if op.f == "members" => self.probe(op),
            Process::Client(_) | Process::Probe => self.client(op),
        };
        if let Err(what) = taken {
            self.trace.malformed.push((op.index, what));
        }
    }

    /// All lines were pushed: what is open stays unknown.
    pub fn finish(self) -> Trace {
        self.trace
    }

    fn client(&mut self, op: &Op) -> Result<(), String> {
        if op.kind == Kind::Invoke { self.invoke(op) } else { self.complete(op) }
    }

    fn invoke(&mut self, op: &Op) -> Result<(), String> {
        if self.open.contains_key(&op.process) {
            return Err("invoked before the process' last operation was answered".into());
        }
        let names = &mut self.trace.names;
        let call = Call {
            process: match op.process {
                Process::Client(number) => Some(number),
                _ => None,
            },
            f: names.name(&op.f),
            workload: op.more.get("workload").map(|name| decode::label(name, names)),
            node: op.more.get("node").map(|node| decode::label(node, names)),
            outcome: Outcome::Info,
            error: None,
            floor: None,
            invoked: Moment { index: op.index, ns: op.time_ns },
            ended: None,
            input: decode::input(&op.f, &op.value, names)?,
            output: Output::None,
        };
        self.open.insert(op.process, self.trace.calls.len());
        self.trace.calls.push(call);
        Ok(())
    }

    fn complete(&mut self, op: &Op) -> Result<(), String> {
        let place = self.open.remove(&op.process).ok_or("answered without being invoked")?;
        let call = &mut self.trace.calls[place];
        let names = &mut self.trace.names;
        if names.text(call.f) != op.f {
            return Err(format!("answered :{}, but :{} was invoked", op.f, names.text(call.f)));
        }
        call.ended = Some(Moment { index: op.index, ns: op.time_ns });
        call.error = op.more.get("error").map(|error| decode::label(error, names));
        call.floor = op.more.get("floor").and_then(|floor| decode::number(floor).ok());
        call.node = op.more.get("node").map(|node| decode::label(node, names)).or(call.node);
        match op.kind {
            Kind::Ok => {
                call.output = decode::output(&call.input, &op.value, names)?;
                call.outcome = Outcome::Ok;
            }
            Kind::Fail => call.outcome = Outcome::Fail,
            Kind::Info | Kind::Invoke => call.outcome = Outcome::Info,
        }
        Ok(())
    }

    fn probe(&mut self, op: &Op) -> Result<(), String> {
        if op.kind == Kind::Invoke || matches!(op.value, Edn::Nil) {
            return Ok(());
        }
        let members = decode::members(&op.value, &mut self.trace.names)?;
        self.trace.probes.push(Probe { index: op.index, time_ns: op.time_ns, members });
        Ok(())
    }

    /// A step of a fault is two lines, before and after; steps begin it and end it.
    fn fault(&mut self, op: &Op) {
        let names = &mut self.trace.names;
        let f = names.name(&op.f);
        let ends =
            matches!(decode::field(&op.value, "phase"), Some(Edn::Key(word)) if word == "end");
        let evidence = decode::field(&op.value, "evidence").map(|edn| names.name(&edn.to_string()));
        let error = op.more.get("error").map(|error| decode::label(error, names));
        let targets = decode::targets(&op.value, names);
        // A fault whose end was told is over, unless this is the second line of the end.
        let faults = &mut self.trace.faults;
        let current =
            self.current.get(&f).copied().filter(|place| ends || faults[*place].ended_ns.is_none());
        let place = current.unwrap_or_else(|| {
            faults.push(Fault {
                f,
                targets: Vec::new(),
                begun_ns: op.time_ns,
                ended_ns: None,
                evidence: None,
                error: None,
                lines: Vec::new(),
            });
            faults.len() - 1
        });
        self.current.insert(f, place);
        let fault = &mut faults[place];
        for target in targets {
            if !fault.targets.contains(&target) {
                fault.targets.push(target);
            }
        }
        fault.lines.push(op.index);
        fault.error = error.or(fault.error);
        if ends {
            fault.ended_ns = Some(op.time_ns);
        } else {
            fault.evidence = evidence.or(fault.evidence);
        }
    }
}
