//! What a call of an operator or of a function of the language can cost.

use super::estimate::{Entries, Estimator, Known};
use super::{PER_CHARACTER, PER_PATTERN_CHARACTER, Range};
use crate::ast::Expr;

/// A call whose cost is asked for.
pub(super) struct CallCost<'a, 'c> {
    pub(super) function: &'a str,
    pub(super) overload: &'static str,
    pub(super) target: Option<&'a Known<'c>>,
    pub(super) args: &'a [Known<'c>],
    /// What it costs to get at the arguments.
    pub(super) costs: &'a [Range],
}

/// A cost, and the size of the result if something is known of it.
pub(super) type Cost = (Range, Option<Range>);

fn known_size(known: &Known<'_>) -> Range {
    known.size.unwrap_or(Range::UNKNOWN)
}

impl<'c> Estimator<'c> {
    /// The cost of a call and of its arguments.
    pub(super) fn call_cost(&mut self, expr: &'c Expr, call: &CallCost<'_, 'c>) -> Cost {
        let args = call.costs.iter().fold(Range::exactly(0), |sum, cost| sum.plus(*cost));
        if let Some((cost, size)) = self.function_cost(call) {
            return (cost.plus(args), size);
        }
        match call.overload {
            "logical_or" | "logical_and" => {
                let (left, right) = (call.costs[0], call.costs[1]);
                return (Range { min: left.min, max: left.plus(right).max }, None);
            }
            "conditional" => return self.conditional(expr, call),
            "add_string" | "add_bytes" | "add_list" => return self.addition(expr, call, args),
            _ => {}
        }
        let (cost, size) = plain(call).unwrap_or((Range::exactly(1), None));
        (cost.plus(args), size)
    }

    fn conditional(&mut self, expr: &Expr, call: &CallCost<'_, 'c>) -> Cost {
        let size = known_size(&call.args[1]).union(known_size(&call.args[2]));
        let entries = |at: usize| call.args[at].expr.and_then(|expr| self.entries_of(expr));
        let entries = Entries::union(entries(1), entries(2));
        self.set_entries(expr.id, entries);
        (call.costs[0].plus(call.costs[1].union(call.costs[2])), Some(size))
    }

    fn addition(&mut self, expr: &Expr, call: &CallCost<'_, 'c>, args: Range) -> Cost {
        let size = known_size(&call.args[0]).plus(known_size(&call.args[1]));
        let entries = |at: usize| call.args[at].expr.and_then(|expr| self.entries_of(expr));
        let entries = Entries::union(entries(0), entries(1));
        self.set_entries(expr.id, entries);
        let cost = match call.overload {
            "add_list" => Range::exactly(1),
            _ => size.factor(PER_CHARACTER),
        };
        (cost.plus(args), Some(size))
    }
}

/// The cost of operators and functions whose work depends on the size of what they get.
fn plain(call: &CallCost<'_, '_>) -> Option<Cost> {
    let arg = |at: usize| call.args.get(at).map(known_size);
    let target = call.target.map(known_size);
    let cost = match call.overload {
        "string_format" => (target?.factor(PER_CHARACTER), None),
        "string_to_bytes" => {
            let size = arg(0)?;
            let result = Range { min: size.min, max: size.max.wrapping_mul(4) };
            (size.factor(PER_CHARACTER), Some(result))
        }
        "bytes_to_string" => {
            let size = arg(0)?;
            (size.factor(PER_CHARACTER), Some(Range { min: size.min / 4, max: size.max }))
        }
        "strings_quote" => {
            let size = arg(0)?;
            let result = Range {
                min: size.min.wrapping_add(2),
                max: size.max.wrapping_mul(2).wrapping_add(2),
            };
            (size.factor(PER_CHARACTER), Some(result))
        }
        "starts_with_string" | "ends_with_string" => (arg(0)?.factor(PER_CHARACTER), None),
        "in_list" => (arg(1)?, None),
        "matches_string" => (matching(target?, arg(0)?), None),
        "contains_string" => {
            (target?.factor(PER_CHARACTER).times(arg(0)?.factor(PER_CHARACTER)), None)
        }
        "equals" | "not_equals" => (comparison(call), None),
        id if is_text_comparison(id) => (comparison(call), None),
        _ => return None,
    };
    Some(cost)
}

/// The work of matching a text with a pattern.
pub(super) fn matching(text: Range, pattern: Range) -> Range {
    let text = text.plus(Range::exactly(1)).factor(PER_CHARACTER);
    text.times(pattern.factor(PER_PATTERN_CHARACTER))
}

/// Whether an overload compares texts or bytes.
pub(crate) fn is_text_comparison(overload: &str) -> bool {
    let prefix = overload.strip_suffix("_string").or_else(|| overload.strip_suffix("_bytes"));
    matches!(prefix, Some("less" | "less_equals" | "greater" | "greater_equals"))
}

/// Two values are compared up to the end of the shorter one.
fn comparison(call: &CallCost<'_, '_>) -> Range {
    let sizes = call.args.iter().map(|arg| known_size(arg).max);
    let max = sizes.min().unwrap_or_default();
    Range { min: u64::from(max > 0), max }.factor(PER_CHARACTER)
}
