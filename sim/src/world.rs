//! The command `sim-world`.

fn main() {}
