//! A certificate and its key that take the place of others.
//!
//! Two files cannot be replaced at once. Both new ones are written beside the old ones (`.next`), then
//! the key takes its place, then the certificate. A process that ends in between leaves the new key
//! beside the old certificate, with the new certificate next to it, which [`settle`] puts in place.

use super::{Credentials, PkiError};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

impl Credentials {
    /// Puts the certificate and the key (mode 0600) in the place of others. A process that ends
    /// meanwhile leaves what [`settle`] makes good.
    ///
    /// # Errors
    /// [`PkiError::File`]
    pub fn replace(&self, certificate: &Path, key: &Path) -> Result<(), PkiError> {
        self.write(&next(certificate), &next(key))?;
        for path in [key, certificate] {
            move_in(path).map_err(|source| failed(path, source))?;
        }
        Ok(())
    }
}

/// Ends a replacement that was begun; true when there was one to be ended.
///
/// # Errors
/// [`PkiError::File`]
pub fn settle(certificate: &Path, key: &Path) -> Result<bool, PkiError> {
    let waiting = next(certificate);
    if !waiting.exists() || are_pair(certificate, key) || !are_pair(&waiting, key) {
        return Ok(false);
    }
    move_in(certificate).map_err(|source| failed(certificate, source))?;
    Ok(true)
}

fn next(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".next");
    name.into()
}

fn move_in(path: &Path) -> io::Result<()> {
    fs::rename(next(path), path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => fs::File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

fn failed(path: &Path, source: io::Error) -> PkiError {
    PkiError::File { doing: "replace", path: path.into(), source }
}

fn are_pair(certificate: &Path, key: &Path) -> bool {
    let (Ok(certificate), Ok(key)) =
        (CertificateDer::from_pem_file(certificate), PrivateKeyDer::from_pem_file(key))
    else {
        return false;
    };
    CertifiedKey::from_der(vec![certificate], key, &default_provider()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{Authority, member};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn whatever_a_crash_leaves_is_a_pair_again() {
        let (authority, _) = Authority::create().expect("made");
        let issue = || authority.issue(&member("node-1", &[])).expect("issued");
        let (old, new) = (issue(), issue());
        let folder = tempfile::tempdir().expect("temporary folder");
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let read = |path: &Path| fs::read_to_string(path).expect("there");
        // How far the replacement came: nothing moved, the key, both.
        for moved in 0..3 {
            old.write(&certificate, &key).expect("written");
            new.write(&next(&certificate), &next(&key)).expect("written");
            for path in [&key, &certificate].into_iter().take(moved) {
                move_in(path).expect("moved");
            }
            assert_eq!(settle(&certificate, &key).expect("settled"), moved == 1);
            let expected = if moved == 0 { &old } else { &new };
            assert_eq!(read(&certificate), expected.certificate, "{moved}");
            assert_eq!(read(&key), expected.key, "{moved}");
        }
        old.replace(&certificate, &key).expect("replaced");
        assert_eq!((read(&certificate), read(&key)), (old.certificate, old.key));
        let mode = fs::metadata(&key).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!next(&certificate).exists() && !next(&key).exists());
    }
}
