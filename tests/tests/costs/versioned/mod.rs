//! What a version history costs, with the product and with `git`, in one run on one disk. A
//! measurement of some minutes, run by hand:
//!
//! ```text
//! VERSIONED_COMMITS=1000000 VERSIONED_OBJECTS=100000 \
//!     cargo test --release -p reddwarf-tests --test costs versioned -- --ignored --nocapture
//! ```
//!
//! Both get the same objects with the same bytes, one object a commit. The product is a group of one
//! within this process, over its log and its durable store: each write is on disk when it is
//! answered, and users' requests go through the whole API, though not through HTTP and TLS. `git` is
//! the program and a bare repository, filled by `git fast-import`, with a commit graph and the paths
//! that commits change in it. A user starts the program for each request; at the store,
//! `git cat-file --batch` is kept running, and of the product the trait `History` is asked.

mod git;
mod product;

use git::Git;
use product::Product;
use std::time::{Duration, Instant};

const NAMESPACES: usize = 100;
/// Objects that a merge changes, and that main changes meanwhile.
pub const MERGED: usize = 100;
/// Commits between the two that are compared.
pub const APART: usize = 100;
/// Every so many commits the same object is changed.
pub const HOT_EVERY: usize = 50;
/// Entries of a log.
pub const LOG_MAX: usize = 100;
/// Bytes of the object of many versions, and those that change with each.
const LARGE_BYTES: usize = 4_096;
const CHANGED_BYTES: usize = 100;

/// A number from the environment.
fn setting(name: &str, default: usize) -> usize {
    let set = std::env::var(name).ok();
    set.map_or(default, |text| text.parse().expect("a number"))
}

/// What is measured.
pub struct Plan {
    pub commits: usize,
    pub objects: usize,
    pub versions: usize,
}

impl Plan {
    /// The object that a commit changes, the first being 1; all of them come up in turn.
    pub fn object_of(&self, commit: usize) -> usize {
        if commit > self.objects && commit.is_multiple_of(HOT_EVERY) {
            return 0;
        }
        commit % self.objects
    }
}

/// Name of an object's group.
pub fn group(object: usize) -> String {
    format!("ns-{}", object % NAMESPACES)
}

/// Name of an object.
pub fn name(object: usize) -> String {
    format!("obj-{object:06}")
}

/// What an object holds after a commit: mostly what it held before.
pub fn text(object: usize, commit: usize) -> String {
    let letter = |at: usize| char::from(b'a' + scattered(object * 200 + at, 26) as u8);
    let rest: String = (0..200).map(letter).collect();
    format!("{}-{commit}-{rest}", name(object))
}

/// A number below `below` that follows from `n` alone.
pub fn scattered(n: usize, below: usize) -> usize {
    ((n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31) % below as u64) as usize
}

/// Version `n` of the large object: 100 bytes of it are not those of the version before.
pub struct Versions {
    text: Vec<u8>,
    n: usize,
}

impl Versions {
    pub fn new() -> Versions {
        let letter = |at: usize| b'a' + scattered(at + 1, 26) as u8;
        Versions { text: (0..LARGE_BYTES).map(letter).collect(), n: 0 }
    }

    pub fn next(&mut self) -> String {
        self.n += 1;
        let from = scattered(self.n, LARGE_BYTES - CHANGED_BYTES);
        for at in 0..CHANGED_BYTES {
            self.text[from + at] = b'a' + scattered(self.n * 1_000 + at, 26) as u8;
        }
        String::from_utf8(self.text.clone()).expect("letters")
    }
}

/// The median of an operation's times.
pub struct Took(Vec<Duration>);

impl Took {
    pub fn add(&mut self, begun: Instant) {
        self.0.push(begun.elapsed());
    }

    fn median(mut self) -> Duration {
        self.0.sort_unstable();
        self.0[self.0.len() / 2]
    }
}

/// The rows of one side, in the order of [`ROWS`].
pub struct Figures {
    pub fill: Duration,
    pub took: Vec<Took>,
    pub bytes: u64,
    pub bytes_a_version: Vec<(&'static str, f64)>,
}

pub const ROWS: [&str; 10] = [
    "one more commit, on disk",
    "a branch",
    "a commit by its id, at the store",
    "a commit by its id, as users ask",
    "the log of one object",
    "the newest 100 of a hot object's log",
    "a merge of 100 objects, main moved too",
    "the diff of commits 100 apart",
    "an object as it was, at the store",
    "an object as it was, as users ask",
];

/// No times yet, for each row.
pub fn no_times() -> [Took; ROWS.len()] {
    std::array::from_fn(|_| Took(Vec::new()))
}

fn told(took: Duration) -> String {
    format!("{took:.3?}")
}

fn print(plan: &Plan, product: Figures, git: Figures) {
    let row = |what: &str, a: String, b: String| println!("| {what:<42} | {a:>12} | {b:>12} |");
    println!("\n{} commits, {} objects; medians\n", plan.commits, plan.objects);
    row("", "reddwarf".into(), "git".into());
    println!("|{}|{}|{}|", "-".repeat(44), "-".repeat(14), "-".repeat(14));
    row("filling, a commit", told(each(product.fill, plan)), told(each(git.fill, plan)));
    for ((what, a), b) in ROWS.iter().zip(product.took).zip(git.took) {
        row(what, told(a.median()), told(b.median()));
    }
    let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    row("bytes on disk", mb(product.bytes), mb(git.bytes));
    println!("\n{} versions of an object of 4 KiB, 100 bytes change with each:", plan.versions);
    for (what, bytes) in product.bytes_a_version.iter().chain(&git.bytes_a_version) {
        println!("  {what:<46} {bytes:>8.0} bytes a version");
    }
}

fn each(fill: Duration, plan: &Plan) -> Duration {
    fill / u32::try_from(plan.commits).expect("fewer than 2^32 commits")
}

#[test]
#[ignore = "a measurement of minutes"]
fn versioned_with_git() {
    let plan = Plan {
        commits: setting("VERSIONED_COMMITS", 20_000),
        objects: setting("VERSIONED_OBJECTS", 5_000),
        versions: setting("VERSIONED_VERSIONS", 10_000),
    };
    assert!(plan.objects >= 3 * MERGED && plan.commits >= plan.objects + APART, "too few");
    let folder = tempfile::tempdir().expect("a folder");
    let git = Git::measure(&plan, &folder.path().join("git"));
    let product = Product::measure(&plan, &folder.path().join("product"));
    print(&plan, product, git);
}
