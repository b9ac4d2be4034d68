//! What a field is when the client does not say: one function for each kind, idempotent.

pub mod admission;
mod amounts;
pub mod autoscaling;
mod container;
pub mod fill;
pub mod network;
pub mod pod;
pub mod policy;
pub mod storage;
mod volume;
pub mod workload;

/// Now, as Kubernetes writes times.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
