//! From when until when a certificate is good.

use jiff::{SignedDuration, Timestamp};
use rcgen::CertificateParams;
use std::time::Duration;

/// A certificate is good from a little before it is made, so that a clock slightly behind accepts it.
const BEFORE: SignedDuration = SignedDuration::from_hours(1);

/// The time for which a certificate is good, `[from, until]` in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub from: Timestamp,
    /// The last one.
    pub until: Timestamp,
}

impl Validity {
    /// Of a certificate that is made `now` for so many days.
    pub fn beginning(now: Timestamp, days: u32) -> Self {
        let length = SignedDuration::from_hours(24 * i64::from(days));
        Validity { from: now - BEFORE, until: now + length }
    }

    /// Whether it is good at a time.
    pub fn contains(&self, at: Timestamp) -> bool {
        (self.from..=self.until).contains(&at)
    }

    /// Makes it a certificate's.
    pub(super) fn apply(self, params: &mut CertificateParams) {
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let at = |time: Timestamp| epoch + Duration::from_secs(time.as_second().max(0) as u64);
        params.not_before = at(self.from);
        params.not_after = at(self.until);
    }
}
