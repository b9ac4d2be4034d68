//! The check of one value and of all below it.

use super::fail::{Fail, What};
use super::{format, number};
use crate::custom::schema::{Additional, ListType, Schema};
use crate::managed_fields::compare::equal;
use serde_json::{Map, Value};

/// What an update had before in the place of a value.
#[derive(Clone, Copy)]
pub struct Correlated<'v> {
    old: &'v Value,
    /// Whether it is the whole object, whose type cannot be tolerated.
    root: bool,
}

impl<'v> Correlated<'v> {
    /// The object as a whole.
    pub fn root(old: &'v Value) -> Self {
        Correlated { old, root: true }
    }

    /// A value in an object.
    pub fn below(old: &'v Value) -> Self {
        Correlated { old, root: false }
    }

    fn field(self, name: &str) -> Option<Self> {
        if self.root && matches!(name, "kind" | "apiVersion") {
            return None;
        }
        self.old.get(name).map(Correlated::below)
    }

    /// The item that has the keys of `item`; items of other lists are not told apart.
    fn item(self, schema: &Schema, item: &Value) -> Option<Self> {
        let (ListType::Map(keys), Value::Array(items)) = (&schema.list, self.old) else {
            return None;
        };
        let of = schema.items.as_deref();
        let key = |item: &Value, name: &str| {
            let default = || of.and_then(|of| of.properties.get(name)?.default.clone());
            item.get(name).cloned().or_else(default)
        };
        let same = |other: &&Value| keys.iter().all(|name| key(item, name) == key(other, name));
        items.iter().find(same).map(Correlated::below)
    }
}

/// The outcome of a check.
#[derive(Default)]
pub(super) struct Outcome {
    pub fails: Vec<Fail>,
    /// How much was looked at: of several alternatives that fail, the one that got furthest is
    /// shown.
    pub matched: u32,
}

impl Outcome {
    fn of(fail: Option<Fail>) -> Self {
        Outcome { fails: fail.into_iter().collect(), matched: 0 }
    }

    fn is_valid(&self) -> bool {
        self.fails.is_empty()
    }

    fn take(&mut self, other: Outcome) {
        self.fails.extend(other.fails);
        self.matched += other.matched;
    }
}

/// Checks a value; what an update leaves as it was is tolerated.
pub(super) fn check(
    value: &Value,
    schema: &Schema,
    path: &str,
    old: Option<Correlated<'_>>,
) -> Outcome {
    let outcome = plain(value, schema, path, old);
    let unchanged = !outcome.is_valid() && old.is_some_and(|old| equal(old.old, value));
    match unchanged {
        true => Outcome { fails: Vec::new(), matched: outcome.matched },
        false => outcome,
    }
}

fn plain(value: &Value, schema: &Schema, path: &str, old: Option<Correlated<'_>>) -> Outcome {
    let mut outcome = Outcome::default();
    if value.is_null() {
        outcome.take(Outcome::of(null_fail(schema, path)));
        outcome.take(Outcome::of(enum_fail(value, schema, path)));
        return outcome;
    }
    let limits = &schema.limits;
    if !schema.type_text().is_empty() || !limits.format.is_empty() {
        let fail = type_fail(value, schema, path);
        outcome.matched += u32::from(fail.is_none()) + 1;
        outcome.fails.extend(fail);
    }
    outcome.take(combinations(value, schema, path, old));
    outcome.matched += 2;
    match value {
        Value::String(text) => {
            outcome.fails.extend(string_fail(text, schema, path));
            outcome.matched += 1;
            if !limits.format.is_empty() && format::is_checked(&limits.format) {
                let fits = format::fits(&limits.format, text);
                let what = || What::Type(text.clone(), limits.format.to_string());
                outcome.fails.extend((!fits).then(|| Fail::at(path, what())));
                outcome.matched += 1;
            }
        }
        Value::Number(found) => {
            outcome.fails.extend(number::fails(found, schema, path));
            outcome.matched += 2;
        }
        Value::Array(items) => {
            outcome.take(list(items, schema, path, old));
            outcome.matched += 2;
        }
        _ => {}
    }
    outcome.fails.extend(enum_fail(value, schema, path));
    outcome.matched += 1;
    if let Value::Object(fields) = value {
        outcome.take(object(fields, schema, path, old));
        outcome.matched += 1;
    }
    outcome.matched += 1;
    outcome
}

