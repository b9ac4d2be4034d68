//! Whether tokens follow each other as in an expression.

use super::token::{Kind, Token};

const BINARY: [&str; 13] = ["==", "!=", "<=", ">=", "&&", "||", "<", ">", "+", "*", "/", "%", "in"];

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A value.
    Value,
    /// What continues a value, or ends it.
    More,
    /// The name of a field, after a dot.
    Field,
}

/// A walk over the tokens.
struct Walk<'a> {
    next: Next,
    /// Brackets that are open, and `?` of choices that lack their `:`.
    open: Vec<&'a str>,
    before: &'a str,
}

/// The byte at which the tokens of a text of `end` bytes are no expression any more.
pub fn error(tokens: &[Token<'_>], end: usize) -> Option<usize> {
    let mut walk = Walk { next: Next::Value, open: Vec::new(), before: "" };
    for token in tokens {
        if !walk.step(token) {
            return Some(token.at);
        }
        walk.before = token.text;
    }
    (walk.next != Next::More || !walk.open.is_empty()).then_some(end)
}

impl<'a> Walk<'a> {
    /// Whether the token may stand here.
    fn step(&mut self, token: &Token<'a>) -> bool {
        match self.next {
            Next::Value => self.value(token),
            Next::Field => self.field(token),
            Next::More => self.more(token),
        }
    }

    fn value(&mut self, token: &Token<'a>) -> bool {
        if token.kind != Kind::Sign {
            self.next = Next::More;
            return true;
        }
        let begins = ["(", "[", "{", ","].contains(&self.before);
        match token.text {
            "!" | "-" => true,
            "(" | "[" | "{" => {
                self.open.push(token.text);
                true
            }
            "." => {
                self.next = Next::Field;
                true
            }
            // An optional element or index.
            "?" => begins && self.before != "(",
            // Nothing between brackets, or a comma after the last element.
            ")" | "]" | "}" => begins && self.close(token.text),
            _ => false,
        }
    }

    fn field(&mut self, token: &Token<'a>) -> bool {
        let optional = token.text == "?" && self.before == ".";
        // Fields may be named as keywords are.
        let named =
            token.text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '`');
        if named {
            self.next = Next::More;
        }
        named || optional
    }

    fn more(&mut self, token: &Token<'a>) -> bool {
        let inside = self.open.last().copied();
        match token.text {
            "." => self.next = Next::Field,
            "(" | "[" | "{" => {
                self.open.push(token.text);
                self.next = Next::Value;
            }
            ")" | "]" | "}" => return self.close(token.text),
            "," => {
                self.next = Next::Value;
                return matches!(inside, Some("(" | "[" | "{"));
            }
            "?" => {
                self.open.push("?");
                self.next = Next::Value;
            }
            ":" => {
                self.next = Next::Value;
                if inside == Some("?") {
                    self.open.pop();
                } else {
                    return inside == Some("{");
                }
            }
            "-" => self.next = Next::Value,
            sign if BINARY.contains(&sign) => self.next = Next::Value,
            _ => return false,
        }
        true
    }

    fn close(&mut self, bracket: &str) -> bool {
        self.next = Next::More;
        matches!((self.open.pop(), bracket), (Some("("), ")") | (Some("["), "]") | (Some("{"), "}"))
    }
}
