//! Label and field selectors, with upstream's grammar and error texts.

pub mod field;
pub mod label;
mod label_parser;
pub mod label_syntax;

pub use field::{FieldSelector, FieldTerm};
pub use label::{LabelSelector, Labels, Operator, Requirement};

/// Why a selector was refused; the text is the one that upstream answers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(pub String);
