//! The HTTP surface: paths, queries, media types, bodies and answers.

pub mod accept;
pub mod answer;
pub mod body;
pub mod duration;
pub mod gzip;
pub mod path;
pub mod prefix;
pub mod query;
pub mod warning;
pub mod yaml;

pub use accept::{Accept, Representation};
pub use answer::Answer;
pub use body::{ApiBody, CutShort};
pub use path::{Place, RequestInfo};
pub use query::Query;
