//! How requests get into a member: what its API server would ask of the store.

use super::backup::{self, Saved};
use super::machine::Machine;
use super::past::{self, Past, Untold};
use reddwarf_core::branch::BRANCHES;
use reddwarf_core::{
    BranchId, BranchRef, Collection, Commit, CommitPoint, Committed, Fence, Floors, ObjectKey,
    ProposeError, ReadError, Revision, View, WatchBatch, Write,
};
use reddwarf_raft::Node;
use reddwarf_raft::types::Member;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Where an answer goes; who asked may be gone.
pub type Reply<T> = oneshot::Sender<T>;

/// What is asked of a member.
pub enum Request {
    /// To write.
    Write(Box<Write>, Reply<Result<Committed, ProposeError>>),
    /// To write as one of the leader's own loops, if the member leads.
    Fenced(Box<Write>, Reply<Result<Committed, ProposeError>>),
    /// What is in a collection, as new as anything acknowledged before.
    Read(Collection, Reply<Result<Seen, ReadError>>),
    /// What the member has of a collection.
    Look(Collection, Reply<Seen>),
    /// Where the member has main and the branches.
    Lines(Reply<LinesSeen>),
    /// What a line showed of a collection at a revision.
    Past(BranchId, Collection, Revision, Reply<Result<Past, Untold>>),
    /// To forget the past below floors, if the member leads.
    Retain(Floors, Reply<Result<(), ProposeError>>),
    /// To tell of all changes of a line's collection after a revision.
    Watch(BranchId, Collection, Revision, Teller<WatchBatch>),
    /// To tell of all commits of a line after a revision.
    WatchCommits(BranchId, Revision, Teller<Vec<Commit>>),
    /// To make a backup.
    BackUp(Reply<Option<Result<Saved, String>>>),
    /// To let a node in.
    Admit(u64, Member, Reply<Result<u64, String>>),
    /// To let a member go.
    Remove(String, Reply<Result<u64, String>>),
    /// To let another member lead.
    Transfer(Reply<Result<String, String>>),
    /// To stop in order.
    Stop,
}

/// Where a watch is told.
pub type Teller<T> = mpsc::UnboundedSender<Told<T>>;

/// What a watch is told.
#[derive(Debug)]
pub enum Told<T> {
    /// Changes, or commits.
    Changes(T),
    /// The watch has ended, or never began, as it starts too early.
    Gone,
}

/// A collection at a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The revision.
    pub revision: Revision,
    /// The objects with their revisions and bytes.
    pub objects: Vec<(ObjectKey, Revision, bytes::Bytes)>,
}

/// Main and the branches.
#[derive(Clone, Debug)]
pub struct LinesSeen {
    /// The revision at which they are so.
    pub revision: Revision,
    /// The floor of everything.
    pub floor: Revision,
    /// Main's newest commit.
    pub main: CommitPoint,
    /// The branches by name, with the revision of main's object for each.
    pub branches: Vec<(String, BranchRef, Option<Revision>)>,
}

impl LinesSeen {
    fn of(view: &View) -> LinesSeen {
        let branches = view.branches.iter().map(|(name, branch)| {
            let object = view.get(&branch_key(name)).map(|object| object.revision);
            (name.to_string(), branch.at, object)
        });
        LinesSeen {
            revision: view.revision,
            floor: view.floors.all,
            main: view.head,
            branches: branches.collect(),
        }
    }
}

/// The key of main's object for a branch.
#[must_use]
pub fn branch_key(name: &str) -> ObjectKey {
    let (group, resource) = BRANCHES.split_once('/').expect("invariant: a group and a resource");
    Collection::new(group, resource).key("", name)
}

impl Seen {
    /// What a view shows of a collection.
    #[must_use]
    pub fn of(view: &View, collection: &Collection) -> Seen {
        let objects = view.list(collection, None, None);
        let objects = objects.map(|one| (one.key.clone(), one.revision, one.bytes.clone()));
        Seen { revision: view.revision, objects: objects.collect() }
    }
}

