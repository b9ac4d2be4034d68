//! The checkers: on histories made by hand, on simulated ones, and their speed.

mod golden;
mod oracle;
mod properties;
mod serial;
mod simulated;
mod speed;
