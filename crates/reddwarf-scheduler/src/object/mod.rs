//! Pods and nodes as far as scheduling looks at them, read from JSON once.

pub mod affinity;
pub mod node;
pub mod pod;
mod raw;
pub mod resources;
pub mod taint;

pub use node::NodeInfo;
pub use pod::{Demand, PodInfo};
pub use raw::{Frame, List, RawNode, RawPod};
