//! What a call costs while an expression is evaluated.

use super::calls::is_text_comparison;
use super::functions::{AUTHORIZATION, SIMPLE};
use super::{LIST, PER_CHARACTER, PER_PATTERN_CHARACTER};
use crate::value::{Fault, Opaque, Value};

/// Work besides upstream's count, such as copies and deep comparisons, that one evaluation may do.
const STEPS_MAX: u64 = 20_000_000;

/// Counts what an evaluation costs.
#[derive(Debug)]
pub struct Meter {
    spent: u64,
    limit: u64,
    steps: crate::value::Steps,
}

impl Meter {
    /// Counts up to a limit.
    pub fn new(limit: u64) -> Self {
        Meter { spent: 0, limit, steps: crate::value::Steps(STEPS_MAX) }
    }

    /// What was spent.
    pub fn spent(&self) -> u64 {
        self.spent
    }

    /// Takes back what counted too much.
    pub(crate) fn refund(&mut self, cost: u64) {
        self.spent = self.spent.saturating_sub(cost);
    }

    pub(crate) fn spend(&mut self, cost: u64) -> Result<(), Fault> {
        self.spent = self.spent.saturating_add(cost);
        if self.spent > self.limit { Err(Fault::Cancelled) } else { Ok(()) }
    }

    /// Counts work that upstream does not count.
    pub(crate) fn step(&mut self, steps: usize) -> Result<(), Fault> {
        self.steps.0 = self.steps.0.checked_sub(steps as u64).ok_or(Fault::Cancelled)?;
        Ok(())
    }

    pub(crate) fn steps(&mut self) -> &mut crate::value::Steps {
        &mut self.steps
    }
}

/// How the cost of a call comes about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Work {
    /// It is always the same.
    Fixed(u64),
    /// For each character of an argument.
    Text(usize, f64),
    /// For each part of the first argument.
    Walk,
    /// For each item of the second argument.
    Items,
    /// Up to the end of the shorter argument.
    Comparison,
    /// For each character of both.
    Concatenation,
    /// For each character, as often as there are in the other.
    Search,
    /// The same, with a pattern.
    Matching,
    /// Addresses of some bytes, of which one may have to be read.
    Addresses { network: bool, text: bool },
    /// A text by a named format.
    Format,
    /// A selector in the second argument.
    Selector,
    /// Each item of one set with each of another.
    Sets(f64),
    /// A list as long as the first argument times the depth in the second.
    Flatten,
    /// A list as long as its first argument says.
    Numbers,
    /// A part of a list.
    Slice,
    /// A list as long as the first argument.
    Copy,
    /// Each item of the argument at this index with each other.
    Sort(usize),
}

/// How the cost of a function comes about.
pub(crate) fn work(name: &str, overload: &str) -> Work {
    match name {
        "check" => Work::Fixed(AUTHORIZATION),
        "fieldSelector" | "labelSelector" => Work::Selector,
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => Work::Walk,
        "url"
        | "lowerAscii"
        | "upperAscii"
        | "substring"
        | "trim"
        | "jsonpatch.escapeKey"
        | "cidr"
        | "isIP"
        | "isCIDR"
        | "quantity"
        | "isQuantity"
        | "semver"
        | "isSemver" => Work::Text(0, PER_CHARACTER),
        "ip" if overload == "cidr_ip" => Work::Fixed(1),
        "ip" => Work::Text(0, PER_CHARACTER),
        "replace" | "split" | "ip.isCanonical" => Work::Text(0, 2.0 * PER_CHARACTER),
        // Of a join the result counts, which is known only afterwards.
        "join" => Work::Fixed(0),
        "find" | "findAll" => Work::Matching,
        "containsIP" | "containsCIDR" => {
            Work::Addresses { network: name == "containsCIDR", text: overload.ends_with("_string") }
        }
        "validate" => Work::Format,
        name if SIMPLE.contains(&name) => Work::Fixed(1),
        _ => work_of_overload(overload),
    }
}

fn work_of_overload(overload: &str) -> Work {
    match overload {
        "starts_with_string" | "ends_with_string" => Work::Text(1, PER_CHARACTER),
        "string_to_bytes" | "bytes_to_string" | "strings_quote" | "string_format" => {
            Work::Text(0, PER_CHARACTER)
        }
        "in_list" => Work::Items,
        "equals" | "not_equals" => Work::Comparison,
        "add_string" | "add_bytes" => Work::Concatenation,
        "matches_string" => Work::Matching,
        "contains_string" => Work::Search,
        "list_sets_equivalent_list" => Work::Sets(2.0),
        "list_sets_contains_list" | "list_sets_intersects_list" => Work::Sets(1.0),
        "list_slice" => Work::Slice,
        "lists_range" => Work::Numbers,
        "list_reverse" => Work::Copy,
        "list_flatten" | "list_flatten_int" => Work::Flatten,
        "list_distinct" => Work::Sort(0),
        id if id.ends_with("_sortByAssociatedKeys") => Work::Sort(1),
        id if id.starts_with("list_") && id.ends_with("_sort") => Work::Sort(0),
        id if is_text_comparison(id) => Work::Comparison,
        _ => Work::Fixed(1),
    }
}

