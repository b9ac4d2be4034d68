//! Who is cut off from whom: pure functions of the members' names, as in Jepsen's `nemesis`.

use std::collections::BTreeSet;
use std::fmt;

/// One direction between two ends, by their names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line {
    /// Who sends.
    pub from: String,
    /// Who receives.
    pub to: String,
}

/// The lines that carry nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grudge(BTreeSet<Line>);

impl Grudge {
    /// Nobody hears one member, and it hears nobody.
    pub fn isolate(names: &[String], one: &str) -> Grudge {
        let (alone, others): (Vec<_>, Vec<_>) = names.iter().cloned().partition(|name| name == one);
        Grudge::between(&alone, &others)
    }

    /// Those before `at` and the others do not hear each other. `at` is the smaller half's size;
    /// with an odd number of members, one side is a majority.
    pub fn halves(names: &[String]) -> Grudge {
        let (one, other) = names.split_at(names.len() / 2);
        Grudge::between(one, other)
    }

    /// What one member sends reaches nobody; it hears the others.
    pub fn mute(names: &[String], one: &str) -> Grudge {
        Grudge::isolate(names, one).keep(|line| line.from == one)
    }

    /// One member hears nobody; what it sends reaches the others.
    pub fn deafen(names: &[String], one: &str) -> Grudge {
        Grudge::isolate(names, one).keep(|line| line.to == one)
    }

    /// Every member sees a majority, and no two see the same one: a ring, in which each sees its
    /// nearest neighbours. Three members can do so only along a line, which is [`Grudge::bridge`].
    pub fn majority_ring(names: &[String]) -> Grudge {
        let members = names.len();
        if members <= 3 {
            return Grudge::bridge(names);
        }
        let majority = members / 2 + 1;
        let reach = (majority - 1).div_ceil(2);
        let apart = |from: usize, to: usize| {
            let steps = from.abs_diff(to);
            steps.min(members - steps) > reach
        };
        Grudge::where_apart(names, apart)
    }

    /// Two halves that hear each other only through the member in the middle.
    pub fn bridge(names: &[String]) -> Grudge {
        let middle = names.len() / 2;
        Grudge::where_apart(names, |from, to| {
            from != middle && to != middle && (from < middle) != (to < middle)
        })
    }

    /// Adds what cuts the clients off from some members.
    pub fn and_clients(mut self, clients: &str, members: &[String]) -> Grudge {
        self.0.extend(Grudge::between(&[clients.to_owned()], members).0);
        self
    }

    /// Whether nothing is cut.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lines that are cut.
    pub fn iter(&self) -> impl Iterator<Item = &Line> {
        self.0.iter()
    }

    fn between(some: &[String], others: &[String]) -> Grudge {
        let line = |from: &String, to: &String| Line { from: from.clone(), to: to.clone() };
        let both = |one, other| [line(one, other), line(other, one)];
        let with = |one| others.iter().flat_map(move |other| both(one, other));
        Grudge(some.iter().flat_map(with).collect())
    }

    fn where_apart(names: &[String], apart: impl Fn(usize, usize) -> bool) -> Grudge {
        let mut lines = BTreeSet::new();
        for (from, sender) in names.iter().enumerate() {
            for (to, receiver) in names.iter().enumerate().filter(|(to, _)| apart(from, *to)) {
                debug_assert_ne!(from, to, "a member hears itself");
                lines.insert(Line { from: sender.clone(), to: receiver.clone() });
            }
        }
        Grudge(lines)
    }

    fn keep(self, keep: impl Fn(&Line) -> bool) -> Grudge {
        Grudge(self.0.into_iter().filter(|line| keep(line)).collect())
    }
}

impl<'a> IntoIterator for &'a Grudge {
    type Item = &'a Line;
    type IntoIter = std::collections::btree_set::Iter<'a, Line>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}→{}", self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(members: usize) -> Vec<String> {
        (1..=members).map(|member| format!("n{member}")).collect()
    }

    fn shown(grudge: &Grudge) -> String {
        grudge.iter().map(Line::to_string).collect::<Vec<_>>().join(" ")
    }

    /// Whom a member sees: hears, and is heard by.
    fn view(grudge: &Grudge, names: &[String], one: &str) -> Vec<String> {
        let cut = |from: &str, to: &str| grudge.iter().any(|l| l.from == from && l.to == to);
        names.iter().filter(|other| !cut(one, other) && !cut(other, one)).cloned().collect()
    }

    #[test]
    fn an_isolated_member_is_alone() {
        assert_eq!(shown(&Grudge::isolate(&names(3), "n2")), "n1→n2 n2→n1 n2→n3 n3→n2");
    }

    #[test]
    fn one_way_cuts_are_one_way() {
        assert_eq!(shown(&Grudge::mute(&names(3), "n2")), "n2→n1 n2→n3");
        assert_eq!(shown(&Grudge::deafen(&names(3), "n2")), "n1→n2 n3→n2");
    }

    #[test]
    fn of_five_halves_are_two_and_three() {
        let (names, grudge) = (names(5), Grudge::halves(&names(5)));
        assert_eq!(view(&grudge, &names, "n1"), ["n1", "n2"]);
        assert_eq!(view(&grudge, &names, "n5"), ["n3", "n4", "n5"]);
    }

    #[test]
    fn a_bridge_sees_all_and_the_others_their_side() {
        let (names, grudge) = (names(5), Grudge::bridge(&names(5)));
        assert_eq!(view(&grudge, &names, "n3"), names);
        assert_eq!(view(&grudge, &names, "n1"), ["n1", "n2", "n3"]);
        assert_eq!(view(&grudge, &names, "n5"), ["n3", "n4", "n5"]);
        assert_eq!(shown(&Grudge::bridge(&names[..3])), "n1→n3 n3→n1");
    }

    #[test]
    fn in_a_ring_each_sees_a_majority_and_no_two_the_same() {
        for members in 3..12 {
            let (names, grudge) = (names(members), Grudge::majority_ring(&names(members)));
            let views: Vec<_> = names.iter().map(|name| view(&grudge, &names, name)).collect();
            assert!(views.iter().all(|view| view.len() > members / 2), "{members}: {views:?}");
            assert!(!grudge.is_empty(), "{members}");
            let distinct: BTreeSet<_> = views.iter().collect();
            assert_eq!(distinct.len(), members, "{members}: {views:?}");
        }
    }

    #[test]
    fn clients_are_cut_off_when_asked_to() {
        let grudge = Grudge::isolate(&names(2), "n1").and_clients("clients", &names(1));
        assert_eq!(shown(&grudge), "clients→n1 n1→clients n1→n2 n2→n1");
    }

    #[test]
    fn one_member_is_cut_off_from_nobody() {
        for grudge in [Grudge::halves, Grudge::bridge, Grudge::majority_ring] {
            assert!(grudge(&names(1)).is_empty());
        }
    }
}
