//! What a group's status means for an upgrade; a pure function of the status.

use reddwarf_core::{FeatureLevel, FeatureLevels};
use serde_json::{Value, json};

/// Entries that a member may lack to count as caught up: a moment's worth under load.
const LAG_MAX: u64 = 1_000;

/// A group as a member tells it.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub level: FeatureLevel,
    pub changing: bool,
    pub members: Vec<Member>,
}

/// One member of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    pub name: String,
    pub role: String,
    pub voter: bool,
    pub answers: bool,
    /// Of one that does not answer what it ran last, if that is known.
    pub version: String,
    pub levels: Option<FeatureLevels>,
    pub lag: u64,
    pub trouble: Option<String>,
}

impl Group {
    /// Out of `/reddwarf/status`. A member of a build that knows of no levels tells none: then all
    /// that answer support the first one, as far as it can be known.
    pub fn read(status: &Value) -> Group {
        let level = status["level"].as_u64().and_then(|level| u32::try_from(level).ok());
        let members = status["members"].as_array().into_iter().flatten();
        Group {
            level: level.map_or(FeatureLevel::FIRST, FeatureLevel),
            changing: status["changing"] == true,
            members: members.map(|member| Member::read(member, level.is_some())).collect(),
        }
    }

    /// For people: a line of titles, and one for each member.
    pub fn rows(&self) -> Vec<[String; 6]> {
        let titles = ["NAME", "ROLE", "VERSION", "LEVELS", "UP", "LAG"];
        let mut rows = vec![titles.map(str::to_owned)];
        rows.extend(self.members.iter().map(|member| {
            let known = |text: String| if text.is_empty() { "-".to_owned() } else { text };
            let levels = member.levels.map(|levels| levels.to_string()).unwrap_or_default();
            let lag = if member.answers { member.lag.to_string() } else { String::new() };
            let up = if member.answers { "yes" } else { "no" }.to_owned();
            let (name, role) = (member.name.clone(), member.role.clone());
            [name, role, known(member.version.clone()), known(levels), up, known(lag)]
        }));
        rows
    }
}

impl Member {
    fn read(member: &Value, knows_levels: bool) -> Member {
        let text = |field: &str| member[field].as_str().unwrap_or_default().to_owned();
        let answers = member["role"] != "unreachable";
        let told = serde_json::from_value(member["levels"].clone()).ok();
        let quarantine = member["quarantined"] == true;
        let trouble = member["trouble"].as_str();
        Member {
            name: text("name"),
            role: text("role"),
            voter: member["voter"] == true,
            answers,
            version: text("version"),
            levels: told.or((answers && !knows_levels).then_some(FeatureLevels::FIRST)),
            lag: member["lag"].as_u64().unwrap_or_default(),
            trouble: match (quarantine, trouble) {
                (false, None) => None,
                (true, why) => Some(format!("is in quarantine: {}", why.unwrap_or("its state"))),
                (false, Some(why)) => Some(format!("repairs itself: {why}")),
            },
        }
    }
}

/// What follows from a group's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Assessment {
    /// Why no member may be taken down; nothing when one may.
    pub obstacles: Vec<String>,
    /// What can be gone back to.
    pub downgrade: String,
    /// What to do.
    pub next: String,
}

impl Assessment {
    /// Judges a group that is to be upgraded to a version which supports `own`, as the program does
    /// that asks.
    pub fn of(group: &Group, own: FeatureLevels) -> Assessment {
        let obstacles = obstacles(group);
        let next = match obstacles.is_empty() {
            true => next(group, own.newest),
            false => "leave all members running, and mend what is wrong".to_owned(),
        };
        Assessment { obstacles, downgrade: downgrade(group), next }
    }

    /// For people.
    pub fn lines(&self, group: &Group) -> String {
        let safe = match self.obstacles.is_empty() {
            true => "yes, one member may be taken down".to_owned(),
            false => "no".to_owned(),
        };
        let (level, downgrade, next) = (group.level, &self.downgrade, &self.next);
        format!(
            "\nfeature level   {level}\nsafe now        {safe}\ndowngrade       {downgrade}\n\
             next            {next}\n"
        )
    }

    /// For programs.
    pub fn to_json(&self, group: &Group) -> Value {
        let members = group.members.iter().map(|member| {
            json!({
                "name": member.name, "role": member.role, "voter": member.voter,
                "version": member.version, "levels": member.levels, "up": member.answers,
                "lag": member.lag, "trouble": member.trouble,
            })
        });
        json!({
            "level": group.level,
            "safe": self.obstacles.is_empty(),
            "obstacles": self.obstacles,
            "downgrade": self.downgrade,
            "next": self.next,
            "members": members.collect::<Vec<_>>(),
        })
    }
}

fn obstacles(group: &Group) -> Vec<String> {
    let mut found = Vec::new();
    for member in &group.members {
        let name = &member.name;
        if !member.answers {
            found.push(format!("{name} does not answer"));
        } else if let Some(trouble) = &member.trouble {
            found.push(format!("{name} {trouble}"));
        } else if member.lag > LAG_MAX {
            found.push(format!("{name} lacks {} entries", member.lag));
        } else if !member.voter {
            found.push(format!("{name} is no voter yet"));
        }
    }
    if group.changing {
        found.push("a change of the members is under way".to_owned());
    }
    if !group.members.iter().any(|member| member.role == "leader") {
        found.push("no member leads".to_owned());
    }
    let voters = group.members.iter().filter(|member| member.voter).count();
    match voters {
        0 => {}
        1 => found.push("a group of one member stops while that is down".to_owned()),
        2 => found.push("of two members both are the majority".to_owned()),
        _ => {}
    }
    found
}

