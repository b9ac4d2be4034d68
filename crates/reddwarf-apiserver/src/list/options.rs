//! The parameters that say which state a list or watch reads.

use crate::errors::{bad_request, invalid_options, unclassified};
use crate::http::Query;
use crate::validation::{FieldError, FieldPath};
use reddwarf_core::{Revision, Status};

/// `resourceVersionMatch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// That very state.
    Exact,
    /// That state or a newer one.
    NotOlderThan,
}

/// Which state to read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// `resourceVersion`: `None` reads the newest state, zero any state.
    pub revision: Option<Revision>,
    /// `resourceVersionMatch`.
    pub matching: Option<Match>,
    /// `limit`, when positive.
    pub limit: Option<usize>,
    /// `continue`.
    pub token: Option<String>,
    /// `sendInitialEvents`.
    pub initial_events: Option<bool>,
    /// `allowWatchBookmarks`.
    pub bookmarks: bool,
    /// `timeoutSeconds`, when positive.
    pub timeout_seconds: Option<u64>,
}

impl ReadOptions {
    /// Reads and checks the parameters of a list (or, with `watch`, of a watch).
    ///
    /// # Errors
    /// The 400, 422 or 500 of upstream.
    pub fn read(query: &Query, watch: bool) -> Result<Self, Box<Status>> {
        if query.is_empty() {
            return Ok(ReadOptions::default());
        }
        let limit = query.number("limit")?;
        let timeout = query.number("timeoutSeconds")?;
        let errors = if watch { check_watch(query) } else { check_list(query) };
        if !errors.is_empty() {
            return Err(invalid_options("ListOptions", &errors));
        }
        let revision = parse_revision(query.text("resourceVersion"))
            .map_err(|why| if watch { unclassified(why) } else { bad_version(&why) })?;
        let token = query.text("continue").map(str::to_owned);
        // A list of any state is answered whole, or to its end, as upstream answers it from its
        // cache.
        let paged = revision != Some(Revision::ZERO);
        Ok(ReadOptions {
            revision,
            matching: match query.text("resourceVersionMatch") {
                Some("Exact") => Some(Match::Exact),
                Some("NotOlderThan") => Some(Match::NotOlderThan),
                _ => None,
            },
            limit: limit.and_then(|l| usize::try_from(l).ok()).filter(|l| *l > 0 && paged),
            token,
            initial_events: initial_events(query, watch),
            bookmarks: query.flag("allowWatchBookmarks").unwrap_or(false),
            timeout_seconds: timeout.and_then(|t| u64::try_from(t).ok()).filter(|t| *t > 0),
        })
    }
}

/// `sendInitialEvents`, which a watch from no version or from any has unless it says otherwise.
fn initial_events(query: &Query, watch: bool) -> Option<bool> {
    let from_any = matches!(query.text("resourceVersion"), None | Some("0"));
    let usual = watch && from_any && query.text(MATCH).is_none();
    query.flag("sendInitialEvents").or(usual.then_some(true))
}

fn bad_version(why: &str) -> Box<Status> {
    bad_request(format!("invalid resource version: {why}"))
}

/// Reads a `resourceVersion` parameter; the error is upstream's text.
pub fn parse_revision(text: Option<&str>) -> Result<Option<Revision>, String> {
    let Some(text) = text else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(revision) if digits => Ok(Some(revision)),
        _ => {
            let parse = parse_uint_error(text);
            Err(format!("resourceVersion: Invalid value: {text:?}: {parse}"))
        }
    }
}

/// What Go's `strconv.ParseUint` says of text that is no number.
pub fn parse_uint_error(text: &str) -> String {
    format!("strconv.ParseUint: parsing {text:?}: invalid syntax")
}

fn at(field: &str) -> FieldPath {
    FieldPath::new(field)
}

const MATCH: &str = "resourceVersionMatch";

fn check_list(query: &Query) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(matching) = query.text(MATCH) {
        let mut forbid = |detail: &str| errors.push(FieldError::forbidden(at(MATCH), detail));
        if query.text("resourceVersion").is_none() {
            forbid("resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if query.text("continue").is_some() {
            forbid("resourceVersionMatch is forbidden when continue is provided");
        }
        if !matches!(matching, "Exact" | "NotOlderThan") {
            let supported = ["Exact", "NotOlderThan", ""];
            errors.push(FieldError::not_supported(at(MATCH), matching, &supported));
        }
        if matching == "Exact" && query.text("resourceVersion") == Some("0") {
            let detail = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            errors.push(FieldError::forbidden(at(MATCH), detail));
        }
    }
    if query.first("sendInitialEvents").is_some() {
        let detail = "sendInitialEvents is forbidden for list";
        errors.push(FieldError::forbidden(at("sendInitialEvents"), detail));
    }
    errors
}

fn check_watch(query: &Query) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let matching = query.text(MATCH);
    let initial = query.first("sendInitialEvents").is_some();
    if initial && matching != Some("NotOlderThan") {
        let detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
        errors.push(FieldError::forbidden(at(MATCH), detail));
    }
    if let Some(matching) = matching {
        if !initial {
            let detail =
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
            errors.push(FieldError::forbidden(at(MATCH), detail));
        }
        if matching != "NotOlderThan" {
            errors.push(FieldError::not_supported(at(MATCH), matching, &["NotOlderThan"]));
        }
    }
    if query.text("continue").is_some() {
        let detail = "continue is forbidden for watch";
        errors.push(FieldError::forbidden(at("continue"), detail));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(query: &str, watch: bool) -> ReadOptions {
        ReadOptions::read(&Query::parse(Some(query)), watch).expect("valid")
    }

    #[test]
    fn a_watch_from_no_version_begins_with_what_there_is() {
        for (query, sent) in [
            ("watch=1", Some(true)),
            ("watch=1&resourceVersion=0", Some(true)),
            ("watch=1&resourceVersion=7", None),
            ("watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan", Some(false)),
        ] {
            assert_eq!(options(query, true).initial_events, sent, "{query}");
        }
        assert_eq!(options("limit=3", false).initial_events, None);
    }

    #[test]
    fn a_list_of_any_state_has_no_pages() {
        assert_eq!(options("limit=3", false).limit, Some(3));
        assert_eq!(options("limit=3&resourceVersion=0", false).limit, None);
        assert_eq!(options("limit=3&resourceVersion=0&continue=x", false).limit, None);
        assert_eq!(options("limit=-1", false).limit, None);
    }
}
