//! Finds out the types of an expression, and what is wrong with them.

mod collection;
mod resolve;

use crate::ast::{Expr, ExprKind, Id, Literal};
use crate::environment::Environment;
use crate::escape::escape;
use crate::source::{Issues, Location};
use crate::syntax::Parsed;
use crate::types::Type;
use crate::unify::Unifier;
use std::borrow::Cow;
use std::sync::Arc;

/// What a node refers to.
#[derive(Clone, Debug, PartialEq)]
pub enum Reference {
    /// A variable.
    Variable(Arc<str>),
    /// A type as a value.
    Type(Type),
    /// The overloads that a call may come to.
    Overloads(Vec<&'static str>),
}

/// An expression whose types are known.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its outermost node; names are whole, and functions have their full names.
    pub expr: Expr,
    /// The places of the nodes.
    pub places: Vec<Location>,
    types: Vec<Type>,
    references: Vec<Option<Reference>>,
}

impl Checked {
    /// The type of a node.
    pub fn type_of(&self, id: Id) -> &Type {
        self.types.get(id as usize).unwrap_or(&Type::Dyn)
    }

    /// The type of the whole.
    pub fn output(&self) -> &Type {
        self.type_of(self.expr.id)
    }

    /// What a node refers to.
    pub fn reference(&self, id: Id) -> Option<&Reference> {
        self.references.get(id as usize).and_then(Option::as_ref)
    }

    /// The overloads that a call may come to.
    pub fn overloads(&self, id: Id) -> &[&'static str] {
        match self.reference(id) {
            Some(Reference::Overloads(ids)) => ids,
            _ => &[],
        }
    }

    /// Whether the expression looks at a variable.
    pub fn uses(&self, name: &str) -> bool {
        self.references
            .iter()
            .flatten()
            .any(|of| matches!(of, Reference::Variable(used) if &**used == name))
    }
}

/// Finds out the types of an expression.
///
/// # Errors
/// All that is wrong with them.
pub fn check(parsed: Parsed, text: &str, environment: &Environment) -> Result<Checked, Issues> {
    let Parsed { mut expr, places } = parsed;
    let count = places.len();
    let mut checker = Checker {
        environment,
        places,
        issues: Issues::new(text),
        unifier: Unifier::default(),
        scopes: Vec::new(),
        types: vec![None; count],
        references: vec![None; count],
    };
    checker.check(&mut expr);
    if !checker.issues.is_empty() {
        return Err(checker.issues);
    }
    let Checker { places, unifier, types, references, .. } = checker;
    let resolved = |of: Option<Type>| of.map_or(Type::Dyn, |of| unifier.resolve(&of, true));
    let types = types.into_iter().map(resolved).collect();
    Ok(Checked { expr, places, types, references })
}

struct Checker<'e> {
    environment: &'e Environment,
    places: Vec<Location>,
    issues: Issues,
    unifier: Unifier,
    /// Variables of loops, the innermost last.
    scopes: Vec<(Arc<str>, Type)>,
    types: Vec<Option<Type>>,
    references: Vec<Option<Reference>>,
}

