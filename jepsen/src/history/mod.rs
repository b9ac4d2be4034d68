//! What clients and the nemesis did, in Jepsen's form: one EDN map a line.
//!
//! An operation of a client is two lines of its process: `:invoke`, then `:ok` (it happened),
//! `:fail` (it did not) or `:info` (nobody knows; the process is then crashed, and its client goes
//! on under a new number). Lines of the process `:nemesis` are all `:info`.
//!
//! # What a value holds
//! Objects are named by whole numbers, `k`; what is written is a whole number, `v`, that no other
//! operation of the history writes. `{…}` is a map with keyword keys.
//! A *state* is `{:rev R :uid "U" :val v}`: resource version, uid and content of an object.
//!
//! | workload | `:f` | value when invoked | value when `:ok` | `:error` when `:fail` |
//! |---|---|---|---|---|
//! | register | `:read` | `[k nil]` | `[k state]`, or `[k nil]`: there is none | |
//! | | `:create` | `[k v]` | `[k state]` | `:exists` |
//! | | `:write` (PUT without version) | `[k v]` | `[k state]` | `:not-found` |
//! | | `:cas` (PUT with a version) | `[k {:rev R :val v}]` | `[k state]` | `:conflict`, `:not-found` |
//! | | `:delete` | `[k nil]`, `[k {:rev R}]` | `[k {:rev R :uid "U"}]`: of the deletion | `:conflict`, `:not-found` |
//! | set | `:add` | `v` | `{:rev R :uid "U"}` | `:exists`: an earlier try of this operation's, or another's |
//! | | `:list` | `nil` | `{:rev R :elements [v …] :pages n}` | `:expired` |
//! | watch | the register's, by writers | | | |
//! | | `:list` | `{:selector s}` | `{:rev R :items [[k state] …]}` | `:expired` |
//! | | `:watch` | `{:from R\|nil :mode m :selector s}` | `{:events [event …] :end e}` | `:expired`: 410, with `:floor R` when told |
//! | session | `:create`, `:write` | `[k v]` | `[k state]` | as the register's |
//! | | `:read` | `[k {:at-least R}]` | `[k state]` | |
//! | | `:list` | `{:at-least R}` | `{:rev R :items …}` | |
//! | lease | `:acquire`, `:renew`, `:release` | `{:holder h}` | `{:holder h :fence n :rev R}` | `:held`, `:conflict` |
//! | | `:fenced` (a write that carries the fence) | `{:fence n :val v}` | `{:fence n :val v :rev R}` | `:fenced` |
//! | schedule | `:pod` (create) | `{:pod k :cpu m}` | `{:rev R :uid "U"}` | `:exists` |
//! | | `:delete-pod` | `{:pod k}` | `{:rev R :uid "U"}` | `:not-found` |
//! | | `:node` (create) | `{:node name :cpu m}` | `{:rev R :uid "U"}` | |
//! | | `:settle` (after the faults, until no pod waits that fits) | `nil` | `{:rev R :pods [{:pod k :cpu m :node name\|nil} …]}` | `:no-list` |
//! | | `:watch` | as above | events with `:key k :node name\|nil :cpu m` instead of `:val` | `:expired` |
//! | append | `:txn` | `[[:r k nil] … [:append k v] …]` | the same, with `[v …]` for nil | `:conflict`: a list has changed since |
//! | merge | `:branch` (put it on a branch), `:merge`, `:note` (patch main) | `{:family f :element n :objects [k …]}` | `{:first R :last R}`, or `{}`: nothing to do | `:conflict` |
//! | revert | `:apply` (an atomic set), `:revert`, `:note` | the same | the same | `:conflict` |
//! | both | `:look` | `{:family f :local true?}` | `{:rev R :objects [[k {:rev R :has [n …] :val n}] …]}` | |
//! | | `:watch` | as above | events with `:has [n …]` | `:expired` |
//! | past | the register's, by writers | | | |
//! | | `:present` | `{:key k?}` | `{:rev R :digests ["…" …]}` | `:not-found` |
//! | | `:past` | `{:rev R :key k? :way :at\|:pages\|:exact}` | `{:rev R :digests ["…" …]}`; without digests: not found | `:expired` |
//!
//! A transaction of lists is in [Elle](https://github.com/jepsen-io/elle)'s form; its reads come
//! before its appends, and each list is in it once. An *element* is the number of one change, which
//! it puts into all of its objects and a revert takes out again; `:val` is the element of the newest
//! change that sets it. A *digest* is of an object's bytes, and of a revision those of all objects.
//!
//! An *event* is `{:type :added\|:modified\|:deleted :key k :rev R :uid "U" :val v}`,
//! `{:type :bookmark :rev R}`, the latter with `:initial true` at the end of a WatchList's first
//! part. A watch's mode is `:watch` (from a version), `:watch-list` (`sendInitialEvents`) or
//! `:resume` (from the last version that the same process saw); its end is `:timeout`, `:cut` (by
//! the client), `:closed` (by the server) or `:gone` (410 within the stream). A selector is `nil`,
//! `:even` or `:odd`: a label that says whether `v` is.
//!
//! The process `:probe` asks every member now and then, with `:f :members` and the value
//! `[{:node n :index i :rev R :root "hex"} …]` of those that answered, also with `:term`, `:leads`,
//! `:diverged` and `:roots [[i "hex"] …]` of earlier indexes; roots at equal indexes must be equal. `:f :writable` by `:probe` is a write
//! through every member after the last fault ended: `{:nodes [n …]}`, and `:fail` unless all took it.
//!
//! Every line of a client also says `:node`: the member that was asked, and every line of a run of
//! several workloads says `:workload`.
//!
//! A fault is four lines of the nemesis, all with its name as `:f`. Two have the value
//! `{:phase :begin …}`, before and after it is done; two have `{:phase :end …}`, before and after
//! it is undone. All but the first say `:targets [n …]`, which are drawn when it begins. The second
//! of each two adds `:evidence`, what showed that it happened; `coverage` counts only those. A step
//! that failed has `:error` instead.
//!
//! A deletion's `:rev` is left out when the server does not tell it.

mod lines;
mod op;
pub mod value;

pub use lines::Lines;
pub use op::{History, HistoryError, Kind, Op, Process};

/// An owned EDN value.
pub type Edn = clojure_reader::edn::Edn<'static>;
