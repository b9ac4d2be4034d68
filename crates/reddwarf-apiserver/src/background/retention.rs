//! The floors of the past rise as the policies say.
//!
//! Ages count the cluster clock, of which every round notes where it is (a *mark*); floors by age lie
//! at marks. Number and size are asked of the history, which reads all that is kept, so that is done
//! the less often the longer it takes.

use super::Background;
use crate::retention::{Demand, Limit, Policy, plan, policies};
use reddwarf_core::{Collection, Floors, Revision, View};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// The longest time from round to round; the shortest; and how many rounds an age takes.
const ROUND_MAX: Duration = Duration::from_secs(60);
const ROUND_MIN: Duration = Duration::from_secs(1);
const ROUNDS_IN_AGE: u64 = 20;
/// Asking for number and size may take this part of the time.
const ROOM_SHARE: u32 = 50;

pub(super) async fn run(background: &Background) {
    let mut room = Room { known: BTreeMap::new(), asked: None, next: Instant::now() };
    loop {
        let view = background.store.view();
        let policies = read(&view);
        if let Err(error) = round(background, &view, &policies, &mut room).await {
            tracing::warn!(%error, "the floors of the past were not raised");
        }
        wait(background, &policies).await;
    }
}

fn read(view: &View) -> Vec<Policy> {
    let stored = view.list(&policies(), None, None);
    let objects = stored.filter_map(|object| serde_json::from_slice(&object.bytes).ok());
    objects.map(|object| Policy::read(&object)).collect()
}

/// Waits for the time of the next round, which the shortest age sets; not beyond a change of the
/// policies.
async fn wait(background: &Background, known: &[Policy]) {
    let ages = known.iter().filter_map(|policy| policy.age_ms_max);
    let shortest = ages.min().map(|age| Duration::from_millis(age / ROUNDS_IN_AGE));
    let counts = known.iter().any(|policy| policy.limits() && policy.age_ms_max.is_none());
    let round = shortest.unwrap_or(ROUND_MAX).clamp(ROUND_MIN, ROUND_MAX);
    let round = if counts { round.min(ROUND_MIN * 5) } else { round };
    let from = background.store.view().revision;
    let changed = async {
        let Ok(mut watch) = background.store.watch(&policies(), from) else {
            return std::future::pending().await;
        };
        // When the watch ends, the next round begins another.
        let _ = watch.next().await;
    };
    tokio::select! {
        () = tokio::time::sleep(round) => {}
        () = changed => {}
    }
}

async fn round(
    background: &Background,
    view: &View,
    policies: &[Policy],
    room: &mut Room,
) -> Result<(), reddwarf_core::ProposeError> {
    let collections = collections(view);
    let wanted = |room: &Room| {
        plan(&Demand {
            policies,
            clock_ms: view.clock_ms,
            marks: &view.marks,
            collections: &collections,
            room: &room.known,
        })
    };
    let (_, limits) = wanted(room);
    room.ask(background, view.revision, limits).await;
    let (floors, _) = wanted(room);
    if rises(view, &floors) || is_unmarked(view) {
        return background.store.retain(background.term, floors).await;
    }
    Ok(())
}

/// What there is, and where.
fn collections(view: &View) -> BTreeMap<Collection, BTreeSet<String>> {
    let mut found: BTreeMap<Collection, BTreeSet<String>> = BTreeMap::new();
    let mut last: Option<(&str, &str)> = None;
    for key in view.objects.keys() {
        let at = (key.collection(), key.namespace());
        if last == Some(at) {
            continue;
        }
        last = Some(at);
        let collection = Collection::new(key.group(), key.resource());
        let namespaces = found.entry(collection).or_default();
        if !key.namespace().is_empty() {
            namespaces.insert(key.namespace().to_owned());
        }
    }
    found
}

/// Whether floors would rise.
fn rises(view: &View, asked: &Floors) -> bool {
    let mut risen = (*view.floors).clone();
    let bases = view.branches.values().map(|branch| branch.at.base.revision);
    risen.raise(asked, bases.fold(view.revision, Revision::min));
    risen != *view.floors
}

/// Whether there is no mark of the newest commit.
fn is_unmarked(view: &View) -> bool {
    view.marks.last().is_none_or(|(_, revision)| *revision < view.head.revision)
}

/// How far back limits of number and size reach.
struct Room {
    known: BTreeMap<Limit, Revision>,
    /// The revision at which that was asked.
    asked: Option<Revision>,
    next: Instant,
}

impl Room {
    async fn ask(&mut self, background: &Background, now: Revision, limits: Vec<Limit>) {
        let new = limits.iter().any(|limit| !self.known.contains_key(limit));
        let due = self.asked != Some(now) && Instant::now() >= self.next;
        let Some(history) = background.store.history().filter(|_| new || due) else { return };
        let began = Instant::now();
        self.known.clear();
        for limit in limits {
            let reach = history.room(&limit.scope, limit.versions_max, limit.bytes_max).await;
            match reach {
                Ok(floor) => drop(self.known.insert(limit, floor)),
                Err(error) => tracing::warn!(%error, "how much of the past is kept is not known"),
            }
        }
        self.asked = Some(now);
        self.next = Instant::now() + began.elapsed() * ROOM_SHARE;
    }
}