impl Checker<'_> {
    fn wrong(&mut self, id: Id, message: String) {
        self.issues.add(self.places[id as usize], message);
    }

    fn set(&mut self, id: Id, of: Type) {
        self.types[id as usize] = Some(of);
    }

    fn get(&self, expr: &Expr) -> Type {
        self.types[expr.id as usize].clone().unwrap_or(Type::Error)
    }

    fn refer(&mut self, id: Id, to: Reference) {
        self.references[id as usize] = Some(to);
    }

    fn mismatch(&mut self, id: Id, expected: &Type, found: &Type) {
        self.wrong(id, format!("expected type '{expected}' but found '{found}'"));
    }

    fn undeclared(&mut self, id: Id, name: &str) {
        self.set(id, Type::Error);
        self.wrong(id, format!("undeclared reference to '{name}' (in container '')"));
    }

    fn check(&mut self, expr: &mut Expr) {
        let id = expr.id;
        match &mut expr.kind {
            ExprKind::Error => self.set(id, Type::Error),
            ExprKind::Literal(literal) => {
                let of = type_of_literal(literal);
                self.set(id, of);
            }
            ExprKind::Ident(_) => self.check_ident(expr),
            ExprKind::Select { .. } => self.check_select(expr),
            ExprKind::Call { .. } => self.check_call(expr),
            ExprKind::List { items, optional } => self.check_list(id, items, optional),
            ExprKind::Map(entries) => self.check_map(id, entries),
            ExprKind::Struct { .. } => self.check_struct(expr),
            ExprKind::Comprehension(loop_) => self.check_comprehension(id, loop_),
        }
    }

    /// The variable or the type that a name stands for.
    fn named(&self, name: &str) -> Option<(Type, Reference)> {
        let name = name.strip_prefix('.').unwrap_or(name);
        let local = self.scopes.iter().rev().find(|(known, _)| &**known == name);
        let known = local.map(|(_, of)| of).or_else(|| self.environment.variable(name));
        if let Some(of) = known {
            return Some((of.clone(), Reference::Variable(name.into())));
        }
        let of = crate::environment::type_named(name)?;
        Some((Type::of(of.clone()), Reference::Type(of)))
    }

    fn check_ident(&mut self, expr: &mut Expr) {
        let ExprKind::Ident(name) = &mut expr.kind else { return };
        let Some((of, reference)) = self.named(name) else {
            let name = name.clone();
            return self.undeclared(expr.id, &name);
        };
        if let Some(rest) = name.strip_prefix('.') {
            *name = rest.into();
        }
        self.set(expr.id, of);
        self.refer(expr.id, reference);
    }

    fn check_select(&mut self, expr: &mut Expr) {
        let id = expr.id;
        if let Some(name) = qualified(expr)
            && let Some((of, reference)) = self.named(&name)
        {
            let name = name.strip_prefix('.').unwrap_or(&name).into();
            expr.kind = ExprKind::Ident(name);
            self.set(id, of);
            return self.refer(id, reference);
        }
        let ExprKind::Select { operand, field, test } = &mut expr.kind else { return };
        let (field, test) = (field.clone(), *test);
        let selected = self.check_field(id, operand, &field, false);
        self.set(id, if test { Type::Bool } else { selected });
    }

    /// `operand.?field`
    fn check_optional_select(&mut self, expr: &mut Expr) {
        let id = expr.id;
        let ExprKind::Call { args, .. } = &mut expr.kind else { return };
        let [operand, field] = args.as_mut_slice() else { return self.set(id, Type::Error) };
        let Some(field) = field.as_text().cloned() else { return self.set(id, Type::Error) };
        let selected = self.check_field(id, operand, &field, true);
        self.set(id, selected);
        self.refer(id, Reference::Overloads(vec!["select_optional_field"]));
    }

    fn check_field(&mut self, id: Id, operand: &mut Expr, field: &str, optional: bool) -> Type {
        self.check(operand);
        let of = self.unifier.resolve(&self.get(operand), false);
        let (target, was_optional) = match of.unwrapped() {
            Some(inner) => (inner.clone(), true),
            None => (of, false),
        };
        let selected = match &target {
            Type::Map(both) => both.1.clone(),
            Type::Struct(name) => self.field_type(id, name, field).unwrap_or(Type::Error),
            Type::Var(_) => {
                self.unifier.assignable(&Type::Dyn, &target);
                Type::Dyn
            }
            _ => {
                if !target.is_dyn_or_error() {
                    self.wrong(id, format!("type '{target}' does not support field selection"));
                }
                Type::Dyn
            }
        };
        let selected = self.unifier.resolve(&selected, false);
        if optional || was_optional { Type::optional(selected) } else { selected }
    }

    fn field_type(&mut self, id: Id, object: &str, field: &str) -> Option<Type> {
        let Some(fields) = self.environment.object(object).cloned() else {
            if self.environment.makes(object) {
                return Some(Type::Dyn);
            }
            self.wrong(id, format!("unexpected failed resolution of '{object}'"));
            return None;
        };
        let of = fields.get(field).or_else(|| fields.get(&*reserved(field)?)).cloned();
        if of.is_none() {
            self.wrong(id, format!("undefined field '{field}'"));
        }
        of
    }
}

/// The name under which a field is declared that is named like a reserved word.
fn reserved(field: &str) -> Option<String> {
    escape(field).filter(|escaped| *escaped == format!("__{field}__")).map(Cow::into_owned)
}

fn type_of_literal(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::String(_) => Type::String,
        Literal::Bytes(_) => Type::Bytes,
    }
}

/// The name with dots that a node consists of, if it is one.
fn qualified(expr: &Expr) -> Option<String> {
    match &expr.kind {
        ExprKind::Ident(name) => Some(name.to_string()),
        ExprKind::Select { operand, field, test: false } => {
            let mut name = qualified(operand)?;
            name.push('.');
            name.push_str(field);
            Some(name)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
