//! Loops.

use super::evaluate::Evaluator;
use super::{FoldNode, Step};
use crate::cost::{LIST, SELECT};
use crate::library::shown;
use crate::value::{Fault, List, Map, Outcome, Value};

/// What a loop goes through.
enum Range<'a> {
    List(List<'a>),
    Map(Map<'a>, Vec<Value<'a>>),
}

impl<'a> Range<'a> {
    fn of(value: Value<'a>) -> Result<Self, Fault> {
        match value {
            Value::List(list) => Ok(Range::List(list)),
            Value::Map(map) => {
                let keys = map.keys();
                Ok(Range::Map(map, keys))
            }
            other => Fault::failed(format!("got '{}', expected iterable type", other.type_name())),
        }
    }

    fn len(&self) -> usize {
        match self {
            Range::List(list) => list.len(),
            Range::Map(_, keys) => keys.len(),
        }
    }

    /// The key or index, and the value, of a round.
    fn round(&self, at: usize, two: bool) -> (Outcome<'a>, Option<Outcome<'a>>) {
        match self {
            Range::List(list) => {
                let item = list.get(at).unwrap_or_else(|| Err(Fault::no_such_overload()));
                if two { (Ok(Value::Int(at as i64)), Some(item)) } else { (item, None) }
            }
            Range::Map(map, keys) => {
                let value = || match map.get(&keys[at]) {
                    Ok(Some(value)) => Ok(value),
                    Ok(None) => Ok(Value::Null),
                    Err(fault) => Err(fault),
                };
                (Ok(keys[at].clone()), two.then(value))
            }
        }
    }
}

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn fold(&mut self, fold: &FoldNode) -> Outcome<'a> {
        let range = Range::of(self.evaluate(&fold.range)?)?;
        let init = self.evaluate(&fold.init);
        let slot = self.locals.len();
        self.locals.push(init);
        let looped = self.rounds(fold, &range, slot);
        self.locals.truncate(slot + 1);
        let result = looped.and_then(|()| self.evaluate(&fold.result));
        self.locals.truncate(slot);
        result
    }

    fn rounds(&mut self, fold: &FoldNode, range: &Range<'a>, slot: usize) -> Result<(), Fault> {
        for at in 0..range.len() {
            self.meter.step(1)?;
            self.locals.truncate(slot + 1);
            let (first, second) = range.round(at, fold.two);
            self.locals.push(first);
            self.locals.extend(second);
            match self.evaluate(&fold.condition)? {
                Value::Bool(false) => return Ok(()),
                Value::Bool(true) => {}
                _ => return Err(Fault::no_such_overload()),
            }
            let next = match &fold.step {
                Step::Any(node) => self.evaluate(node),
                Step::Push { filter, item } => self.push(slot, filter.as_ref(), item),
                Step::Insert { filter, entry } => self.insert(slot, filter.as_ref(), entry),
            };
            if matches!(next, Err(Fault::Cancelled)) {
                return Err(Fault::Cancelled);
            }
            self.locals[slot] = next;
            // A collecting loop never recovers from a fault.
            if !matches!(fold.step, Step::Any(_)) && self.locals[slot].is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What the loop has so far, taken out so that nothing else holds it.
    fn taken(&mut self, slot: usize) -> Outcome<'a> {
        self.meter.spend(SELECT)?;
        self.kept(slot)
    }

    /// The same in a round that changes nothing, which does not count.
    fn kept(&mut self, slot: usize) -> Outcome<'a> {
        std::mem::replace(&mut self.locals[slot], Ok(Value::Null))
    }

    fn lets(&mut self, filter: Option<&super::Node>) -> Result<bool, Fault> {
        match filter.map(|filter| self.evaluate(filter)).transpose()? {
            None | Some(Value::Bool(true)) => Ok(true),
            Some(Value::Bool(false)) => Ok(false),
            Some(_) => Err(Fault::no_such_overload()),
        }
    }

    fn push(
        &mut self,
        slot: usize,
        filter: Option<&super::Node>,
        item: &super::Node,
    ) -> Outcome<'a> {
        if !self.lets(filter)? {
            return self.kept(slot);
        }
        let item = self.evaluate(item)?;
        self.meter.spend(LIST + 1)?;
        let Value::List(mut list) = self.taken(slot)? else {
            return Err(Fault::no_such_overload());
        };
        if list.push(item.clone()) {
            return Ok(Value::List(list));
        }
        self.meter.step(list.len())?;
        let mut items = list.items()?;
        items.push(item);
        Ok(Value::list(items))
    }

    fn insert(
        &mut self,
        slot: usize,
        filter: Option<&super::Node>,
        entry: &[super::Node],
    ) -> Outcome<'a> {
        if !self.lets(filter)? {
            return self.kept(slot);
        }
        let mut entry: Vec<Value<'a>> =
            entry.iter().map(|node| self.evaluate(node)).collect::<Result<_, _>>()?;
        self.meter.spend(1)?;
        let Value::Map(mut map) = self.taken(slot)? else {
            return Err(Fault::no_such_overload());
        };
        if !map.is_unshared() {
            self.meter.step(map.len())?;
        }
        match (entry.pop(), entry.pop()) {
            (Some(value), Some(key)) => insert_new(&mut map, key, value)?,
            (Some(Value::Map(entries)), None) => {
                for key in entries.keys() {
                    if let Some(value) = entries.get(&key)? {
                        insert_new(&mut map, key, value)?;
                    }
                }
            }
            _ => return Err(Fault::no_such_overload()),
        }
        Ok(Value::Map(map))
    }
}

fn insert_new<'a>(map: &mut Map<'a>, key: Value<'a>, value: Value<'a>) -> Result<(), Fault> {
    match map.insert(key.clone(), value)? {
        Some(_) => Fault::failed(format!("insert failed: key {} already exists", shown(&key))),
        None => Ok(()),
    }
}
