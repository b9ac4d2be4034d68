//! One member: its port, its node of the group, and what the leader runs.

mod accept;
mod connection;
mod signals;
mod tls;

pub use signals::stop_signals;
