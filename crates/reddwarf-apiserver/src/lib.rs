//! The Kubernetes API over any [`reddwarf_core::Store`].
//!
//! A request runs through an explicit pipeline: authenticate, authorize, decode, default,
//! admit, validate, propose. A built-in kind is one declarative entry of the
//! [`registry`]; what the pipeline knows of a kind it reads there.

pub mod admission;
pub mod allocation;
pub mod background;
pub mod bootstrap;
pub mod defaults;
pub mod discovery;
pub mod object;
pub mod openapi;
pub mod patch;
pub mod registry;
pub mod request;
pub mod schema;
pub mod subresource;
pub mod table;
pub mod validation;
