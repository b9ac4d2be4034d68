//! What a link does to packets.

use std::time::Duration;

/// What a link does to packets; the default passes them on at once.
///
/// Each rule is independent of the others, so that one fault may begin or end while another lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rules {
    /// No packet passes.
    pub cut: bool,
    /// Packets come late, in order.
    pub delay: Option<Delay>,
    /// The probability with which a packet is lost.
    pub loss: f64,
    /// The probability with which a packet comes twice.
    pub duplicate: f64,
    /// Some packets are overtaken by later ones.
    pub reorder: Option<Reorder>,
    /// How many bytes pass in a second; more are kept waiting, and lost beyond a limit.
    pub rate_bytes_per_s: Option<u64>,
}

/// How late packets come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// In the middle.
    pub mean: Duration,
    /// At most this much earlier or later, evenly distributed. It never changes packets' order:
    /// that is [`Reorder`]'s, and told apart.
    pub jitter: Duration,
}

/// How packets are overtaken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reorder {
    /// The probability with which a packet is held back.
    pub probability: f64,
    /// How long it is held back, and later packets are not.
    pub by: Duration,
}
