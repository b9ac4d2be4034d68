//! What is to be said when a member's health changes. Pure.

use crate::recorder::Severity;
use std::collections::BTreeMap;

/// How a member is, as it told or failed to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Its name.
    pub name: String,
    /// Whether it answered; the rest is unknown if not.
    pub reachable: bool,
    /// Whether its disk is full, so that it takes no writes.
    pub disk_full: bool,
    /// How long a sync took lately, if that was too long.
    pub slow_sync_ms: Option<u64>,
    /// What is wrong with its state or its file.
    pub trouble: Option<String>,
    /// Times that it has repaired itself since it started.
    pub repairs: u64,
}

/// One thing to say.
#[derive(Debug, PartialEq, Eq)]
pub struct News {
    pub severity: Severity,
    pub reason: &'static str,
    pub message: String,
}

/// What was known of the members before.
#[derive(Debug, Default)]
pub struct Known(BTreeMap<String, Health>);

impl Known {
    /// Takes in how the members are now; what is to be said of that.
    pub fn take(&mut self, now: &[Health]) -> Vec<News> {
        self.0.retain(|name, _| now.iter().any(|member| member.name == *name));
        now.iter().flat_map(|member| self.take_one(member)).collect()
    }

    fn take_one(&mut self, now: &Health) -> Vec<News> {
        let before = self.0.get(&now.name);
        // Of one that is seen for the first time only what is wrong is news, and its repairs are
        // not: another leader has told of them.
        let first = Health { reachable: true, repairs: now.repairs, ..Health::default() };
        let before = before.unwrap_or(&first);
        let now = match now.reachable {
            true => now.clone(),
            false => Health { reachable: false, name: now.name.clone(), ..before.clone() },
        };
        let news = changes(before, &now);
        self.0.insert(now.name.clone(), now);
        news
    }
}

fn changes(before: &Health, now: &Health) -> Vec<News> {
    let name = &now.name;
    let wrong = |reason, message| News { severity: Severity::Warning, reason, message };
    let right = |reason, message| News { severity: Severity::Normal, reason, message };
    let mut news = Vec::new();
    match (before.reachable, now.reachable) {
        (true, false) => {
            news.push(wrong("MemberUnreachable", format!("{name} does not answer the leader")));
        }
        (false, true) => news.push(right("MemberReachable", format!("{name} answers again"))),
        _ => {}
    }
    match (before.disk_full, now.disk_full) {
        (false, true) => news.push(wrong(
            "DiskFull",
            format!("the disk of {name} is full: it takes no writes until there is room"),
        )),
        (true, false) => {
            news.push(right("DiskHasRoom", format!("the disk of {name} has room again")));
        }
        _ => {}
    }
    match (before.slow_sync_ms, now.slow_sync_ms) {
        (None, Some(ms)) => news.push(wrong(
            "DiskSlow",
            format!("the disk of {name} is slow: to make its log durable took {ms} ms"),
        )),
        (Some(_), None) => {
            news.push(right("DiskQuick", format!("the disk of {name} is slow no longer")));
        }
        _ => {}
    }
    match &now.trouble {
        Some(trouble) if before.trouble.is_none() => {
            news.push(wrong("StateDamaged", format!("{name} repairs itself: {trouble}")));
        }
        // It may have begun and ended since it was last asked.
        None if before.trouble.is_some() || now.repairs > before.repairs => news.push(right(
            "StateRepaired",
            format!("{name} has the same state as the majority, and a file of it"),
        )),
        _ => {}
    }
    news
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well(name: &str) -> Health {
        Health { name: name.to_owned(), reachable: true, ..Health::default() }
    }

    fn reasons(known: &mut Known, now: &[Health]) -> Vec<&'static str> {
        known.take(now).into_iter().map(|news| news.reason).collect()
    }

    #[test]
    fn what_changes_is_said_once() {
        let mut known = Known::default();
        assert!(known.take(&[well("a"), well("b")]).is_empty());
        let full = Health { disk_full: true, slow_sync_ms: Some(300), ..well("b") };
        assert_eq!(reasons(&mut known, &[well("a"), full.clone()]), ["DiskFull", "DiskSlow"]);
        let slower = Health { slow_sync_ms: Some(400), ..full };
        assert!(known.take(&[well("a"), slower]).is_empty());
        assert_eq!(reasons(&mut known, &[well("a"), well("b")]), ["DiskHasRoom", "DiskQuick"]);
        let repaired = Health { repairs: 1, ..well("a") };
        assert_eq!(reasons(&mut known, &[repaired.clone(), well("b")]), ["StateRepaired"]);
        let damaged = Health { trouble: Some("a row".into()), ..repaired };
        assert_eq!(reasons(&mut known, &[damaged, well("b")]), ["StateDamaged"]);
    }

    #[test]
    fn of_a_member_that_does_not_answer_nothing_else_is_said() {
        let mut known = Known::default();
        let full = Health { disk_full: true, ..well("a") };
        assert_eq!(reasons(&mut known, std::slice::from_ref(&full)), ["DiskFull"]);
        let silent = Health { reachable: false, ..well("a") };
        assert_eq!(reasons(&mut known, &[silent]), ["MemberUnreachable"]);
        assert_eq!(reasons(&mut known, &[full]), ["MemberReachable"]);
        assert_eq!(reasons(&mut known, &[well("a")]), ["DiskHasRoom"]);
    }

    #[test]
    fn a_new_leader_tells_what_is_wrong_and_not_what_was() {
        let repaired = Health { repairs: 3, ..well("a") };
        assert!(Known::default().take(&[repaired]).is_empty());
        let silent = Health { reachable: false, ..well("a") };
        assert_eq!(reasons(&mut Known::default(), &[silent]), ["MemberUnreachable"]);
    }
}
