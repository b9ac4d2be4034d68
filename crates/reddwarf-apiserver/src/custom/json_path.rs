//! The JSONPath of printer columns and selectable fields.

use crate::managed_fields::compare::equal;
use serde_json::Value;
use std::cmp::Ordering;

/// A parsed path such as `.spec.list[?(@.name=="a")].value`.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    /// `.*` and `[*]`.
    All,
    /// `..name`
    Deep(String),
    Index(i64),
    /// `[from:to:step]`
    Slice(Option<i64>, Option<i64>, i64),
    /// `['a','b']` and `[0,2]`
    Union(Vec<Step>),
    Filter(Vec<Step>, Option<(Comparison, Operand)>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Comparison {
    Equal,
    Differs,
    Less,
    NotGreater,
    Greater,
    NotLess,
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Literal(Value),
    Path(Vec<Step>),
}

impl JsonPath {
    /// Parses a path, with or without a dot in front.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { chars: text.chars().collect(), at: 0 };
        if parser.peek() == Some('$') {
            parser.at += 1;
        }
        let steps = parser.steps()?;
        match parser.peek() {
            None => Ok(JsonPath(steps)),
            Some(c) => Err(format!("unexpected {c:?} in {text:?}")),
        }
    }

    /// The first value that it leads to.
    pub fn first<'v>(&self, object: &'v Value) -> Option<&'v Value> {
        walk(&self.0, vec![object]).into_iter().next()
    }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn skip(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn skip_spaces(&mut self) {
        while self.skip(' ') {}
    }

    fn steps(&mut self) -> Result<Vec<Step>, String> {
        let mut steps = Vec::new();
        loop {
            match self.peek() {
                Some('.') => {
                    self.at += 1;
                    if self.skip('.') {
                        steps.push(Step::Deep(self.name()));
                    } else if self.skip('*') {
                        steps.push(Step::All);
                    } else if self.peek() != Some('[') {
                        let name = self.name();
                        if !name.is_empty() {
                            steps.push(Step::Field(name));
                        }
                    }
                }
                Some('[') => {
                    self.at += 1;
                    steps.push(self.bracket()?);
                }
                Some(c) if steps.is_empty() && (c.is_alphanumeric() || c == '_') => {
                    steps.push(Step::Field(self.name()));
                }
                _ => return Ok(steps),
            }
        }
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(c) = self.peek() {
            match c {
                '\\' => {
                    self.at += 1;
                    name.extend(self.next());
                    continue;
                }
                '.' | '[' | ']' | ' ' | ')' | '(' | '=' | '!' | '<' | '>' | ',' | '\'' | '"' => {
                    break;
                }
                c => name.push(c),
            }
            self.at += 1;
        }
        name
    }

    fn bracket(&mut self) -> Result<Step, String> {
        self.skip_spaces();
        if self.skip('?') {
            return self.filter();
        }
        if self.skip('*') {
            self.end_of_bracket()?;
            return Ok(Step::All);
        }
        let mut parts = Vec::new();
        loop {
            self.skip_spaces();
            parts.push(match self.peek() {
                Some(quote @ ('\'' | '"')) => {
                    self.at += 1;
                    Step::Field(self.quoted(quote)?)
                }
                _ => self.range()?,
            });
            self.skip_spaces();
            if !self.skip(',') {
                break;
            }
        }
        self.end_of_bracket()?;
        Ok(if parts.len() == 1 { parts.remove(0) } else { Step::Union(parts) })
    }

    fn end_of_bracket(&mut self) -> Result<(), String> {
        self.skip_spaces();
        if self.skip(']') { Ok(()) } else { Err("unterminated array".to_owned()) }
    }

    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let mut text = String::new();
        loop {
            match self.next() {
                None => return Err("unterminated quoted string".to_owned()),
                Some('\\') => text.extend(self.next()),
                Some(c) if c == quote => return Ok(text),
                Some(c) => text.push(c),
            }
        }
    }

    fn integer(&mut self) -> Option<i64> {
        let from = self.at;
        self.skip('-');
        while self.peek().is_some_and(|c| c.is_ascii_digit()) {
            self.at += 1;
        }
        let text: String = self.chars[from..self.at].iter().collect();
        text.parse().ok()
    }

    fn range(&mut self) -> Result<Step, String> {
        let first = self.integer();
        if !self.skip(':') {
            return first.map(Step::Index).ok_or_else(|| "invalid array index".to_owned());
        }
        let second = self.integer();
        let step = if self.skip(':') { self.integer().unwrap_or(1) } else { 1 };
        match step {
            1.. => Ok(Step::Slice(first, second, step)),
            _ => Err("step must be > 0".to_owned()),
        }
    }

    /// `(@.a=="x")]`, behind the question mark.
    fn filter(&mut self) -> Result<Step, String> {
        if !self.skip('(') {
            return Err("a filter begins with a bracket".to_owned());
        }
        self.skip_spaces();
        self.skip('@');
        let left = self.steps()?;
        self.skip_spaces();
        let comparison = self.comparison();
        let right = match comparison {
            Some(comparison) => {
                self.skip_spaces();
                Some((comparison, self.operand()?))
            }
            None => None,
        };
        self.skip_spaces();
        if !self.skip(')') {
            return Err("unterminated filter".to_owned());
        }
        self.end_of_bracket()?;
        Ok(Step::Filter(left, right))
    }

    fn comparison(&mut self) -> Option<Comparison> {
        const SIGNS: [(&str, Comparison); 6] = [
            ("==", Comparison::Equal),
            ("!=", Comparison::Differs),
            ("<=", Comparison::NotGreater),
            (">=", Comparison::NotLess),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        for (sign, comparison) in SIGNS {
            if self.chars[self.at..].iter().take(sign.len()).copied().eq(sign.chars()) {
                self.at += sign.len();
                return Some(comparison);
            }
        }
        None
    }

    fn operand(&mut self) -> Result<Operand, String> {
        match self.peek() {
            Some(quote @ ('\'' | '"')) => {
                self.at += 1;
                Ok(Operand::Literal(self.quoted(quote)?.into()))
            }
            Some('@' | '$') => {
                self.at += 1;
                Ok(Operand::Path(self.steps()?))
            }
            _ => {
                let mut text = String::new();
                while let Some(c) = self.peek().filter(|c| !matches!(c, ')' | ' ')) {
                    text.push(c);
                    self.at += 1;
                }
                let literal = serde_json::from_str(&text);
                literal.map(Operand::Literal).map_err(|_| format!("unrecognized value {text:?}"))
            }
        }
    }
}

