//! From checked nodes to those that are evaluated.

use super::{CallNode, EntryNode, FoldNode, Node, Step};
use crate::ast::{ACCUMULATOR, Comprehension, Expr, ExprKind, Literal};
use crate::check::{Checked, Reference};
use crate::cost::spent::{Meter, work};
use crate::cost::{LIST, MAP, SELECT};
use crate::library::{self, Pattern};
use crate::value::{Fault, Map, Value};
use std::sync::Arc;

/// What evaluating constants beforehand may cost.
const CONSTANT_COST_MAX: u64 = 100_000;

pub(super) struct Planner<'c> {
    checked: &'c Checked,
    pub(super) variables: Vec<Arc<str>>,
    locals: Vec<Arc<str>>,
}

type Plan<T> = Result<T, Fault>;

impl<'c> Planner<'c> {
    pub(super) fn new(checked: &'c Checked) -> Self {
        Planner { checked, variables: Vec::new(), locals: Vec::new() }
    }

    pub(super) fn plan(&mut self, expr: &Expr) -> Plan<Node> {
        if let Some(Reference::Type(of)) = self.checked.reference(expr.id) {
            return Ok(Node::Const(Value::Type(of.clone())));
        }
        match &expr.kind {
            ExprKind::Error => Fault::failed("unsupported expression"),
            ExprKind::Literal(literal) => Ok(Node::Const(constant(literal))),
            ExprKind::Ident(name) => Ok(self.named(name)),
            ExprKind::Select { operand, field, test } => self.select(operand, field, *test),
            ExprKind::Call { function, target, args } => {
                self.call(expr, function, target.as_deref(), args)
            }
            ExprKind::List { items, optional } => self.list(items, optional),
            ExprKind::Map(entries) => self.map(entries),
            ExprKind::Struct { fields, .. } => {
                let fields = fields.iter().map(|field| {
                    Ok((field.name.clone(), field.optional, self.plan(&field.value)?))
                });
                Ok(Node::Object(fields.collect::<Plan<_>>()?))
            }
            ExprKind::Comprehension(loop_) => self.comprehension(loop_),
        }
    }

    fn all(&mut self, exprs: &[Expr]) -> Plan<Vec<Node>> {
        exprs.iter().map(|expr| self.plan(expr)).collect()
    }

    fn boxed<const N: usize>(&mut self, exprs: &[Expr]) -> Plan<Box<[Node; N]>> {
        let nodes: Vec<Node> = self.all(exprs)?;
        let nodes: Result<[Node; N], _> = nodes.try_into();
        nodes.map(Box::new).map_err(|_| Fault::no_such_overload())
    }

    fn named(&mut self, name: &Arc<str>) -> Node {
        if let Some(slot) = self.locals.iter().rposition(|local| local == name) {
            return Node::Local(slot);
        }
        let known = self.variables.iter().position(|variable| variable == name);
        Node::Global(known.unwrap_or_else(|| {
            self.variables.push(name.clone());
            self.variables.len() - 1
        }))
    }

    fn select(&mut self, operand: &Expr, field: &Arc<str>, test: bool) -> Plan<Node> {
        let operand = Box::new(self.plan(operand)?);
        let field = Value::text(field.clone());
        let cost = access_cost(&operand);
        Ok(if test {
            Node::Has { operand, field, cost: cost - SELECT }
        } else {
            Node::Field { operand, field, optional: false, cost }
        })
    }

