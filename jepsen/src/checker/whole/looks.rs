//! Lists of a family: each shows all of a change or nothing of it, and what it has to show.

use super::super::context::Work;
use super::deeds::Change;
use super::{Set, Whole};
use crate::checker::findings::Findings;
use crate::checker::watch::Piece;
use crate::trace::{Call, Input, Output};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What one list showed.
struct View<'a> {
    call: &'a Call,
    rev: u64,
    /// None is all of them.
    family: Option<u64>,
    /// Whether it has to show what was acknowledged before it was asked for.
    strict: bool,
    objects: BTreeMap<u64, (Rc<Set>, i64)>,
}

pub(super) fn check<'a>(whole: &mut Whole<'a>, work: &Work<'a>, findings: &mut Findings) {
    let views: Vec<View> = work.calls.iter().filter_map(|call| view(whole, call)).collect();
    findings.figure("lists", views.len() as u64);
    for view in &views {
        let full = within(whole, view)
            .into_iter()
            .filter(|(element, change)| change.objects.iter().all(|key| view.has(*key, *element)));
        let full: Vec<u64> = full.map(|(element, _)| element).collect();
        full.into_iter().for_each(|element| whole.note_seen(element, view.call));
    }
    let ranges = ranges(whole);
    for view in &views {
        let look = Look { whole, view };
        look.inside(&ranges, findings);
        look.strangers(findings);
        for (element, change) in within(whole, view) {
            look.change(element, change, findings);
        }
        for (key, (set, val)) in &view.objects {
            whole.value(*key, set, *val, view.call, findings);
        }
    }
}

fn view<'a>(whole: &mut Whole<'a>, call: &'a Call) -> Option<View<'a>> {
    if let (Input::Look { family, local }, Output::Family { rev, objects }) =
        (&call.input, &call.output)
    {
        let objects = objects.iter().map(|(key, m)| (*key, (whole.set(m.has), m.val)));
        let objects = objects.collect();
        return Some(View { call, rev: *rev, family: Some(*family), strict: !local, objects });
    }
    let piece = Piece::of(call).filter(|piece| piece.initial_complete)?;
    let object = |event: &crate::trace::Event| {
        Some((event.key, (whole.set(event.has?), event.val.unwrap_or(0))))
    };
    let objects = piece.initial.iter().filter_map(object).collect();
    Some(View { call, rev: piece.start?, family: None, strict: false, objects })
}

/// The changes that a view is about.
fn within<'w, 'a>(whole: &'w Whole<'a>, view: &View) -> Vec<(u64, &'w Change<'a>)> {
    let all = &whole.deeds.by_element;
    match view.family {
        None => all.iter().map(|(element, change)| (*element, change)).collect(),
        Some(family) => {
            let elements = whole.deeds.by_family.get(&family).map_or(&[][..], |elements| elements);
            elements.iter().map(|element| (*element, &all[element])).collect()
        }
    }
}

/// The commits of more than one revision, from the first to the last, with the calls that made them.
fn ranges<'a>(whole: &Whole<'a>) -> BTreeMap<u64, (u64, Option<&'a Call>)> {
    let tries = whole.deeds.by_element.values().flat_map(|change| [&change.put, &change.taken]);
    let ranges = tries.filter_map(|tried| {
        let (first, last) = tried.at?;
        (first < last).then_some((first, (last, tried.call)))
    });
    ranges.collect()
}

impl View<'_> {
    fn has(&self, key: u64, element: u64) -> bool {
        self.objects.get(&key).is_some_and(|(set, _)| set.contains(&element))
    }
}

struct Look<'w, 'a> {
    whole: &'w Whole<'a>,
    view: &'w View<'a>,
}

impl Look<'_, '_> {
    fn words(&self, call: Option<&Call>) -> String {
        let of = |call| self.whole.trace.describe(call);
        let change = call.map_or("nobody made it".to_owned(), of);
        format!("{change}; {}", of(self.view.call))
    }