fn walk<'v>(steps: &[Step], mut values: Vec<&'v Value>) -> Vec<&'v Value> {
    for step in steps {
        values = values.into_iter().flat_map(|value| one(step, value)).collect();
    }
    values
}

fn one<'v>(step: &Step, value: &'v Value) -> Vec<&'v Value> {
    match (step, value) {
        (Step::Field(name), value) => value.get(name.as_str()).into_iter().collect(),
        (Step::All, Value::Object(fields)) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_by_key(|(name, _)| name.as_str());
            sorted.into_iter().map(|(_, value)| value).collect()
        }
        (Step::All, Value::Array(items)) => items.iter().collect(),
        (Step::Index(at), Value::Array(items)) => {
            let at = if *at < 0 { items.len() as i64 + at } else { *at };
            usize::try_from(at).ok().and_then(|at| items.get(at)).into_iter().collect()
        }
        (Step::Slice(from, to, step), Value::Array(items)) => slice(items, *from, *to, *step),
        (Step::Union(steps), value) => steps.iter().flat_map(|step| one(step, value)).collect(),
        (Step::Deep(name), value) => {
            let mut found = Vec::new();
            deep(name, value, &mut found);
            found
        }
        (Step::Filter(left, right), Value::Array(items)) => {
            items.iter().filter(|item| holds(left, right.as_ref(), item)).collect()
        }
        _ => Vec::new(),
    }
}

fn slice(items: &[Value], from: Option<i64>, to: Option<i64>, step: i64) -> Vec<&Value> {
    let length = items.len() as i64;
    let place = |at: i64| (if at < 0 { length + at } else { at }).clamp(0, length) as usize;
    let (from, to) = (place(from.unwrap_or(0)), place(to.unwrap_or(length)));
    items[from..to.max(from)].iter().step_by(step as usize).collect()
}

fn deep<'v>(name: &str, value: &'v Value, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(fields) => {
            if name.is_empty() {
                found.push(value);
            }
            found.extend(fields.get(name));
            fields.values().for_each(|value| deep(name, value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| deep(name, item, found)),
        _ => {}
    }
}

fn holds(left: &[Step], right: Option<&(Comparison, Operand)>, item: &Value) -> bool {
    let left = walk(left, vec![item]).into_iter().next();
    let (Some(left), Some((comparison, operand))) = (left, right) else {
        return left.is_some() && right.is_none();
    };
    let right = match operand {
        Operand::Literal(value) => Some(value),
        Operand::Path(steps) => walk(steps, vec![item]).into_iter().next(),
    };
    right.is_some_and(|right| compare(*comparison, left, right))
}

fn compare(comparison: Comparison, left: &Value, right: &Value) -> bool {
    let order = match (left, right) {
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Number(a), Value::Number(b)) => {
            a.as_f64().zip(b.as_f64()).and_then(|(a, b)| a.partial_cmp(&b))
        }
        _ => None,
    };
    match comparison {
        Comparison::Equal => equal(left, right),
        Comparison::Differs => !equal(left, right),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::NotGreater => order.is_some_and(Ordering::is_le),
        Comparison::NotLess => order.is_some_and(Ordering::is_ge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths() {
        let object = json!({
            "spec": {"list": [{"n": "a", "v": 1}, {"n": "b", "v": 2}], "quoted": {"a.b": "dot"}},
            "metadata": {"labels": {"x/y": "z"}},
        });
        for (path, found) in [
            (".spec.list[0].n", json!("a")),
            (".spec.list[*].n", json!("a")),
            (".spec.list[-1].n", json!("b")),
            (".spec.list[1:].v", json!(2)),
            (r#".spec.list[?(@.n=="b")].v"#, json!(2)),
            (".spec.list[?(@.v>1)].n", json!("b")),
            (r".spec.quoted.a\.b", json!("dot")),
            (".metadata.labels['x/y']", json!("z")),
            ("spec..n", json!("a")),
            ("$.spec.list[0,1].v", json!(1)),
        ] {
            let parsed = JsonPath::parse(path).expect(path);
            assert_eq!(parsed.first(&object), Some(&found), "{path}");
        }
        let parsed = JsonPath::parse(".spec.none[3].x").expect("a path");
        assert_eq!(parsed.first(&object), None);
        for path in [".a[", ".a[x]", ".a['b]", ".a[?(@.b==]"] {
            assert!(JsonPath::parse(path).is_err(), "{path}");
        }
    }
}
