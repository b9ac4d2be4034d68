//! Makes nodes.

use super::grammar::Parser;
use super::literal;
use super::macros;
use super::recovery::Raised;
use super::token::Token;
use crate::ast::{Comprehension, Entry, Expr, ExprKind, Field, Id, Literal};
use crate::source::{Issue, Location};
use std::sync::Arc;

/// How deep nodes may be nested.
const DEPTH_MAX: u16 = 300;
/// How many nodes an expression may have; macros copy some.
const NODES_MAX: usize = 200_000;

impl Parser<'_> {
    /// A new number for a node at a place.
    pub fn id(&mut self, at: Location) -> Id {
        self.places.push(at);
        (self.places.len() - 1) as Id
    }

    pub fn place(&self, id: Id) -> Location {
        self.places[id as usize]
    }

    pub fn node(&mut self, id: Id, kind: ExprKind) -> Expr {
        let mut expr = Expr { id, depth: 0, kind };
        expr.depth = 1 + expr.children().iter().map(|child| child.depth).max().unwrap_or(0);
        expr
    }

    /// A node for what could not be parsed.
    pub fn broken(&mut self) -> Expr {
        let id = self.id(Location::NONE);
        Expr { id, depth: 1, kind: ExprKind::Error }
    }

    /// Tells of an error and makes a node for what it was in.
    pub fn wrong(&mut self, at: Location, message: String) -> Expr {
        self.issues.push(Issue { at, message });
        let id = self.id(at);
        Expr { id, depth: 1, kind: ExprKind::Error }
    }

    pub fn ident(&mut self, at: Location, name: &str) -> Expr {
        let id = self.id(at);
        self.node(id, ExprKind::Ident(name.into()))
    }

    pub fn text_literal(&mut self, at: Location, text: Arc<str>) -> Expr {
        let id = self.id(at);
        self.node(id, ExprKind::Literal(Literal::String(text)))
    }

    pub fn literal_of(&mut self, at: Location, token: Token<'_>, negative: bool) -> Expr {
        match literal::value(token, negative) {
            Ok(value) => {
                let id = self.id(at);
                self.node(id, ExprKind::Literal(value))
            }
            Err(message) => self.wrong(at, message.to_owned()),
        }
    }

    pub fn selected(&mut self, id: Id, operand: Expr, field: Arc<str>) -> Result<Expr, Raised> {
        let kind = ExprKind::Select { operand: Box::new(operand), field, test: false };
        self.bounded(id, kind)
    }

    pub fn list_of(&mut self, id: Id, items: Vec<(bool, Expr)>) -> Expr {
        let marked = items.iter().enumerate().filter(|(_, (optional, _))| *optional);
        let optional = marked.map(|(at, _)| at).collect();
        let items = items.into_iter().map(|(_, item)| item).collect();
        self.node(id, ExprKind::List { items, optional })
    }

    pub fn map_of(&mut self, id: Id, entries: Vec<Entry>) -> Expr {
        self.node(id, ExprKind::Map(entries))
    }

    pub fn object_of(&mut self, id: Id, name: &str, fields: Vec<Field>) -> Expr {
        self.node(id, ExprKind::Struct { name: name.into(), fields })
    }

    /// A call, or what the macro of that name makes of it.
    pub fn call(
        &mut self,
        id: Id,
        function: &str,
        target: Option<Expr>,
        args: Vec<Expr>,
    ) -> Result<Expr, Raised> {
        let (target, args) = match macros::expand(self, id, function, target, args) {
            macros::Expanded::Not(target, args) => (target, args),
            macros::Expanded::Into(expr) => return self.check_bounds(expr),
            macros::Expanded::Wrong(at, message) => return Ok(self.wrong(at, message)),
        };
        let target = target.map(Box::new);
        self.bounded(id, ExprKind::Call { function: function.into(), target, args })
    }

    fn bounded(&mut self, id: Id, kind: ExprKind) -> Result<Expr, Raised> {
        let expr = self.node(id, kind);
        self.check_bounds(expr)
    }

    fn check_bounds(&mut self, expr: Expr) -> Result<Expr, Raised> {
        if expr.depth > DEPTH_MAX {
            return Err(self.fatal("max recursion depth exceeded"));
        }
        if self.places.len() > NODES_MAX {
            return Err(self.fatal("expression has too many nodes"));
        }
        Ok(expr)
    }

    /// A tree of terms with the same operator between them, as low as it can be.
    pub fn balanced(
        &mut self,
        function: &'static str,
        mut terms: Vec<Expr>,
        ids: &[Id],
    ) -> Result<Expr, Raised> {
        if terms.len() == 1 {
            return Ok(terms.remove(0));
        }
        let middle = ids.len() / 2;
        let right = terms.split_off(middle + 1);
        let left = self.balanced(function, terms, &ids[..middle])?;
        let right = self.balanced(function, right, &ids[middle + 1..])?;
        self.call(ids[middle], function, None, vec![left, right])
    }

    /// A copy of a node with numbers of its own, or nothing if there are too many already.
    pub fn copy(&mut self, expr: &Expr) -> Expr {
        if self.places.len() > NODES_MAX {
            return Expr { id: 0, depth: 1, kind: ExprKind::Error };
        }
        let id = self.id(self.place(expr.id));
        let kind = self.copy_kind(&expr.kind);
        Expr { id, depth: expr.depth, kind }
    }

    fn copies(&mut self, exprs: &[Expr]) -> Vec<Expr> {
        exprs.iter().map(|expr| self.copy(expr)).collect()
    }

    fn copy_kind(&mut self, kind: &ExprKind) -> ExprKind {
        match kind {
            ExprKind::Error | ExprKind::Literal(_) | ExprKind::Ident(_) => kind.clone(),
            ExprKind::Select { operand, field, test } => ExprKind::Select {
                operand: Box::new(self.copy(operand)),
                field: field.clone(),
                test: *test,
            },
            ExprKind::Call { function, target, args } => ExprKind::Call {
                function: function.clone(),
                target: target.as_ref().map(|target| Box::new(self.copy(target))),
                args: self.copies(args),
            },
            ExprKind::List { items, optional } => {
                ExprKind::List { items: self.copies(items), optional: optional.clone() }
            }
            ExprKind::Map(entries) => {
                ExprKind::Map(entries.iter().map(|e| self.copy_entry(e)).collect())
            }
            ExprKind::Struct { name, fields } => ExprKind::Struct {
                name: name.clone(),
                fields: fields.iter().map(|field| self.copy_field(field)).collect(),
            },
            ExprKind::Comprehension(c) => {
                ExprKind::Comprehension(Box::new(self.copy_comprehension(c)))
            }
        }
    }

    fn copy_entry(&mut self, entry: &Entry) -> Entry {
        let key = self.copy(&entry.key);
        Entry { key, value: self.copy(&entry.value), optional: entry.optional }
    }

    fn copy_field(&mut self, field: &Field) -> Field {
        let id = self.id(self.place(field.id));
        Field {
            id,
            name: field.name.clone(),
            value: self.copy(&field.value),
            optional: field.optional,
        }
    }

    fn copy_comprehension(&mut self, c: &Comprehension) -> Comprehension {
        Comprehension {
            range: self.copy(&c.range),
            var: c.var.clone(),
            var2: c.var2.clone(),
            accumulator: c.accumulator.clone(),
            init: self.copy(&c.init),
            condition: self.copy(&c.condition),
            step: self.copy(&c.step),
            result: self.copy(&c.result),
        }
    }
}
