//! When a certificate is renewed, and which one may take its place. No clock, no files.

use crate::pki::{Leaf, MEMBERS_GROUP, Validity};
use jiff::{SignedDuration, Timestamp};

/// With less left, the log warns.
const LITTLE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Why a certificate may not take the place of another one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// It is somebody else's.
    #[error("it is the certificate of {found:?}, not of {wanted:?}")]
    Name {
        /// Whose it is.
        found: String,
        /// Whose the present one is.
        wanted: String,
    },
    /// It does not make its holder a member, as the present one does.
    #[error("it has not the organization {MEMBERS_GROUP}")]
    Group,
    /// Its time has not come, or is over.
    #[error("it is good from {} until {}", .0.from, .0.until)]
    Time(Validity),
}

/// When a certificate is due: two thirds of its time are over then, and a third is left for whatever
/// stands in the way.
pub fn renewal_at(validity: Validity) -> Timestamp {
    let length = validity.until.duration_since(validity.from);
    validity.from + length * 2 / 3
}

/// Whether a certificate is due: its time is mostly over, or has not come. The latter was made while
/// this clock was ahead, and nobody else accepts it.
pub fn is_due(validity: Validity, now: Timestamp) -> bool {
    now >= renewal_at(validity) || now < validity.from
}

/// How loudly it is said that a certificate has not been renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// All is well.
    Nothing,
    /// The last attempt failed, and there is time.
    Notice,
    /// There is little time left, whatever the reason.
    Warning,
}

/// What is said of a certificate that is good for so long.
pub fn telling(left: SignedDuration, failed: bool) -> Telling {
    match (left < LITTLE, failed) {
        (true, _) => Telling::Warning,
        (false, true) => Telling::Notice,
        (false, false) => Telling::Nothing,
    }
}

/// Whether a certificate may take the place of `present`. That it fits its key, and that peers accept it,
/// is looked at elsewhere.
///
/// # Errors
/// Why it may not.
pub fn acceptable(present: &Leaf, next: &Leaf, now: Timestamp) -> Result<(), Unacceptable> {
    if next.name != present.name {
        let (found, wanted) = (next.name.clone(), present.name.clone());
        return Err(Unacceptable::Name { found, wanted });
    }
    if present.is_of(MEMBERS_GROUP) && !next.is_of(MEMBERS_GROUP) {
        return Err(Unacceptable::Group);
    }
    match next.validity.contains(now) {
        true => Ok(()),
        false => Err(Unacceptable::Time(next.validity)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn leaf(name: &str, group: &str, from: &str, until: &str) -> Leaf {
        Leaf {
            name: name.into(),
            groups: vec![group.into()],
            hosts: Vec::new(),
            validity: Validity { from: time(from), until: time(until) },
            serial: String::new(),
            fingerprint: String::new(),
        }
    }

    #[test]
    fn a_certificate_is_due_when_two_thirds_of_its_time_are_over() {
        for (from, until, due) in [
            ("2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z", "2026-01-03T00:00:00Z"),
            ("2026-01-01T00:00:00Z", "2026-01-01T00:01:30Z", "2026-01-01T00:01:00Z"),
            ("2026-01-01T00:00:00Z", "2026-12-27T00:00:00Z", "2026-08-29T00:00:00Z"),
        ] {
            let validity = Validity { from: time(from), until: time(until) };
            assert_eq!(renewal_at(validity), time(due), "{from} {until}");
            let second = SignedDuration::from_secs(1);
            let at = [validity.from - second, validity.from, time(due) - second, time(due)];
            assert_eq!(at.map(|now| is_due(validity, now)), [true, false, false, true]);
        }
    }

    #[test]
    fn a_week_before_the_end_it_is_said_loudly() {
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        assert_eq!(telling(days(100), false), Telling::Nothing);
        assert_eq!(telling(days(100), true), Telling::Notice);
        for (left, failed) in [(days(6), true), (days(6), false), (days(-1), true)] {
            assert_eq!(telling(left, failed), Telling::Warning);
        }
    }

    #[test]
    fn only_the_same_member_takes_its_place() {
        let (from, until) = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
        let present = leaf("node-1", MEMBERS_GROUP, "2025-01-01T00:00:00Z", from);
        let now = time("2026-01-15T00:00:00Z");
        let judge = |next: Leaf| acceptable(&present, &next, now);
        assert_eq!(judge(leaf("node-1", MEMBERS_GROUP, from, until)), Ok(()));
        let (found, wanted) = ("node-2".to_owned(), "node-1".to_owned());
        let other = judge(leaf("node-2", MEMBERS_GROUP, from, until));
        assert_eq!(other, Err(Unacceptable::Name { found, wanted }));
        let client = judge(leaf("node-1", "system:masters", from, until));
        assert_eq!(client, Err(Unacceptable::Group));
        for (from, until) in [
            ("2026-01-16T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("2025-01-01T00:00:00Z", "2026-01-14T00:00:00Z"),
        ] {
            let wrong = judge(leaf("node-1", MEMBERS_GROUP, from, until));
            assert!(matches!(wrong, Err(Unacceptable::Time(_))), "{wrong:?}");
        }
        // A group of one may have certificates without the organization.
        let alone = leaf("node-1", "shop", from, until);
        assert_eq!(acceptable(&alone, &alone, now), Ok(()));
    }
}
