//! What an expression consists of once it is parsed and its macros are expanded.

use std::sync::Arc;

/// Number of a node, by which its place and its type are looked up.
pub type Id = u32;

/// A node.
#[derive(Clone, Debug)]
pub struct Expr {
    /// Its number.
    pub id: Id,
    /// How many nodes the longest way down from here has.
    pub depth: u16,
    /// What it is.
    pub kind: ExprKind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// The rest of something that could not be parsed.
    Error,
    /// A value.
    Literal(Literal),
    /// A name.
    Ident(Arc<str>),
    /// `operand.field`, or, as a test, `has(operand.field)`.
    Select {
        /// What the field is selected from.
        operand: Box<Expr>,
        /// The field.
        field: Arc<str>,
        /// Whether only its presence is asked for.
        test: bool,
    },
    /// `function(args)`, `target.function(args)` or an operator.
    Call {
        /// The name of the function; operators have names like `_+_`.
        function: Arc<str>,
        /// What a member function is called on.
        target: Option<Box<Expr>>,
        /// Its arguments.
        args: Vec<Expr>,
    },
    /// `[items]`.
    List {
        /// The items.
        items: Vec<Expr>,
        /// Which of them are written with a question mark.
        optional: Vec<usize>,
    },
    /// `{entries}`.
    Map(Vec<Entry>),
    /// `Name{fields}`.
    Struct {
        /// The name of the type.
        name: Arc<str>,
        /// Its fields.
        fields: Vec<Field>,
    },
    /// A loop, which a macro made.
    Comprehension(Box<Comprehension>),
}

/// A value that is written in the expression.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
}

/// `key: value` in a map.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: Expr,
    /// The value.
    pub value: Expr,
    /// Whether the entry is written with a question mark.
    pub optional: bool,
}

/// `name: value` in an object.
#[derive(Clone, Debug)]
pub struct Field {
    /// The number under which the place of the field is known.
    pub id: Id,
    /// Its name.
    pub name: Arc<str>,
    /// Its value.
    pub value: Expr,
    /// Whether the field is written with a question mark.
    pub optional: bool,
}

/// A loop over a list or over the keys of a map.
#[derive(Clone, Debug)]
pub struct Comprehension {
    /// What is looped over.
    pub range: Expr,
    /// The name of an item, of a key, or, with two names, of an index.
    pub var: Arc<str>,
    /// The name of the value, where two names are given.
    pub var2: Option<Arc<str>>,
    /// The name of what is carried through the loop.
    pub accumulator: Arc<str>,
    /// What the accumulator is at first.
    pub init: Expr,
    /// Whether to go on.
    pub condition: Expr,
    /// What the accumulator becomes.
    pub step: Expr,
    /// What the loop comes to.
    pub result: Expr,
}

/// The name that macros give to what is carried through their loops.
pub const ACCUMULATOR: &str = "@result";

/// Names of operators, and what they are written as.
pub const OPERATORS: [(&str, &str); 13] = [
    ("_+_", "+"),
    ("_-_", "-"),
    ("_*_", "*"),
    ("_/_", "/"),
    ("_%_", "%"),
    ("_==_", "=="),
    ("_!=_", "!="),
    ("_<_", "<"),
    ("_<=_", "<="),
    ("_>_", ">"),
    ("_>=_", ">="),
    ("@in", "in"),
    ("_&&_", "&&"),
];

/// The function that an operator stands for.
pub fn operator(text: &str) -> Option<&'static str> {
    OPERATORS.iter().find(|(_, written)| *written == text).map(|(name, _)| *name)
}

impl Expr {
    /// The nodes directly below.
    pub fn children(&self) -> Vec<&Expr> {
        match &self.kind {
            ExprKind::Error | ExprKind::Literal(_) | ExprKind::Ident(_) => Vec::new(),
            ExprKind::Select { operand, .. } => vec![operand],
            ExprKind::Call { target, args, .. } => {
                target.as_deref().into_iter().chain(args).collect()
            }
            ExprKind::List { items, .. } => items.iter().collect(),
            ExprKind::Map(entries) => entries.iter().flat_map(|e| [&e.key, &e.value]).collect(),
            ExprKind::Struct { fields, .. } => fields.iter().map(|field| &field.value).collect(),
            ExprKind::Comprehension(c) => {
                vec![&c.range, &c.init, &c.condition, &c.step, &c.result]
            }
        }
    }

    /// The name, if the node is one.
    pub fn as_ident(&self) -> Option<&Arc<str>> {
        match &self.kind {
            ExprKind::Ident(name) => Some(name),
            _ => None,
        }
    }

    /// The text, if the node is a literal one.
    pub fn as_text(&self) -> Option<&Arc<str>> {
        match &self.kind {
            ExprKind::Literal(Literal::String(text)) => Some(text),
            _ => None,
        }
    }
}
