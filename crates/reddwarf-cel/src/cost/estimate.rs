//! What an expression can cost at most.

use super::calls::CallCost;
use super::{LIST, MAP, OBJECT, Range, SELECT};
use crate::ast::{ACCUMULATOR, Comprehension, Expr, ExprKind, Id, Literal};
use crate::check::Checked;
use crate::declared::Declared;
use crate::deep::{is_deep, with_room};
use crate::types::Type;
use std::collections::HashMap;
use std::sync::Arc;

/// What an expression can cost, if its variables `self` and `oldSelf` are as declared.
pub fn estimate(checked: &Checked, root: Option<&Declared>) -> Range {
    let estimated = with_room(is_deep(checked.expr.depth), || {
        let mut estimator = Estimator {
            checked,
            root,
            paths: HashMap::new(),
            locals: HashMap::new(),
            sizes: HashMap::new(),
            entries: HashMap::new(),
        };
        estimator.cost(&checked.expr)
    });
    estimated.unwrap_or(Range::UNKNOWN)
}

/// The way to a value: a variable, then fields, `@items`, `@keys` or `@values`.
pub(super) type Path = Vec<Arc<str>>;

/// Sizes of the keys and values of a list or map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entries {
    of_list: bool,
    key: Range,
    pub(super) value: Range,
}

impl Entries {
    pub(super) fn union(a: Option<Entries>, b: Option<Entries>) -> Option<Entries> {
        let (a, b) = (a?, b?);
        Some(Entries { of_list: a.of_list, key: a.key.union(b.key), value: a.value.union(b.value) })
    }
}

#[derive(Clone, Debug)]
struct Local {
    path: Path,
    size: Option<Range>,
    entries: Option<Entries>,
}

/// What is known of a node besides its cost.
#[derive(Clone, Debug)]
pub(super) struct Known<'c> {
    pub(super) path: Path,
    pub(super) of: Type,
    pub(super) expr: Option<&'c Expr>,
    pub(super) size: Option<Range>,
}

pub(super) struct Estimator<'c> {
    pub(super) checked: &'c Checked,
    root: Option<&'c Declared>,
    paths: HashMap<Id, Path>,
    locals: HashMap<Arc<str>, Vec<Local>>,
    sizes: HashMap<Id, Range>,
    entries: HashMap<Id, Entries>,
}

impl<'c> Estimator<'c> {
    fn cost(&mut self, expr: &'c Expr) -> Range {
        match &expr.kind {
            ExprKind::Error | ExprKind::Literal(_) => Range::exactly(0),
            ExprKind::Ident(name) => {
                let local = self.local(name).map(|local| local.path.clone());
                self.paths.insert(expr.id, local.unwrap_or_else(|| vec![name.clone()]));
                Range::exactly(SELECT)
            }
            ExprKind::Select { operand, field, test } => {
                self.select(expr.id, operand, field, *test)
            }
            ExprKind::Call { function, target, args } => {
                self.call(expr, function, target.as_deref(), args)
            }
            ExprKind::List { items, .. } => self.list(expr.id, items),
            ExprKind::Map(entries) => self.map(expr, entries),
            ExprKind::Struct { fields, .. } => fields
                .iter()
                .fold(Range::exactly(OBJECT), |sum, field| sum.plus(self.cost(&field.value))),
            ExprKind::Comprehension(loop_) if is_binding(loop_) => self.binding(expr.id, loop_),
            ExprKind::Comprehension(loop_) => self.comprehension(expr.id, loop_),
        }
    }

    fn select(&mut self, id: Id, operand: &'c Expr, field: &Arc<str>, test: bool) -> Range {
        let cost = self.cost(operand);
        if test {
            return cost;
        }
        let mut path = self.path(operand);
        path.push(field.clone());
        self.paths.insert(id, path);
        let counts = matches!(
            self.checked.type_of(operand.id),
            Type::Map(_) | Type::Struct(_) | Type::Param(_) | Type::Var(_)
        );
        if counts { cost.plus(Range::exactly(SELECT)) } else { cost }
    }

    fn list(&mut self, id: Id, items: &'c [Expr]) -> Range {
        let mut cost = Range::exactly(LIST);
        let mut size = Range { min: if items.is_empty() { 0 } else { u64::MAX }, max: 0 };
        for item in items {
            cost = cost.plus(self.cost(item));
            size = size.union(self.size_or_unknown(item));
        }
        self.entries.insert(id, Entries { of_list: true, key: Range::exactly(1), value: size });
        cost
    }

