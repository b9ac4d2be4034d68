//! Calls: which function, and which of its overloads.

use super::{Checker, Reference, qualified};
use crate::ast::{Expr, ExprKind};
use crate::library::declare::{FUNCTIONS, Overload};
use crate::types::{Type, listed};
use crate::unify::replaced;
use std::sync::Arc;

impl Checker<'_> {
    pub(super) fn check_call(&mut self, expr: &mut Expr) {
        let id = expr.id;
        let ExprKind::Call { function, target, args } = &mut expr.kind else { return };
        if &**function == "_?._" {
            return self.check_optional_select(expr);
        }
        for arg in args.iter_mut() {
            self.check(arg);
        }
        let Some(on) = target else {
            let name: Arc<str> = function.strip_prefix('.').unwrap_or(function).into();
            *function = name.clone();
            return match FUNCTIONS.get(&*name) {
                Some(overloads) => self.resolve(expr, &name, overloads),
                None => self.undeclared(id, &name),
            };
        };
        if let Some(prefix) = qualified(on) {
            let full = format!("{}.{function}", prefix.strip_prefix('.').unwrap_or(&prefix));
            if let Some(overloads) = FUNCTIONS.get(full.as_str()) {
                *function = full.as_str().into();
                *target = None;
                return self.resolve(expr, &full, overloads);
            }
        }
        self.check(on);
        let name = function.clone();
        match FUNCTIONS.get(&*name) {
            Some(overloads) => self.resolve(expr, &name, overloads),
            None => self.undeclared(id, &name),
        }
    }

    fn resolve(&mut self, expr: &mut Expr, name: &str, overloads: &'static [Overload]) {
        let id = expr.id;
        let ExprKind::Call { target, args, .. } = &expr.kind else { return };
        let member = target.is_some();
        let given: Vec<Type> =
            target.as_deref().into_iter().chain(args).map(|arg| self.get(arg)).collect();
        if matches!(name, "_&&_" | "_||_") {
            return self.resolve_logic(expr, &given, &overloads[0].id);
        }
        match self.resolve_overload(&given, member, overloads) {
            Some((ids, result)) => {
                self.set(id, result);
                self.refer(id, Reference::Overloads(ids));
            }
            None => {
                let given: Vec<Type> =
                    given.iter().map(|of| self.unifier.resolve(of, true)).collect();
                let signature = match (member, given.split_first()) {
                    (true, Some((on, rest))) => format!("{on}.({})", listed(rest)),
                    _ => format!("({})", listed(&given)),
                };
                self.set(id, Type::Error);
                let message =
                    format!("found no matching overload for '{name}' applied to '{signature}'");
                self.wrong(id, message);
            }
        }
    }

    fn resolve_logic(&mut self, expr: &Expr, given: &[Type], overload: &'static str) {
        let ExprKind::Call { args, .. } = &expr.kind else { return };
        let mut good = true;
        for (arg, of) in args.iter().zip(given) {
            if !self.unifier.assignable(of, &Type::Bool) {
                good = false;
                self.mismatch(arg.id, &Type::Bool, of);
            }
        }
        self.set(expr.id, if good { Type::Bool } else { Type::Error });
        if good {
            self.refer(expr.id, Reference::Overloads(vec![overload]));
        }
    }

    /// The overloads that go with the types of the arguments, and the type of the result.
    fn resolve_overload(
        &mut self,
        given: &[Type],
        member: bool,
        overloads: &'static [Overload],
    ) -> Option<(Vec<&'static str>, Type)> {
        let mut found: Option<(Vec<&'static str>, Type)> = None;
        for overload in overloads.iter().filter(|overload| overload.member == member) {
            let params = self.unifier.instantiate(&overload.params);
            let args: Vec<Type> = overload.args.iter().map(|of| replaced(of, &params)).collect();
            if !self.unifier.all_assignable(given, &args) {
                continue;
            }
            let result = self.unifier.resolve(&replaced(&overload.result, &params), false);
            match &mut found {
                None => found = Some((vec![&overload.id], result)),
                Some((ids, so_far)) => {
                    ids.push(&overload.id);
                    if !so_far.is_dyn() && *so_far != result {
                        *so_far = Type::Dyn;
                    }
                }
            }
        }
        found
    }
}
