//! What can be said of an expression in CEL without knowing the types of objects.
//!
//! This is no compiler: it refuses what is no expression, names that nothing declares, and
//! literals of the wrong type. Whatever it cannot judge passes.

mod syntax;
mod token;

use super::{FieldError, FieldPath};
use serde_json::Value;
use token::{Kind, Token, tokens};

/// Names that every environment declares: types, and the roots of function libraries.
const COMMON: [&str; 34] = [
    "int",
    "uint",
    "double",
    "bool",
    "string",
    "bytes",
    "list",
    "map",
    "type",
    "null_type",
    "dyn",
    "google",
    "timestamp",
    "duration",
    "optional",
    "optional_type",
    "math",
    "strings",
    "cel",
    "sets",
    "lists",
    "base64",
    "regex",
    "format",
    "ip",
    "cidr",
    "quantity",
    "url",
    "semver",
    "jsonpatch",
    "Object",
    "JSONPatch",
    "kubernetes",
    "net",
];
/// Macros whose first arguments declare names.
const DECLARING: [&str; 14] = [
    "all",
    "exists",
    "exists_one",
    "existsOne",
    "map",
    "filter",
    "sortBy",
    "bind",
    "optMap",
    "optFlatMap",
    "transformList",
    "transformMap",
    "transformMapEntry",
    "reduce",
];

/// What an expression must come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A condition.
    Bool,
    /// A condition on a device.
    DeviceBool,
    /// A text.
    Text,
    /// A text, or nothing.
    TextOrNull,
    /// A partial object to apply.
    Object,
    /// A list of changes.
    JsonPatch,
    /// Anything.
    Any,
}

impl Expected {
    /// Whether a literal of the type will do.
    fn takes(self, literal: &str) -> bool {
        match self {
            Expected::Any => true,
            Expected::Bool | Expected::DeviceBool => literal == "bool",
            Expected::Text => literal == "string",
            Expected::TextOrNull => ["string", "null_type"].contains(&literal),
            Expected::Object => literal == "map",
            Expected::JsonPatch => literal == "list(dyn)",
        }
    }

    fn refusal(self, literal: &str) -> String {
        match self {
            Expected::Any => String::new(),
            Expected::Bool => format!("must evaluate to bool but got {literal}"),
            Expected::DeviceBool => {
                format!("must evaluate to bool or the unknown type, not {literal}")
            }
            Expected::Text => format!("must evaluate to string but got {literal}"),
            Expected::TextOrNull => {
                format!("must evaluate to one of [string null_type] but got {literal}")
            }
            Expected::Object => format!("must evaluate to Object but got {literal}"),
            Expected::JsonPatch => format!("must evaluate to list(JSONPatch) but got {literal}"),
        }
    }
}

/// Checks an expression over the variables that `declared` names.
pub fn check(
    expression: &str,
    declared: &[&str],
    expected: Expected,
    path: &FieldPath,
) -> Option<FieldError> {
    let detail = problem(expression, declared, expected)?;
    Some(FieldError::invalid(path.clone(), Value::from(expression), detail))
}

fn problem(expression: &str, declared: &[&str], expected: Expected) -> Option<String> {
    let failed = |(at, what): (usize, String)| {
        let (line, column) = place(expression, at);
        format!("compilation failed: ERROR: <input>:{line}:{column}: {what}")
    };
    let tokens = match tokens(expression) {
        Ok(tokens) => tokens,
        Err(at) => {
            let shown = expression.get(at..).and_then(|rest| rest.chars().next()).unwrap_or(' ');
            let what = format!("Syntax error: token recognition error at: '{shown}'");
            return Some(failed((at, what)));
        }
    };
    if let Some(at) = syntax::error(&tokens, expression.len()) {
        let what = match tokens.iter().find(|token| token.at == at) {
            Some(token) => format!("Syntax error: mismatched input '{}'", token.text),
            None => "Syntax error: mismatched input '<EOF>'".to_owned(),
        };
        return Some(failed((at, what)));
    }
    if let Some(token) = undeclared(&tokens, declared) {
        let what = format!("undeclared reference to '{}' (in container '')", token.text);
        return Some(failed((token.at, what)));
    }
    let literal = literal_type(&tokens)?;
    (!expected.takes(&literal)).then(|| expected.refusal(&literal))
}

/// Line and column of a byte, from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}

/// The first name that stands for itself and that nothing declares.
fn undeclared<'a>(tokens: &[Token<'a>], declared: &[&str]) -> Option<Token<'a>> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let bound = bound_names(tokens);
    let mut open: Vec<&str> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" => open.push(token.text),
            ")" | "]" | "}" => drop(open.pop()),
            _ => {}
        }
        let selected = at > 0
            && (text(at - 1) == "." || (text(at - 1) == "?" && at > 1 && text(at - 2) == "."));
        let field = text(at + 1) == ":" && open.last() == Some(&"{");
        let applied = ["(", "{"].contains(&text(at + 1));
        if token.kind != Kind::Name || selected || field || applied {
            continue;
        }
        let name = token.text;
        if !declared.contains(&name) && !COMMON.contains(&name) && !bound.contains(&name) {
            return Some(*token);
        }
    }
    None
}

