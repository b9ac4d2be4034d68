//! Limits of numbers.

use super::fail::Fail;
use crate::custom::schema::Schema;
use serde_json::{Number, Value};

/// What is wrong with a number.
pub(super) fn fails(found: &Number, schema: &Schema, path: &str) -> Vec<Fail> {
    let limits = &schema.limits;
    let mut fails = Vec::new();
    fails.extend(range_fail(found, schema, path));
    if let Some(factor) = limits.multiple_of {
        fails.extend(multiple_fail(found, factor, path));
    }
    if let Some((min, excluded)) = limits.minimum {
        let words = if excluded { "greater than" } else { "greater than or equal to" };
        let below = less(found, min) || excluded && same(found, min);
        fails.extend(below.then(|| limit(found, min, words, path)));
    }
    if let Some((max, excluded)) = limits.maximum {
        let words = if excluded { "less than" } else { "less than or equal to" };
        let above = greater(found, max) || excluded && same(found, max);
        fails.extend(above.then(|| limit(found, max, words, path)));
    }
    fails
}

fn limit(found: &Number, bound: f64, words: &str, path: &str) -> Fail {
    let bound = if found.is_i64() { (bound as i64).to_string() } else { go_float(bound) };
    Fail::invalid(path, Value::Number(found.clone()), &format!("should be {words} {bound}"))
}

/// Integers are compared as such: not every one of them is a float.
fn less(found: &Number, bound: f64) -> bool {
    match found.as_i64() {
        Some(whole) => whole < bound as i64,
        None => found.as_f64().is_some_and(|float| float < bound),
    }
}

fn greater(found: &Number, bound: f64) -> bool {
    match found.as_i64() {
        Some(whole) => whole > bound as i64,
        None => found.as_f64().is_some_and(|float| float > bound),
    }
}

fn same(found: &Number, bound: f64) -> bool {
    match found.as_i64() {
        Some(whole) => whole == bound as i64,
        None => found.as_f64() == Some(bound),
    }
}

/// A number that does not fit the format of its type; upstream names no field.
fn range_fail(found: &Number, schema: &Schema, path: &str) -> Option<Fail> {
    let format = &*schema.limits.format;
    let ty = if schema.int_or_string { "" } else { &*schema.ty };
    let fits = match (ty, format, found.as_i64()) {
        ("integer", "int32", Some(whole)) => i32::try_from(whole).is_ok(),
        ("integer", _, Some(_)) => true,
        ("integer", _, None) => found.as_f64().is_some_and(|f| f.fract() == 0.0),
        (_, "float", _) => found.as_f64().is_some_and(|f| f.abs() <= f64::from(f32::MAX)),
        _ => true,
    };
    let said = match format {
        "int32" | "int64" | "float" | "double" => {
            format!("Checked value must be of type {ty} with format {format} in {path}")
        }
        _ => format!("Checked value must be of type {ty} (default format) in {path}"),
    };
    (!fits).then_some(Fail::Whole(said))
}

fn multiple_fail(found: &Number, factor: f64, path: &str) -> Option<Fail> {
    let value = Value::Number(found.clone());
    let (fits, shown) = match found.as_i64() {
        Some(whole) => {
            let factor = factor as i64;
            if factor <= 0 {
                let detail =
                    format!("factor MultipleOf declared for {path} must be positive: {factor}");
                return Some(Fail::at(path, super::fail::What::Invalid(factor.into(), detail)));
            }
            (whole % factor == 0, factor.to_string())
        }
        None => {
            let float = found.as_f64().unwrap_or_default();
            let times = if factor < 1.0 { 1.0 / factor * float } else { float / factor };
            ((times - times.round()).abs() < 1e-9, go_float(factor))
        }
    };
    let detail = format!("should be a multiple of {shown}");
    (!fits).then(|| Fail::invalid(path, value, &detail))
}

/// A float as Go's `%v` prints it.
fn go_float(float: f64) -> String {
    if float.fract() == 0.0 && float.abs() < 1e15 {
        return (float as i64).to_string();
    }
    let exponent = float.abs().log10().floor() as i32;
    if (-5..21).contains(&exponent) {
        return float.to_string();
    }
    let text = format!("{float:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let sign = if exponent.starts_with('-') { '-' } else { '+' };
    let digits = exponent.trim_start_matches('-');
    format!("{mantissa}e{sign}{digits:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_as_go_prints_them() {
        for (float, text) in
            [(0.5, "0.5"), (10.0, "10"), (1e21, "1e+21"), (1.5e-7, "1.5e-07"), (-2.25, "-2.25")]
        {
            assert_eq!(go_float(float), text);
        }
    }
}
