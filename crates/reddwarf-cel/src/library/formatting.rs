//! `text.format(arguments)`

use super::Call;
use super::convert::{double_text, duration_text, text_of};
use crate::cost::spent::Meter;
use crate::value::{Fault, Outcome, Value};

/// More digits are not written.
const PRECISION_MAX: usize = 400;

pub(super) fn format<'a>(mut call: Call<'_, 'a>) -> Outcome<'a> {
    let Some(Value::List(list)) = call.args.get(1).cloned() else {
        return Err(call.no_such_overload());
    };
    let args = list.items()?;
    let template = call.take(0);
    let Some(template) = template.as_str() else { return Err(call.no_such_overload()) };
    match formatted(template, &args, call.meter)? {
        Ok(text) => Ok(Value::text(text)),
        Err(why) => Fault::failed(why),
    }
}

type Text = Result<String, String>;

fn formatted(template: &str, args: &[Value<'_>], meter: &mut Meter) -> Result<Text, Fault> {
    let mut out = String::new();
    let mut rest = template;
    let mut next = 0;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let Some(arg) = args.get(next) else {
            return Ok(Err(format!("index {next} out of range")));
        };
        next += 1;
        let clause = match Clause::parse(rest) {
            Ok(Some((clause, after))) => {
                rest = after;
                clause
            }
            Ok(None) => return Ok(Err("unexpected end of string".to_owned())),
            Err(why) => return Ok(Err(format!("could not parse formatting clause: {why}"))),
        };
        match clause.apply(arg, meter)? {
            Ok(text) => {
                meter.step(1 + text.len() / 8)?;
                out.push_str(&text);
            }
            Err(why) => return Ok(Err(format!("error during formatting: {why}"))),
        }
    }
    out.push_str(rest);
    Ok(Ok(out))
}

/// `%.2f` and its like.
struct Clause {
    letter: char,
    precision: usize,
}

impl Clause {
    fn parse(text: &str) -> Result<Option<(Self, &str)>, String> {
        let mut rest = text;
        let mut precision = 6;
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(|c: char| !c.is_ascii_digit());
            let Some(end) = end else {
                return Err(
                    "error while parsing precision: could not find end of precision specifier"
                        .to_owned(),
                );
            };
            precision = match after[..end].parse::<usize>() {
                Ok(precision) => precision.min(PRECISION_MAX),
                Err(_) => {
                    return Err(format!(
                        "error while parsing precision: error while converting precision to integer: strconv.Atoi: parsing {:?}: invalid syntax",
                        &after[..end]
                    ));
                }
            };
            rest = &after[end..];
        }
        let Some(letter) = rest.chars().next() else { return Ok(None) };
        if !"sdfebxXo".contains(letter) {
            return Err(format!("unrecognized formatting clause \"{letter}\""));
        }
        Ok(Some((Clause { letter, precision }, &rest[1..])))
    }

    fn apply(&self, arg: &Value<'_>, meter: &mut Meter) -> Result<Text, Fault> {
        Ok(match self.letter {
            's' => return text(arg, meter),
            'd' => decimal(arg),
            'f' => double(arg, "fixed-point").map(|of| fixed(of, self.precision)),
            'e' => double(arg, "scientific").map(|of| scientific(of, self.precision)),
            'b' => match arg {
                Value::Int(of) if *of < 0 => Ok(format!("-{:b}", of.unsigned_abs())),
                Value::Int(of) => Ok(format!("{of:b}")),
                Value::Uint(of) => Ok(format!("{of:b}")),
                Value::Bool(of) => Ok(u8::from(*of).to_string()),
                other => Err(format!(
                    "only integers and bools can be formatted as binary, was given {}",
                    other.type_name()
                )),
            },
            'o' => match arg {
                Value::Int(of) if *of < 0 => Ok(format!("-{:o}", of.unsigned_abs())),
                Value::Int(of) => Ok(format!("{of:o}")),
                Value::Uint(of) => Ok(format!("{of:o}")),
                other => Err(format!(
                    "octal clause can only be used on integers, was given {}",
                    other.type_name()
                )),
            },
            _ => hex(arg).map(|text| match self.letter {
                'X' => text.to_ascii_uppercase(),
                _ => text,
            }),
        })
    }
}

fn decimal(arg: &Value<'_>) -> Text {
    match arg {
        Value::Int(of) => Ok(of.to_string()),
        Value::Uint(of) => Ok(of.to_string()),
        other => Err(format!(
            "decimal clause can only be used on integers, was given {}",
            other.type_name()
        )),
    }
}

