//! The Kubernetes API over any [`reddwarf_core::Store`].
//!
//! A request runs through an explicit pipeline: authenticate, authorize, decode, default,
//! admit, validate, propose. A built-in kind is one declarative entry of the
//! [`registry`]; what the pipeline knows of a kind it reads there.

pub mod admission;
pub mod allocation;
pub mod authn;
pub mod authz;
pub mod background;
pub mod bootstrap;
pub mod branches;
pub mod caller;
pub mod changesets;
pub mod client;
pub mod commits;
pub mod custom;
pub mod defaults;
mod diffs;
pub mod discovery;
pub mod errors;
pub mod flow;
pub mod gate;
pub mod http;
pub mod impersonation;
pub mod list;
pub mod managed_fields;
pub mod metrics;
pub mod nonresource;
pub mod object;
pub mod openapi;
pub mod options;
pub mod past;
pub mod patch;
pub mod registry;
pub mod representation;
pub mod request;
mod retention;
pub mod schema;
pub mod selection;
pub mod server;
mod staged;
mod stale;
pub mod subresource;
pub mod table;
pub mod token;
pub mod validation;
pub mod verbs;
pub mod watch;
pub mod webhook;

pub use caller::Caller;
pub use client::LocalClient;
pub use gate::Limits;
pub use nonresource::{Check, Route};
pub use server::{ApiConfig, ApiServer};