    fn call(
        &mut self,
        expr: &Expr,
        function: &Arc<str>,
        target: Option<&Expr>,
        args: &[Expr],
    ) -> Plan<Node> {
        match &**function {
            "_&&_" => return Ok(Node::And(self.boxed(args)?)),
            "_||_" => return Ok(Node::Or(self.boxed(args)?)),
            "_?_:_" => return Ok(Node::Conditional(self.boxed(args)?)),
            "_==_" => return Ok(Node::Equal { negated: false, sides: self.boxed(args)? }),
            "_!=_" => return Ok(Node::Equal { negated: true, sides: self.boxed(args)? }),
            "_[_]" | "_[?_]" | "_?._" => return self.index(function, args),
            "@not_strictly_false" => {
                let [arg] = *self.boxed::<1>(args)?;
                return Ok(Node::NotStrictlyFalse(Box::new(arg)));
            }
            "@in" => {
                if let Some(node) = self.one_of(expr, args)? {
                    return Ok(node);
                }
            }
            _ => {}
        }
        let planned: Vec<Node> = match target {
            Some(target) => {
                let mut planned = vec![self.plan(target)?];
                planned.extend(self.all(args)?);
                planned
            }
            None => self.all(args)?,
        };
        if target.is_some() && matches!(&**function, "or" | "orValue") && planned.len() == 2 {
            let value = &**function == "orValue";
            let sides: Result<[Node; 2], _> = planned.try_into();
            let sides = sides.map_err(|_| Fault::no_such_overload())?;
            return Ok(Node::OptionalOr { value, sides: Box::new(sides) });
        }
        self.function(expr, function, planned)
    }

