//! Putting what was prepared in the place of what is there.

use super::{RecoverError, failed};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Where the new parts are made, in the data folder.
const FOLDER: &str = "recovering";
/// Stands there once all of them are whole; without it nothing has been moved yet.
const WHOLE: &str = "whole";
/// The parts in the order in which they change places: a folder without an identity is nobody's.
const PARTS: [&str; 3] = ["wal", "state.redb", "identity"];
/// What says something of the old state only.
const OF_THE_OLD: &str = "quarantine";

/// Whether a recovery of this data folder was begun and not finished.
pub fn is_unfinished(data_dir: &Path) -> bool {
    data_dir.join(FOLDER).join(WHOLE).exists()
}

/// An empty folder for the new parts.
pub fn begin(data_dir: &Path) -> Result<PathBuf, RecoverError> {
    let folder = data_dir.join(FOLDER);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &folder)(error));
        }
        _ => {}
    }
    fs::create_dir_all(&folder).map_err(failed("create", &folder))?;
    Ok(folder)
}

/// Puts the parts in place, the first time or after a crash; answers where the old ones are, if there
/// were any.
pub fn finish(data_dir: &Path) -> Result<Option<PathBuf>, RecoverError> {
    let folder = data_dir.join(FOLDER);
    let whole = folder.join(WHOLE);
    let aside = match fs::read_to_string(&whole) {
        Ok(name) => data_dir.join(name.trim()),
        Err(_) => {
            let aside = free_name(data_dir);
            let name = aside.file_name().unwrap_or_default().to_string_lossy().into_owned();
            sync(&folder)?;
            fs::write(&whole, name).map_err(failed("write", &whole))?;
            File::open(&whole).and_then(|file| file.sync_all()).map_err(failed("sync", &whole))?;
            sync(&folder)?;
            aside
        }
    };
    for part in PARTS {
        let (new, place) = (folder.join(part), data_dir.join(part));
        // What is not there any more has changed places already.
        if !new.exists() {
            continue;
        }
        put_aside(&place, &aside)?;
        fs::rename(&new, &place).map_err(failed("put in place", &place))?;
        sync(data_dir)?;
    }
    put_aside(&data_dir.join(OF_THE_OLD), &aside)?;
    fs::remove_dir_all(&folder).map_err(failed("remove", &folder))?;
    sync(data_dir)?;
    Ok(aside.exists().then_some(aside))
}

fn put_aside(place: &Path, aside: &Path) -> Result<(), RecoverError> {
    let Some(name) = place.file_name().filter(|_| place.exists()) else { return Ok(()) };
    fs::create_dir_all(aside).map_err(failed("create", aside))?;
    fs::rename(place, aside.join(name)).map_err(failed("keep", place))?;
    sync(aside)
}

/// A folder for the old parts that is not there yet.
fn free_name(data_dir: &Path) -> PathBuf {
    let names = (1..).map(|n| data_dir.join(format!("before-recovery-{n}")));
    let mut free = names.filter(|path| !path.exists());
    free.next().expect("invariant: some number is free")
}

fn sync(folder: &Path) -> Result<(), RecoverError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(failed("sync", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, texts: &[(&str, &str)]) {
        for (name, text) in texts {
            fs::create_dir_all(folder).expect("a folder");
            fs::write(folder.join(name), text).expect("written");
        }
    }

    fn read(folder: &Path, names: &[&str]) -> Vec<String> {
        let read = |name: &&str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        names.iter().map(read).collect()
    }

    #[test]
    fn the_old_parts_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path();
        write(data, &[("wal", "old"), ("state.redb", "old"), ("identity", "old")]);
        write(data, &[("quarantine", "7")]);
        let new = begin(data).expect("begins");
        write(&new, &[("wal", "new"), ("state.redb", "new"), ("identity", "new")]);
        assert!(!is_unfinished(data));
        let aside = finish(data).expect("finishes").expect("there was something");
        assert_eq!(read(data, &PARTS), ["new"; 3]);
        assert_eq!(read(&aside, &PARTS), ["old"; 3]);
        assert_eq!(read(&aside, &[OF_THE_OLD]), ["7"]);
        assert!(!data.join(FOLDER).exists() && !data.join(OF_THE_OLD).exists());
    }

    #[test]
    fn a_crash_meanwhile_is_gone_on_from() {
        for moved in 0..=PARTS.len() {
            let folder = tempfile::tempdir().expect("a folder");
            let data = folder.path();
            write(data, &[("wal", "old"), ("state.redb", "old"), ("identity", "old")]);
            let new = begin(data).expect("begins");
            write(&new, &[("wal", "new"), ("state.redb", "new"), ("identity", "new")]);
            write(&new, &[(WHOLE, "before-recovery-1")]);
            let aside = data.join("before-recovery-1");
            for part in &PARTS[..moved] {
                put_aside(&data.join(part), &aside).expect("kept");
                fs::rename(new.join(part), data.join(part)).expect("moved");
            }
            // Or just between the two steps of one part.
            if let Some(part) = PARTS.get(moved) {
                put_aside(&data.join(part), &aside).expect("kept");
            }
            assert!(is_unfinished(data));
            finish(data).expect("finishes");
            assert_eq!(read(data, &PARTS), ["new"; 3], "after {moved} parts");
            assert_eq!(read(&aside, &PARTS), ["old"; 3], "after {moved} parts");
        }
    }

    #[test]
    fn an_empty_folder_keeps_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let new = begin(folder.path()).expect("begins");
        write(&new, &[("wal", "new"), ("state.redb", "new"), ("identity", "new")]);
        assert_eq!(finish(folder.path()).expect("finishes"), None);
    }
}