    fn map(&mut self, expr: &'c Expr, entries: &'c [crate::ast::Entry]) -> Range {
        let mut cost = Range::exactly(MAP);
        let none = Range { min: if entries.is_empty() { 0 } else { u64::MAX }, max: 0 };
        let (mut key, mut value) = (none, none);
        for entry in entries {
            cost = cost.plus(self.cost(&entry.key)).plus(self.cost(&entry.value));
            key = key.union(self.size_or_unknown(&entry.key));
            value = value.union(self.size_or_unknown(&entry.value));
        }
        self.entries.insert(expr.id, Entries { of_list: false, key, value });
        cost
    }

    fn comprehension(&mut self, id: Id, loop_: &'c Comprehension) -> Range {
        let cost = self.cost(&loop_.range).plus(self.cost(&loop_.init));
        self.push_value(&loop_.accumulator, &loop_.init);
        match &loop_.var2 {
            Some(var2) => {
                self.push_item(&loop_.var, &loop_.range, Part::Key);
                self.push_item(var2, &loop_.range, Part::Value);
            }
            None => self.push_item(&loop_.var, &loop_.range, Part::Single),
        }
        let round = self.cost(&loop_.condition).plus(self.cost(&loop_.step));
        self.pop(&loop_.var);
        if let Some(var2) = &loop_.var2 {
            self.pop(var2);
        }
        let cost = cost.plus(self.cost(&loop_.result));
        self.pop(&loop_.accumulator);
        let rounds = self.size_or_unknown(&loop_.range);
        match &loop_.init.kind {
            ExprKind::Literal(_) => {
                let size = self.size(&loop_.init);
                self.set_size(id, size);
            }
            ExprKind::List { .. } | ExprKind::Map(_) => {
                self.set_size(id, Some(rounds));
                let entries = self.entries_of(&loop_.step);
                self.set_entries(id, entries);
            }
            _ => {}
        }
        cost.plus(rounds.times(round))
    }

    fn binding(&mut self, id: Id, loop_: &'c Comprehension) -> Range {
        let cost = self.cost(&loop_.range).plus(self.cost(&loop_.init));
        self.push_value(&loop_.accumulator, &loop_.init);
        let cost = cost.plus(self.cost(&loop_.result));
        self.pop(&loop_.accumulator);
        self.copy_sizes(id, &loop_.result);
        cost
    }

    fn call(
        &mut self,
        expr: &'c Expr,
        function: &str,
        target: Option<&'c Expr>,
        args: &'c [Expr],
    ) -> Range {
        if function == "dyn" && args.len() == 1 {
            let cost = self.cost(&args[0]).plus(Range::exactly(1));
            self.copy_sizes(expr.id, &args[0]);
            return cost;
        }
        let costs: Vec<Range> = args.iter().map(|arg| self.cost(arg)).collect();
        let known: Vec<Known<'c>> = args.iter().map(|arg| self.known(arg)).collect();
        let overloads = self.checked.overloads(expr.id);
        if overloads.is_empty() {
            return Range::exactly(0);
        }
        let on = target.map(|target| (self.cost(target), self.known(target)));
        let mut total = Range { min: u64::MAX, max: 0 };
        let mut size: Option<Range> = None;
        for overload in overloads {
            let target = on.as_ref().map(|(_, known)| known);
            let call = CallCost { function, overload, target, args: &known, costs: &costs };
            let (cost, result) = self.call_cost(expr, &call);
            total = total.union(cost);
            size = match (size, result) {
                (Some(a), Some(b)) => Some(a.union(b)),
                (a, b) => a.or(b),
            };
            let step = match *overload {
                "index_list" => Some("@items"),
                "index_map" => Some("@values"),
                _ => None,
            };
            if let (Some(step), Some(from)) = (step, args.first()) {
                size = self.entries_of(from).map(|entries| entries.value);
                let mut path = self.path(from);
                path.push(step.into());
                self.paths.insert(expr.id, path);
            }
            if size.is_none() {
                size = self.size(expr);
            }
        }
        self.set_size(expr.id, size);
        on.map_or(total, |(cost, _)| cost.plus(total))
    }
}

enum Part {
    Key,
    Value,
    Single,
}

/// What nodes and variables are known to be.
impl<'c> Estimator<'c> {
    fn local(&self, name: &str) -> Option<&Local> {
        self.locals.get(name).and_then(|locals| locals.last())
    }

