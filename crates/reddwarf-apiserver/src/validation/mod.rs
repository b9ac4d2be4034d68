//! Validation, and the errors that it finds.

pub mod field_error;

pub use field_error::{ErrorKind, ErrorList, FieldError, FieldPath};
