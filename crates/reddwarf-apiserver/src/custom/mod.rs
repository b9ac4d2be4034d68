//! Custom kinds: what a `CustomResourceDefinition` adds to the API.
//!
//! A [`Definition`] is read from its stored bytes whenever it changes; the registry of kinds
//! shares all other definitions. A [`Version`] compiles its [`Schema`] on first use, so that a
//! thousand definitions that nobody uses cost little. A watch ends with the [`Serving`] of its kind.
//!
//! An object passes through [`prune`] and [`metadata`] when it is decoded, [`defaulting`] after
//! that, and through [`object`] when it is validated: the schema in [`check`], embedded metadata,
//! [`list_type`], then the definition's own rules in [`rules`]. What a stored object shows goes
//! the same way again, for its schema may be newer than it is. Between its versions [`conversion`]
//! stands.
//!
//! The definitions themselves are validated in [`definition`]'s sibling [`review`], and their
//! conditions and deletion are the leader's work in [`lifecycle`].

pub mod check;
pub mod conversion;
pub mod decode;
pub mod defaulting;
pub mod definition;
pub mod follow;
pub mod json_path;
pub mod kind;
pub mod lifecycle;
pub mod list_type;
pub mod metadata;
pub mod object;
pub(crate) mod own;
pub mod pattern;
pub mod prune;
pub mod review;
pub mod rules;
pub mod scale;
pub mod schema;
pub mod serving;
pub mod table;
pub mod version_order;
pub mod warnings;

pub use definition::{Definition, Served, Version};
pub use follow::follow;
pub use kind::CustomKind;
pub use schema::Schema;
pub use serving::Serving;

/// Group and plural of the definitions themselves.
pub const DEFINITIONS: (&str, &str) = ("apiextensions.k8s.io", "customresourcedefinitions");
