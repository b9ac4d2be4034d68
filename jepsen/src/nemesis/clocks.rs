//! Members' clocks, and what time they show.
//!
//! What a member's clock shows is read off an object that it would create: a dry run changes
//! nothing, and its creation time is the clock of the member that was asked. (The `Date` of an
//! answer comes from a cache that does not go back.)

use super::NemesisError;
use crate::client::Call;
use crate::clock::{Clock, Setting};
use crate::history::{Edn, value};
use crate::host::{Group, Member};
use jiff::Timestamp;
use serde_json::json;
use std::time::{Duration, Instant};

const DRY_RUN: &str = "/api/v1/namespaces/default/configmaps?dryRun=All";
/// How long a question may take, and how long a clock until it shows what it was told to.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
const EVIDENCE_TIMEOUT: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);
/// A creation time has no fractions.
const RIGHT_SECONDS: f64 = 2.0;

/// Members whose clocks are wrong.
#[derive(Debug, Default)]
pub(super) struct Wrong {
    members: Vec<String>,
}

impl Wrong {
    /// Sets a member's clock.
    pub fn set(&mut self, member: &Member, setting: Setting) -> Result<(), NemesisError> {
        self.members.push(member.name.clone());
        Clock::of(&member.folder).set(setting).map_err(NemesisError::failed("set a clock"))
    }

    /// Puts all of them right, and waits until they are.
    pub async fn put_right(&mut self, group: &Group) -> Result<Edn, NemesisError> {
        let wrong = std::mem::take(&mut self.members);
        let members: Vec<&Member> = wrong.iter().filter_map(|name| group.member(name)).collect();
        for member in &members {
            Clock::of(&member.folder)
                .set(Setting::TRUE)
                .map_err(NemesisError::failed("put a clock right"))?;
        }
        differs(group, &members, |difference| difference.abs() <= RIGHT_SECONDS).await
    }
}

/// Waits until each member's clock differs from the true time as `so` wants it; tells by how many
/// seconds each does.
pub(super) async fn differs(
    group: &Group,
    members: &[&Member],
    so: impl Fn(f64) -> bool,
) -> Result<Edn, NemesisError> {
    let mut evidence = Vec::new();
    for member in members {
        let deadline = Instant::now() + EVIDENCE_TIMEOUT;
        let seconds = loop {
            let found = difference(group, member).await;
            match found {
                Some(seconds) if so(seconds) => break seconds,
                _ if Instant::now() > deadline => {
                    let what = format!("the clock of {} is off by {found:?} s", member.name);
                    return Err(NemesisError::NoEvidence(what));
                }
                _ => tokio::time::sleep(POLL).await,
            }
        };
        evidence.push(value::map([
            ("node", value::text(&member.name)),
            ("seconds-off", Edn::Int(seconds.round() as i64)),
        ]));
    }
    Ok(Edn::Vector(evidence))
}

/// By how many seconds a member's clock is ahead; nothing when it does not answer.
async fn difference(group: &Group, member: &Member) -> Option<f64> {
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "clock"}});
    let mut client = group.client(member, ASK_TIMEOUT).ok()?;
    let answer = client.send(Call::post(DRY_RUN, &body)).await.ok()?.json()?;
    let shown: Timestamp = answer["metadata"]["creationTimestamp"].as_str()?.parse().ok()?;
    Some(shown.as_second() as f64 - Timestamp::now().as_second() as f64)
}

/// For how long a member's process has been running, to about a hundredth of a second.
pub(super) fn running(member: &Member) -> Result<Duration, NemesisError> {
    let unknown = || NemesisError::NoEvidence(format!("{} does not run", member.name));
    let pid = member.pid().ok_or_else(unknown)?;
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    let up = std::fs::read_to_string("/proc/uptime");
    let (stat, up) = (stat.map_err(failed())?, up.map_err(failed())?);
    let since = started(&stat).zip(up.split(' ').next().and_then(|up| up.parse::<f64>().ok()));
    let (started, up) = since.ok_or_else(unknown)?;
    Ok(Duration::from_secs_f64((up - started).max(0.0)))
}

fn failed() -> impl FnOnce(std::io::Error) -> NemesisError {
    NemesisError::failed("see how long a process has been running")
}

/// Seconds from the machine's start to the process', by its `stat` (`proc(5)`, field 22).
fn started(stat: &str) -> Option<f64> {
    // The name in parentheses may hold anything, also parentheses and spaces.
    let fields = stat.rsplit_once(") ")?.1;
    let ticks: f64 = fields.split(' ').nth(19)?.parse().ok()?;
    Some(ticks / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_start_is_found_behind_any_name() {
        let fields: Vec<String> = (3..30).map(|field| (field * 100).to_string()).collect();
        let stat = format!("7 (a) b) (c) {}", fields.join(" "));
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(started(&stat), Some(2200.0 / ticks));
    }
}
