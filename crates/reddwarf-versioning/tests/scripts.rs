//! Scripts of log entries with the answers and states that they lead to.
//!
//! A file of `tests/data` is a sequence of blocks, each a command, its input lines, `----` and
//! the expected output, up to an empty line. `REDDWARF_REWRITE=1 cargo test -p
//! reddwarf-versioning --test scripts` writes the outputs anew; review them as a diff.
//!
//! Commands: `write [id=] [made=] [term=] [fence=] [time=] [branch=]` with lines `put KEY
//! TEXT [salt] [misplaced]`, `delete KEY`, `expect KEY absent|present|REVISION`; `tick MS`;
//! `blank COUNT`; `state`; `restore`.

use bytes::Bytes;
use reddwarf_core::{
    Author, BranchId, Change, Expectation, Fence, ObjectIndex, ObjectKey, Outcome, Precondition,
    Proposal, ProposalKind, RequestId, Revision, Write,
};
use reddwarf_versioning::{
    Applied, EntryContext, State, StateBuilder, VERSION_PREFIX, decode_header,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

struct Machine {
    state: State,
    entry: EntryContext,
    next_id: u128,
    requests: BTreeMap<u64, Bytes>,
}

impl Machine {
    fn new() -> Self {
        let entry = EntryContext { index: 0, term: 1, leader: 1 };
        Machine { state: State::new(), entry, next_id: 1, requests: BTreeMap::new() }
    }

    fn run(&mut self, command: &str, input: &[&str]) -> String {
        let mut words = command.split_whitespace();
        match words.next().expect("a command") {
            "write" => self.write(words.collect(), input),
            "tick" => {
                let elapsed_ms = words.next().expect("ms").parse().expect("ms");
                let made_at = self.entry.index;
                self.apply(None, made_at, ProposalKind::Tick { elapsed_ms })
            }
            "blank" => {
                self.entry.index += words.next().expect("count").parse::<u64>().expect("count");
                self.state.apply_blank(self.entry).expect("in order");
                format!("entry {}\n", self.entry.index)
            }
            "state" => show(&self.state),
            "restore" => self.restore(),
            other => panic!("no command {other}"),
        }
    }

    fn write(&mut self, options: Vec<&str>, input: &[&str]) -> String {
        let mut write = Write {
            author: Author { user: "anna".into(), ..Author::default() },
            verb: "update".into(),
            ..Write::default()
        };
        let (mut id, mut made_at) = (None, self.entry.index);
        for option in options {
            let (name, value) = option.split_once('=').expect("name=value");
            let value: u64 = value.parse().expect("a number");
            match name {
                "id" => id = Some(u128::from(value)),
                "made" => made_at = value,
                "term" => self.entry.term = value,
                "fence" => write.fence = Some(Fence { term: value }),
                "time" => write.time_ms = value,
                "branch" => write.branch = BranchId(value as u32),
                other => panic!("no option {other}"),
            }
        }
        input.iter().for_each(|line| parse_line(line, &mut write));
        self.apply(id, made_at, ProposalKind::Write(write))
    }

    fn apply(&mut self, id: Option<u128>, made_at: u64, kind: ProposalKind) -> String {
        let id = id.unwrap_or_else(|| {
            self.next_id += 1;
            1_000_000 + self.next_id
        });
        self.entry.index += 1;
        let proposal = Proposal { request_id: RequestId(id.to_be_bytes()), made_at, kind };
        let applied = self.state.apply(self.entry, proposal).expect("in order");
        if let Some(row) = &applied.remembered {
            self.requests.insert(row.index, row.record.clone());
        }
        describe(&applied)
    }

    /// Rebuilds the state from its rows, which must lead to the same root.
    fn restore(&mut self) -> String {
        let mut builder = StateBuilder::new(self.state.checkpoint());
        for object in self.state.view().objects.values() {
            builder.object(BranchId::MAIN, object.as_ref().clone()).expect("content hash");
        }
        for (index, record) in &self.requests {
            builder.request(*index, record).expect("a row");
        }
        let restored = builder.finish().expect("the recorded sum");
        assert_eq!(restored.root(), self.state.root());
        self.state = restored;
        "the same root\n".into()
    }
}

fn parse_line(line: &str, write: &mut Write) {
    let words: Vec<&str> = line.split_whitespace().collect();
    let key = ObjectKey::parse(words[1]).expect("a key");
    match words[0] {
        "put" => {
            let body = format!(r#"{{"metadata":{{"resourceVersion":""}},"data":"{}"}}"#, words[2]);
            let at = body.find("resourceVersion").expect("it is there") - 1 + VERSION_PREFIX.len();
            let misplaced = words.contains(&"misplaced");
            write.changes.push(Change::Put {
                key,
                body: body.into(),
                version_offset: (at + usize::from(misplaced)) as u32,
                index: ObjectIndex::default(),
                salt: words.contains(&"salt").then_some([7; 16]),
            });
        }
        "delete" => write.changes.push(Change::Delete { key }),
        "expect" => {
            let expect = match words[2] {
                "absent" => Expectation::Absent,
                "present" => Expectation::Present,
                revision => Expectation::At(Revision(revision.parse().expect("a revision"))),
            };
            write.preconditions.push(Precondition { key, expect });
        }
        other => panic!("no line {other}"),
    }
}

fn describe(applied: &Applied) -> String {
    let mut out = String::new();
    match &applied.outcome {
        Outcome::Committed(committed) => {
            let id = committed.id.to_string();
            writeln!(out, "committed {}-{} {}", committed.first, committed.last, &id[..12])
        }
        Outcome::Rejected(rejection) => writeln!(out, "rejected: {rejection}"),
        Outcome::Done => writeln!(out, "done"),
    }
    .expect("a string");
    let Some(commit) = &applied.commit else { return out };
    let header = decode_header(&commit.header).expect("a header");
    writeln!(out, "  time {} parents {}", header.time_ms, header.parents.len()).expect("a string");
    for (change, event) in header.changes.iter().zip(&commit.events) {
        let before = change.before.map_or("-".into(), |before| before.to_string());
        let bytes = event
            .after
            .as_ref()
            .map_or("deleted".into(), |after| String::from_utf8_lossy(&after.bytes).into_owned());
        writeln!(out, "  {} {before} -> {}: {bytes}", change.key, change.after).expect("a string");
    }
    out
}

fn show(state: &State) -> String {
    let view = state.view();
    let mut out = format!(
        "entry {} revision {} clock {} remembered {} root {}\n",
        state.applied().index,
        view.revision,
        view.clock_ms,
        state.remembered_requests(),
        &state.root().to_string()[..12],
    );
    for object in view.objects.values() {
        writeln!(out, "  {} at {} since {}", object.key, object.revision, object.created)
            .expect("a string");
    }
    out
}

fn run_file(path: &Path) {
    let text = std::fs::read_to_string(path).expect("the script");
    let mut machine = Machine::new();
    let mut out = String::new();
    for block in text.split("\n\n").map(str::trim_end).filter(|block| !block.is_empty()) {
        let (command, _) = block.split_once("----").unwrap_or((block, ""));
        let lines: Vec<&str> = command.lines().collect();
        let at = lines.iter().position(|line| !line.starts_with('#')).expect("a command");
        let output = machine.run(lines[at], &lines[at + 1..]);
        writeln!(out, "{}\n----\n{output}", command.trim_end()).expect("a string");
    }
    if std::env::var_os("REDDWARF_REWRITE").is_some() {
        std::fs::write(path, &out).expect("the script");
    } else {
        assert_eq!(out.trim_end(), text.trim_end(), "{}", path.display());
    }
}

#[test]
fn scripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder")
        .map(|file| file.expect("a file").path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files.iter().for_each(|file| run_file(file));
}
