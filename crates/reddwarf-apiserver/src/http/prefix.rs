//! What may stand in front of a path of the API: which state of the cluster is meant.

use http::Uri;
use http::uri::PathAndQuery;
use percent_encoding::percent_decode_str;

/// Another state than the live one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// `/at/<moment>`: the state as it was.
    Past(String),
    /// `/branches/<name>`: the state of a branch.
    Branch(String),
}

impl Prefix {
    /// As it stands in a path.
    pub fn path(&self) -> String {
        match self {
            Prefix::Past(moment) => format!("/at/{moment}"),
            Prefix::Branch(name) => format!("/branches/{name}"),
        }
    }
}

/// Takes `/branches/<name>` and then `/at/<moment>` off a path, as far as they stand there; `None`
/// when neither does.
pub fn split(uri: &Uri) -> Option<(Vec<Prefix>, Uri)> {
    let mut path = uri.path();
    let mut prefixes = Vec::new();
    if let Some((name, rest)) = first(path, "/branches/") {
        prefixes.push(Prefix::Branch(name));
        path = rest;
    }
    if let Some((moment, rest)) = first(path, "/at/") {
        prefixes.push(Prefix::Past(moment));
        path = rest;
    }
    if prefixes.is_empty() {
        return None;
    }
    let rest = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    Some((prefixes, Uri::from(rest.ok()?)))
}

/// The first part of a path below `root`, and what follows it.
fn first<'p>(path: &'p str, root: &str) -> Option<(String, &'p str)> {
    let below = path.strip_prefix(root)?;
    let (part, rest) = below.find('/').map_or((below, "/"), |at| below.split_at(at));
    Some((percent_decode_str(part).decode_utf8_lossy().into_owned(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_taken_off_the_path() {
        let taken = |uri: &str| {
            let (prefixes, rest) = split(&uri.parse().expect("a URI"))?;
            let shown: Vec<String> = prefixes.iter().map(Prefix::path).collect();
            Some((shown.concat(), rest.to_string()))
        };
        let some = |prefix: &str, rest: &str| Some((prefix.to_owned(), rest.to_owned()));
        assert_eq!(taken("/at/12/api/v1/pods?limit=5"), some("/at/12", "/api/v1/pods?limit=5"));
        assert_eq!(taken("/at/12"), some("/at/12", "/"));
        assert_eq!(taken("/at/-10m/"), some("/at/-10m", "/"));
        assert_eq!(
            taken("/at/2026-01-01T00%3A00%3A00Z/apis"),
            some("/at/2026-01-01T00:00:00Z", "/apis")
        );
        assert_eq!(taken("/branches/canary/api/v1/pods"), some("/branches/canary", "/api/v1/pods"));
        assert_eq!(taken("/branches/a/at/-5m/api"), some("/branches/a/at/-5m", "/api"));
        assert_eq!(taken("/branches/a"), some("/branches/a", "/"));
        assert_eq!(taken("/at/12/branches/a/api"), some("/at/12", "/branches/a/api"));
        assert_eq!(taken("/api/v1/at/5"), None);
        assert_eq!(taken("/at"), None);
    }
}
