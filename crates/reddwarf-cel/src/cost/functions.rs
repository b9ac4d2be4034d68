//! What a call of a library's function can cost.

use super::calls::{CallCost, Cost, matching};
use super::estimate::{Estimator, Known};
use super::{LIST, PER_CHARACTER, PER_PATTERN_CHARACTER, Range};
use crate::ast::{ExprKind, Literal};
use crate::types::Type;

/// The longest pattern of a named format.
const FORMAT_PATTERN_MAX: f64 = 128.0;
/// The longest name of a format.
const FORMAT_NAME_MAX: u64 = 64;
/// An authorization check; two fit into an expression.
pub(crate) const AUTHORIZATION: u64 = 350_000;

const ONE: Range = Range::exactly(1);

/// Functions that look at a field or do other work that does not depend on a size.
pub(crate) const SIMPLE: [&str; 38] = [
    "serviceAccount",
    "path",
    "group",
    "resource",
    "subresource",
    "namespace",
    "name",
    "allowed",
    "reason",
    "error",
    "errored",
    "masked",
    "prefixLength",
    "family",
    "isUnspecified",
    "isLoopback",
    "isLinkLocalMulticast",
    "isLinkLocalUnicast",
    "isGlobalUnicast",
    "format.named",
    "sign",
    "asInteger",
    "isInteger",
    "asApproximateFloat",
    "isGreaterThan",
    "isLessThan",
    "compareTo",
    "add",
    "sub",
    "major",
    "minor",
    "patch",
    "getScheme",
    "getHostname",
    "getHost",
    "getPort",
    "getEscapedPath",
    "getQuery",
];

impl<'c> Estimator<'c> {
    fn size_of(&self, known: &Known<'_>) -> Range {
        known.size.or_else(|| self.declared_size(&known.path)).unwrap_or(Range::UNKNOWN)
    }

    /// The cost of a function, without that of its arguments; nothing for those of the language.
    pub(super) fn function_cost(&self, call: &CallCost<'_, 'c>) -> Option<Cost> {
        if let Some(cost) = self.list_cost(call) {
            return Some(cost);
        }
        let arg = |at: usize| call.args.get(at).map(|arg| self.size_of(arg));
        let target = call.target.map(|target| self.size_of(target));
        let cost = match call.function {
            "check" => (Range::exactly(AUTHORIZATION), None),
            "fieldSelector" | "labelSelector" => (selector(arg(0)?), None),
            "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => self.walk(call)?,
            "url" | "jsonpatch.escapeKey" => (arg(0)?.factor(PER_CHARACTER), arg(0)),
            "lowerAscii" | "upperAscii" | "substring" | "trim" => {
                (target?.factor(PER_CHARACTER), target)
            }
            "replace" => {
                let size = replaced_size(target?, arg(0)?, arg(1)?);
                (target?.factor(2.0 * PER_CHARACTER), Some(size))
            }
            "split" => {
                let limit = call.args.get(1).and_then(literal_int);
                let max = limit.map_or(target?.max, |limit| limit as u64);
                (target?.factor(2.0 * PER_CHARACTER), Some(Range { min: 0, max }))
            }
            "join" => self.join(call)?,
            "find" | "findAll" => {
                (matching(target?, arg(0)?), Some(Range { min: 0, max: target?.max }))
            }
            "ip" if call.overload == "cidr_ip" => (ONE, None),
            "cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver"
            | "isSemver" => (arg(0)?.factor(PER_CHARACTER), None),
            "ip.isCanonical" => (arg(0)?.factor(2.0 * PER_CHARACTER), None),
            "containsIP" | "containsCIDR" => (contains(call, arg(0)?), None),
            "validate" => {
                let text = arg(0)?.factor(PER_CHARACTER);
                (text.factor(FORMAT_PATTERN_MAX * PER_PATTERN_CHARACTER), None)
            }
            "_==_" => (equality(call)?, None),
            name if SIMPLE.contains(&name) => (ONE, None),
            _ => return None,
        };
        Some(cost)
    }

    /// Going through a list, or through a text.
    fn walk(&self, call: &CallCost<'_, 'c>) -> Option<Cost> {
        let target = call.target?;
        let size = self.size_of(target);
        let Type::List(item) = &target.of else { return Some((size.factor(PER_CHARACTER), None)) };
        let mut each = ONE;
        if matches!(**item, Type::String | Type::Bytes) {
            each = each.plus(self.item_size(target).factor(PER_CHARACTER));
        }
        Some((size.times(each), None))
    }

    fn item_size(&self, list: &Known<'_>) -> Range {
        if list.path.is_empty() {
            return Range::UNKNOWN;
        }
        let mut path = list.path.clone();
        path.push("@items".into());
        self.declared_size(&path).unwrap_or(Range::UNKNOWN)
    }

