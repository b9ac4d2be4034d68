//! CPU time and memory of processes, from `/proc`; unknown elsewhere.

use super::target::Target;
use std::fs;
use std::time::Duration;

/// Microseconds of one tick of `/proc/<pid>/stat`: Linux reports 100 ticks a second to programs
/// on every architecture that this runs on.
const TICK_US: u64 = 10_000;
/// How long members are left alone before their memory is read.
const REST: Duration = Duration::from_secs(3);

/// CPU time so far, in microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CpuTime {
    /// Of this process.
    pub client_us: Option<u64>,
    /// Of all members together.
    pub members_us: Option<u64>,
}

impl CpuTime {
    /// As it is now.
    pub fn now(target: &Target) -> CpuTime {
        let pids = target.member_pids();
        let members: Option<u64> = pids.iter().map(|pid| of_process(&pid.to_string())).sum();
        CpuTime { client_us: of_process("self"), members_us: members.filter(|_| !pids.is_empty()) }
    }

    /// What passed since `earlier`.
    pub fn since(self, earlier: CpuTime) -> CpuTime {
        let span = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
        CpuTime {
            client_us: span(self.client_us, earlier.client_us),
            members_us: span(self.members_us, earlier.members_us),
        }
    }
}

fn of_process(pid: &str) -> Option<u64> {
    cpu_us(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// `utime` and `stime`, the 14th and 15th field; the second one, in brackets, may hold spaces.
fn cpu_us(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * TICK_US)
}

/// Resident memory of the largest member, in MiB, after a while without requests.
pub(super) async fn memory_at_rest(target: &Target) -> Option<f64> {
    let pids = target.member_pids();
    if pids.is_empty() {
        return None;
    }
    tokio::time::sleep(REST).await;
    let resident = |pid: &i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    Some(pids.iter().filter_map(resident).max()? as f64 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_of_a_name_with_spaces_and_brackets() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194560 1 0 0 0 12 30 0 0 20 0 1 0";
        assert_eq!(cpu_us(stat), Some(420_000));
        assert_eq!(cpu_us("garbage"), None);
    }
}