    fn found(
        &self,
        kind: &'static str,
        what: &str,
        calls: &[Option<&Call>],
        findings: &mut Findings,
    ) {
        let all = calls.iter().copied().flatten().chain([self.view.call]);
        findings.found_in(kind, all, || format!("{what}: {}", self.words(calls[0])));
    }

    /// A list is of a state between commits.
    fn inside(&self, ranges: &BTreeMap<u64, (u64, Option<&Call>)>, findings: &mut Findings) {
        let rev = self.view.rev;
        if let Some((first, (last, by))) = ranges.range(..=rev).next_back()
            && rev < *last
        {
            let what = format!("a list is at {rev}, within the commit from {first} to {last}");
            self.found("inside-a-commit", &what, &[*by], findings);
        }
    }

    /// Elements of nobody.
    fn strangers(&self, findings: &mut Findings) {
        for (key, (set, _)) in &self.view.objects {
            let all = &self.whole.deeds.by_element;
            let belongs =
                |element: &u64| all.get(element).is_some_and(|one| one.objects.contains(key));
            if let Some(element) = set.iter().find(|element| !belongs(element)) {
                let what = format!("object {key} has {element}, which nobody put there");
                self.found("never-made", &what, &[None], findings);
            }
        }
    }

    fn change(&self, element: u64, change: &Change, findings: &mut Findings) {
        let there = |key: &&u64| self.view.has(**key, element);
        let count = change.objects.iter().filter(there).count();
        let call = change.call();
        if count > 0 && count < change.objects.len() {
            let what = format!("{element} is in {count} of its objects {:?}", change.objects);
            self.found("partial-change", &what, &[call, change.taken.call], findings);
        } else if count > 0 {
            self.must_not_be(element, change, findings);
        } else {
            self.must_be(element, change, findings);
        }
    }

    /// An element is there.
    fn must_not_be(&self, element: u64, change: &Change, findings: &mut Findings) {
        let (call, rev) = (self.view.call, self.view.rev);
        let put = change.call();
        if let Some(why) = change.put.impossible(call.returned()) {
            let kind = match (why, change.branched) {
                ("failed", _) => "failed-yet-applied",
                (_, Some(_)) => "seen-before-merged",
                _ => "seen-before-made",
            };
            let what = format!("{element} is there, although its change {why}");
            self.found(kind, &what, &[put], findings);
        }
        if change.put.at.is_some_and(|(first, _)| first > rev) {
            let what = format!("{element} is there at {rev}, and was put there later");
            self.found("ahead-of-revision", &what, &[put], findings);
        }
        let taken = change.taken.at.is_some_and(|(_, last)| last <= rev)
            || (self.view.strict && change.taken.done < call.invoked.index);
        if taken {
            let what = format!("{element} is there, although it was taken back");
            self.found("reverted-yet-there", &what, &[put, change.taken.call], findings);
        }
    }

    /// An element is not there.
    fn must_be(&self, element: u64, change: &Change, findings: &mut Findings) {
        let (call, rev) = (self.view.call, self.view.rev);
        let put_by_then = change.put.at.is_some_and(|(_, last)| last <= rev);
        let taken_later = change.taken.at.is_some_and(|(first, _)| first > rev);
        if change.taken.may_be_by(call.returned()) && !(put_by_then && taken_later) {
            return;
        }
        let began = call.invoked.index;
        let seen = self.whole.seen.get(&element).filter(|(line, _)| *line < began);
        let known = put_by_then || self.view.strict && (change.put.done < began || seen.is_some());
        if known {
            let kind = if change.put.done < began { "lost-change" } else { "seen-then-lost" };
            let what = format!("{element} is not there, although it was put there");
            let calls = [change.call(), seen.map(|(_, call)| *call), change.taken.call];
            self.found(kind, &what, &calls, findings);
        }
    }
}
