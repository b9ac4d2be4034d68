//! The first frame of a connection, and its answer, between builds that need not be the same.
//!
//! Both sides tell what they can do as ranges, and go by what both can. The messages are JSON in
//! which what is not known is left out of account, so that later builds can say more without a new
//! protocol. Builds that know of no feature levels speak another protocol, see
//! [`super::frame::ALPN_FIRST_LEVEL`]: there the frame is a bare [`Hello`].

use super::frame::WIRE_VERSION;
use super::message::{Hello, HelloReply};
use bytes::Bytes;
use reddwarf_core::{Build, FeatureLevel, FeatureLevels};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The versions of frames and messages that a build speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireVersions {
    /// The lowest.
    pub oldest: u32,
    /// The highest.
    pub newest: u32,
}

impl WireVersions {
    /// Of this build.
    pub const OWN: WireVersions = WireVersions { oldest: WIRE_VERSION, newest: WIRE_VERSION };

    /// The highest version that both sides speak.
    pub fn common(self, other: WireVersions) -> Option<u32> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest.max(other.oldest)).then_some(newest)
    }
}

impl fmt::Display for WireVersions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.oldest == self.newest {
            true => write!(f, "{}", self.oldest),
            false => write!(f, "{}-{}", self.oldest, self.newest),
        }
    }
}

/// What the other side runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerBuild {
    /// Version of its program; empty when it does not say.
    #[serde(default)]
    pub version: String,
    /// The feature levels that it supports.
    pub levels: FeatureLevels,
}

impl PeerBuild {
    /// One that knows of no levels.
    pub fn first_level() -> Self {
        PeerBuild { version: String::new(), levels: FeatureLevels::FIRST }
    }

    /// Why it cannot take part in a group at `level`, if so. One that is ahead can: it may have to
    /// do with a member that lags.
    pub fn falls_short(&self, name: &str, level: FeatureLevel) -> Option<String> {
        (self.levels.newest < level).then(|| {
            let (levels, version) = (
                self.levels,
                match self.version.as_str() {
                    "" => "a version of reddwarf from before there were feature levels".to_owned(),
                    version => format!("reddwarf {version}"),
                },
            );
            format!(
                "{name} runs {version}, which supports feature level {levels}; the group is at \
                 level {level}: start a version there that supports it"
            )
        })
    }
}

impl From<Build> for PeerBuild {
    fn from(build: Build) -> Self {
        PeerBuild { version: build.version.to_owned(), levels: build.levels }
    }
}

/// Who calls, and what it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// What it speaks.
    pub wire: WireVersions,
    /// What it runs.
    pub build: PeerBuild,
    /// Who it is.
    pub hello: Hello,
}

/// The answer to a [`Greeting`] that is not refused outright.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GreetingReply {
    /// The version that is spoken from now on.
    pub wire: u32,
    /// What the called side runs.
    pub build: PeerBuild,
    /// What it says of the caller.
    pub reply: HelloReply,
}

/// Encodes either.
///
/// # Errors
/// A text.
pub fn to_json<T: Serialize>(message: &T) -> Result<Bytes, String> {
    serde_json::to_vec(message).map(Bytes::from).map_err(|error| error.to_string())
}

/// Decodes either.
///
/// # Errors
/// A text.
pub fn from_json<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("greeting: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_speak_the_newest_version_that_they_have_in_common() {
        let versions = |oldest, newest| WireVersions { oldest, newest };
        assert_eq!(versions(4, 6).common(versions(3, 5)), Some(5));
        assert_eq!(versions(4, 4).common(versions(4, 9)), Some(4));
        assert_eq!(versions(4, 5).common(versions(6, 7)), None);
        assert_eq!(versions(6, 7).common(versions(4, 5)), None);
    }

    #[test]
    fn what_later_builds_add_is_left_out_of_account() {
        let later = r#"{"wire": {"oldest": 4, "newest": 6, "flavor": 1}, "more": [1],
            "build": {"levels": {"oldest": 2, "newest": 3}, "commit": "abc"},
            "hello": {"wire_version": 4, "cluster_id": "g", "from": 2, "from_name": "b", "to": 1,
                      "incarnation": 7, "member_since": 0, "mood": "fine"}}"#;
        let greeting: Greeting = from_json(later.as_bytes()).expect("read");
        assert_eq!(greeting.wire.newest, 6);
        assert_eq!(greeting.build.levels.to_string(), "2-3");
        assert_eq!((greeting.hello.from, greeting.hello.incarnation), (2, 7));
    }

    #[test]
    fn a_build_that_is_too_old_is_told_what_is_missing() {
        let old = PeerBuild::first_level();
        assert_eq!(old.falls_short("b", FeatureLevel(1)), None);
        assert_eq!(
            old.falls_short("b", FeatureLevel(2)).expect("too old"),
            "b runs a version of reddwarf from before there were feature levels, which supports \
             feature level 1; the group is at level 2: start a version there that supports it"
        );
        let ahead = PeerBuild { version: "9".to_owned(), levels: "5-6".parse().expect("levels") };
        assert_eq!(ahead.falls_short("b", FeatureLevel(2)), None);
    }
}