/// Serves requests until the member is told to stop or nobody can ask any more.
pub async fn serve(
    machine: Arc<Machine>,
    node: Arc<Node>,
    mut requests: mpsc::UnboundedReceiver<Request>,
) {
    while let Some(request) = requests.recv().await {
        machine.its_turn().await;
        if matches!(request, Request::Stop) {
            return;
        }
        tokio::spawn(answer(Arc::clone(&machine), Arc::clone(&node), request));
    }
}

async fn answer(machine: Arc<Machine>, node: Arc<Node>, request: Request) {
    let store = node.store();
    match request {
        Request::Write(mut write, reply) => {
            write.time_ms = machine.clock.wall_ms_at(turmoil::sim_elapsed().unwrap_or_default());
            tell(&machine, reply, store.propose(*write).await).await;
        }
        Request::Fenced(mut write, reply) => {
            // As the leader's own loops write; a member that does not lead has none.
            if let Some(term) = store.leading_term() {
                write.fence = Some(Fence { term });
                tell(&machine, reply, store.propose(*write).await).await;
            }
        }
        Request::Read(collection, reply) => {
            let read = store.read_barrier().await.map(|()| Seen::of(&store.view(), &collection));
            tell(&machine, reply, read).await;
        }
        Request::Look(collection, reply) => {
            // A member whose state is known to be wrong serves nothing of it.
            if store.refusal().is_none() {
                tell(&machine, reply, Seen::of(&store.view(), &collection)).await;
            }
        }
        Request::Lines(reply) => {
            if store.refusal().is_none() {
                tell(&machine, reply, LinesSeen::of(&store.view())).await;
            }
        }
        Request::Past(line, collection, revision, reply) => {
            let past = past::read(store.as_ref(), line, &collection, revision).await;
            tell(&machine, reply, past).await;
        }
        Request::Retain(floors, reply) => {
            if let Some(term) = store.leading_term() {
                tell(&machine, reply, store.retain(term, floors).await).await;
            }
        }
        Request::Watch(line, collection, from, told) => {
            match store.watch_branch(line, &collection, from) {
                Ok(mut stream) => {
                    while let Ok(batch) = stream.next().await
                        && tell_more(&machine, &told, batch).await
                    {}
                }
                Err(_) => gone(&told),
            }
        }
        Request::WatchCommits(line, from, told) => match store.watch_commits(line, from) {
            Ok(mut stream) => {
                while let Ok(batch) = stream.next().await
                    && tell_more(&machine, &told, batch).await
                {}
            }
            Err(_) => gone(&told),
        },
        Request::BackUp(reply) => {
            let saved = backup::back_up(&machine, &node).await;
            tell(&machine, reply, saved).await;
        }
        Request::Admit(id, member, reply) => {
            let admitted = node.admit(id, member, None).await;
            tell(&machine, reply, admitted.map_err(|error| error.to_string())).await;
        }
        Request::Remove(name, reply) => {
            let removed = node.remove(&name).await;
            tell(&machine, reply, removed.map_err(|error| error.to_string())).await;
        }
        Request::Transfer(reply) => {
            let leads = node.transfer(None).await;
            tell(&machine, reply, leads.map_err(|error| error.to_string())).await;
        }
        Request::Stop => {}
    }
}

/// Answers, unless the machine has lost power meanwhile.
async fn tell<T>(machine: &Machine, reply: Reply<T>, answer: T) {
    machine.its_turn().await;
    if !machine.disk.is_dead() {
        // Who asked may be gone.
        let _ = reply.send(answer);
    }
}

fn gone<T>(told: &Teller<T>) {
    // Who watched may be gone.
    let _ = told.send(Told::Gone);
}

/// Tells a watch, unless the machine has lost power meanwhile; whether it goes on.
async fn tell_more<T>(machine: &Machine, told: &Teller<T>, batch: T) -> bool {
    machine.its_turn().await;
    !machine.disk.is_dead() && told.send(Told::Changes(batch)).is_ok()
}
