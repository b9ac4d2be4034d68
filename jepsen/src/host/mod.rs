//! Where members run.
