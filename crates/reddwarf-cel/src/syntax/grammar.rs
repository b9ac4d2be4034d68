//! The rules of the grammar, a function each.

mod member;
mod primary;

use super::Parsed;
use super::lexer;
use super::recovery::{Next, Raised, Recovery};
use super::token::{Kind, Kinds, Token};
use crate::ast::{Entry, Expr, Field, operator};
use crate::source::{Issue, Issues, Location};
use std::sync::Arc;

/// How deep each rule may be nested; a chain of operators counts as nesting.
const NESTED_MAX: u16 = 250;
/// Words that are no names, though the grammar takes them for such.
const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "package",
    "namespace",
    "null",
    "return",
    "true",
    "var",
    "void",
    "while",
];

const RELATIONS: Kinds = Kinds::of(&[
    Kind::Less,
    Kind::LessEquals,
    Kind::GreaterEquals,
    Kind::Greater,
    Kind::Equals,
    Kind::NotEquals,
    Kind::In,
]);
const SUMS: Kinds = Kinds::of(&[Kind::Star, Kind::Slash, Kind::Percent, Kind::Plus, Kind::Minus]);
/// What an operand without `!` begins with.
const FIRST_PRIMARY: Kinds = Kinds::of(&[
    Kind::OpenBracket,
    Kind::OpenBrace,
    Kind::OpenParen,
    Kind::Dot,
    Kind::Minus,
    Kind::True,
    Kind::False,
    Kind::Null,
    Kind::Double,
    Kind::Int,
    Kind::Uint,
    Kind::String,
    Kind::Bytes,
    Kind::Identifier,
]);
const FIRST: Kinds = FIRST_PRIMARY.or(Kinds::of(&[Kind::Not]));
const FIRST_OPTIONAL: Kinds = FIRST.or(QUESTION);
const FIRST_FIELD: Kinds = NAME.or(QUESTION);
const LITERAL: Kinds = Kinds::of(&[
    Kind::Minus,
    Kind::True,
    Kind::False,
    Kind::Null,
    Kind::Double,
    Kind::Int,
    Kind::Uint,
    Kind::String,
    Kind::Bytes,
]);
const NAME: Kinds = Kinds::of(&[Kind::Identifier, Kind::Escaped]);
const QUESTION: Kinds = Kinds::of(&[Kind::Question]);
const MEMBERS: Kinds = Kinds::of(&[Kind::Dot, Kind::OpenBracket]);
const COMMA: Kinds = Kinds::of(&[Kind::Comma]);
const COLON: Kinds = Kinds::of(&[Kind::Colon]);

/// What follows an operand: more of it, or the end of the rule.
const AFTER_PRIMARY: Next = Next::or_end(MEMBERS);
const ENDS: Next = Next::or_end(Kinds::NONE);

/// Rules whose nesting is counted.
#[derive(Clone, Copy, Debug)]
enum Rule {
    Expr,
    Relation,
    Calc,
    Member,
}

/// The parser of one expression.
pub struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) tokens: Vec<Token<'a>>,
    pub(super) at: usize,
    /// What may come after each rule that is being parsed.
    pub(super) follows: Vec<Next>,
    pub(super) recovery: Recovery,
    pub(super) syntax_issues: Vec<Issue>,
    pub(super) issues: Vec<Issue>,
    pub(super) places: Vec<Location>,
    nested: [u16; 4],
    pub(super) binds: bool,
}

/// Parses an expression.
pub fn parse(text: &str, binds: bool) -> Result<Parsed, Issues> {
    let (tokens, syntax_issues) = lexer::tokens(text);
    let mut parser = Parser {
        text,
        tokens,
        at: 0,
        follows: Vec::new(),
        recovery: Recovery::default(),
        syntax_issues,
        issues: Vec::new(),
        places: vec![Location::NONE],
        nested: [0; 4],
        binds,
    };
    let expr = parser.start();
    let mut issues = Issues::new(text);
    for issue in parser.syntax_issues.into_iter().chain(parser.issues) {
        issues.add(issue.at, issue.message);
    }
    match expr {
        Ok(expr) if issues.is_empty() => Ok(Parsed { expr, places: parser.places }),
        _ => Err(issues),
    }
}

type Parse<T> = Result<T, Raised>;

impl<'a> Parser<'a> {
    pub(super) fn token(&self, ahead: usize) -> Token<'a> {
        self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    pub(super) fn kind(&self, ahead: usize) -> Kind {
        self.token(ahead).kind
    }

    pub(super) fn advance(&mut self) {
        if self.kind(0) != Kind::End {
            self.at += 1;
        }
    }

    /// Parses a rule after which `follow` comes; what goes wrong in it is told and skipped.
    fn rule<T>(
        &mut self,
        name: &'static str,
        follow: Next,
        otherwise: fn(&mut Self) -> T,
        body: impl FnOnce(&mut Self) -> Parse<T>,
    ) -> Parse<T> {
        self.follows.push(follow);
        let parsed = match body(self) {
            Ok(parsed) => Ok(parsed),
            Err(Raised::Fatal) => Err(Raised::Fatal),
            Err(raised) => self.recover(raised, name).map(|()| otherwise(self)),
        };
        self.follows.pop();
        parsed
    }

    fn enter(&mut self, rule: Rule) -> Parse<()> {
        self.nested[rule as usize] += 1;
        if self.nested[rule as usize] > NESTED_MAX {
            let message = format!("expression recursion limit exceeded: {NESTED_MAX}");
            return Err(self.fatal(&message));
        }
        Ok(())
    }

    fn leave(&mut self, rule: Rule, times: u16) {
        self.nested[rule as usize] -= times;
    }

    fn no_viable(&self, ahead: usize) -> Raised {
        let last = self.tokens.len() - 1;
        Raised::NoViable { start: self.at, offending: (self.at + ahead).min(last) }
    }