fn type_error(path: &str, schema: &Schema, shown: &str) -> Fail {
    Fail::at(path, What::Type(shown.to_owned(), schema.type_text().to_owned()))
}

fn null_fail(schema: &Schema, path: &str) -> Option<Fail> {
    let typed = !schema.type_text().is_empty();
    (typed && !schema.nullable).then(|| type_error(path, schema, "null"))
}

/// The type and format of a value as messages name them.
fn type_of(value: &Value) -> (&'static str, &'static str) {
    match value {
        Value::Null => ("null", ""),
        Value::Bool(_) => ("boolean", ""),
        Value::String(_) => ("string", ""),
        Value::Number(number) if number.is_i64() => ("integer", "int64"),
        Value::Number(_) => ("number", "float64"),
        Value::Array(_) => ("array", ""),
        Value::Object(_) => ("object", ""),
    }
}

fn type_fail(value: &Value, schema: &Schema, path: &str) -> Option<Fail> {
    let (found, found_format) = type_of(value);
    let format = &*schema.limits.format;
    let whole = value.as_f64().is_some_and(|f| f.fract().abs() < f64::EPSILON);
    let float_as_int = found == "number" && whole && schema.has_type("integer");
    let int_as_float = found == "integer" && schema.has_type("number");
    let numeric = schema.has_type("number") || schema.has_type("integer");
    let text_or_list = matches!(found, "string" | "array");
    let fits = schema.has_type(found) || float_as_int || int_as_float;
    if !text_or_list && !format.is_empty() && !fits && found_format != format {
        let what = What::Type(found_format.to_owned(), format.to_owned());
        return Some(Fail::at(path, what));
    }
    if !numeric && !format.is_empty() && text_or_list {
        return None;
    }
    (!fits).then(|| type_error(path, schema, found))
}

fn enum_fail(value: &Value, schema: &Schema, path: &str) -> Option<Fail> {
    let allowed = &schema.limits.allowed;
    let fits = allowed.is_empty() || allowed.iter().any(|a| !a.is_null() && equal(a, value));
    (!fits).then(|| Fail::at(path, What::NotAllowed(value.clone(), allowed.clone())))
}

fn string_fail(text: &str, schema: &Schema, path: &str) -> Option<Fail> {
    let limits = &schema.limits;
    let length = text.chars().count() as i64;
    if let Some(max) = limits.length_max.filter(|max| length > *max) {
        return Some(Fail::at(path, What::TooLong(max)));
    }
    if let Some(min) = limits.length_min.filter(|min| length < *min) {
        let detail = format!("should be at least {min} chars long");
        return Some(Fail::invalid(path, text, &detail));
    }
    let pattern = limits.pattern.as_ref()?;
    match pattern.matches(text) {
        Ok(true) => None,
        Ok(false) => Some(Fail::invalid(path, text, &format!("should match '{}'", pattern.text))),
        Err(why) => {
            let detail = format!("should match '{}, but pattern is invalid: {why}'", pattern.text);
            Some(Fail::invalid(path, text, &detail))
        }
    }
}

/// `anyOf`, `oneOf`, `allOf` and `not`.
fn combinations(
    value: &Value,
    schema: &Schema,
    path: &str,
    old: Option<Correlated<'_>>,
) -> Outcome {
    let limits = &schema.limits;
    let mut outcome = Outcome::default();
    let each = |schemas: &[Schema]| -> Vec<Outcome> {
        schemas.iter().map(|schema| plain(value, schema, path, old)).collect()
    };
    if !limits.any_of.is_empty() {
        any_of(each(&limits.any_of), path, &mut outcome);
    }
    if !limits.one_of.is_empty() {
        one_of(each(&limits.one_of), path, &mut outcome);
    }
    if !limits.all_of.is_empty() {
        all_of(each(&limits.all_of), path, &mut outcome);
    }
    if let Some(not) = &limits.not
        && plain(value, not, path, old).is_valid()
    {
        let text = format!("{path:?} must not validate the schema (not)");
        outcome.fails.push(Fail::Whole(text));
    }
    outcome
}

/// The one that got furthest, the first of several.
fn furthest(failed: impl IntoIterator<Item = Outcome>) -> Option<Outcome> {
    failed.into_iter().reduce(|best, next| if next.matched > best.matched { next } else { best })
}

