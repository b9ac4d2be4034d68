//! The grammar of label selector texts.
//!
//! ```text
//! selector    = [ requirement { "," requirement } ]
//! requirement = [ "!" ] key | key ( "in" | "notin" ) set | key ( "=" | "==" | "!=" | ">" | "<" ) [ value ]
//! set         = "(" [ value ] { "," [ value ] } ")"
//! ```

use super::SelectorError;
use super::label::{Operator, Requirement, key_error};
use std::collections::BTreeSet;

/// Reads all requirements of `text`, in its order.
pub(super) fn parse(text: &str) -> Result<Vec<Requirement>, SelectorError> {
    let mut parser = Parser { tokens: scan(text), at: 0 };
    parser.selector().map_err(SelectorError)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// `(`, `)`, `,`, `!`, `=`, `==`, `!=`, `>`, `<`.
    Symbol(&'a str),
    /// A key, a value, or one of the words `in` and `notin`.
    Word(&'a str),
    End,
}

impl Token<'_> {
    /// As an error message names it.
    fn found(&self) -> &str {
        match self {
            Token::Symbol(text) | Token::Word(text) => text,
            Token::End => "",
        }
    }
}

fn is_special(b: u8) -> bool {
    b"=!(),><".contains(&b)
}

fn is_space(b: u8) -> bool {
    b" \t\r\n".contains(&b)
}

fn scan(text: &str) -> Vec<Token<'_>> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&first) = bytes.get(at) {
        if first == 0 {
            break;
        }
        let start = at;
        if is_space(first) {
            at += 1;
        } else if is_special(first) {
            let pair = matches!(bytes.get(at..at + 2), Some(b"==" | b"!="));
            at += if pair { 2 } else { 1 };
            tokens.push(Token::Symbol(&text[start..at]));
        } else {
            let ends = |b: &u8| is_special(*b) || is_space(*b) || *b == 0;
            at += bytes[at..].iter().position(ends).unwrap_or(bytes.len() - at);
            tokens.push(Token::Word(&text[start..at]));
        }
    }
    tokens.push(Token::End);
    tokens
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &Token<'a> {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn take(&mut self) -> Token<'a> {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn begins_requirement(&self) -> bool {
        matches!(self.peek(), Token::Word(_) | Token::Symbol("!"))
    }

    fn selector(&mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        if *self.peek() == Token::End {
            return Ok(requirements);
        }
        if !self.begins_requirement() {
            let found = self.peek().found();
            return Err(format!("found '{found}', expected: !, identifier, or 'end of string'"));
        }
        loop {
            let requirement =
                self.requirement().map_err(|e| format!("unable to parse requirement: {e}"))?;
            requirements.push(requirement);
            match self.take() {
                Token::End => return Ok(requirements),
                Token::Symbol(",") if self.begins_requirement() => {}
                Token::Symbol(",") => {
                    let found = self.peek().found();
                    return Err(format!("found '{found}', expected: identifier after ','"));
                }
                token => {
                    let found = token.found();
                    return Err(format!("found '{found}', expected: ',' or 'end of string'"));
                }
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let negated = *self.peek() == Token::Symbol("!");
        if negated {
            self.at += 1;
        }
        let key = match self.take() {
            Token::Word(key) => key,
            token => return Err(format!("found '{}', expected: identifier", token.found())),
        };
        if let Some(error) = key_error("<nil>", key) {
            return Err(error);
        }
        let alone = matches!(self.peek(), Token::End | Token::Symbol(","));
        let (operator, values) = match (negated, alone) {
            (true, _) => (Operator::DoesNotExist, Vec::new()),
            (false, true) => (Operator::Exists, Vec::new()),
            (false, false) => self.restriction()?,
        };
        Requirement::new(key, operator, values).map_err(|e| e.0)
    }

    fn restriction(&mut self) -> Result<(Operator, Vec<Box<str>>), String> {
        let operator = match self.take() {
            Token::Word("in") => Operator::In,
            Token::Word("notin") => Operator::NotIn,
            Token::Symbol("=") => Operator::Equals,
            Token::Symbol("==") => Operator::DoubleEquals,
            Token::Symbol("!=") => Operator::NotEquals,
            Token::Symbol(">") => Operator::GreaterThan,
            Token::Symbol("<") => Operator::LessThan,
            token => {
                let found = token.found();
                return Err(format!("found '{found}', expected: in, notin, =, ==, !=, gt, lt"));
            }
        };
        let values = match operator {
            Operator::In | Operator::NotIn => self.set()?,
            _ => vec![self.value()?],
        };
        Ok((operator, values))
    }

    /// One value, empty before a comma and at the end.
    fn value(&mut self) -> Result<Box<str>, String> {
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return Ok("".into());
        }
        match self.take() {
            Token::Word(value) => Ok(value.into()),
            token => Err(format!("found '{}', expected: identifier", token.found())),
        }
    }

    fn set(&mut self) -> Result<Vec<Box<str>>, String> {
        let open = self.take();
        if open != Token::Symbol("(") {
            return Err(format!("found '{}' expected: '('", open.found()));
        }
        match self.peek() {
            Token::Word(_) | Token::Symbol(",") => self.set_values(),
            Token::Symbol(")") => {
                self.at += 1;
                Ok(vec!["".into()])
            }
            token => Err(format!("found '{}', expected: ',', ')' or identifier", token.found())),
        }
    }

    /// The values up to and with the closing parenthesis; between two commas stands an empty one.
    fn set_values(&mut self) -> Result<Vec<Box<str>>, String> {
        let mut values = BTreeSet::<Box<str>>::new();
        loop {
            match self.take() {
                Token::Word(value) => {
                    values.insert(value.into());
                    match self.peek() {
                        Token::Symbol(",") => {}
                        Token::Symbol(")") => break,
                        token => {
                            let found = token.found();
                            return Err(format!("found '{found}', expected: ',' or ')'"));
                        }
                    }
                }
                Token::Symbol(",") => {
                    let next = self.peek();
                    if values.is_empty() || matches!(next, Token::Symbol(")" | ",")) {
                        values.insert("".into());
                    }
                    if *self.peek() == Token::Symbol(")") {
                        break;
                    }
                }
                token => {
                    let found = token.found();
                    return Err(format!("found '{found}', expected: ',', or identifier"));
                }
            }
        }
        self.at += 1;
        Ok(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals() {
        for (text, expected) in [
            ("a=b=c", "found '=', expected: ',' or 'end of string'"),
            ("a=b c", "found 'c', expected: ',' or 'end of string'"),
            ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
            ("a in b", "unable to parse requirement: found 'b' expected: '('"),
            ("!a=b", "found '=', expected: ',' or 'end of string'"),
            (",", "found ',', expected: !, identifier, or 'end of string'"),
            ("!", "unable to parse requirement: found '', expected: identifier"),
            (
                "a not in (b)",
                "unable to parse requirement: found 'not', expected: in, notin, =, ==, !=, gt, lt",
            ),
            ("app=web,", "found '', expected: identifier after ','"),
            (
                "a>b",
                "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must be an integer",
            ),
            ("x=a=", "found '=', expected: ',' or 'end of string'"),
        ] {
            assert_eq!(parse(text).expect_err(text).0, expected, "{text}");
        }
        let key = parse("a~b").expect_err("refused").0;
        assert!(
            key.starts_with(
                "unable to parse requirement: <nil>: Invalid value: \"a~b\": name part must consist of"
            ),
            "{key}"
        );
        let value = parse("a=-b").expect_err("refused").0;
        assert!(
            value.starts_with(
                "unable to parse requirement: values[0][a]: Invalid value: \"-b\": a valid label"
            ),
            "{value}"
        );
    }
}
