//! `git`'s side: the program and a bare repository.

use super::{
    APART, Figures, LOG_MAX, MERGED, Plan, Took, Versions, group, name, no_times, scattered, text,
};
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Instant;

/// A bare repository.
pub struct Git(PathBuf);

impl Git {
    /// Measures everything.
    pub fn measure(plan: &Plan, folder: &Path) -> Figures {
        let git = Git::init(&folder.join("many.git"));
        let begun = Instant::now();
        git.import(|to| {
            for n in 1..=plan.commits {
                let object = plan.object_of(n);
                commit(to, "refs/heads/main", None, &[(path(object), text(object, n))])?;
            }
            Ok(())
        });
        let fill = begun.elapsed();
        // As `git maintenance` does it, so that logs of one path need not look into every tree.
        git.run(&["commit-graph", "write", "--reachable", "--changed-paths"]);
        let ids = git.run(&["rev-list", "--reverse", "main"]);
        let ids: Vec<&str> = ids.lines().collect();
        let bytes = git.bytes();
        let took = git.operations(plan, &ids);
        let bytes_a_version = versions(plan, folder);
        Figures { fill, took, bytes, bytes_a_version }
    }

    fn init(path: &Path) -> Git {
        std::fs::create_dir_all(path).expect("a folder");
        let git = Git(path.to_owned());
        git.run(&["init", "--quiet", "--bare", "--initial-branch=main"]);
        git.run(&["config", "gc.auto", "0"]);
        git
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.arg("--git-dir").arg(&self.0).args(arguments);
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", &self.0);
        command.env("GIT_INDEX_FILE", self.0.join("index"));
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "ann");
            command.env(format!("GIT_{who}_EMAIL"), "ann@example.com");
        }
        command
    }

    /// What a command that must succeed says.
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("git runs");
        said(arguments, output)
    }

    /// The same with something to read, without its last line's end.
    fn feed(&self, arguments: &[&str], input: &str) -> String {
        let mut child = self.piped(arguments);
        child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
        said(arguments, child.wait_with_output().expect("it ends")).trim_end().to_owned()
    }

    fn piped(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("git runs")
    }

    fn import(&self, tell: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) {
        let arguments = ["fast-import", "--quiet"];
        let mut child = self.piped(&arguments);
        let mut to = BufWriter::new(child.stdin.take().expect("piped"));
        tell(&mut to).and_then(|()| to.flush()).expect("it reads");
        drop(to);
        said(&arguments, child.wait_with_output().expect("it ends"));
    }

    /// In the order of the rows.
    fn operations(&self, plan: &Plan, ids: &[&str]) -> Vec<Took> {
        let mut took = no_times();
        self.run(&["read-tree", "main"]);
        for n in 0..50 {
            let object = scattered(n, plan.objects);
            let begun = Instant::now();
            self.one_more(object, &text(object, plan.commits + n));
            took[0].add(begun);
        }
        for n in 0..50 {
            let begun = Instant::now();
            self.run(&["branch", &format!("b-{n}"), "main"]);
            took[1].add(begun);
        }
        let mut batch = Batch::start(self);
        for n in 0..500 {
            let id = ids[scattered(n, ids.len() - APART)];
            let begun = Instant::now();
            let commit = batch.ask(id);
            took[2].add(begun);
            assert!(commit.starts_with("tree "), "{commit}");
            if n < 50 {
                let begun = Instant::now();
                self.run(&["show", "--name-status", id]);
                took[3].add(begun);
            }
        }
        for n in 0..20 {
            let begun = Instant::now();
            self.log(1 + scattered(n, plan.objects - 1));
            took[4].add(begun);
            let begun = Instant::now();
            self.log(0);
            took[5].add(begun);
        }
        for n in 0..5 {
            let topic = self.ready_to_merge(n);
            let begun = Instant::now();
            self.merge(&topic);
            took[6].add(begun);
        }
        for n in 0..20 {
            let at = scattered(n, ids.len() - APART);
            let begun = Instant::now();
            let diff = self.run(&["diff", ids[at], ids[at + APART]]);
            took[7].add(begun);
            assert!(diff.matches("\ndiff ").count() > APART / 2);
        }
        for n in 0..200 {
            let at = scattered(n, ids.len());
            let object = plan.object_of(at + 1);
            let begun = Instant::now();
            let file = format!("{}:{}", ids[at], path(object));
            let found = batch.ask(&file);
            took[8].add(begun);
            assert_eq!(found, text(object, at + 1));
            if n < 50 {
                let begun = Instant::now();
                assert_eq!(self.run(&["show", &file]), found);
                took[9].add(begun);
            }
        }
        batch.end();
        took.into()
    }

    /// A commit of one changed file, as scripts make it in a repository without a working tree.
    fn one_more(&self, object: usize, content: &str) {
        let blob = self.feed(&["hash-object", "-w", "--stdin"], content);
        let entry = format!("100644,{blob},{}", path(object));
        self.run(&["update-index", "--add", "--cacheinfo", &entry]);
        let tree = self.feed(&["write-tree"], "");
        self.commit_tree(&tree, &["-p", "main"]);
    }

    fn commit_tree(&self, tree: &str, parents: &[&str]) {
        let arguments = [&["commit-tree", tree, "-m", "."], parents].concat();
        let commit = self.feed(&arguments, "");
        self.run(&["update-ref", "refs/heads/main", &commit]);
    }

    fn log(&self, object: usize) {
        let log = self.run(&[
            "log",
            &format!("--max-count={LOG_MAX}"),
            "--format=%H %an %ct %s",
            "main",
            "--",
            &path(object),
        ]);
        assert!(!log.is_empty());
    }

    /// A branch that changed some files while main changed others; gives its name.
    fn ready_to_merge(&self, round: usize) -> String {
        let topic = format!("m-{round}");
        let changed = |first: usize, by: &str| -> Vec<(String, String)> {
            let all = first..first + MERGED;
            all.map(|at| (path(at), format!("{by} {round}\n{}", text(at, round)))).collect()
        };
        let main = self.run(&["rev-parse", "main"]);
        let (main, topic_ref) = (main.trim_end(), format!("refs/heads/{topic}"));
        self.import(|to| {
            commit(to, &topic_ref, Some(main), &changed(1, "branch"))?;
            commit(to, "refs/heads/main", Some(main), &changed(1 + MERGED, "main"))
        });
        topic
    }

    fn merge(&self, topic: &str) {
        let tree = self.run(&["merge-tree", "--write-tree", "main", topic]);
        self.commit_tree(tree.trim_end(), &["-p", "main", "-p", topic]);
    }

    /// Bytes of everything in it.
    fn bytes(&self) -> u64 {
        bytes_of(&self.0.join("objects"))
    }
}

