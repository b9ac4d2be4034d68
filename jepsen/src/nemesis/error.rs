//! Why a fault was not done, or not undone.

use crate::host::HostError;
use std::error::Error;

/// What went wrong with a fault.
#[derive(Debug, thiserror::Error)]
pub enum NemesisError {
    /// A member's process could not be acted on.
    #[error("a member could not be acted on")]
    Host(#[from] HostError),
    /// The hosts lack what it needs.
    #[error("these hosts have no {0}")]
    Lacking(&'static str),
    /// It was done, and nothing shows that it happened.
    #[error("there is no evidence: {0}")]
    NoEvidence(String),
    /// Something else failed.
    #[error("cannot {attempt}")]
    Failed {
        /// What was attempted.
        attempt: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

impl NemesisError {
    /// For `map_err`.
    pub fn failed<E: Into<Box<dyn Error + Send + Sync>>>(
        attempt: impl Into<String>,
    ) -> impl FnOnce(E) -> NemesisError {
        let attempt = attempt.into();
        move |source| NemesisError::Failed { attempt, source: source.into() }
    }
}