fn downgrade(group: &Group) -> String {
    let level = group.level;
    let beyond = |member: &Member| member.levels.is_some_and(|levels| levels.newest > level);
    match group.members.iter().any(beyond) {
        true => {
            format!("possible to a version that supports feature level {level}, until it is raised")
        }
        false => format!("to no version that does not support feature level {level}"),
    }
}

/// What to do with a group that has nothing wrong with it.
fn next(group: &Group, own: FeatureLevel) -> String {
    let newest = |member: &Member| member.levels.map(|levels| levels.newest);
    let highest = group.members.iter().filter_map(newest).fold(own, FeatureLevel::max);
    let lowest = group.members.iter().filter_map(newest).min().unwrap_or(group.level);
    let mut behind: Vec<&Member> =
        group.members.iter().filter(|member| newest(member) != Some(highest)).collect();
    // Each time the leader is taken down another one is elected.
    behind.sort_by_key(|member| member.role == "leader");
    let names: Vec<&str> = behind.iter().map(|member| member.name.as_str()).collect();
    match names.as_slice() {
        [] if highest > group.level => format!(
            "all members support feature level {highest}: the leader raises it after the settle \
             time, `reddwarf upgrade --finish` does it now"
        ),
        [] => {
            format!("nothing: all members support feature level {highest}, which the group is at")
        }
        [one] => {
            format!("upgrade {one}, the last that supports no more than feature level {lowest}")
        }
        [first, rest @ ..] => format!("upgrade {first}, ask again, then {}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(level: u32, members: &[(&str, &str, &str)]) -> Group {
        let members = members.iter().map(|(name, role, levels)| {
            json!({
                "name": name, "role": role, "voter": true, "version": "0.1.0", "lag": 3,
                "quarantined": false, "trouble": null,
                "levels": levels.parse::<FeatureLevels>().ok(),
            })
        });
        let members: Vec<Value> = members.collect();
        Group::read(&json!({"level": level, "changing": false, "members": members}))
    }

    fn three(level: u32, levels: [&str; 3]) -> Group {
        let [a, b, c] = levels;
        group(level, &[("a", "leader", a), ("b", "follower", b), ("c", "follower", c)])
    }

    fn judged(group: &Group) -> Assessment {
        Assessment::of(group, FeatureLevels::FIRST)
    }

    #[test]
    fn the_way_through_an_upgrade() {
        let next = |levels| judged(&three(1, levels)).next;
        assert_eq!(next(["1", "1-2", "1"]), "upgrade c, ask again, then a");
        assert!(next(["1", "1-2", "1-2"]).starts_with("upgrade a, the last"));
        assert!(next(["1-2", "1-2", "1-2"]).contains("`reddwarf upgrade --finish` does it now"));
        let done = judged(&three(2, ["1-2", "1-2", "1-2"]));
        assert!(done.next.starts_with("nothing: all members support feature level 2"));
    }

    #[test]
    fn who_asks_is_of_the_version_that_is_upgraded_to() {
        let all_old = three(1, ["1"; 3]);
        let own: FeatureLevels = "1-2".parse().expect("levels");
        let next = Assessment::of(&all_old, own).next;
        assert_eq!(next, "upgrade b, ask again, then c, a");
    }

    #[test]
    fn the_way_back_ends_with_the_level() {
        let downgrade = |level, levels| judged(&three(level, levels)).downgrade;
        assert!(downgrade(1, ["1", "1-2", "1"]).starts_with("possible to a version that supports"));
        assert!(downgrade(1, ["1-2", "1-2", "1-2"]).starts_with("possible"));
        assert_eq!(
            downgrade(2, ["1-2", "1-2", "1-2"]),
            "to no version that does not support feature level 2"
        );
    }

    #[test]
    fn each_obstacle_is_told() {
        let because = |change: &dyn Fn(&mut Group)| {
            let mut group = three(1, ["1-2"; 3]);
            assert_eq!(judged(&group).obstacles, Vec::<String>::new());
            change(&mut group);
            let Assessment { obstacles, next, .. } = judged(&group);
            assert!(next.starts_with("leave all members running"), "{next}");
            obstacles.join("; ")
        };
        let silent = because(&|group| group.members[1].answers = false);
        assert_eq!(silent, "b does not answer");
        assert_eq!(because(&|group| group.members[2].lag = 5_000), "c lacks 5000 entries");
        assert_eq!(
            because(&|group| group.members[2].voter = false),
            "c is no voter yet; of two members both are the majority"
        );
        assert_eq!(because(&|group| group.changing = true), "a change of the members is under way");
        assert_eq!(because(&|group| group.members[0].role = "follower".into()), "no member leads");
        let alone = because(&|group| group.members.truncate(1));
        assert_eq!(alone, "a group of one member stops while that is down");
        let quarantine =
            because(&|group| group.members[1].trouble = Some("is in quarantine".into()));
        assert_eq!(quarantine, "b is in quarantine");
    }

    #[test]
    fn members_from_before_there_were_levels_support_the_first() {
        let old = json!({"members": [
            {"name": "a", "role": "leader", "voter": true, "lag": 0, "version": "0.1.0"},
            {"name": "b", "role": "unreachable", "voter": true, "lag": 0, "version": ""},
        ]});
        let group = Group::read(&old);
        assert_eq!(group.level, FeatureLevel::FIRST);
        assert_eq!(group.rows()[1], ["a", "leader", "0.1.0", "1", "yes", "0"]);
        assert_eq!(group.rows()[2], ["b", "unreachable", "-", "-", "no", "-"]);
    }
}
