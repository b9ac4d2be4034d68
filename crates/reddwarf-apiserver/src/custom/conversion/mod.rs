//! Objects of a custom kind in other versions than the one in which they are stored.
//!
//! With the strategy `None` a version differs from another in nothing but its name, and
//! [`CustomKind`] brings objects from one to the other. With `Webhook` a [`Webhook`] is asked: a
//! [`Converter`] sends it [`review`]s and [keeps](identity) what it may not change. Everything
//! that may have to ask is async, and nothing but kinds with a webhook comes here.
//!
//! The way of a stored object: pruned and defaulted by the schema of its own version, converted,
//! pruned by the schema of the version asked for. The way back: converted, pruned by the schema
//! of the storage version. It is validated before, in the version of the request.

mod converter;
mod error;
mod identity;
mod review;
mod strategy;

pub use converter::Converter;
pub use error::ConversionError;
pub use strategy::{Webhook, webhook};

#[cfg(doc)]
use super::kind::CustomKind;
