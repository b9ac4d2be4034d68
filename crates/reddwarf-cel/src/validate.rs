//! Literals that can only be wrong, found before anything is evaluated.

use crate::ast::{Entry, Expr, ExprKind, Id, Literal};
use crate::check::Checked;
use crate::library::Pattern;
use crate::source::Issues;
use crate::types::Type;
use crate::value::time::{Time, parse_duration};

/// Checks the literals of an expression.
///
/// # Errors
/// All that is wrong with them.
pub fn literals(checked: &Checked, text: &str) -> Result<(), Issues> {
    let mut validator = Validator { checked, issues: Issues::new(text) };
    validator.arguments(&checked.expr);
    validator.collections(&checked.expr, false);
    if validator.issues.is_empty() { Ok(()) } else { Err(validator.issues) }
}

struct Validator<'c> {
    checked: &'c Checked,
    issues: Issues,
}

impl Validator<'_> {
    fn wrong(&mut self, id: Id, message: String) {
        self.issues.add(self.checked.places[id as usize], message);
    }

    /// Texts that must be durations, times or patterns.
    fn arguments(&mut self, expr: &Expr) {
        if let ExprKind::Call { function, args, .. } = &expr.kind
            && let Some(first) = args.first()
            && let ExprKind::Literal(literal) = &first.kind
        {
            let good = match (&**function, literal) {
                ("duration", Literal::String(text)) => parse_duration(text).is_some(),
                ("timestamp", Literal::String(text)) => {
                    Time::parse(text).is_some_and(|at| at.is_known())
                }
                ("timestamp", Literal::Int(seconds)) => Time::from_seconds(*seconds).is_some(),
                ("matches", Literal::String(text)) => Pattern::new(text).is_ok(),
                _ => true,
            };
            if !good {
                self.wrong(first.id, format!("invalid {function} argument"));
            }
        }
        for child in expr.children() {
            self.arguments(child);
        }
    }

    /// Lists and maps whose items are of different types; `exempt` inside the arguments of
    /// `format`.
    fn collections(&mut self, expr: &Expr, exempt: bool) {
        match &expr.kind {
            ExprKind::List { items, optional } if !exempt => self.list(items, optional),
            ExprKind::Map(entries) if !exempt => self.map(entries),
            _ => {}
        }
        let formats =
            matches!(&expr.kind, ExprKind::Call { function, .. } if &**function == "format");
        for child in expr.children() {
            self.collections(child, exempt || formats);
        }
    }

    fn mismatch(&mut self, id: Id, expected: &Type, found: &Type) {
        self.wrong(id, format!("expected type '{expected}' but found '{found}'"));
    }

    fn type_of(&self, expr: &Expr, optional: bool) -> Type {
        let of = self.checked.type_of(expr.id);
        match (optional, of.unwrapped()) {
            (true, Some(inner)) => inner.clone(),
            _ => of.clone(),
        }
    }

    fn list(&mut self, items: &[Expr], optional: &[usize]) {
        let mut of: Option<Type> = None;
        for (at, item) in items.iter().enumerate() {
            let found = self.type_of(item, optional.contains(&at));
            match &of {
                None => of = Some(found),
                Some(of) if equivalent(of, &found) => {}
                Some(of) => {
                    let of = of.clone();
                    return self.mismatch(item.id, &of, &found);
                }
            }
        }
    }

    fn map(&mut self, entries: &[Entry]) {
        let Some((first, rest)) = entries.split_first() else { return };
        let key = self.type_of(&first.key, false);
        let value = self.type_of(&first.value, first.optional);
        for entry in rest {
            let found = self.type_of(&entry.key, false);
            if !equivalent(&key, &found) {
                self.mismatch(entry.key.id, &key, &found);
            }
            let found = self.type_of(&entry.value, entry.optional);
            if !equivalent(&value, &found) {
                self.mismatch(entry.value.id, &value, &found);
            }
        }
    }
}

/// Whether two types are the same; the parameters of type types do not count.
fn equivalent(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Type(_), Type::Type(_)) => true,
        (Type::List(a), Type::List(b)) => equivalent(a, b),
        (Type::Map(a), Type::Map(b)) => equivalent(&a.0, &b.0) && equivalent(&a.1, &b.1),
        _ => a == b,
    }
}
