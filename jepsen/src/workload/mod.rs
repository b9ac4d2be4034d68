//! What clients do: one file each.
