//! Bits flip in the files of a minority that is down, or a log is cut short.
//!
//! A member whose log is damaged must not serve; one whose state is damaged may make it anew from
//! its log, as far as that reaches back. Since a damaged member cannot rejoin yet, one that refused
//! to start gets its file back, as it was when it was killed, before it is started again. That is
//! legal only because it did not run in between.

use super::kill::start_again;
use super::victims::{Who, names};
use super::{Fault, Nemesis, NemesisError, Rng};
use crate::disk::{Damage, DiskError};
use crate::history::{Edn, value};
use crate::host::{Group, Member};
use async_trait::async_trait;
use rand::Rng as _;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

const HOLD_MS: Range<u64> = 500..4_000;
/// How long a member may take to notice, or to serve.
const VERDICT_TIMEOUT: Duration = Duration::from_secs(30);

/// Which file is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum File {
    Log,
    LogEnd,
    State,
}

/// Damages files, and puts them back.
#[derive(Debug)]
pub struct DamagedFile {
    file: File,
    down: Vec<String>,
    damaged: Vec<(String, Damage)>,
}

impl DamagedFile {
    /// One bit flips of what the log is known to have on disk.
    pub fn in_log() -> DamagedFile {
        DamagedFile { file: File::Log, down: vec![], damaged: vec![] }
    }

    /// The newest part of that is cut off.
    pub fn cut_log() -> DamagedFile {
        DamagedFile { file: File::LogEnd, down: vec![], damaged: vec![] }
    }

    /// One bit flips in each block of the state.
    pub fn in_state() -> DamagedFile {
        DamagedFile { file: File::State, down: vec![], damaged: vec![] }
    }

    fn damage(&self, data: &Path, rng: &mut Rng) -> Result<Damage, DiskError> {
        match self.file {
            File::Log => Damage::of_log(data, rng),
            File::LogEnd => Damage::cut_log(data, rng),
            File::State => Damage::of_state(data, rng),
        }
    }

    async fn try_damaged(&self, group: &Group, member: &Member) -> Result<bool, NemesisError> {
        member.start()?;
        let ready = group.ready(member, VERDICT_TIMEOUT).await;
        let refused = match (ready.is_ok(), self.file, member.pid()) {
            (true, File::State, _) => false,
            (true, File::Log | File::LogEnd, _) => {
                let what = format!("{} serves with a damaged log", member.name);
                return Err(NemesisError::NoEvidence(what));
            }
            (false, _, Some(_)) => {
                let what = format!("{} neither serves nor refuses its damage", member.name);
                return Err(NemesisError::NoEvidence(what));
            }
            (false, _, None) => true,
        };
        Ok(refused)
    }
}

#[async_trait]
impl Nemesis for DamagedFile {
    async fn begin(&mut self, group: &Group, rng: &mut Rng) -> Result<Fault, NemesisError> {
        let members = Who::Minority.choose(group, rng).await;
        if members.is_empty() {
            return Err(NemesisError::Lacking("minority"));
        }
        let hold = Duration::from_millis(rng.random_range(HOLD_MS));
        self.down = names(&members);
        for member in &members {
            member.kill().await?;
        }
        let mut evidence = Vec::new();
        for member in &members {
            let damage = self.damage(&member.data, rng);
            let damage = damage.map_err(NemesisError::failed("damage a file"))?;
            let bits = damage.bits as u64;
            let file = damage.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.damaged.push((member.name.clone(), damage));
            let refused = self.try_damaged(group, member).await?;
            if !refused {
                // It runs on files of its own making now.
                self.damaged.pop();
            }
            evidence.push(value::map([
                ("node", value::text(&member.name)),
                ("file", value::text(file)),
                ("bits", value::number(bits)),
                ("refused", Edn::Bool(refused)),
            ]));
        }
        Ok(Fault::new(self.down.clone(), hold, Edn::Vector(evidence)))
    }

    async fn end(&mut self, group: &Group) -> Result<Edn, NemesisError> {
        for (name, damage) in std::mem::take(&mut self.damaged) {
            // Only one that was let down above runs here, on damaged files.
            if let Some(member) = group.member(&name).filter(|member| member.pid().is_some()) {
                member.kill().await?;
            }
            damage.repair().map_err(NemesisError::failed("undo the damage"))?;
        }
        start_again(group, std::mem::take(&mut self.down))
    }
}
