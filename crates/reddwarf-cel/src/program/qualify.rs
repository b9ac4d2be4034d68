//! Fields and indexes.

use super::Node;
use super::evaluate::Evaluator;
use crate::cost::SELECT;
use crate::library::shown;
use crate::value::{Fault, Outcome, Value};

impl<'a> Evaluator<'_, 'a> {
    pub(super) fn field(
        &mut self,
        operand: &Node,
        field: &Value<'static>,
        optional: bool,
        cost: u64,
    ) -> Outcome<'a> {
        let operand = self.evaluate(operand)?;
        self.meter.spend(cost)?;
        self.qualified(operand, field, optional)
    }

    pub(super) fn index(
        &mut self,
        operand: &Node,
        index: &Node,
        optional: bool,
        cost: u64,
    ) -> Outcome<'a> {
        let operand = self.evaluate(operand)?;
        let index = self.evaluate(index)?;
        self.meter.spend(cost)?;
        self.qualified(operand, &index, optional)
    }

    pub(super) fn has(&mut self, operand: &Node, field: &Value<'static>, cost: u64) -> Outcome<'a> {
        let operand = self.evaluate(operand)?;
        self.meter.spend(cost)?;
        let operand = match operand {
            Value::Optional(None) => return Ok(Value::Bool(false)),
            Value::Optional(Some(of)) => (*of).clone(),
            other => other,
        };
        Ok(Value::Bool(find(&operand, field)?.is_some()))
    }

    /// A part of a value; of an optional value, or with a question mark, it is optional too.
    /// Looking for an optional part that is not there does not count.
    fn qualified(&mut self, operand: Value<'a>, key: &Value<'_>, optional: bool) -> Outcome<'a> {
        let (operand, optional) = match operand {
            Value::Optional(None) => {
                self.meter.refund(SELECT);
                return Ok(Value::Optional(None));
            }
            Value::Optional(Some(of)) => ((*of).clone(), true),
            other => (other, optional),
        };
        match find(&operand, key)? {
            Some(value) if optional => Ok(Value::some(value)),
            Some(value) => Ok(value),
            None if optional => {
                self.meter.refund(SELECT);
                Ok(Value::Optional(None))
            }
            None => Err(missing(&operand, key)),
        }
    }
}

fn missing(operand: &Value<'_>, key: &Value<'_>) -> Fault {
    let what = match operand {
        Value::List(_) => "index out of bounds",
        _ => "no such key",
    };
    Fault::Failed(format!("{what}: {}", shown(key)))
}

fn find<'a>(operand: &Value<'a>, key: &Value<'_>) -> Result<Option<Value<'a>>, Fault> {
    match operand {
        Value::Map(map) => map.get(key),
        Value::List(list) => match usize::try_from(position(key)?) {
            Ok(at) => list.get(at).transpose(),
            Err(_) => Ok(None),
        },
        _ => Ok(None),
    }
}

/// An index: a whole number of any type.
fn position(key: &Value<'_>) -> Result<i64, Fault> {
    let unsupported = || Fault::Failed(format!("unsupported index value {} in list", shown(key)));
    match key {
        Value::Int(of) => Ok(*of),
        Value::Uint(of) => i64::try_from(*of).map_err(|_| unsupported()),
        Value::Double(of) if of.fract() == 0.0 && of.abs() < 9e18 => Ok(*of as i64),
        Value::Double(_) => Err(unsupported()),
        other => Fault::failed(format!("unsupported index type '{}' in list", other.type_name())),
    }
}
