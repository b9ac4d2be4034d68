//! Why objects are not converted.

use thiserror::Error;

/// Why objects are not converted, in upstream's words. `of` is `group/version, Kind=Kind` of
/// what was to be converted.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConversionError {
    /// The object is in a version that the definition does not have.
    #[error("request to convert CR from an invalid group/version: {0}")]
    FromUnknown(String),
    /// The webhook takes no version of `ConversionReview` that is known here.
    #[error("no supported conversion review versions")]
    NoReviewVersion,
    /// The webhook was not reached, or said no.
    #[error("conversion webhook for {of} failed: {cause}")]
    Failed {
        /// What was to be converted.
        of: String,
        /// Why.
        cause: String,
    },
    /// Objects are missing in the answer, or there are more than were asked for.
    #[error("conversion webhook for {of} returned {found} objects, expected {wanted}")]
    Count {
        /// What was to be converted.
        of: String,
        /// Objects in the answer.
        found: usize,
        /// Objects in the question.
        wanted: usize,
    },
    /// An object in the answer is not what was asked for.
    #[error("conversion webhook for {of} returned invalid {what}: {cause}")]
    Invalid {
        /// What was to be converted.
        of: String,
        /// What of the answer.
        what: String,
        /// Why.
        cause: String,
    },
}
