//! How a machine becomes a member of a group that runs: a token says that it may, and the
//! fingerprint of the group's authority that it is the right group.

mod arrival;
mod message;
mod tls;
mod token;

pub use arrival::{Arrival, JoinError};
pub use message::{JoinAnswer, JoinRequest};
pub use token::{NAMESPACE_SECRETS, Stored, TYPE, Token, TokenError};
