//! Lists, maps, objects and loops.

use super::{Checker, Reference};
use crate::ast::{Comprehension, Entry, Expr, ExprKind, Id};
use crate::types::Type;
use crate::unify::most_general;
use std::sync::Arc;

impl Checker<'_> {
    pub(super) fn check_list(&mut self, id: Id, items: &mut [Expr], optional: &[usize]) {
        let mut of: Option<Type> = None;
        for (at, item) in items.iter_mut().enumerate() {
            self.check(item);
            let given = self.get(item);
            let given = if optional.contains(&at) { self.unwrap(item.id, given) } else { given };
            of = Some(self.join(of, given));
        }
        let of = of.unwrap_or_else(|| self.unifier.fresh());
        self.set(id, Type::list(of));
    }

    pub(super) fn check_map(&mut self, id: Id, entries: &mut [Entry]) {
        let (mut keys, mut values): (Option<Type>, Option<Type>) = (None, None);
        for entry in entries.iter_mut() {
            self.check(&mut entry.key);
            let key = self.get(&entry.key);
            keys = Some(self.join(keys, key));
            self.check(&mut entry.value);
            let value = self.get(&entry.value);
            let value = if entry.optional { self.unwrap(entry.value.id, value) } else { value };
            values = Some(self.join(values, value));
        }
        let keys = keys.unwrap_or_else(|| self.unifier.fresh());
        let values = values.unwrap_or_else(|| self.unifier.fresh());
        self.set(id, Type::map(keys, values));
    }

    /// The type inside an optional one, which it must be.
    fn unwrap(&mut self, id: Id, of: Type) -> Type {
        if let Some(inner) = of.unwrapped() {
            return inner.clone();
        }
        if !of.is_dyn() {
            let expected = Type::optional(of.clone());
            self.mismatch(id, &expected, &of);
        }
        of
    }

    fn join(&mut self, so_far: Option<Type>, given: Type) -> Type {
        let Some(so_far) = so_far else { return given };
        // Whether different types are wrong here is checked when all types are known.
        match self.unifier.assignable(&so_far, &given) {
            true => most_general(&so_far, &given),
            false => Type::Dyn,
        }
    }

    pub(super) fn check_struct(&mut self, expr: &mut Expr) {
        let id = expr.id;
        let ExprKind::Struct { name, fields } = &mut expr.kind else { return };
        let full: Arc<str> = name.strip_prefix('.').unwrap_or(name).into();
        if !self.environment.makes(&full) {
            let name = name.clone();
            return self.undeclared(id, &name);
        }
        *name = full.clone();
        self.set(id, Type::Struct(full.clone()));
        self.refer(id, Reference::Overloads(Vec::new()));
        for field in fields.iter_mut() {
            self.check(&mut field.value);
            let wanted = self.field_type(field.id, &full, &field.name).unwrap_or(Type::Error);
            let given = self.get(&field.value);
            let given = if field.optional { self.unwrap(field.value.id, given) } else { given };
            if !self.unifier.assignable(&wanted, &given) {
                let message = format!(
                    "expected type of field '{}' is '{wanted}' but provided type is '{given}'",
                    field.name
                );
                self.wrong(field.id, message);
            }
        }
    }

    pub(super) fn check_comprehension(&mut self, id: Id, loop_: &mut Comprehension) {
        self.check(&mut loop_.range);
        self.check(&mut loop_.init);
        let range = self.unifier.resolve(&self.get(&loop_.range), false);
        let accumulated = self.get(&loop_.init);
        let outside = self.scopes.len();
        self.scopes.push((loop_.accumulator.clone(), accumulated.clone()));
        let (first, second) = self.items_of(loop_, &range);
        let first = if loop_.var2.is_none() && matches!(range, Type::List(_)) {
            second.clone()
        } else {
            first
        };
        self.scopes.push((loop_.var.clone(), first));
        if let Some(var2) = &loop_.var2 {
            self.scopes.push((var2.clone(), second));
        }
        self.check(&mut loop_.condition);
        self.assert_type(&loop_.condition, &Type::Bool);
        self.check(&mut loop_.step);
        self.assert_type(&loop_.step, &accumulated);
        self.scopes.truncate(outside + 1);
        self.check(&mut loop_.result);
        self.scopes.truncate(outside);
        let result = self.unifier.resolve(&self.get(&loop_.result), false);
        self.set(id, result);
    }

    /// The types of a key or index, and of a value, of what is looped over.
    fn items_of(&mut self, loop_: &Comprehension, range: &Type) -> (Type, Type) {
        match range {
            Type::List(item) => (Type::Int, (**item).clone()),
            Type::Map(both) => (both.0.clone(), both.1.clone()),
            Type::Dyn | Type::Error | Type::Var(_) => {
                self.unifier.assignable(&Type::Dyn, range);
                (Type::Dyn, Type::Dyn)
            }
            _ => {
                let message = format!(
                    "expression of type '{range}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.wrong(loop_.range.id, message);
                (Type::Error, Type::Error)
            }
        }
    }

    fn assert_type(&mut self, expr: &Expr, wanted: &Type) {
        let given = self.get(expr);
        if !self.unifier.assignable(wanted, &given) {
            self.mismatch(expr.id, wanted, &given);
        }
    }
}
