//! How a moment of the past is named in a path.

use crate::http::duration;
use http::Uri;
use http::uri::PathAndQuery;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use reddwarf_core::CommitRef;
use std::time::Duration;

const SECONDS_A_DAY: u64 = 86_400;

/// A moment of the cluster's past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// After a commit: a revision, an id or the first digits of one.
    Commit(CommitRef),
    /// After the last commit up to a time, in milliseconds since the Unix epoch: RFC 3339.
    Time(u64),
    /// So long ago: `-10m`, `-1d12h`.
    Ago(Duration),
}

/// Takes `/at/<moment>` off a path; gives the moment's text and what is left.
///
/// `None` for a path that does not begin so.
pub fn split(uri: &Uri) -> Option<(String, Uri)> {
    let below = uri.path().strip_prefix("/at/")?;
    let (moment, rest) = below.find('/').map_or((below, "/"), |at| below.split_at(at));
    let moment = percent_decode_str(moment).decode_utf8_lossy().into_owned();
    let rest = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{rest}?{query}")),
        None => PathAndQuery::try_from(rest),
    };
    Some((moment, Uri::from(rest.ok()?)))
}

impl Moment {
    /// Reads a moment.
    ///
    /// # Errors
    /// What is wrong with the text, for people.
    pub fn parse(text: &str) -> Result<Moment, String> {
        if let Some(ago) = text.strip_prefix('-') {
            return parse_ago(ago).map(Moment::Ago);
        }
        if let Ok(commit) = text.parse() {
            return Ok(Moment::Commit(commit));
        }
        let time = text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond);
        time.and_then(|time| u64::try_from(time).ok()).map(Moment::Time).ok_or_else(|| {
            format!(
                "{text:?} names no moment: a revision (1234), a commit (at least 4 hexadecimal \
                 digits), a time (2006-01-02T15:04:05Z) or how long ago (-10m)"
            )
        })
    }
}

/// A duration of Go, before which days may stand.
fn parse_ago(text: &str) -> Result<Duration, String> {
    let days = text.split_once('d').and_then(|(days, rest)| Some((days.parse().ok()?, rest)));
    let (days, rest): (u64, &str) = days.unwrap_or((0, text));
    let rest = match rest {
        "" if text.ends_with('d') => Duration::ZERO,
        rest if rest.starts_with(['-', '+']) => {
            return Err(format!("time: invalid duration {text:?}"));
        }
        rest => duration::parse(rest)?,
    };
    let days = days.checked_mul(SECONDS_A_DAY).map(Duration::from_secs);
    days.and_then(|days| days.checked_add(rest)).ok_or_else(|| format!("-{text} is too long ago"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        let minutes = |n: u64| Moment::Ago(Duration::from_secs(60 * n));
        for (text, moment) in [
            ("1970-01-01T00:00:01.5Z", Moment::Time(1_500)),
            ("1970-01-01T02:00:00+02:00", Moment::Time(0)),
            ("-10m", minutes(10)),
            ("-1h30m", minutes(90)),
            ("-2d", minutes(2 * 24 * 60)),
            ("-1d12h", minutes(36 * 60)),
        ] {
            assert_eq!(Moment::parse(text), Ok(moment), "{text}");
        }
        for text in ["0", "1234", "12ab", "DEADBEEF"] {
            let commit = text.parse().expect("a commit");
            assert_eq!(Moment::parse(text), Ok(Moment::Commit(commit)), "{text}");
        }
    }

    #[test]
    fn what_names_no_moment() {
        for text in ["", "abc", "yesterday", "-", "-5", "-d", "--5m", "-1d-5m"] {
            assert!(Moment::parse(text).is_err(), "{text}");
        }
        assert!(Moment::parse("1969-12-31T23:59:59Z").is_err());
    }

    #[test]
    fn the_moment_is_taken_off_the_path() {
        let taken = |uri: &str| {
            let (moment, rest) = split(&uri.parse().expect("a URI"))?;
            Some((moment, rest.to_string()))
        };
        let some = |moment: &str, rest: &str| Some((moment.to_owned(), rest.to_owned()));
        assert_eq!(taken("/at/12/api/v1/pods?limit=5"), some("12", "/api/v1/pods?limit=5"));
        assert_eq!(taken("/at/12"), some("12", "/"));
        assert_eq!(taken("/at/-10m/"), some("-10m", "/"));
        assert_eq!(
            taken("/at/2026-01-01T00%3A00%3A00Z/apis"),
            some("2026-01-01T00:00:00Z", "/apis")
        );
        assert_eq!(taken("/api/v1/at/5"), None);
        assert_eq!(taken("/at"), None);
    }
}