    fn pop(&mut self, name: &str) {
        if let Some(locals) = self.locals.get_mut(name) {
            locals.pop();
        }
    }

    fn push_value(&mut self, name: &Arc<str>, of: &'c Expr) {
        let local =
            Local { path: self.path(of), size: self.size(of), entries: self.entries_of(of) };
        self.locals.entry(name.clone()).or_default().push(local);
    }

    fn push_item(&mut self, name: &Arc<str>, range: &'c Expr, part: Part) {
        let entries = self.entries_of(range);
        let of_list = match entries {
            Some(entries) => entries.of_list,
            None => matches!(self.checked.type_of(range.id), Type::List(_)),
        };
        let (step, size) = match (part, of_list) {
            (Part::Key, true) => ("@indices", entries.map(|entries| entries.key)),
            (Part::Key, false) | (Part::Single, false) => {
                ("@keys", entries.map(|entries| entries.key))
            }
            (_, true) => ("@items", entries.map(|entries| entries.value)),
            (Part::Value, false) => ("@values", entries.map(|entries| entries.value)),
        };
        let mut path = self.path(range);
        path.push(step.into());
        self.locals.entry(name.clone()).or_default().push(Local { path, size, entries: None });
    }

    fn path(&self, expr: &Expr) -> Path {
        if let Some(local) = expr.as_ident().and_then(|name| self.local(name)) {
            return local.path.clone();
        }
        self.paths.get(&expr.id).cloned().unwrap_or_default()
    }

    fn known(&mut self, expr: &'c Expr) -> Known<'c> {
        let mut path = self.path(expr);
        if path.first().is_some_and(|first| &**first == ACCUMULATOR) {
            path.clear();
        }
        let of = self.checked.type_of(expr.id).clone();
        Known { path, of, expr: Some(expr), size: self.size(expr) }
    }

    fn set_size(&mut self, id: Id, size: Option<Range>) {
        if let Some(size) = size {
            self.sizes.insert(id, size);
        }
    }

    pub(super) fn set_entries(&mut self, id: Id, entries: Option<Entries>) {
        if let Some(entries) = entries {
            self.entries.insert(id, entries);
        }
    }

    fn copy_sizes(&mut self, to: Id, from: &'c Expr) {
        let (size, entries) = (self.size(from), self.entries_of(from));
        self.set_size(to, size);
        self.set_entries(to, entries);
    }

    fn size_or_unknown(&mut self, expr: &'c Expr) -> Range {
        self.size(expr).unwrap_or(Range::UNKNOWN)
    }

    fn size(&mut self, expr: &'c Expr) -> Option<Range> {
        if let Some(size) = self.sizes.get(&expr.id) {
            return Some(*size);
        }
        if let Some(size) = written_size(expr) {
            return Some(Range::exactly(size));
        }
        if let Some(size) = self.declared_size(&self.path(expr)) {
            self.sizes.insert(expr.id, size);
            return Some(size);
        }
        if self.checked.type_of(expr.id).is_scalar() {
            return Some(Range::exactly(1));
        }
        self.local(expr.as_ident()?)?.size
    }

    /// The size of what the schema declares at a path.
    pub(super) fn declared_size(&self, path: &[Arc<str>]) -> Option<Range> {
        let (_, below) = path.split_first()?;
        Some(Range { min: 0, max: self.root?.elements_at(below)? })
    }

    pub(super) fn entries_of(&self, expr: &Expr) -> Option<Entries> {
        if let Some(entries) = self.entries.get(&expr.id) {
            return Some(*entries);
        }
        self.local(expr.as_ident()?)?.entries
    }
}

/// The size of what is written in the expression itself.
fn written_size(expr: &Expr) -> Option<u64> {
    match &expr.kind {
        ExprKind::Literal(Literal::String(text)) => Some(text.chars().count() as u64),
        ExprKind::Literal(Literal::Bytes(bytes)) => Some(bytes.len() as u64),
        ExprKind::Literal(_) => Some(1),
        ExprKind::List { items, .. } => Some(items.len() as u64),
        ExprKind::Map(entries) => Some(entries.len() as u64),
        _ => None,
    }
}

/// Whether a loop never runs but names a value.
fn is_binding(loop_: &Comprehension) -> bool {
    let never = matches!(&loop_.condition.kind, ExprKind::Literal(Literal::Bool(false)));
    let nothing = matches!(&loop_.range.kind, ExprKind::List { items, .. } if items.is_empty());
    never && nothing
}
