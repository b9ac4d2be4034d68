//! What is known to be wrong with this member's state, and what it does not do meanwhile
//! (invariant 17).
//!
//! A state that differs from the majority's, or was made anew and is not compared yet, is served
//! to nobody. A file that is damaged while memory is right keeps nobody from being served.

use crate::wal::{Disk, FileDisk, write_file};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::watch;

/// The file that keeps a member in quarantine over a start, in its data folder.
const MARKER: &str = "quarantine";

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The data file is damaged; what is in memory is right.
    Damaged(String),
    /// The state was made anew, and its root was not found equal to the majority's yet.
    Unconfirmed,
    /// The state differs from the majority's, at this index if not before.
    Diverged(u64),
}

impl Trouble {
    /// Whether the state may be served all the same.
    pub fn serves(&self) -> bool {
        matches!(self, Trouble::Damaged(_))
    }

    /// Whether the data file has to be replaced.
    pub fn wants_file(&self) -> bool {
        !matches!(self, Trouble::Unconfirmed)
    }

    /// Which of two is worse.
    fn weight(&self) -> u8 {
        match self {
            Trouble::Damaged(_) => 0,
            Trouble::Unconfirmed => 1,
            Trouble::Diverged(_) => 2,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Damaged(reason) => write!(f, "its data file is damaged: {reason}"),
            Trouble::Unconfirmed => {
                f.write_str("its state was made anew and is not compared with the others' yet")
            }
            Trouble::Diverged(index) => write!(
                f,
                "its state differs from that of the majority since log index {index} or earlier"
            ),
        }
    }
}

/// See the module's text.
pub struct Quarantine {
    trouble: watch::Sender<Option<Trouble>>,
    /// The same as `trouble` says, for those who ask often.
    refuses: AtomicBool,
    /// The index at which the state was last replaced: older findings tell nothing.
    replaced_at: AtomicU64,
    /// Whether there are others to be repaired from.
    has_others: AtomicBool,
    marker: PathBuf,
    disk: Arc<dyn Disk>,
}

impl Quarantine {
    /// As the data folder has it: a member that was found to differ stays so over a start.
    pub fn of(data_dir: &Path) -> Self {
        Quarantine::on(Arc::new(FileDisk), data_dir)
    }

    /// The same, of a folder that is written to through `disk`.
    pub fn on(disk: Arc<dyn Disk>, data_dir: &Path) -> Self {
        let marker = data_dir.join(MARKER);
        let marked = std::fs::read_to_string(&marker).ok();
        let found = marked.map(|text| Trouble::Diverged(text.trim().parse().unwrap_or(1)));
        Quarantine {
            refuses: found.is_some().into(),
            trouble: watch::channel(found).0,
            replaced_at: 0.into(),
            has_others: false.into(),
            marker,
            disk,
        }
    }

    /// Tells that there are other members to be repaired from.
    pub fn has_others(&self) {
        self.has_others.store(true, Ordering::Release);
    }

