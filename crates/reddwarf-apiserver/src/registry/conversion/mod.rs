//! Conversions between the served versions of one stored object.

mod autoscaler;
mod event;
mod metric;

pub use autoscaler::drop_annotations as drop_autoscaler_annotations;

use super::builder::Conversion;

/// `events.k8s.io/v1` events, stored as the core group's.
pub const EVENT: Conversion = Conversion { from: event::from_core, to: event::to_core };

/// `autoscaling/v1` autoscalers, stored as v2.
pub const AUTOSCALER_V1: Conversion =
    Conversion { from: autoscaler::v2_to_v1, to: autoscaler::v1_to_v2 };
