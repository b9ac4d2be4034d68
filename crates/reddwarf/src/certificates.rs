//! The certificate that a member shows, and how it is renewed while the member runs.
//!
//! Both sides of a member's TLS ask [`Held`] for the certificate at each handshake, so that another one
//! counts from the next connection on, and connections that are open stay as they are. The authority
//! is not exchanged: a group with another one is another group.

mod decision;
mod held;
mod metrics;
mod renewal;
mod signing;
mod stamp;
mod trust;

pub use decision::{Telling, Unacceptable, acceptable, is_due, renewal_at, telling};
pub use held::{Held, Pair, PairError};
pub use metrics::CertificateMetrics;
pub use renewal::{Renewal, RenewalError};
pub use signing::{SIGN_PATH, SignAnswer, SignRequest, Signer, Unsigned};
pub use trust::Trust;
