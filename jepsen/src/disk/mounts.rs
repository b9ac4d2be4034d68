//! What is mounted, and the removal of what an earlier run left mounted.

use super::error::DiskError;
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};
use std::path::{Path, PathBuf};

const TABLE: &str = "/proc/self/mounts";

/// A line of the table of mounts.
#[derive(Debug, PartialEq, Eq)]
pub struct Mounted {
    /// What is mounted.
    pub source: String,
    /// Where.
    pub at: PathBuf,
}

/// All that is mounted.
///
/// # Errors
/// The table cannot be read.
pub fn all() -> Result<Vec<Mounted>, DiskError> {
    let table = std::fs::read_to_string(TABLE).map_err(DiskError::io("read", TABLE))?;
    Ok(table.lines().filter_map(parse).collect())
}

/// Detaches FUSE file systems whose process is gone.
///
/// # Errors
/// The system refused.
pub fn clear_dead(source: &str) -> Result<(), DiskError> {
    // Attributes may still be in the kernel's cache, so they tell nothing.
    let dead = |mounted: &Mounted| {
        rustix::fs::statvfs(&mounted.at).is_err_and(|error| error == Errno::NOTCONN)
    };
    for mounted in all()?.into_iter().filter(|mounted| mounted.source == source) {
        if dead(&mounted) {
            detach(&mounted.at)?;
        }
    }
    Ok(())
}

/// Detaches what an earlier run left mounted at `at`, which its source tells; another file system
/// there is not touched.
///
/// # Errors
/// The system refused.
pub fn clear(at: &Path, is_ours: impl Fn(&str) -> bool) -> Result<(), DiskError> {
    // A mount whose process is gone has no attributes, so that `canonicalize` would fail there.
    let at = absolute(at)?;
    for _ in all()?.into_iter().filter(|m| m.at == at && is_ours(&m.source)) {
        detach(&at)?;
    }
    Ok(())
}

/// Takes a mount out of the tree; it ends when nobody uses it any more.
///
/// # Errors
/// The system refused.
pub fn detach(at: &Path) -> Result<(), DiskError> {
    match unmount(at, UnmountFlags::DETACH) {
        // Another process that cleans up was faster.
        Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(()),
        Err(error) => Err(DiskError::io("unmount", at)(error.into())),
    }
}

fn absolute(at: &Path) -> Result<PathBuf, DiskError> {
    let (Some(parent), Some(name)) = (at.parent(), at.file_name()) else {
        return Ok(at.to_owned());
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    match parent.canonicalize() {
        Ok(parent) => Ok(parent.join(name)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(at.to_owned()),
        Err(error) => Err(DiskError::io("find", parent)(error)),
    }
}

fn parse(line: &str) -> Option<Mounted> {
    let mut fields = line.split(' ');
    let source = unescape(fields.next()?);
    Some(Mounted { source, at: unescape(fields.next()?).into() })
}

/// Undoes the table's `\040` for a space and the like.
fn unescape(field: &str) -> String {
    let mut parts = field.split('\\');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|code| u8::from_str_radix(code, 8).ok());
        match code {
            Some(code) => {
                out.push(char::from(code));
                out.push_str(&part[3..]);
            }
            None => out.extend(["\\", part]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_table_of_mounts() {
        let mounted = parse("jepsen-disk /tmp/a\\040b fuse rw 0 0").expect("a line");
        assert_eq!(mounted, Mounted { source: "jepsen-disk".into(), at: "/tmp/a b".into() });
        assert_eq!(parse(""), None);
    }
}
