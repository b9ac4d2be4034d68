//! The command `jepsen`.

fn main() {}
