//! Calls of webhooks: a POST over TLS, to a URL or to a service.
//!
//! What is asked, and what the answer means, is the caller's. Clients are kept by their
//! [`ClientConfig`], and with them their connections, so that a call costs one round trip.

mod client;
mod client_config;
mod reply;
mod service;

pub use client::{ANSWER_BYTES_MAX, CallError, TIMEOUT, Webhooks};
pub use client_config::{ClientConfig, ServiceReference};
