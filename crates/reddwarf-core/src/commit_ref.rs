//! How people and programs name commits.

use crate::{CommitId, Revision};
use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// Fewest hexadecimal digits by which an id is known.
pub const PREFIX_DIGITS_MIN: usize = 4;
/// Digits of a whole id.
pub const ID_DIGITS: usize = 64;

/// Names one commit.
///
/// As text: a decimal number is a revision, 64 hexadecimal digits are an id, and other 4 to 63
/// hexadecimal digits are the beginning of one. An id whose first digits are decimal ones is told
/// by more of them: 21 digits are never a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommitRef {
    /// The commit whose range covers this revision.
    Revision(Revision),
    /// The commit of this id.
    Id(CommitId),
    /// The one commit whose id begins like this.
    Prefix(CommitPrefix),
}

/// The first hexadecimal digits of a commit's id, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitPrefix(Box<str>);

/// A text that names no commit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names no commit: it takes a revision, an id, or the first 4 or more digits of an id"
)]
pub struct NoCommitRef(pub String);

impl CommitPrefix {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `id` begins with it.
    pub fn matches(&self, id: &CommitId) -> bool {
        self.first() <= *id && *id <= self.last()
    }

    /// The smallest id that begins with it.
    pub fn first(&self) -> CommitId {
        self.filled('0')
    }

    /// The greatest id that begins with it.
    pub fn last(&self) -> CommitId {
        self.filled('f')
    }

    fn filled(&self, digit: char) -> CommitId {
        let text = self.0.chars().chain(std::iter::repeat(digit)).take(ID_DIGITS);
        text.collect::<String>().parse().expect("invariant: a prefix has hexadecimal digits only")
    }
}

impl fmt::Display for CommitPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for CommitPrefix {
    type Err = NoCommitRef;

    fn from_str(text: &str) -> Result<Self, NoCommitRef> {
        let shaped = (PREFIX_DIGITS_MIN..ID_DIGITS).contains(&text.len());
        match shaped && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            true => Ok(CommitPrefix(text.to_ascii_lowercase().into())),
            false => Err(NoCommitRef(text.to_owned())),
        }
    }
}

impl FromStr for CommitId {
    type Err = NoCommitRef;

    /// Reads all 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, NoCommitRef> {
        let wrong = || NoCommitRef(text.to_owned());
        if text.len() != ID_DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut id = [0; ID_DIGITS / 2];
        for (at, byte) in id.iter_mut().enumerate() {
            let digits = &text[2 * at..2 * at + 2];
            *byte = u8::from_str_radix(digits, 16).map_err(|_: ParseIntError| wrong())?;
        }
        Ok(CommitId(id))
    }
}

impl FromStr for CommitRef {
    type Err = NoCommitRef;

    fn from_str(text: &str) -> Result<Self, NoCommitRef> {
        let decimal = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            _ if text.len() == ID_DIGITS => text.parse().map(CommitRef::Id),
            Ok(revision) if decimal => Ok(CommitRef::Revision(Revision(revision))),
            _ => text.parse().map(CommitRef::Prefix),
        }
    }
}

impl fmt::Display for CommitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommitRef::Revision(revision) => revision.fmt(f),
            CommitRef::Id(id) => id.fmt(f),
            CommitRef::Prefix(prefix) => prefix.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_name_commits() {
        let id = CommitId([0x5c; 32]);
        let prefix = |text: &str| CommitRef::Prefix(text.parse().expect("a prefix"));
        let digits = "123456789012345678901";
        let cases = [
            ("0", CommitRef::Revision(Revision(0))),
            ("4821", CommitRef::Revision(Revision(4821))),
            (&id.to_string(), CommitRef::Id(id)),
            (&"0".repeat(64), CommitRef::Id(CommitId([0; 32]))),
            ("beef", prefix("beef")),
            ("BEEF01", prefix("beef01")),
            (digits, prefix(digits)),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in ["", "bee", "beeg", "-4", "+4", "Ünïx", &"ab".repeat(33)] {
            assert_eq!(text.parse::<CommitRef>(), Err(NoCommitRef(text.to_owned())));
        }
    }

    #[test]
    fn a_prefix_is_a_range_of_ids() {
        let prefix: CommitPrefix = "abc".repeat(2).parse().expect("a prefix");
        assert!(prefix.matches(&prefix.first()) && prefix.matches(&prefix.last()));
        assert_eq!(&prefix.first().to_string()[..8], "abcabc00");
        assert_eq!(&prefix.last().to_string()[..8], "abcabcff");
        assert!(!prefix.matches(&CommitId([0xab; 32])));
    }
}