    fn function(&mut self, expr: &Expr, name: &Arc<str>, args: Vec<Node>) -> Plan<Node> {
        let overload: &'static str = match self.checked.overloads(expr.id) {
            [one] => one,
            _ => "",
        };
        let function = library::function(name).unwrap_or(library::absent);
        let mut pattern = None;
        if matches!(&**name, "matches" | "find" | "findAll")
            && let Some(Node::Const(Value::String(text))) = args.get(1)
        {
            pattern = Some(Pattern::new(text).map_err(Fault::Failed)?);
        }
        let converts = library::is_conversion(name);
        let constant = converts && matches!(args.as_slice(), [Node::Const(_)]);
        let work = work(name, overload);
        let node = Node::Call(Box::new(CallNode {
            name: name.clone(),
            overload,
            function,
            work,
            args,
            pattern,
        }));
        if constant { evaluated(node) } else { Ok(node) }
    }

    fn index(&mut self, function: &str, args: &[Expr]) -> Plan<Node> {
        let [operand, index] = *self.boxed::<2>(args)?;
        let cost = access_cost(&operand);
        let (operand, optional) = (Box::new(operand), function != "_[_]");
        Ok(match index {
            Node::Const(field @ Value::String(_)) => Node::Field { operand, field, optional, cost },
            index => {
                // The index is an access of its own, or has its own cost.
                let cost = match index {
                    Node::Const(_) => cost,
                    _ => cost - SELECT,
                };
                Node::Index { operand, index: Box::new(index), optional, cost }
            }
        })
    }

    /// `x in [constants]`
    fn one_of(&mut self, expr: &Expr, args: &[Expr]) -> Plan<Option<Node>> {
        if self.checked.overloads(expr.id) != ["in_list"] {
            return Ok(None);
        }
        let [item, Expr { kind: ExprKind::List { items, optional }, .. }] = args else {
            return Ok(None);
        };
        let mut of = Map::new();
        for constant_item in items {
            match &constant_item.kind {
                ExprKind::Literal(Literal::Null | Literal::Bytes(_) | Literal::Double(_)) => {
                    return Ok(None);
                }
                ExprKind::Literal(literal) => {
                    of.insert(constant(literal), Value::Bool(true))?;
                }
                _ => return Ok(None),
            }
        }
        if !optional.is_empty() {
            return Ok(None);
        }
        let item = Box::new(self.plan(item)?);
        Ok(Some(Node::OneOf { item, of }))
    }

    fn list(&mut self, items: &[Expr], optional: &[usize]) -> Plan<Node> {
        let items = self.all(items)?;
        let constant = items.iter().all(|item| matches!(item, Node::Const(_)));
        let node = Node::List { items, optional: optional.to_vec() };
        if constant { evaluated(node) } else { Ok(node) }
    }

    fn map(&mut self, entries: &[crate::ast::Entry]) -> Plan<Node> {
        let entries = entries.iter().map(|entry| {
            let (key, value) = (self.plan(&entry.key)?, self.plan(&entry.value)?);
            Ok(EntryNode { key, value, optional: entry.optional })
        });
        let entries: Vec<EntryNode> = entries.collect::<Plan<_>>()?;
        let is_const = |node: &Node| matches!(node, Node::Const(_));
        let constant = entries.iter().all(|entry| is_const(&entry.key) && is_const(&entry.value));
        let node = Node::Map(entries);
        if constant { evaluated(node) } else { Ok(node) }
    }

    fn comprehension(&mut self, loop_: &Comprehension) -> Plan<Node> {
        let range = self.plan(&loop_.range)?;
        let init = self.plan(&loop_.init)?;
        let outside = self.locals.len();
        self.locals.push(loop_.accumulator.clone());
        if &*loop_.accumulator != ACCUMULATOR {
            let result = self.plan(&loop_.result)?;
            self.locals.truncate(outside);
            return Ok(Node::Bind(Box::new([init, result])));
        }
        self.locals.push(loop_.var.clone());
        self.locals.extend(loop_.var2.clone());
        let condition = self.plan(&loop_.condition)?;
        let step = self.step(&loop_.step)?;
        self.locals.truncate(outside + 1);
        let result = self.plan(&loop_.result)?;
        self.locals.truncate(outside);
        let two = loop_.var2.is_some();
        Ok(Node::Fold(Box::new(FoldNode { range, init, condition, step, result, two })))
    }

    fn step(&mut self, step: &Expr) -> Plan<Step> {
        let ExprKind::Call { function, args, .. } = &step.kind else {
            return Ok(Step::Any(self.plan(step)?));
        };
        if &**function == "_?_:_"
            && let [filter, then, same] = args.as_slice()
            && is_accumulator(same)
            && let Some(mut step) = self.adding(then)?
        {
            let planned = self.plan(filter)?;
            let (Step::Push { filter, .. } | Step::Insert { filter, .. }) = &mut step else {
                return Ok(step);
            };
            *filter = Some(planned);
            return Ok(step);
        }
        match self.adding(step)? {
            Some(step) => Ok(step),
            None => Ok(Step::Any(self.plan(step)?)),
        }
    }

    /// A step that adds to what the loop has so far.
    fn adding(&mut self, step: &Expr) -> Plan<Option<Step>> {
        let ExprKind::Call { function, args, .. } = &step.kind else { return Ok(None) };
        match (&**function, args.as_slice()) {
            ("_+_", [so_far, Expr { kind: ExprKind::List { items, optional }, .. }])
                if is_accumulator(so_far) && items.len() == 1 && optional.is_empty() =>
            {
                Ok(Some(Step::Push { filter: None, item: self.plan(&items[0])? }))
            }
            ("cel.@mapInsert", [so_far, entry @ ..]) if is_accumulator(so_far) => {
                Ok(Some(Step::Insert { filter: None, entry: self.all(entry)? }))
            }
            _ => Ok(None),
        }
    }
}

fn is_accumulator(expr: &Expr) -> bool {
    expr.as_ident().is_some_and(|name| &**name == ACCUMULATOR)
}

/// What a field or index costs: more if what it is of had first to be made.
fn access_cost(operand: &Node) -> u64 {
    match operand {
        Node::Global(_)
        | Node::Local(_)
        | Node::Field { .. }
        | Node::Has { .. }
        | Node::Index { .. }
        | Node::Conditional(_) => SELECT,
        _ => 2 * SELECT,
    }
}

fn constant(literal: &Literal) -> Value<'static> {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(of) => Value::Bool(*of),
        Literal::Int(of) => Value::Int(*of),
        Literal::Uint(of) => Value::Uint(*of),
        Literal::Double(of) => Value::Double(*of),
        Literal::String(of) => Value::text(of.clone()),
        Literal::Bytes(of) => Value::Bytes(of.clone()),
    }
}

/// A node whose parts are constants, evaluated already now.
fn evaluated(node: Node) -> Plan<Node> {
    let mut meter = Meter::new(CONSTANT_COST_MAX.max(LIST + MAP));
    let value = super::evaluate::constant(&node, &mut meter)?;
    Ok(Node::Const(value))
}