fn double(arg: &Value<'_>, what: &str) -> Result<f64, String> {
    match arg {
        Value::Double(of) => Ok(*of),
        Value::String(text) => match &**text {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            _ => Err(format!("{what} clause can only be used on doubles, was given string")),
        },
        other => Err(format!(
            "{what} clause can only be used on doubles, was given {}",
            other.type_name()
        )),
    }
}

/// With commas between thousands.
fn fixed(of: f64, precision: usize) -> String {
    if !of.is_finite() {
        return special(of);
    }
    let plain = format!("{:.precision$}", of.abs());
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut grouped = String::new();
    for (at, c) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(c);
    }
    let sign = if of.is_sign_negative() { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{grouped}{point}{fraction}")
}

fn special(of: f64) -> String {
    match of {
        of if of.is_nan() => "NaN",
        of if of > 0.0 => "\u{221e}",
        _ => "-\u{221e}",
    }
    .to_owned()
}

/// With the exponent as people write it.
fn scientific(of: f64, precision: usize) -> String {
    if !of.is_finite() {
        return special(of);
    }
    let plain = format!("{of:.precision$e}");
    let (digits, exponent) = plain.split_once('e').unwrap_or((&plain, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let raised = [
        '\u{2070}', '\u{b9}', '\u{b2}', '\u{b3}', '\u{2074}', '\u{2075}', '\u{2076}', '\u{2077}',
        '\u{2078}', '\u{2079}',
    ];
    let mut power = String::new();
    if exponent < 0 {
        power.push('\u{207b}');
    }
    for c in format!("{:02}", exponent.abs()).chars() {
        power.push(raised[c.to_digit(10).unwrap_or_default() as usize]);
    }
    format!("{digits}\u{d7}10{power}")
}

fn hex(arg: &Value<'_>) -> Text {
    let bytes = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect();
    match arg {
        Value::String(text) => Ok(bytes(text.as_bytes())),
        Value::Bytes(of) => Ok(bytes(of)),
        Value::Int(of) if *of < 0 => Ok(format!("-{:x}", of.unsigned_abs())),
        Value::Int(of) => Ok(format!("{of:x}")),
        Value::Uint(of) => Ok(format!("{of:x}")),
        other => Err(format!(
            "only integers, byte buffers, and strings can be formatted as hex, was given {}",
            other.type_name()
        )),
    }
}

fn text(arg: &Value<'_>, meter: &mut Meter) -> Result<Text, Fault> {
    meter.step(1)?;
    Ok(match arg {
        Value::List(_) | Value::Map(_) => return nested(arg, meter),
        Value::Null => Ok("null".to_owned()),
        Value::Optional(_) | Value::Opaque(_) | Value::Unknown(_) => Err(format!(
            "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given {}",
            arg.type_name()
        )),
        other => text_of(other).ok_or_else(|| "invalid UTF-8 in bytes".to_owned()),
    })
}

/// A list or a map, with its texts in quotes.
fn nested(arg: &Value<'_>, meter: &mut Meter) -> Result<Text, Fault> {
    let mut parts = Vec::new();
    match arg {
        Value::List(list) => {
            for item in list.iter() {
                match inside(&item?, meter)? {
                    Ok(text) => parts.push(text),
                    Err(why) => return Ok(Err(why)),
                }
            }
            Ok(Ok(format!("[{}]", parts.join(", "))))
        }
        Value::Map(map) => {
            for key in map.keys() {
                let Some(value) = map.get(&key)? else { continue };
                match (inside(&key, meter)?, inside(&value, meter)?) {
                    (Ok(key), Ok(value)) => parts.push(format!("{key}:{value}")),
                    (Err(why), _) | (_, Err(why)) => return Ok(Err(why)),
                }
            }
            parts.sort();
            Ok(Ok(format!("{{{}}}", parts.join(", "))))
        }
        other => text(other, meter),
    }
}

fn inside(item: &Value<'_>, meter: &mut Meter) -> Result<Text, Fault> {
    meter.step(1)?;
    Ok(match item {
        Value::String(text) => Ok(format!("{:?}", &**text)),
        Value::Bytes(_) => text(item, meter)?.map(|text| format!("b{text:?}")),
        Value::Double(of) if of.is_finite() => Ok(format!("{of:.6}")),
        Value::Double(of) => Ok(format!("{:?}", double_text(*of))),
        Value::Timestamp(at) => Ok(format!("timestamp({:?})", at.text())),
        Value::Duration(of) => Ok(format!("duration({:?})", duration_text(*of))),
        Value::Type(of) => Ok(format!("type({})", of.name())),
        Value::List(_) | Value::Map(_) => return nested(item, meter),
        other => return text(other, meter),
    })
}