    /// What is wrong now.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.borrow().clone()
    }

    /// What is wrong, as it changes.
    pub fn watch(&self) -> watch::Receiver<Option<Trouble>> {
        self.trouble.subscribe()
    }

    /// Why this member serves nothing, if that is so.
    pub fn refusal(&self) -> Option<String> {
        if !self.refuses.load(Ordering::Acquire) {
            return None;
        }
        self.trouble().filter(|trouble| !trouble.serves()).map(|trouble| {
            format!("this member is in quarantine until it has repaired itself: {trouble}")
        })
    }

    /// The index at which the state was found to differ, unless it was replaced since.
    pub fn diverged_at(&self) -> Option<u64> {
        match *self.trouble.borrow() {
            Some(Trouble::Diverged(index)) => Some(index),
            _ => None,
        }
    }

    /// Takes note of a finding; `true` when it is news.
    pub fn found(&self, trouble: Trouble) -> bool {
        if let Trouble::Diverged(index) = trouble
            && index <= self.replaced_at.load(Ordering::Acquire)
        {
            return false;
        }
        self.trouble.send_if_modified(|now| {
            let news = now.as_ref().is_none_or(|now| now.weight() < trouble.weight());
            if news {
                self.set(now, Some(trouble));
            }
            news
        })
    }

    /// Takes note of damage to the file that shows while it is used; `false` when there is nobody
    /// to be repaired from.
    pub fn found_damage(&self, reason: &str) -> bool {
        let others = self.has_others.load(Ordering::Acquire);
        if others && self.found(Trouble::Damaged(reason.to_owned())) {
            tracing::error!(reason, "the data file is damaged; it is replaced from another member");
        }
        others
    }

    /// The state in memory and the file were replaced at `index`; they are to be compared.
    pub fn replaced(&self, index: u64) {
        self.replaced_at.store(index, Ordering::Release);
        self.trouble.send_modify(|now| self.set(now, Some(Trouble::Unconfirmed)));
    }

    /// The state that was put in place differs, too.
    pub fn refuted(&self, index: u64) {
        self.replaced_at.store(0, Ordering::Release);
        self.found(Trouble::Diverged(index.max(1)));
    }

    /// Nothing is wrong any more.
    pub fn over(&self) {
        self.trouble.send_modify(|now| self.set(now, None));
    }

    fn set(&self, now: &mut Option<Trouble>, next: Option<Trouble>) {
        let refuses = next.as_ref().is_some_and(|trouble| !trouble.serves());
        self.refuses.store(refuses, Ordering::Release);
        // What fails here costs a start the knowledge, which the first comparison brings back.
        let _ = match (&*now, &next) {
            (_, Some(Trouble::Diverged(index))) => {
                let text = index.to_string();
                write_file(self.disk.as_ref(), &self.marker, text.as_bytes()).map(drop)
            }
            (Some(Trouble::Diverged(_) | Trouble::Unconfirmed), _) if next.is_none() => {
                self.disk.remove(&self.marker)
            }
            _ => Ok(()),
        };
        *now = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_stays_until_it_is_repaired() {
        let folder = tempfile::tempdir().expect("tempdir");
        let quarantine = Quarantine::of(folder.path());
        assert_eq!(quarantine.refusal(), None);
        assert!(!quarantine.found_damage("a row"), "there is nobody to be repaired from");
        quarantine.has_others();
        assert!(quarantine.found_damage("a row"));
        assert_eq!(quarantine.refusal(), None, "memory is right");
        assert!(quarantine.found(Trouble::Diverged(7)));
        assert!(!quarantine.found(Trouble::Diverged(9)), "that is known");
        quarantine.found_damage("another row");
        assert_eq!(quarantine.diverged_at(), Some(7));
        assert!(quarantine.refusal().is_some_and(|text| text.contains("index 7")));
        quarantine.replaced(20);
        assert_eq!(quarantine.trouble(), Some(Trouble::Unconfirmed));
        assert!(quarantine.refusal().is_some());
        assert!(!quarantine.found(Trouble::Diverged(20)), "that was the old state");
        quarantine.refuted(20);
        assert_eq!(quarantine.diverged_at(), Some(20), "so was what it was replaced with");
        quarantine.replaced(20);
        quarantine.over();
        assert_eq!((quarantine.trouble(), quarantine.refusal()), (None, None));
        assert!(quarantine.found(Trouble::Diverged(21)));
    }

    #[test]
    fn a_start_does_not_end_it() {
        let folder = tempfile::tempdir().expect("tempdir");
        Quarantine::of(folder.path()).found(Trouble::Diverged(12));
        let quarantine = Quarantine::of(folder.path());
        assert_eq!(quarantine.diverged_at(), Some(12));
        quarantine.replaced(30);
        assert_eq!(Quarantine::of(folder.path()).diverged_at(), Some(12), "not compared yet");
        quarantine.over();
        assert_eq!(Quarantine::of(folder.path()).trouble(), None);
    }
}
