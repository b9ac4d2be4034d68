//! An expression made ready for evaluation.

mod evaluate;
mod fold;
mod plan;
mod qualify;

use crate::check::Checked;
use crate::cost::spent::{Meter, Work};
use crate::deep::{is_deep, with_room};
use crate::library::{Function, Pattern};
use crate::value::{Fault, Map, Outcome, Value};
use std::sync::Arc;

/// An expression that can be evaluated, from several threads at once.
#[derive(Debug)]
pub struct Program {
    root: Node,
    variables: Vec<Arc<str>>,
    deep: bool,
}

impl Program {
    /// Makes an expression ready.
    ///
    /// # Errors
    /// A constant part of it fails already now.
    pub fn new(checked: &Checked) -> Result<Self, Fault> {
        let mut planner = plan::Planner::new(checked);
        let root = planner.plan(&checked.expr)?;
        let deep = is_deep(checked.expr.depth);
        Ok(Program { root, variables: planner.variables, deep })
    }

    /// Evaluates the expression; `variable` says what its variables are.
    ///
    /// # Errors
    /// It fails, or costs more than the limit of the meter.
    pub fn evaluate<'a>(
        &'a self,
        variable: impl Fn(&str) -> Option<Outcome<'a>>,
        meter: &mut Meter,
    ) -> Outcome<'a> {
        let globals = self.variables.iter().map(|name| {
            let missing = || Err(Fault::Failed(format!("no such attribute(s): {name}")));
            variable(name).unwrap_or_else(missing)
        });
        let globals = globals.collect();
        let evaluated = with_room(self.deep, || {
            evaluate::Evaluator { globals, locals: Vec::new(), meter }.evaluate(&self.root)
        });
        evaluated.unwrap_or(Err(Fault::Cancelled))
    }
}

/// A part of an expression.
#[derive(Debug)]
enum Node {
    Const(Value<'static>),
    Global(usize),
    Local(usize),
    Field {
        operand: Box<Node>,
        field: Value<'static>,
        optional: bool,
        cost: u64,
    },
    Has {
        operand: Box<Node>,
        field: Value<'static>,
        cost: u64,
    },
    Index {
        operand: Box<Node>,
        index: Box<Node>,
        optional: bool,
        cost: u64,
    },
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Conditional(Box<[Node; 3]>),
    Equal {
        negated: bool,
        sides: Box<[Node; 2]>,
    },
    /// Whether a value is one of some constants.
    OneOf {
        item: Box<Node>,
        of: Map<'static>,
    },
    NotStrictlyFalse(Box<Node>),
    OptionalOr {
        value: bool,
        sides: Box<[Node; 2]>,
    },
    Call(Box<CallNode>),
    List {
        items: Vec<Node>,
        optional: Vec<usize>,
    },
    Map(Vec<EntryNode>),
    Object(Vec<(Arc<str>, bool, Node)>),
    Bind(Box<[Node; 2]>),
    Fold(Box<FoldNode>),
}

impl Node {
    /// Whether it is a name, or fields and indexes that begin with one.
    fn begins_with_name(&self) -> bool {
        match self {
            Node::Global(_) | Node::Local(_) => true,
            Node::Field { operand, .. }
            | Node::Has { operand, .. }
            | Node::Index { operand, .. } => operand.begins_with_name(),
            _ => false,
        }
    }
}

#[derive(Debug)]
struct CallNode {
    name: Arc<str>,
    /// The overload, if only one is possible.
    overload: &'static str,
    function: Function,
    work: Work,
    args: Vec<Node>,
    pattern: Option<Pattern>,
}

#[derive(Debug)]
struct EntryNode {
    key: Node,
    value: Node,
    optional: bool,
}

#[derive(Debug)]
struct FoldNode {
    range: Node,
    init: Node,
    condition: Node,
    step: Step,
    result: Node,
    two: bool,
}

/// What happens in a round of a loop.
#[derive(Debug)]
enum Step {
    /// Anything.
    Any(Node),
    /// Something is added at the end of the list so far, perhaps only if a filter lets it.
    Push { filter: Option<Node>, item: Node },
    /// An entry or several are added to the map so far.
    Insert { filter: Option<Node>, entry: Vec<Node> },
}

#[cfg(test)]
mod tests;