    fn start(&mut self) -> Parse<Expr> {
        let expr = self.expr(Next::only(Kinds::of(&[Kind::End])))?;
        match self.take(Kind::End, ENDS) {
            Ok(_) => Ok(expr),
            Err(raised) => self.recover(raised, "start").map(|()| expr),
        }
    }

    fn expr(&mut self, follow: Next) -> Parse<Expr> {
        self.enter(Rule::Expr)?;
        let parsed = self.rule("expr", follow, Self::broken, Self::conditional);
        self.leave(Rule::Expr, 1);
        parsed
    }

    fn conditional(&mut self) -> Parse<Expr> {
        let condition = self.or(Next::or_end(QUESTION))?;
        if self.kind(0) != Kind::Question {
            return Ok(condition);
        }
        let mark = self.take(Kind::Question, Next::only(FIRST))?;
        let id = self.id(mark.at);
        let then = self.or(Next::only(COLON))?;
        self.take(Kind::Colon, Next::only(FIRST))?;
        let otherwise = self.expr(ENDS)?;
        self.call(id, "_?_:_", None, vec![condition, then, otherwise])
    }

    fn or(&mut self, follow: Next) -> Parse<Expr> {
        self.rule("or", follow, Self::broken, |p| p.logic(Kind::Or, "_||_", Self::and))
    }

    fn and(&mut self, follow: Next) -> Parse<Expr> {
        self.rule("and", follow, Self::broken, |p| {
            p.logic(Kind::And, "_&&_", |p, follow| p.relation(0, follow))
        })
    }

    /// Terms with `&&` or `||` between them, as a balanced tree.
    fn logic(
        &mut self,
        kind: Kind,
        function: &'static str,
        term: fn(&mut Self, Next) -> Parse<Expr>,
    ) -> Parse<Expr> {
        let follow = Next::or_end(Kinds::of(&[kind]));
        let mut terms = vec![term(self, follow)?];
        let mut ids = Vec::new();
        while self.kind(0) == kind {
            let sign = self.take(kind, Next::only(FIRST))?;
            let next = term(self, follow)?;
            ids.push(self.id(sign.at));
            terms.push(next);
        }
        self.balanced(function, terms, &ids)
    }

    fn relation(&mut self, binds: u8, follow: Next) -> Parse<Expr> {
        self.enter(Rule::Relation)?;
        let parsed = self.rule("relation", follow, Self::broken, |p| p.relation_body(binds));
        self.leave(Rule::Relation, 1);
        parsed
    }

    fn relation_body(&mut self, binds: u8) -> Parse<Expr> {
        let after = Next::or_end(RELATIONS);
        let mut left = self.calc(0, after)?;
        let mut steps = 0;
        while binds <= 1 && RELATIONS.has(self.kind(0)) {
            self.enter(Rule::Relation)?;
            steps += 1;
            left = self.binary(left, |p| p.relation(2, after))?;
        }
        self.leave(Rule::Relation, steps);
        Ok(left)
    }

    fn calc(&mut self, binds: u8, follow: Next) -> Parse<Expr> {
        self.enter(Rule::Calc)?;
        let parsed = self.rule("calc", follow, Self::broken, |p| p.calc_body(binds));
        self.leave(Rule::Calc, 1);
        parsed
    }

    fn calc_body(&mut self, binds: u8) -> Parse<Expr> {
        let after = Next::or_end(SUMS);
        let mut left = self.unary(after)?;
        let mut steps = 0;
        loop {
            let strength = match self.kind(0) {
                Kind::Star | Kind::Slash | Kind::Percent => 2,
                Kind::Plus | Kind::Minus => 1,
                _ => break,
            };
            if strength < binds {
                break;
            }
            self.enter(Rule::Calc)?;
            steps += 1;
            left = self.binary(left, |p| p.calc(strength + 1, after))?;
        }
        self.leave(Rule::Calc, steps);
        Ok(left)
    }

    fn binary(&mut self, left: Expr, right: impl FnOnce(&mut Self) -> Parse<Expr>) -> Parse<Expr> {
        let sign = self.take(self.kind(0), Next::only(FIRST))?;
        let id = self.id(sign.at);
        let right = right(self)?;
        let function = operator(sign.text).unwrap_or_default();
        self.call(id, function, None, vec![left, right])
    }

    fn unary(&mut self, follow: Next) -> Parse<Expr> {
        self.rule("unary", follow, Self::broken, Self::unary_body)
    }

    fn unary_body(&mut self) -> Parse<Expr> {
        self.sync(Next::only(FIRST))?;
        match self.kind(0) {
            Kind::Not => self.negations(Kind::Not, "!_"),
            Kind::Minus if matches!(self.kind(1), Kind::Int | Kind::Double) => self.member(ENDS),
            Kind::Minus if FIRST_PRIMARY.has(self.kind(1)) => self.negations(Kind::Minus, "-_"),
            Kind::Minus => Err(self.no_viable(1)),
            _ => self.member(ENDS),
        }
    }

    fn negations(&mut self, kind: Kind, function: &'static str) -> Parse<Expr> {
        let first = self.token(0).at;
        let mut count = 0;
        while self.kind(0) == kind {
            if kind == Kind::Minus && !FIRST_PRIMARY.has(self.kind(1)) {
                return Err(self.no_viable(1));
            }
            self.take(kind, Next::only(FIRST))?;
            count += 1;
            if kind == Kind::Not {
                self.sync_after_item(Next::only(FIRST))?;
            }
        }
        let operand = self.member(ENDS)?;
        if count % 2 == 0 {
            return Ok(operand);
        }
        let id = self.id(first);
        self.call(id, function, None, vec![operand])
    }
}