/// What a call with these arguments costs.
pub(crate) fn cost(work: Work, args: &[Value<'_>], meter: &mut Meter) -> Result<u64, Fault> {
    let size = |at: usize| args.get(at).map_or(1, Value::size);
    let per = |size: u64, factor: f64| (size as f64 * factor).ceil() as u64;
    let made = |size: u64| size.saturating_add(1 + LIST);
    Ok(match work {
        Work::Fixed(cost) => cost,
        Work::Text(at, factor) => per(size(at), factor),
        Work::Walk => match args.first() {
            Some(value) => walk(value, meter)?,
            None => 0,
        },
        Work::Items => size(1),
        Work::Comparison => per(size(0).min(size(1)), PER_CHARACTER),
        Work::Concatenation => per(size(0) + size(1), PER_CHARACTER),
        Work::Search => per(size(0), PER_CHARACTER).saturating_mul(per(size(1), PER_CHARACTER)),
        Work::Matching => matching(size(0), size(1)),
        Work::Addresses { network, text } => {
            let bytes = size(0);
            let mut cost = per(2 * bytes, PER_CHARACTER);
            if network {
                cost += per(bytes, PER_CHARACTER) + 1;
            }
            if text { cost + per(size(1), PER_CHARACTER) } else { cost }
        }
        Work::Format => matching(size(1), format_pattern(args.first())),
        Work::Selector => {
            let length = size(1);
            LIST + per(length, PER_CHARACTER) + per(per(length, 0.5), 50.0)
        }
        Work::Sets(factor) => 1 + (size(0).saturating_mul(size(1)) as f64 * factor) as u64,
        Work::Flatten => made((size(0) as f64 * natural(args.get(1), 1) as f64) as u64),
        Work::Numbers => made(natural(args.first(), 0)),
        Work::Slice => made(natural(args.get(2), 0).saturating_sub(natural(args.get(1), 0))),
        Work::Copy => made(size(0)),
        Work::Sort(at) => {
            let text = match args.get(at) {
                Some(Value::List(list)) => {
                    matches!(list.get(0), Some(Ok(Value::String(_) | Value::Bytes(_))))
                }
                _ => false,
            };
            let factor = if text { 2.0 + PER_CHARACTER } else { 2.0 };
            made((size(at).saturating_mul(size(at)) as f64 * factor) as u64)
        }
    })
}

/// What a join costs, which depends on its result.
pub(crate) fn joined(result: &Value<'_>) -> u64 {
    (result.size() as f64 * 2.0 * PER_CHARACTER).ceil() as u64
}

fn matching(text: u64, pattern: u64) -> u64 {
    let text = ((1.0 + text as f64) * PER_CHARACTER).ceil() as u64;
    text.saturating_mul((pattern as f64 * PER_PATTERN_CHARACTER).ceil() as u64)
}

fn natural(value: Option<&Value<'_>>, otherwise: u64) -> u64 {
    match value {
        Some(Value::Int(of)) => (*of).max(0) as u64,
        _ => otherwise,
    }
}

/// The length of the pattern that a named format has, or might have.
fn format_pattern(format: Option<&Value<'_>>) -> u64 {
    let Some(Value::Opaque(of)) = format else { return 0 };
    let Opaque::Format(name) = &**of else { return 0 };
    match *name {
        "dns1123Label" | "dns1035Label" | "dns1123LabelPrefix" | "dns1035LabelPrefix" => 30,
        "labelValue" => 40,
        "uri" => 1_116,
        "uuid" => 93,
        "byte" => 91,
        "date" | "datetime" => 83,
        _ => 60,
    }
}

/// What it costs to go through a value and all in it.
fn walk(value: &Value<'_>, meter: &mut Meter) -> Result<u64, Fault> {
    meter.step(1)?;
    let text = |length: usize| (length as f64 * PER_CHARACTER) as u64;
    Ok(match value {
        Value::String(of) => text(of.len()),
        Value::Bytes(of) => text(of.len()),
        Value::List(list) => {
            let mut cost: u64 = 0;
            for item in list.iter() {
                cost = cost.saturating_add(walk(&item?, meter)?);
            }
            cost
        }
        Value::Map(map) => {
            let mut cost: u64 = 0;
            for key in map.keys() {
                cost = cost.saturating_add(walk(&key, meter)?);
                if let Some(value) = map.get(&key)? {
                    cost = cost.saturating_add(walk(&value, meter)?);
                }
            }
            cost
        }
        _ => 1,
    })
}
