//! From text to nodes.
//!
//! The grammar is cel-spec's. What is told of a faulty text is what a generated parser of that
//! grammar tells, because users know those messages and upstream passes them on; so each rule
//! says which tokens it expects at which point, and `recovery` does what such a parser does then:
//! leave a token out, put one in, or skip to where an enclosing rule may go on.

mod build;
mod grammar;
mod lexer;
mod literal;
mod macros;
mod recovery;
mod token;

use crate::ast::Expr;
use crate::source::{Issues, Location};

/// Longer expressions are refused.
const CHARS_MAX: usize = 100_000;

/// A parsed expression.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// Its outermost node.
    pub expr: Expr,
    /// The places of the nodes, by number.
    pub places: Vec<Location>,
}

/// Parses an expression; `binds` says whether `cel.bind` is known.
///
/// # Errors
/// All that is wrong with its syntax.
pub fn parse(text: &str, binds: bool) -> Result<Parsed, Issues> {
    let size = text.chars().count();
    if size > CHARS_MAX {
        let mut issues = Issues::new(text);
        let message =
            format!("expression code point size exceeds limit: size: {size}, limit {CHARS_MAX}");
        issues.add(Location::NONE, message);
        return Err(issues);
    }
    grammar::parse(text, binds)
}

#[cfg(test)]
mod tests;
