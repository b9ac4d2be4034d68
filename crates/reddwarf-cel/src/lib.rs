//! CEL as Kubernetes uses it: rules of custom resources, conditions of admission, selectors.
//!
//! An expression goes through these steps:
//!
//! ```text
//! text ─ syntax ─► nodes ─ check ─► nodes with types ─ program ─► evaluated on objects
//!                                        │
//!                                        └─ cost ─► what it can cost at most
//! ```
//!
//! Objects stay JSON; a schema says what is in them. Nothing here knows of HTTP or of a store.
//! Texts of errors, costs and limits are upstream's, because users see them and because an
//! expression that is accepted there must be accepted here. Whatever an expression is, working on
//! it ends soon: its length, its depth, the number of its nodes, the cost of evaluating it and
//! the copies made meanwhile are limited.
#![deny(missing_docs)]

mod ast;
mod check;
mod compile;
mod cost;
mod declared;
mod deep;
mod environment;
mod escape;
mod library;
mod program;
mod rules;
mod schema;
mod source;
mod syntax;
mod types;
mod unify;
mod validate;
mod value;

pub use check::{Checked, Reference};
pub use compile::{Compiled, compile};
pub use cost::spent::Meter;
pub use cost::{Range, estimate};
pub use declared::Declared;
pub use environment::{Environment, Fields};
pub use escape::{escape, unescape};
pub use program::Program;
pub use rules::{Finding, FindingKind, Rules, Verdict, field_path, review};
pub use schema::{Rule, Schema};
pub use source::{Issue, Issues, Location};
pub use types::Type;
pub use value::{Fault, List, Map, Opaque, Outcome, SemanticVersion, Text, Url, Value};

/// What one evaluation may cost.
pub const CALL_COST_MAX: u64 = 1_000_000;
/// What the rules of one object may cost together.
pub const OBJECT_COST_MAX: u64 = 10_000_000;
/// What the conditions of one webhook or policy may cost together.
pub const CONDITIONS_COST_MAX: u64 = 2_500_000;
/// What a rule may be estimated to cost.
pub const RULE_ESTIMATE_MAX: u64 = 10_000_000;
/// What all rules of a definition may be estimated to cost.
pub const DEFINITION_ESTIMATE_MAX: u64 = 100_000_000;
/// The longest text that an expression for a message may come to, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 5 * 1024;
