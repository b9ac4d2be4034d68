//! Transport between members: framed calls over mutual TLS on the node's one port.

mod append_stream;
mod connection;
mod dial;
mod dialer;
mod fetch;
mod frame;
mod greeting;
mod message;
mod network;
mod serve;

pub use connection::CallError;
pub use dial::{Identity, Lane, PeerClient, Refused};
pub use dialer::{Dial, Dialed, PeerStream, TlsDial, prepare};
pub use fetch::{FetchError, Fetched, fetch};
pub use frame::{ALPN, ALPN_FIRST_LEVEL, FrameReader, Kind, WIRE_VERSION};
pub use greeting::{Greeting, PeerBuild, from_json as read_greeting};
pub use message::*;
pub use network::{Network, PeerClients};
pub use serve::{PeerHandler, Protocol, common_name, serve};
