//! Sets of fields, and the algebra on them.
//!
//! A set is a tree of path elements. A node that is a member stands for the field itself;
//! its children are members in their own right: `a.b` in the set says nothing about `a`.

use super::element::PathElement;
use super::typed::{Atom, Type};
use std::cmp::Ordering;
use std::iter::Peekable;

/// A set of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set<'a> {
    /// Sorted by element, each element once, none without members.
    nodes: Vec<Node<'a>>,
}

/// A field, and the set of those below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    /// The step that leads to it.
    pub element: PathElement<'a>,
    /// Whether the field itself is in the set.
    pub member: bool,
    /// The fields below.
    pub children: Set<'a>,
}

impl Node<'_> {
    fn is_empty(&self) -> bool {
        !self.member && self.children.is_empty()
    }
}

impl<'a> Set<'a> {
    /// The empty set.
    pub const EMPTY: Set<'static> = Set { nodes: Vec::new() };

    /// A set of these nodes, in any order; an element that comes twice is merged.
    pub fn of_nodes(mut nodes: Vec<Node<'a>>) -> Self {
        nodes.retain(|node| !node.is_empty());
        if !nodes.is_sorted_by(|a, b| a.element < b.element) {
            nodes.sort_by(|a, b| a.element.cmp(&b.element));
            nodes.dedup_by(|again, first| {
                let same = again.element == first.element;
                if same {
                    first.member |= again.member;
                    let children = std::mem::take(&mut again.children);
                    first.children = std::mem::take(&mut first.children).union(children);
                }
                same
            });
        }
        Set { nodes }
    }

