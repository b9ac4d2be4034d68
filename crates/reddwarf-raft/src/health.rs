//! How members are, beyond their status: what they tell each other as JSON in which what is not known
//! is left out of account, so that later builds can say more.

use crate::contact;
use crate::core::Core;
use crate::peer::{Kind, Lane};
use bytes::Bytes;
use reddwarf_core::FeatureLevel;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a member is; of one that does not tell, nothing is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MemberHealth {
    /// For how many milliseconds it has reached no majority, if that is long.
    pub cut_off_ms: Option<u64>,
    /// What its clock shows, in milliseconds since the Unix epoch.
    pub now_ms: Option<u64>,
    /// Whether its disk is full, so that it takes no writes.
    pub disk_full: bool,
    /// How many milliseconds a sync of its log took lately, if that was too long.
    pub slow_sync_ms: Option<u64>,
    /// Times that it has replaced its state or its file from another member since it started.
    pub repairs: u64,
}

/// How this member is.
pub(crate) fn own(core: &Core) -> MemberHealth {
    let millis = |time: Duration| time.as_millis() as u64;
    MemberHealth {
        cut_off_ms: contact::lost_for(core).map(millis),
        now_ms: Some(core.environment.clock.now_ms()),
        disk_full: core.disk_full(),
        slow_sync_ms: core.wal.slow_sync().map(millis),
        repairs: core.metrics.repairs.get(),
    }
}

/// The same, encoded.
pub(crate) fn answer(core: &Core) -> Result<Bytes, String> {
    serde_json::to_vec(&own(core)).map(Bytes::from).map_err(|error| error.to_string())
}

/// Asks a member how it is; `None` when it does not answer in time, or its build knows nothing of it.
pub(crate) async fn of_member(core: &Core, id: u64, timeout: Duration) -> Option<MemberHealth> {
    let client = core.client(id)?;
    let call = |kind| client.call(Lane::Control, kind, Bytes::new(), timeout);
    // Which build it is shows when it is dialed.
    let build = match client.build() {
        Some(build) => build,
        None => call(Kind::Status).await.ok().and_then(|_| client.build())?,
    };
    // One that knows of no levels would end the connection.
    if build.levels.newest == FeatureLevel::FIRST {
        return None;
    }
    serde_json::from_slice(&call(Kind::Health).await.ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_later_build_adds_and_an_earlier_one_leaves_out_does_not_matter() {
        let later = r#"{"diskFull": true, "temperature": 40}"#;
        let health: MemberHealth = serde_json::from_str(later).expect("read");
        assert_eq!(health, MemberHealth { disk_full: true, ..MemberHealth::default() });
    }
}
