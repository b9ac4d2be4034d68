//! The order of versions: `v2`, `v1`, `v2beta1`, `v1alpha1`, then other names.

use std::cmp::Ordering;

/// Compares two versions; the greater one is preferred.
pub fn compare(a: &str, b: &str) -> Ordering {
    match (Rank::of(a), Rank::of(b)) {
        (Some(x), Some(y)) => x.cmp(&y),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        // Other names come in their alphabetical order.
        (None, None) => b.cmp(a),
    }
}

/// `v{major}`, `v{major}beta{minor}` or `v{major}alpha{minor}`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    stability: u8,
    major: u64,
    minor: u64,
}

impl Rank {
    fn of(version: &str) -> Option<Rank> {
        let rest = version.strip_prefix('v')?;
        for (word, stability) in [("beta", 1), ("alpha", 0)] {
            if let Some((major, minor)) = rest.split_once(word) {
                return Some(Rank { stability, major: number(major)?, minor: number(minor)? });
            }
        }
        Some(Rank { stability: 2, major: number(rest)?, minor: 0 })
    }
}

fn number(text: &str) -> Option<u64> {
    let plain = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upstream_s_example() {
        let mut versions =
            ["foo10", "v1", "v12alpha1", "v10", "foo1", "v3beta1", "v2", "v11beta2", "v11alpha2"];
        versions.sort_by(|a, b| compare(b, a));
        assert_eq!(
            versions,
            ["v10", "v2", "v1", "v11beta2", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]
        );
    }
}