fn any_of(tried: Vec<Outcome>, path: &str, outcome: &mut Outcome) {
    match tried.iter().position(Outcome::is_valid) {
        Some(at) => outcome.matched += tried[at].matched,
        None => {
            let text = format!("{path:?} must validate at least one schema (anyOf)");
            outcome.fails.push(Fail::Whole(text));
            furthest(tried).into_iter().for_each(|best| outcome.take(best));
        }
    }
}

fn one_of(tried: Vec<Outcome>, path: &str, outcome: &mut Outcome) {
    let valid = tried.iter().filter(|tried| tried.is_valid()).count();
    if valid == 1 {
        let matched = tried.iter().find(|tried| tried.is_valid()).map_or(0, |t| t.matched);
        outcome.matched += matched;
        return;
    }
    let more = match valid {
        0 => "Found none valid".to_owned(),
        _ => format!("Found {valid} valid alternatives"),
    };
    let text = format!("{path:?} must validate one and only one schema (oneOf). {more}");
    outcome.fails.push(Fail::Whole(text));
    if valid == 0 {
        furthest(tried).into_iter().for_each(|best| outcome.take(best));
    }
}

fn all_of(tried: Vec<Outcome>, path: &str, outcome: &mut Outcome) {
    let (all, valid) = (tried.len(), tried.iter().filter(|tried| tried.is_valid()).count());
    tried.into_iter().for_each(|tried| outcome.take(tried));
    if valid < all {
        let none = if valid == 0 { ". None validated" } else { "" };
        let text = format!("{path:?} must validate all the schemas (allOf){none}");
        outcome.fails.push(Fail::Whole(text));
    }
}

fn list(items: &[Value], schema: &Schema, path: &str, old: Option<Correlated<'_>>) -> Outcome {
    let mut outcome = Outcome::default();
    if let Some(of) = schema.items.as_deref() {
        for (at, item) in items.iter().enumerate() {
            let old = old.and_then(|old| old.item(schema, item));
            outcome.take(check(item, of, &format!("{path}[{at}]"), old));
        }
    }
    let count = items.len() as i64;
    if let Some(min) = schema.limits.items_min.filter(|min| count < *min) {
        let detail = format!("should have at least {min} items");
        outcome.fails.push(Fail::invalid(path, count, &detail));
    }
    if let Some(max) = schema.limits.items_max.filter(|max| count > *max) {
        outcome.fails.push(Fail::at(path, What::TooMany(count, max)));
    }
    outcome
}

fn object(
    fields: &Map<String, Value>,
    schema: &Schema,
    path: &str,
    old: Option<Correlated<'_>>,
) -> Outcome {
    let mut outcome = Outcome::default();
    let limits = &schema.limits;
    let count = fields.len() as i64;
    if let Some(min) = limits.properties_min.filter(|min| count < *min) {
        let detail = format!("should have at least {min} properties");
        outcome.fails.push(Fail::invalid(path, count, &detail));
    }
    if let Some(max) = limits.properties_max.filter(|max| count > *max) {
        outcome.fails.push(Fail::at(path, What::TooMany(count, max)));
    }
    let others =
        || fields.iter().filter(|(name, _)| !schema.properties.contains_key(name.as_str()));
    match &schema.additional {
        Additional::Of(of) => {
            for (name, value) in others() {
                let old = old.and_then(|old| old.field(name));
                outcome.take(check(value, of, &format!("{path}.{name}"), old));
            }
        }
        Additional::Bool(false) => {
            let forbidden = others().map(|(name, _)| {
                let detail = format!("{path}.{name} in body is a forbidden property");
                Fail::at(path, What::Invalid(name.as_str().into(), detail))
            });
            outcome.fails.extend(forbidden);
        }
        _ => {}
    }
    for (name, of) in &schema.properties {
        let Some(value) = fields.get(&**name) else { continue };
        let at = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
        let old = old.and_then(|old| old.field(name));
        outcome.take(check(value, of, &at, old));
    }
    for name in limits.required.iter().filter(|name| !fields.contains_key(&***name)) {
        outcome.fails.push(Fail::at(&format!("{path}.{name}"), What::Required));
    }
    outcome
}
