//! What watchers were told, event by event: the events of a change follow each other.

use super::super::context::Work;
use super::{Set, Whole};
use crate::checker::findings::Findings;
use crate::checker::watch::Piece;
use crate::trace::{Call, Change, Event};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// What a process knows from the pieces of its watch so far.
struct Story<'a> {
    upto: u64,
    /// Whether objects that it does not know are known not to be there.
    whole: bool,
    state: HashMap<u64, Rc<Set>>,
    open: Option<Open<'a>>,
}

/// A change of which some events have come.
struct Open<'a> {
    element: u64,
    /// Whether it goes.
    gone: bool,
    missing: BTreeSet<u64>,
    first: u64,
    last: u64,
    began: &'a Call,
}

pub(super) fn check<'a>(whole: &mut Whole<'a>, work: &Work<'a>, findings: &mut Findings) {
    let mut stories: HashMap<Option<u64>, Story> = HashMap::new();
    for call in work.calls.iter().copied() {
        let Some(piece) = Piece::of(call) else { continue };
        let story = stories.remove(&call.process);
        let Some(mut story) = go_on(whole, story, &piece) else { continue };
        for event in piece.rest {
            Teller { whole, call, findings }.event(&mut story, event);
        }
        story.upto = piece.last;
        stories.insert(call.process, story);
    }
}

/// The story to which a piece belongs; none when it has no sure beginning.
fn go_on<'a>(whole: &mut Whole<'a>, story: Option<Story<'a>>, piece: &Piece) -> Option<Story<'a>> {
    let start = piece.start?;
    if piece.initial_complete {
        let object = |event: &Event| Some((event.key, whole.set(event.has?)));
        let state = piece.initial.iter().filter_map(object).collect();
        return Some(Story { upto: start, whole: true, state, open: None });
    }
    let resumed = story.filter(|story| story.upto == start);
    let anew = || Story { upto: start, whole: false, state: HashMap::new(), open: None };
    Some(resumed.unwrap_or_else(anew))
}

/// Takes the events of one piece.
struct Teller<'t, 'a> {
    whole: &'t mut Whole<'a>,
    call: &'a Call,
    findings: &'t mut Findings,
}

impl<'a> Teller<'_, 'a> {
    fn found(&mut self, kind: &'static str, also: Option<&Call>, event: &Event, what: &str) {
        let trace = self.whole.trace;
        self.findings.found_in(kind, also.into_iter().chain([self.call]), || {
            let also = also.map_or(String::new(), |call| format!("{}; ", trace.describe(call)));
            let (asked, event) = (trace.describe_asked(self.call), trace.event(event));
            format!("{what}: {also}{asked}: {event}")
        });
    }

    fn event(&mut self, story: &mut Story<'a>, event: &Event) {
        if event.change.is_bookmark() {
            if story.open.as_ref().is_some_and(|open| event.rev >= open.first) {
                let began = story.open.take().map(|open| open.began);
                let what = "a bookmark stands between the events of one commit";
                self.found("bookmark-inside-a-commit", began, event, what);
            }
            return;
        }
        self.findings.figure("events", 1);
        let shown = event.has.map(|has| self.whole.set(has)).unwrap_or_default();
        if event.change != Change::Deleted {
            self.whole.value(event.key, &shown, event.val.unwrap_or(0), self.call, self.findings);
        }
        let is = if event.change == Change::Deleted { Rc::default() } else { shown };
        let known = story.whole || event.change == Change::Added;
        let was = story.state.insert(event.key, is.clone());
        let Some(was) = was.or_else(|| known.then(Rc::default)) else {
            // It may have been any change.
            story.open = None;
            return;
        };
        let put = is.difference(&was).map(|element| (*element, false));
        let taken = was.difference(&is).map(|element| (*element, true));
        let all: Vec<(u64, bool)> = put.chain(taken).collect();
        if all.len() > 1 {
            story.open = None;
            let what = "one event tells more than one change, or one of them was not told";
            return self.found("changes-in-one-event", None, event, what);
        }
        self.changed(story, event, all.first().copied());
    }

    fn changed(&mut self, story: &mut Story<'a>, event: &Event, one: Option<(u64, bool)>) {
        if let Some(open) = &mut story.open {
            let goes_on = one == Some((open.element, open.gone))
                && event.rev == open.last + 1
                && open.missing.remove(&event.key);
            if goes_on {
                open.last = event.rev;
                if open.missing.is_empty() {
                    let open = story.open.take();
                    open.into_iter().for_each(|open| self.close(&open, event));
                }
                return;
            }
            let what = format!(
                "of {}, objects {:?} have not come when something else does",
                open.element, open.missing
            );
            let began = open.began;
            story.open = None;
            self.found("torn-commit", Some(began), event, &what);
        }
        if let Some((element, gone)) = one {
            self.begin(story, event, element, gone);
        }
    }

    /// The first event of a change.
    fn begin(&mut self, story: &mut Story<'a>, event: &Event, element: u64, gone: bool) {
        let Some(change) = self.whole.deeds.by_element.get(&element) else {
            return self.found("never-made", None, event, "nobody put it there");
        };
        let tried = if gone { &change.taken } else { &change.put };
        if let Some(why) = tried.impossible(self.call.returned()) {
            let kind = match (gone, why) {
                (true, _) => "vanished",
                (false, "failed") => "failed-yet-applied",
                (false, _) => "seen-before-made",
            };
            let did = if gone { "taken back" } else { "put there" };
            let (what, call) = (format!("{element} was {did}, although that {why}"), change.call());
            self.found(kind, call, event, &what);
        }
        let mut missing: BTreeSet<u64> =
            self.whole.deeds.by_element[&element].objects.iter().copied().collect();
        if !missing.remove(&event.key) {
            let what = format!("{element} is none of this object's");
            return self.found("never-made", None, event, &what);
        }
        // What a watcher does not know from the start may have come before.
        let sure =
            |key: &u64| story.state.get(key).is_some_and(|set| set.contains(&element) == gone);
        if !story.whole && !missing.iter().all(sure) {
            return;
        }
        let (first, last) = (event.rev, event.rev);
        let open = Open { element, gone, missing, first, last, began: self.call };
        if open.missing.is_empty() {
            self.close(&open, event);
        } else {
            story.open = Some(open);
        }
    }

    /// All events of a change have come: its revisions are known.
    fn close(&mut self, open: &Open<'a>, event: &Event) {
        let Some(change) = self.whole.deeds.by_element.get_mut(&open.element) else { return };
        let tried = if open.gone { &mut change.taken } else { &mut change.put };
        let at = (open.first, open.last);
        let known = *tried.at.get_or_insert(at);
        let call = tried.call;
        if known != at {
            let what = format!(
                "{} was changed at {} to {}, and also at {} to {}",
                open.element, at.0, at.1, known.0, known.1
            );
            self.found("changed-twice", call, event, &what);
        } else if !open.gone {
            self.whole.note_seen(open.element, self.call);
        }
    }
}
