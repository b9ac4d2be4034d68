//! Rules of custom resources (`x-kubernetes-validations`): compiled with the schema that has
//! them, reviewed when a definition is written, and evaluated when an object is.

mod compile;
mod correlation;
mod evaluate;
mod field_path;
mod finding;
mod review;

pub use compile::Rules;
pub use evaluate::Verdict;
pub use field_path::field_path;
pub use finding::{Finding, FindingKind};
pub use review::review;

#[cfg(test)]
mod tests;
