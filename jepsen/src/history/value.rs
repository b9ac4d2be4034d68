//! How EDN values are made and taken apart.

use super::Edn;
use std::collections::BTreeMap;

/// A keyword.
pub fn keyword(name: &str) -> Edn {
    Edn::key(name.to_owned())
}

/// A string.
pub fn text(content: impl Into<String>) -> Edn {
    Edn::string(content.into())
}

/// A whole number; one beyond EDN's stops at its end.
pub fn number(number: u64) -> Edn {
    Edn::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A map with keyword keys.
pub fn map<const N: usize>(entries: [(&str, Edn); N]) -> Edn {
    Edn::Map(entries.into_iter().map(|(name, value)| (keyword(name), value)).collect())
}

/// A map whose keys are known only now.
pub fn map_of(entries: BTreeMap<String, Edn>) -> Edn {
    Edn::Map(entries.into_iter().map(|(name, value)| (keyword(&name), value)).collect())
}

/// A vector of strings.
pub fn texts<I: IntoIterator<Item = S>, S: Into<String>>(items: I) -> Edn {
    Edn::Vector(items.into_iter().map(text).collect())
}

/// What a map has under a keyword.
pub fn field<'a>(map: &'a Edn, name: &str) -> Option<&'a Edn> {
    let Edn::Map(map) = map else { return None };
    map.get(&keyword(name))
}
