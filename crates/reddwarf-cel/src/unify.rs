//! Which types go with which, and what the unknown ones turn out to be.

use crate::types::Type;
use std::collections::HashMap;
use std::sync::Arc;

/// What is known of the types that are being found out.
#[derive(Debug, Default)]
pub struct Unifier {
    bound: Vec<Option<Type>>,
    /// Earlier values of what was bound, so that a failed attempt can be undone.
    trail: Vec<(u32, Option<Type>)>,
}

impl Unifier {
    /// A type of which nothing is known yet.
    pub fn fresh(&mut self) -> Type {
        self.bound.push(None);
        Type::Var((self.bound.len() - 1) as u32)
    }

    /// Whether values of the second type may stand where the first is wanted; what this tells of
    /// unknown types is kept only if they may.
    pub fn assignable(&mut self, wanted: &Type, given: &Type) -> bool {
        let mark = self.trail.len();
        let fits = self.fits(wanted, given);
        if !fits {
            self.undo(mark);
        }
        fits
    }

    /// The same for several types at once.
    pub fn all_assignable(&mut self, wanted: &[Type], given: &[Type]) -> bool {
        let mark = self.trail.len();
        let fit = wanted.len() == given.len()
            && wanted.iter().zip(given).all(|(wanted, given)| self.fits(wanted, given));
        if !fit {
            self.undo(mark);
        }
        fit
    }

    fn undo(&mut self, mark: usize) {
        for (var, before) in self.trail.drain(mark..).rev() {
            self.bound[var as usize] = before;
        }
    }

    fn bind(&mut self, var: u32, to: Type) {
        let before = self.bound[var as usize].replace(to);
        self.trail.push((var, before));
    }

    fn fits(&mut self, first: &Type, second: &Type) -> bool {
        if let Type::Var(var) = second {
            let (valid, known) = self.substitutes(first, *var);
            if valid || known {
                return valid;
            }
        }
        if let Type::Var(var) = first {
            return self.substitutes(second, *var).0;
        }
        if first.is_dyn_or_error() || second.is_dyn_or_error() {
            return true;
        }
        match (first, second) {
            (Type::Null, Type::Null) => true,
            (Type::Null, other) | (other, Type::Null) => other.is_nullable(),
            (Type::Type(_), Type::Type(_)) => true,
            (Type::List(a), Type::List(b)) => self.fits(a, b),
            (Type::Map(a), Type::Map(b)) => self.fits(&a.0, &b.0) && self.fits(&a.1, &b.1),
            (Type::Opaque(a, ps), Type::Opaque(b, qs)) => {
                a == b
                    && ps.len() == qs.len()
                    && ps.iter().zip(qs.iter()).all(|(p, q)| self.fits(p, q))
            }
            _ => first == second,
        }
    }

    /// Whether a type may stand for an unknown one, and whether something was known of that.
    fn substitutes(&mut self, of: &Type, var: u32) -> (bool, bool) {
        if *of == Type::Var(var) {
            return (true, true);
        }
        if let Some(known) = self.bound[var as usize].clone() {
            if *of == known {
                return (true, true);
            }
            if !self.fits(of, &known) {
                return (false, true);
            }
            let general = most_general(of, &known);
            if !self.occurs(var, &general) {
                self.bind(var, general);
            }
            return (true, true);
        }
        if self.occurs(var, of) {
            return (false, false);
        }
        self.bind(var, of.clone());
        (true, false)
    }

    /// Whether an unknown type is part of another.
    fn occurs(&self, var: u32, within: &Type) -> bool {
        match within {
            Type::Var(other) if *other == var => true,
            Type::Var(other) => {
                self.bound[*other as usize].as_ref().is_some_and(|known| self.occurs(var, known))
            }
            Type::List(item) => self.occurs(var, item),
            Type::Map(both) => self.occurs(var, &both.0) || self.occurs(var, &both.1),
            Type::Type(Some(inner)) => self.occurs(var, inner),
            Type::Opaque(_, params) => params.iter().any(|param| self.occurs(var, param)),
            _ => false,
        }
    }

    /// The type with all that is known put in, and, at the end, `dyn` for what is not.
    pub fn resolve(&self, of: &Type, final_: bool) -> Type {
        match of {
            Type::Var(var) => match &self.bound[*var as usize] {
                Some(known) => self.resolve(known, final_),
                None if final_ => Type::Dyn,
                None => of.clone(),
            },
            Type::List(item) => Type::list(self.resolve(item, final_)),
            Type::Map(both) => {
                Type::map(self.resolve(&both.0, final_), self.resolve(&both.1, final_))
            }
            Type::Type(Some(inner)) => Type::of(self.resolve(inner, final_)),
            Type::Opaque(name, params) if !params.is_empty() => Type::Opaque(
                name.clone(),
                params.iter().map(|param| self.resolve(param, final_)).collect(),
            ),
            _ => of.clone(),
        }
    }

    /// Types of a declared function with an unknown type for each parameter.
    pub fn instantiate(&mut self, params: &[Arc<str>]) -> HashMap<Arc<str>, Type> {
        params.iter().map(|param| (param.clone(), self.fresh())).collect()
    }
}

/// A type with its parameters replaced.
pub fn replaced(of: &Type, params: &HashMap<Arc<str>, Type>) -> Type {
    match of {
        Type::Param(name) => params.get(name).cloned().unwrap_or(Type::Dyn),
        Type::List(item) => Type::list(replaced(item, params)),
        Type::Map(both) => Type::map(replaced(&both.0, params), replaced(&both.1, params)),
        Type::Type(Some(inner)) => Type::of(replaced(inner, params)),
        Type::Opaque(name, inner) if !inner.is_empty() => {
            Type::Opaque(name.clone(), inner.iter().map(|of| replaced(of, params)).collect())
        }
        _ => of.clone(),
    }
}

/// The more general of two types that go with each other.
pub fn most_general(first: &Type, second: &Type) -> Type {
    if less_specific(first, second) { first.clone() } else { second.clone() }
}

fn less_specific(first: &Type, second: &Type) -> bool {
    let open = |of: &Type| matches!(of, Type::Dyn | Type::Var(_) | Type::Param(_));
    if open(first) {
        return true;
    }
    if open(second) {
        return false;
    }
    match (first, second) {
        (Type::List(a), Type::List(b)) => less_specific(a, b),
        (Type::Map(a), Type::Map(b)) => less_specific(&a.0, &b.0) && less_specific(&a.1, &b.1),
        (Type::Type(_), Type::Type(_)) => true,
        (Type::Opaque(a, ps), Type::Opaque(b, qs)) => {
            a == b
                && ps.len() == qs.len()
                && ps.iter().zip(qs.iter()).all(|(p, q)| less_specific(p, q))
        }
        _ => first == second,
    }
}
