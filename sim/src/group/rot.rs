//! Disks that change by themselves what they hold.

use super::{Group, Later, MachineId, done};
use rand::Rng;
use rand::seq::IteratorRandom;
use reddwarf_raft::inspect;
use std::path::Path;
use std::sync::Arc;

/// What a disk reads and writes as one.
const PAGE_BYTES: usize = 4_096;
/// How a page of redb begins that points to others.
const INNER_PAGE: u8 = 2;
/// The file of the state.
const STATE: &str = "state.redb";

impl Group {
    /// Pages of the state's file change, while its member runs or while it is away.
    pub(super) fn rot_state(&mut self, id: MachineId, pages: u32, down_ms: Option<u64>) -> bool {
        let machine = Arc::clone(&self.machines[id]);
        // One without a log has nothing that it could be known by; its operator would join it anew.
        let known = machine.records_roots()
            && machine.node().is_some_and(|node| node.inspect().durable_log().vote.is_some());
        let here = machine.seat().is_some_and(|seat| !seat.wiped) && self.is_up(id);
        if !here || !known || !self.others_are_sound(id) {
            return false;
        }
        if let Some(down_ms) = down_ms {
            self.kill(id, down_ms);
        }
        let random = &mut self.random;
        done(machine.disk.rot(Path::new(STATE), |bytes| {
            let used = bytes.chunks(PAGE_BYTES).enumerate();
            let used = used.filter(|(_, page)| page.iter().any(|byte| *byte != 0));
            let struck = used.choose_multiple(random, pages as usize);
            let changed = struck.into_iter().map(|(number, page)| {
                let start = number * PAGE_BYTES;
                match random.random_range(0..3) {
                    // As if it had never been written. redb follows the pointers of inner pages without
                    // looking, and could go round in circles: those change as a whole.
                    0 => (start as u64, vec![0; page.len()]),
                    _ if page[0] == INNER_PAGE => (start as u64, vec![0; page.len()]),
                    _ => {
                        let at = random.random_range(0..page.len());
                        ((start + at) as u64, vec![page[at] ^ random.random_range(1..=255)])
                    }
                }
            });
            changed.collect()
        }));
        machine.change_seat(|seat| seat.rotten = true);
        true
    }

    /// A byte of the log changes that was synced: the member must notice, and take no part any more. The
    /// operator then joins the machine anew.
    pub(super) fn rot_log(&mut self, id: MachineId, down_ms: u64, lost_ms: u64) -> bool {
        if !self.can_lose(id) || !self.kill(id, down_ms) {
            return false;
        }
        let machine = Arc::clone(&self.machines[id]);
        let logs = machine.disk.files().join("wal");
        let files = inspect::log_files(&logs).unwrap_or_default();
        let synced = files.into_iter().filter(|(_, marked)| *marked > 0);
        let Some((path, marked)) = synced.choose(&mut self.random) else { return true };
        let file = path.strip_prefix(machine.disk.files()).unwrap_or(&path);
        let random = &mut self.random;
        done(machine.disk.rot(file, |bytes| {
            let at = random.random_range(0..marked);
            vec![(at, vec![bytes[at as usize] ^ random.random_range(1..=255)])]
        }));
        machine.change_seat(|seat| seat.wiped = true);
        self.after(down_ms + lost_ms, Later::Join(id));
        true
    }
}
