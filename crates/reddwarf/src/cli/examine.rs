//! `reddwarf verify --data`: the same check over the file of a member that does not run.

use miette::{Diagnostic, Result};
use reddwarf_core::{CommitId, CommitRef, FeatureLevels};
use reddwarf_storage::{
    HistoryReader, KvStore, OpenError, RedbStore, Verified, catch_redb_panic, check_pages, load,
    read_checkpoint,
};
use reddwarf_versioning::WindowLimits;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The state's file in a data folder.
const STATE: &str = "state.redb";
/// Memory for the file's pages.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug, thiserror::Error, Diagnostic)]
enum ExamineError {
    #[error("{} is no commit's id", .0)]
    #[diagnostic(code(reddwarf::verify::against), help("give the whole id: 64 hexadecimal digits"))]
    Against(String),
    #[error("there is no {}", path.display())]
    #[diagnostic(
        code(reddwarf::verify::missing),
        help("give a member's data folder, or a copy of its state.redb")
    )]
    Missing { path: PathBuf },
    #[error("{} is in use by a member that runs", path.display())]
    #[diagnostic(
        code(reddwarf::verify::in_use),
        help("ask the member itself: `reddwarf verify` without --data; or stop it first")
    )]
    InUse { path: PathBuf },
    #[error("{} cannot be read: {reason}", path.display())]
    #[diagnostic(code(reddwarf::verify::unreadable))]
    Unreadable { path: PathBuf, reason: String },
    #[error("{} cannot be trusted", path.display())]
    #[diagnostic(
        code(reddwarf::verify::damaged),
        help("the other members hold copies of their own: compare what each of them says")
    )]
    Damaged { path: PathBuf },
}

/// What the file says of itself, and what is wrong with it.
#[derive(Debug, Default)]
struct Examined {
    verified: Verified,
    /// The applied log index and the state root there.
    standing: Option<(u64, String)>,
}

/// Examines a data folder, or a state's file; it is not changed.
pub(super) fn run(data: &Path, against: Option<&str>, levels: FeatureLevels) -> Result<()> {
    let wanted = against.map(commit_id).transpose()?;
    let path = if data.is_dir() { data.join(STATE) } else { data.to_owned() };
    if !path.is_file() {
        return Err(ExamineError::Missing { path }.into());
    }
    let Examined { verified, standing } = examine(&path, wanted, levels)?;
    if !verified.problems.is_empty() {
        println!("{}: {}", path.display(), verified.problems.join("\n  "));
        return Err(ExamineError::Damaged { path }.into());
    }
    println!("{}: {}", path.display(), summary(&verified));
    if let Some((index, root)) = standing {
        println!("at log index {index} the state root is {root}");
    }
    Ok(())
}

fn commit_id(text: &str) -> Result<CommitId, ExamineError> {
    match text.parse() {
        Ok(CommitRef::Id(id)) => Ok(id),
        _ => Err(ExamineError::Against(text.to_owned())),
    }
}

fn summary(verified: &Verified) -> String {
    let Verified { commits, versions, objects, head: (head, revision), .. } = verified;
    format!(
        "{commits} commits, {versions} versions and {objects} current objects are as they were \
         written; the head is {head} at revision {revision}"
    )
}

fn examine(
    path: &Path,
    wanted: Option<CommitId>,
    levels: FeatureLevels,
) -> Result<Examined, ExamineError> {
    let mut examined = Examined::default();
    let store = match RedbStore::open_frozen(path, CACHE_BYTES, levels) {
        Ok(store) => store,
        Err(error) => return told(path, error, examined),
    };
    // redb may panic on pages that something else has written to.
    let read = catch_redb_panic(|| rows(store, wanted));
    match read {
        Ok(Ok(found)) => examined = found,
        Ok(Err(reason)) => examined.verified.problems.push(reason),
        Err(_) => examined.verified.problems.push("its pages make no sense".to_owned()),
    }
    match check_pages(path, CACHE_BYTES) {
        Ok(()) => Ok(examined),
        Err(error) => told(path, error, examined),
    }
}

/// A file that does not open is a finding, unless nothing can be said of it.
fn told(path: &Path, error: OpenError, mut found: Examined) -> Result<Examined, ExamineError> {
    let path = path.to_owned();
    match error {
        OpenError::InUse { .. } => Err(ExamineError::InUse { path }),
        OpenError::Damaged { reason, .. } => {
            found.verified.problems.push(format!("the file is damaged: {reason}"));
            Ok(found)
        }
        OpenError::Io { source, .. } => {
            Err(ExamineError::Unreadable { path, reason: source.to_string() })
        }
        other => Err(ExamineError::Unreadable { path, reason: other.to_string() }),
    }
}

fn rows(store: RedbStore, wanted: Option<CommitId>) -> Result<Examined, String> {
    let store = Arc::new(store);
    let text = |error: &dyn std::error::Error| match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    read_checkpoint(store.as_ref()).map_err(|error| text(&error))?;
    let reader = HistoryReader::new(Arc::clone(&store) as Arc<dyn KvStore>);
    let mut verified = reader.verify(wanted).map_err(|error| text(&error))?;
    // What a start would find: the remembered requests are part of the root, too.
    let standing = match load(store.as_ref(), WindowLimits::default()) {
        Ok(loaded) => Some((loaded.state.applied().index, loaded.state.root().to_string())),
        Err(error) if verified.problems.is_empty() => {
            verified.problems.push(text(&error));
            None
        }
        Err(_) => None,
    };
    Ok(Examined { verified, standing })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reddwarf_storage::StoreOptions;

    const LEVELS: FeatureLevels = FeatureLevels::OF_THIS_BUILD;

    fn empty(folder: &Path) -> PathBuf {
        let path = folder.join(STATE);
        drop(RedbStore::open(&path, StoreOptions::new("test")).expect("a new file"));
        path
    }

    #[test]
    fn a_file_is_left_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = empty(folder.path());
        let before = std::fs::read(&path).expect("reads");
        run(folder.path(), None, LEVELS).expect("as written");
        run(&path, None, LEVELS).expect("as written");
        assert_eq!(std::fs::read(&path).expect("reads"), before);
    }

    #[test]
    fn a_file_in_use_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = empty(folder.path());
        let member = RedbStore::open(&path, StoreOptions::new("test")).expect("opens");
        let said = run(&path, None, LEVELS).expect_err("refused").to_string();
        assert!(said.contains("in use by a member"), "{said}");
        drop(member);
        run(&path, None, LEVELS).expect("as written");
    }

    #[test]
    fn a_damaged_file_and_a_wrong_id_are_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let said = |against| run(folder.path(), against, LEVELS).expect_err("refused").to_string();
        assert!(said(None).contains("there is no"), "{}", said(None));
        let path = empty(folder.path());
        assert!(said(Some("ab")).contains("ab is no commit's id"));
        let absent = "ab".repeat(32);
        assert!(said(Some(&absent)).contains("cannot be trusted"));
        let mut bytes = std::fs::read(&path).expect("reads");
        bytes[..64].fill(0x55);
        std::fs::write(&path, bytes).expect("writes");
        assert!(said(None).contains("cannot be trusted"), "{}", said(None));
    }
}