fn bytes_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let bytes = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() { bytes_of(&path) } else { path.metadata().map_or(0, |file| file.len()) }
    });
    bytes.sum()
}

#[track_caller]
fn said(arguments: &[&str], output: Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {}: {error}", arguments.join(" "));
    String::from_utf8(output.stdout).expect("text")
}

fn path(object: usize) -> String {
    format!("{}/{}", group(object), name(object))
}

/// One commit in the language of `git fast-import`.
fn commit(
    to: &mut dyn Write,
    branch: &str,
    from: Option<&str>,
    files: &[(String, String)],
) -> std::io::Result<()> {
    writeln!(to, "commit {branch}\ncommitter ann <ann@example.com> 1700000000 +0000\ndata 0")?;
    if let Some(from) = from {
        writeln!(to, "from {from}")?;
    }
    for (path, text) in files {
        writeln!(to, "M 100644 inline {path}\ndata {}\n{text}", text.len())?;
    }
    writeln!(to)
}

/// `git cat-file --batch`, kept running.
struct Batch {
    child: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Batch {
    fn start(git: &Git) -> Batch {
        let mut child = git.piped(&["cat-file", "--batch"]);
        let answers = BufReader::new(child.stdout.take().expect("piped"));
        Batch { child, answers }
    }

    fn ask(&mut self, what: &str) -> String {
        writeln!(self.child.stdin.as_mut().expect("piped"), "{what}").expect("it reads");
        let mut head = String::new();
        self.answers.read_line(&mut head).expect("it answers");
        let size = head.trim_end().rsplit(' ').next();
        let size: Option<usize> = size.and_then(|size| size.parse().ok());
        let mut body = vec![0; size.unwrap_or_else(|| panic!("{head}")) + 1];
        self.answers.read_exact(&mut body).expect("the whole of it");
        body.pop();
        String::from_utf8(body).expect("text")
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        self.child.wait().expect("it ends");
    }
}

/// Bytes a version of a file of many versions: packed as they come, as commits leave them, and packed
/// anew.
fn versions(plan: &Plan, folder: &Path) -> Vec<(&'static str, f64)> {
    let fill = |git: &Git| {
        let mut versions = Versions::new();
        git.import(|to| {
            (0..plan.versions).try_for_each(|_| {
                let file = (path(0), versions.next());
                commit(to, "refs/heads/main", None, &[file])
            })
        });
    };
    let each = |git: &Git| git.bytes() as f64 / plan.versions as f64;
    let packed = Git::init(&folder.join("packed.git"));
    fill(&packed);
    let imported = ("git, packed by fast-import", each(&packed));
    packed.run(&["gc", "--quiet", "--aggressive", "--prune=now"]);
    let repacked = ("git, after gc --aggressive", each(&packed));
    let loose = Git::init(&folder.join("loose.git"));
    loose.run(&["config", "fastimport.unpackLimit", "1000000000"]);
    fill(&loose);
    vec![("git, loose objects, before a gc", each(&loose)), imported, repacked]
}