    /// The set of these field paths, each written with dots.
    pub fn of_paths(paths: &[&'a str]) -> Self {
        let mut set = Set::default();
        for path in paths {
            let parts: Vec<&'a str> = path.split('.').collect();
            set.insert(&parts);
        }
        set
    }

    /// Adds the field at the end of these names.
    pub fn insert(&mut self, names: &[&'a str]) {
        let Some((first, rest)) = names.split_first() else { return };
        let element = PathElement::field(first);
        let at = match self.nodes.binary_search_by(|n| n.element.cmp(&element)) {
            Ok(at) => at,
            Err(at) => {
                self.nodes.insert(at, Node { element, member: false, children: Set::default() });
                at
            }
        };
        match rest {
            [] => self.nodes[at].member = true,
            _ => self.nodes[at].children.insert(rest),
        }
    }

    /// The nodes, sorted.
    pub fn nodes(&self) -> &[Node<'a>] {
        &self.nodes
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node of `element`.
    pub fn get(&self, element: &PathElement<'_>) -> Option<&Node<'a>> {
        let at = self.nodes.binary_search_by(|n| n.element.cmp(element)).ok()?;
        Some(&self.nodes[at])
    }

    /// Whether the field at the end of these names is a member.
    pub fn has(&self, names: &[&str]) -> bool {
        let Some((first, rest)) = names.split_first() else { return false };
        self.get(&PathElement::field(first)).is_some_and(|node| match rest {
            [] => node.member,
            _ => node.children.has(rest),
        })
    }

    /// Whether no node fails `keep`; those that do are taken out with all that is below.
    pub fn retain(&mut self, keep: impl FnMut(&mut Node<'a>) -> bool) {
        self.nodes.retain_mut(keep);
        self.nodes.retain(|node| !node.is_empty());
    }

    /// Changes the children of the field `name`.
    pub fn change_children(&mut self, name: &str, change: impl FnOnce(&mut Set<'a>)) {
        let element = PathElement::field(name);
        if let Ok(at) = self.nodes.binary_search_by(|n| n.element.cmp(&element)) {
            change(&mut self.nodes[at].children);
            if self.nodes[at].is_empty() {
                self.nodes.remove(at);
            }
        }
    }

    /// Members of either.
    pub fn union(self, other: Set<'a>) -> Set<'a> {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let mut nodes = Vec::with_capacity(self.nodes.len().max(other.nodes.len()));
        let (mut a, mut b) =
            (self.nodes.into_iter().peekable(), other.nodes.into_iter().peekable());
        loop {
            match (a.peek(), b.peek()) {
                (Some(x), Some(y)) => match x.element.cmp(&y.element) {
                    Ordering::Less => nodes.extend(a.next()),
                    Ordering::Greater => nodes.extend(b.next()),
                    Ordering::Equal => nodes.extend(both(&mut a, &mut b)),
                },
                (Some(_), None) => nodes.extend(a.by_ref()),
                (None, Some(_)) => nodes.extend(b.by_ref()),
                (None, None) => return Set { nodes },
            }
        }
    }

    /// Members of both.
    pub fn intersection(&self, other: &Set<'_>) -> Set<'a> {
        let nodes = self.matched(other).map(|(node, theirs)| Node {
            element: node.element.clone(),
            member: node.member && theirs.member,
            children: node.children.intersection(&theirs.children),
        });
        Set { nodes: nodes.filter(|n| !n.is_empty()).collect() }
    }

    /// Whether they share a member.
    pub fn meets(&self, other: &Set<'_>) -> bool {
        self.matched(other).any(|(node, theirs)| {
            node.member && theirs.member || node.children.meets(&theirs.children)
        })
    }

    /// Members that are not in `other`.
    pub fn difference(self, other: &Set<'_>) -> Set<'a> {
        self.subtract(other, |mut node, theirs| {
            node.member &= !theirs.member;
            node.children = node.children.difference(&theirs.children);
            node
        })
    }

    /// Members that are neither in `other` nor below a member of it.
    pub fn without(self, other: &Set<'_>) -> Set<'a> {
        self.subtract(other, |mut node, theirs| {
            node.children = match theirs.member {
                true => Set::default(),
                false => node.children.without(&theirs.children),
            };
            node.member &= !theirs.member;
            node
        })
    }

    fn subtract(
        mut self,
        other: &Set<'_>,
        mut reduced: impl FnMut(Node<'a>, &Node<'_>) -> Node<'a>,
    ) -> Set<'a> {
        if self.is_empty() || other.is_empty() {
            return self;
        }
        let mut theirs = other.nodes.iter().peekable();
        let nodes = std::mem::take(&mut self.nodes).into_iter().filter_map(|node| {
            while theirs.next_if(|t| t.element < node.element).is_some() {}
            let node = match theirs.next_if(|t| t.element == node.element) {
                Some(their) => reduced(node, their),
                None => node,
            };
            (!node.is_empty()).then_some(node)
        });
        Set { nodes: nodes.collect() }
    }

    /// Pairs of nodes with the same element.
    fn matched<'s, 'o, 'b>(
        &'s self,
        other: &'o Set<'b>,
    ) -> impl Iterator<Item = (&'s Node<'a>, &'o Node<'b>)> {
        let mut theirs = other.nodes.iter().peekable();
        self.nodes.iter().filter_map(move |node| {
            while theirs.next_if(|t| t.element < node.element).is_some() {}
            theirs.next_if(|t| t.element == node.element).map(|their| (node, their))
        })
    }

    /// The set with every named field of a struct that has members below it.
    ///
    /// A set of `a.b.c` then holds `a` too where `a` is a field of a struct, but not `a.b` where
    /// `b` is a key of a map. Items cannot be removed without this: the walk that removes looks
    /// at members.
    pub fn with_named_fields(self, ty: Option<Type<'_>>) -> Set<'a> {
        let atom = ty.map(|ty| ty.atom(None));
        let nodes = self.nodes.into_iter().map(|node| {
            let (child, named) = below(atom.as_ref(), &node.element);
            Node {
                member: node.member || named && !node.children.is_empty(),
                children: node.children.with_named_fields(child),
                element: node.element,
            }
        });
        Set { nodes: nodes.collect() }
    }

    /// Calls `visit` with the path of each member: those of a level first, then those below.
    pub fn each_path(&self, visit: &mut impl FnMut(&str)) {
        self.each_path_below("", visit);
    }

    fn each_path_below(&self, prefix: &str, visit: &mut impl FnMut(&str)) {
        for node in self.nodes.iter().filter(|n| n.member) {
            visit(&format!("{prefix}{}", node.element));
        }
        for node in self.nodes.iter().filter(|n| !n.children.is_empty()) {
            node.children.each_path_below(&format!("{prefix}{}", node.element), visit);
        }
    }
}

/// The type below an element, and whether it is a named field of a struct.
fn below<'g>(atom: Option<&Atom<'g>>, element: &PathElement<'_>) -> (Option<Type<'g>>, bool) {
    match (atom, element) {
        (Some(Atom::Map(map)), PathElement::Field(name)) => match map.child(name) {
            Some(child) => (Some(child.ty), child.named),
            None => (None, false),
        },
        (Some(Atom::List(list)), PathElement::Key(_)) => (Some(list.item), false),
        _ => (None, false),
    }
}

fn both<'a, I: Iterator<Item = Node<'a>>>(
    a: &mut Peekable<I>,
    b: &mut Peekable<I>,
) -> Option<Node<'a>> {
    let (mut node, other) = (a.next()?, b.next()?);
    node.member |= other.member;
    node.children = node.children.union(other.children);
    Some(node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// Paths over few names, so that sets meet.
    fn paths() -> impl Strategy<Value = BTreeSet<String>> {
        proptest::collection::btree_set("[abc](\\.[abc]){0,3}", 0..12)
    }

    fn set(paths: &BTreeSet<String>) -> Set<'_> {
        Set::of_paths(&paths.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn members(set: &Set<'_>) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        set.each_path(&mut |path| {
            out.insert(path[1..].to_owned());
        });
        out
    }

    proptest! {
        #[test]
        fn algebra_agrees_with_plain_sets(a in paths(), b in paths()) {
            prop_assert_eq!(members(&set(&a)), a.clone());
            let union: BTreeSet<_> = a.union(&b).cloned().collect();
            prop_assert_eq!(members(&set(&a).union(set(&b))), union);
            let shared: BTreeSet<_> = a.intersection(&b).cloned().collect();
            prop_assert_eq!(set(&a).meets(&set(&b)), !shared.is_empty());
            prop_assert_eq!(members(&set(&a).intersection(&set(&b))), shared);
            let left: BTreeSet<_> = a.difference(&b).cloned().collect();
            prop_assert_eq!(members(&set(&a).difference(&set(&b))), left);
        }

        #[test]
        fn without_takes_what_is_below(a in paths(), b in paths()) {
            let below = |path: &String| {
                b.iter().any(|o| path == o || path.starts_with(&format!("{o}.")))
            };
            let left: BTreeSet<_> = a.iter().filter(|p| !below(p)).cloned().collect();
            prop_assert_eq!(members(&set(&a).without(&set(&b))), left);
        }

        #[test]
        fn results_hold_no_empty_nodes(a in paths(), b in paths()) {
            for set in [
                set(&a).difference(&set(&b)),
                set(&a).without(&set(&b)),
                set(&a).intersection(&set(&b)),
            ] {
                prop_assert_eq!(set.is_empty(), members(&set).is_empty());
                prop_assert_eq!(Set::of_nodes(set.nodes.clone()), set);
            }
        }
    }

    #[test]
    fn a_parent_is_no_member_for_its_children() {
        let set = Set::of_paths(&["a.b"]);
        assert!(set.has(&["a", "b"]) && !set.has(&["a"]) && !set.has(&[]));
    }

    #[test]
    fn nodes_are_sorted_and_merged() {
        let node = |name, member| Node {
            element: PathElement::field(name),
            member,
            children: Set::default(),
        };
        let set = Set::of_nodes(vec![
            node("b", true),
            node("a", true),
            node("b", true),
            node("c", false),
        ]);
        assert_eq!(set, Set::of_paths(&["a", "b"]));
    }
}