/// Names that macros bind; where is not asked.
fn bound_names<'a>(tokens: &[Token<'a>]) -> Vec<&'a str> {
    let mut bound = Vec::new();
    for (at, window) in tokens.windows(2).enumerate() {
        if !DECLARING.contains(&window[0].text) || window[1].text != "(" {
            continue;
        }
        for pair in tokens[at + 2..].chunks_exact(2) {
            if pair[0].kind != Kind::Name || pair[1].text != "," {
                break;
            }
            bound.push(pair[0].text);
        }
    }
    bound
}

/// The type of an expression that is nothing but a literal.
fn literal_type(tokens: &[Token<'_>]) -> Option<String> {
    let of = |token: &Token<'_>| token.kind.literal_type();
    match tokens {
        [one] => of(one).map(str::to_owned),
        [minus, number] if minus.text == "-" => of(number).map(str::to_owned),
        [open, inside @ .., close] if open.text == "[" && close.text == "]" => {
            let items: Vec<Option<&str>> = inside.iter().step_by(2).map(of).collect();
            let plain = inside.iter().skip(1).step_by(2).all(|token| token.text == ",");
            match items.first() {
                None => Some("list(dyn)".to_owned()),
                Some(Some(first)) if plain && items.iter().all(|i| *i == Some(*first)) => {
                    Some(format!("list({first})"))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARED: [&str; 3] = ["object", "request", "variables"];

    fn of(expression: &str, expected: Expected) -> Option<String> {
        problem(expression, &DECLARED, expected)
    }

    #[test]
    fn expressions_that_pass() {
        for good in [
            "true",
            "!object.spec.paused && -1 < object.spec.replicas",
            "object.spec.containers.all(c, c.image.startsWith('registry/') || has(c.x))",
            "request.userInfo.username != 'x'",
            "object.metadata.?labels[?'a'].orValue({'k': [1, 2,], }) == {}",
            "variables.x ? 'a' in ['b'] : object.y > 1.5e3",
            "quantity('1Gi').isGreaterThan(quantity(object.x)) // a comment",
            "[1, 2].exists_one(i, i == 1) && {'a': 1}.all(k, v, v > 0)",
            "object.`a-b` == r\"\\d\" + \"\"\"x\"y\"\"\"",
            "cel.bind(x, object.a, x == 2u)",
            "object.x.matches('^a\\'b$')",
            ".object.x == null",
        ] {
            assert_eq!(of(good, Expected::Bool), None, "{good}");
        }
        for good in ["Object{spec: Object.spec{replicas: 3}}", "{'a': 1}", "object.x ? a{} : b{}"] {
            assert_eq!(of(good, Expected::Object), None, "{good}");
        }
        for good in [
            "[JSONPatch{op: 'add', path: '/metadata/labels/x', value: variables.x}]",
            "[]",
            "has(object.x) ? [] : [JSONPatch{op: 'test', path: '/x', value: 1}]",
        ] {
            assert_eq!(of(good, Expected::JsonPatch), None, "{good}");
        }
    }

    #[test]
    fn what_is_no_expression() {
        for bad in [
            "", "1 +", "object.", "a b", "(1", "1)", "[1", "'a", "a ==", "a = b", "== 1", "a..b",
            "{'a' 1}", "object[", "1 2", "&& a", "a ? b", "#",
        ] {
            assert!(of(bad, Expected::Any).is_some_and(|e| e.contains("Syntax error")), "{bad}");
        }
        assert_eq!(
            of("1 +\n +", Expected::Any).as_deref(),
            Some("compilation failed: ERROR: <input>:2:2: Syntax error: mismatched input '+'")
        );
    }

    #[test]
    fn names_that_nothing_declares() {
        for bad in ["nothing.here", "y", "object.x == params.y", "[1].all(i, j > 1)"] {
            assert!(of(bad, Expected::Any).is_some_and(|e| e.contains("undeclared")), "{bad}");
        }
    }

    #[test]
    fn literals_of_the_wrong_type() {
        for (expression, expected, detail) in [
            ("1", Expected::Bool, "must evaluate to bool but got int"),
            ("'a'", Expected::Bool, "must evaluate to bool but got string"),
            ("-1", Expected::Text, "must evaluate to string but got int"),
            ("1", Expected::Object, "must evaluate to Object but got int"),
            ("[1]", Expected::JsonPatch, "must evaluate to list(JSONPatch) but got list(int)"),
            ("1", Expected::DeviceBool, "must evaluate to bool or the unknown type, not int"),
        ] {
            assert_eq!(of(expression, expected).as_deref(), Some(detail));
        }
        assert_eq!(of("'a'", Expected::TextOrNull), None);
    }
}
