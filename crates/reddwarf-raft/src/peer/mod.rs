//! Transport between members: framed calls over mutual TLS on the node's one port.

mod append_stream;
mod connection;
mod dial;
mod fetch;
mod frame;
mod message;
mod network;
mod serve;

pub use connection::CallError;
pub use dial::{Identity, Lane, PeerClient, Refused, prepare};
pub use fetch::{FetchError, Fetched, fetch};
pub use frame::{ALPN, FrameReader, Kind, WIRE_VERSION};
pub use message::*;
pub use network::{Network, PeerClients};
pub use serve::{PeerHandler, common_name, serve};