    fn join(&self, call: &CallCost<'_, 'c>) -> Option<Cost> {
        let target = call.target?;
        let count = self.size_of(target);
        let mut size = Range::exactly(0);
        if matches!(target.of, Type::List(_)) {
            size = count.times(self.item_size(target));
        }
        if let Some(separator) = call.args.first() {
            let between =
                Range { min: count.min.saturating_sub(1), max: count.max.saturating_sub(1) };
            size = size.plus(self.size_of(separator).times(between));
        }
        Some((size.factor(PER_CHARACTER), Some(size)))
    }

    /// Functions that make lists, and those on sets.
    fn list_cost(&self, call: &CallCost<'_, 'c>) -> Option<Cost> {
        let target = call.target.map(|target| self.size_of(target));
        let arg = |at: usize| call.args.get(at);
        let made = |factor: f64, size: Range| {
            Some((size.factor(factor).plus(ONE).plus(Range::exactly(LIST)), Some(size)))
        };
        match call.overload {
            "list_sets_contains_list"
            | "list_sets_intersects_list"
            | "list_sets_equivalent_list" => {
                let factor = if call.overload == "list_sets_equivalent_list" { 2.0 } else { 1.0 };
                let size = self.size_of(arg(0)?).times(self.size_of(arg(1)?));
                Some((size.factor(factor).plus(ONE), None))
            }
            "list_slice" => {
                let start = natural(arg(0)?, 0);
                made(1.0, Range::exactly(natural(arg(1)?, target?.max).wrapping_sub(start)))
            }
            "list_flatten" => made(1.0, target?),
            "list_flatten_int" => made(natural(arg(0)?, u64::MAX) as f64, target?),
            "lists_range" => made(1.0, Range::exactly(natural(arg(0)?, u64::MAX))),
            "list_reverse" => made(1.0, target?),
            "list_distinct" => made(2.0, target?.times(target?)),
            id if id.ends_with("_sortByAssociatedKeys") => {
                let keys = self.size_of(arg(0)?);
                made(sort_factor(id), keys.times(keys))
            }
            id if id.starts_with("list_") && id.ends_with("_sort") => {
                made(sort_factor(id), target?.times(target?))
            }
            _ => None,
        }
    }
}

fn sort_factor(overload: &str) -> f64 {
    let text = overload.starts_with("list_string_") || overload.starts_with("list_bytes_");
    if text { 2.0 + PER_CHARACTER } else { 2.0 }
}

fn literal_int(known: &Known<'_>) -> Option<i64> {
    match known.expr.map(|expr| &expr.kind) {
        Some(ExprKind::Literal(Literal::Int(int))) => Some(*int),
        _ => None,
    }
}

fn natural(known: &Known<'_>, otherwise: u64) -> u64 {
    literal_int(known).map_or(otherwise, |int| int.max(0) as u64)
}

/// A selector is read, and makes an object for each requirement.
fn selector(length: Range) -> Range {
    let requirements = length.factor(0.5).factor(50.0);
    Range::exactly(LIST).plus(length.factor(PER_CHARACTER)).plus(requirements)
}

/// The longest and shortest result of replacing parts of a text.
fn replaced_size(text: Range, old: Range, new: Range) -> Range {
    let ceil = |of: u64, by: u64| (of as f64 / by as f64).ceil() as u64;
    let (mut count, mut kept) = (Range::exactly(0), Range::exactly(0));
    if old.min == 0 {
        count.max = text.max.saturating_add(1);
        kept.max = text.max;
    } else if new.max <= old.min {
        kept.max = text.max;
    } else {
        count.max = ceil(text.max, old.min);
    }
    if old.max == 0 {
        count.min = text.min.saturating_add(1);
        kept.min = text.min;
    } else if old.max <= new.min {
        kept.min = text.min;
    } else {
        count.min = ceil(text.min, old.max);
    }
    count.times(new).plus(kept)
}

/// Comparing addresses of 4 to 16 bytes; a text is parsed first.
fn contains(call: &CallCost<'_, '_>, text: Range) -> Range {
    let size = Range { min: 4, max: 16 };
    let mut cost = size.plus(size).factor(PER_CHARACTER);
    if call.function == "containsCIDR" {
        cost = cost.plus(size.factor(PER_CHARACTER)).plus(ONE);
    }
    if call.overload.ends_with("_string") {
        cost = cost.plus(text.factor(PER_CHARACTER));
    }
    cost
}

/// Comparing values of a library's type.
fn equality(call: &CallCost<'_, '_>) -> Option<Range> {
    let [left, right] = call.args else { return None };
    if left.of != right.of {
        return None;
    }
    match &left.of {
        Type::Opaque(name, _) if matches!(&**name, "net.IP" | "net.CIDR") => Some(ONE),
        Type::Struct(name) => match &**name {
            "kubernetes.NamedFormat" => {
                Some(Range { min: 1, max: FORMAT_NAME_MAX }.factor(PER_CHARACTER))
            }
            "kubernetes.URL" => {
                let size = right.size.unwrap_or(ONE).max;
                Some(Range { min: 1, max: size }.factor(PER_CHARACTER))
            }
            name if name.starts_with("kubernetes.") => Some(ONE),
            _ => None,
        },
        _ => None,
    }
}
