//! Evaluates nodes.

use super::{CallNode, EntryNode, Node};
use crate::cost::spent::{self, Meter};
use crate::cost::{LIST, MAP, OBJECT, SELECT};
use crate::library::Call;
use crate::value::{Fault, Map, Outcome, Value};
use smallvec::SmallVec;
use std::sync::Arc;

pub(super) struct Evaluator<'m, 'a> {
    pub(super) globals: Vec<Outcome<'a>>,
    /// Variables of loops; a fault is told when the variable is looked at.
    pub(super) locals: Vec<Outcome<'a>>,
    pub(super) meter: &'m mut Meter,
}

/// The value of a node that depends on nothing.
///
/// # Errors
/// It fails.
pub(super) fn constant(node: &Node, meter: &mut Meter) -> Outcome<'static> {
    let mut evaluator: Evaluator<'_, '_> =
        Evaluator { globals: Vec::new(), locals: Vec::new(), meter };
    evaluator.evaluate(node).and_then(owned)
}

/// A value that is made of no object.
fn owned(value: Value<'_>) -> Outcome<'static> {
    Ok(match value {
        Value::Null => Value::Null,
        Value::Bool(of) => Value::Bool(of),
        Value::Int(of) => Value::Int(of),
        Value::Uint(of) => Value::Uint(of),
        Value::Double(of) => Value::Double(of),
        Value::String(text) => Value::text(&*text),
        Value::Bytes(of) => Value::Bytes(of),
        Value::Duration(of) => Value::Duration(of),
        Value::Timestamp(of) => Value::Timestamp(of),
        Value::Type(of) => Value::Type(of),
        Value::Opaque(of) => Value::Opaque(of),
        Value::Optional(None) => Value::Optional(None),
        Value::Optional(Some(of)) => Value::some(owned((*of).clone())?),
        Value::List(list) => {
            let items = list.iter().map(|item| item.and_then(owned));
            Value::list(items.collect::<Result<_, _>>()?)
        }
        Value::Map(map) => {
            let mut copy = Map::new();
            for key in map.keys() {
                if let Some(value) = map.get(&key)? {
                    copy.insert(owned(key)?, owned(value)?)?;
                }
            }
            Value::Map(copy)
        }
        Value::Unknown(_) => return Err(Fault::no_such_overload()),
    })
}

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn evaluate(&mut self, node: &Node) -> Outcome<'a> {
        match node {
            Node::Const(value) => Ok(value.clone()),
            Node::Global(at) => {
                self.meter.spend(SELECT)?;
                self.globals[*at].clone()
            }
            Node::Local(at) => {
                self.meter.spend(SELECT)?;
                self.locals[*at].clone()
            }
            Node::Field { operand, field, optional, cost } => {
                self.field(operand, field, *optional, *cost)
            }
            Node::Has { operand, field, cost } => self.has(operand, field, *cost),
            Node::Index { operand, index, optional, cost } => {
                self.index(operand, index, *optional, *cost)
            }
            Node::And(sides) => self.logic(sides, false),
            Node::Or(sides) => self.logic(sides, true),
            Node::Conditional(parts) => self.conditional(parts),
            Node::Equal { negated, sides } => self.equal(sides, *negated),
            Node::OneOf { item, of } => {
                let item = self.evaluate(item)?;
                Ok(Value::Bool(of.get(&item)?.is_some()))
            }
            Node::NotStrictlyFalse(arg) => self.not_strictly_false(arg),
            Node::OptionalOr { value, sides } => self.optional_or(sides, *value),
            Node::Call(call) => self.call(call),
            Node::List { items, optional } => self.list(items, optional),
            Node::Map(entries) => self.map(entries),
            Node::Object(fields) => self.object(fields),
            Node::Bind(parts) => self.bind(parts),
            Node::Fold(fold) => self.fold(fold),
        }
    }

    /// `&&` and `||`: one side may decide even if the other fails.
    fn logic(&mut self, sides: &[Node; 2], decides: bool) -> Outcome<'a> {
        let mut fault = None;
        for side in sides {
            let failed = match self.evaluate(side) {
                Ok(Value::Bool(of)) if of == decides => return Ok(Value::Bool(decides)),
                Ok(Value::Bool(_)) => continue,
                Ok(_) => Fault::no_such_overload(),
                Err(Fault::Cancelled) => return Err(Fault::Cancelled),
                Err(fault) => fault,
            };
            fault.get_or_insert(failed);
        }
        match fault {
            Some(fault) => Err(fault),
            None => Ok(Value::Bool(!decides)),
        }
    }

    fn conditional(&mut self, parts: &[Node; 3]) -> Outcome<'a> {
        let [condition, then, otherwise] = parts;
        match self.evaluate(condition)? {
            Value::Bool(true) => self.branch(then),
            Value::Bool(false) => self.branch(otherwise),
            _ => Err(Fault::no_such_overload()),
        }
    }

    /// A name at the beginning of a branch does not count.
    fn branch(&mut self, node: &Node) -> Outcome<'a> {
        let value = self.evaluate(node);
        if node.begins_with_name() {
            self.meter.refund(SELECT);
        }
        value
    }

    fn equal(&mut self, sides: &[Node; 2], negated: bool) -> Outcome<'a> {
        let args = self.both(&sides[0], &sides[1], spent::Work::Comparison)?;
        let work = match &args[0] {
            Value::Opaque(_) if !negated => spent::Work::Fixed(1),
            _ => spent::Work::Comparison,
        };
        let cost = spent::cost(work, &args, self.meter)?;
        self.meter.spend(cost)?;
        match args[0].equals(&args[1], self.meter.steps()) {
            Ok(same) => Ok(Value::Bool(same != negated)),
            Err(Fault::Cancelled) => Err(Fault::Cancelled),
            // What cannot be compared is not equal.
            Err(_) if negated => Ok(Value::Bool(true)),
            Err(fault) => Err(fault),
        }
    }

    /// The argument of a call, which counts even if the argument fails.
    fn single(&mut self, arg: &Node, work: spent::Work) -> Outcome<'a> {
        let value = self.evaluate(arg);
        if let Err(Fault::Failed(_)) = value {
            let cost = spent::cost(work, &[Value::Null], self.meter)?;
            self.meter.spend(cost)?;
        }
        value
    }

    /// Both arguments of a call. If one fails, the other is evaluated nevertheless, and the call
    /// counts.
    fn both(
        &mut self,
        left: &Node,
        right: &Node,
        work: spent::Work,
    ) -> Result<[Value<'a>; 2], Fault> {
        match (self.evaluate(left), self.evaluate(right)) {
            (Ok(left), Ok(right)) => Ok([left, right]),
            (Err(Fault::Cancelled), _) | (_, Err(Fault::Cancelled)) => Err(Fault::Cancelled),
            (left, right) => {
                let fault = left.as_ref().err().or(right.as_ref().err()).cloned();
                let args = [left.unwrap_or(Value::Null), right.unwrap_or(Value::Null)];
                let cost = spent::cost(work, &args, self.meter)?;
                self.meter.spend(cost)?;
                Err(fault.unwrap_or_else(Fault::no_such_overload))
            }
        }
    }

    fn not_strictly_false(&mut self, arg: &Node) -> Outcome<'a> {
        let value = self.evaluate(arg);
        self.meter.spend(1)?;
        match value {
            Ok(Value::Bool(of)) => Ok(Value::Bool(of)),
            Err(Fault::Cancelled) => Err(Fault::Cancelled),
            _ => Ok(Value::Bool(true)),
        }
    }

    fn optional_or(&mut self, sides: &[Node; 2], value: bool) -> Outcome<'a> {
        match self.evaluate(&sides[0])? {
            Value::Optional(None) => self.evaluate(&sides[1]),
            Value::Optional(Some(of)) if value => Ok((*of).clone()),
            of @ Value::Optional(_) => Ok(of),
            _ => Err(Fault::no_such_overload()),
        }
    }

    fn call(&mut self, node: &CallNode) -> Outcome<'a> {
        let mut args: SmallVec<[Value<'a>; 3]> = SmallVec::new();
        match node.args.as_slice() {
            [one] => args.push(self.single(one, node.work)?),
            [left, right] => args.extend(self.both(left, right, node.work)?),
            nodes => {
                for arg in nodes {
                    args.push(self.evaluate(arg)?);
                }
            }
        }
        let cost = spent::cost(node.work, &args, self.meter)?;
        self.meter.spend(cost)?;
        let pattern = node.pattern.as_ref();
        let value = (node.function)(Call {
            name: &node.name,
            overload: node.overload,
            args: &mut args,
            pattern,
            meter: self.meter,
        })?;
        if &*node.name == "join" {
            self.meter.spend(spent::joined(&value))?;
        }
        Ok(value)
    }

    fn list(&mut self, nodes: &[Node], optional: &[usize]) -> Outcome<'a> {
        let mut items = Vec::with_capacity(nodes.len());
        for (at, node) in nodes.iter().enumerate() {
            let item = self.evaluate(node)?;
            if !optional.contains(&at) {
                items.push(item);
                continue;
            }
            match item {
                Value::Optional(of) => items.extend(of.map(|of| (*of).clone())),
                other => {
                    return Fault::failed(format!(
                        "cannot initialize optional list element from non-optional value {}",
                        crate::library::shown(&other)
                    ));
                }
            }
        }
        self.meter.spend(LIST)?;
        Ok(Value::list(items))
    }

    fn map(&mut self, entries: &[EntryNode]) -> Outcome<'a> {
        let mut map = Map::new();
        for entry in entries {
            let key = self.evaluate(&entry.key)?;
            let value = self.evaluate(&entry.value)?;
            set(&mut map, key, value, entry.optional)?;
        }
        self.meter.spend(MAP)?;
        Ok(Value::Map(map))
    }

    fn object(&mut self, fields: &[(Arc<str>, bool, Node)]) -> Outcome<'a> {
        let mut map = Map::new();
        for (name, optional, node) in fields {
            let value = self.evaluate(node)?;
            set(&mut map, Value::text(name.clone()), value, *optional)?;
        }
        self.meter.spend(OBJECT)?;
        Ok(Value::Map(map))
    }

    fn bind(&mut self, parts: &[Node; 2]) -> Outcome<'a> {
        let value = match self.evaluate(&parts[0]) {
            Err(Fault::Cancelled) => return Err(Fault::Cancelled),
            value => value,
        };
        let outside = self.locals.len();
        self.locals.push(value);
        let result = self.evaluate(&parts[1]);
        self.locals.truncate(outside);
        result
    }
}

/// Sets an entry; an optional one only if it has a value.
fn set<'a>(
    map: &mut Map<'a>,
    key: Value<'a>,
    value: Value<'a>,
    optional: bool,
) -> Result<(), Fault> {
    let value = match (optional, value) {
        (false, value) => value,
        (true, Value::Optional(Some(of))) => (*of).clone(),
        (true, Value::Optional(None)) => {
            map.remove(&key);
            return Ok(());
        }
        (true, other) => {
            return Fault::failed(format!(
                "cannot initialize optional entry '{}' from non-optional value {}",
                crate::library::shown(&key),
                crate::library::shown(&other)
            ));
        }
    };
    map.insert(key, value).map(|_| ())
}
