//! Groups whose members are replaced, one after the other, by those of another version.

use reddwarf_core::FeatureLevels;
use reddwarf_tests::cluster::{Cluster, eventually, free_ports, program};
use reddwarf_tests::joiner::said;
use reddwarf_tests::trial::{BETWEEN, Trial};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

/// The program of an older version, for the test with a real one.
const OLDER: &str = "REDDWARF_OLDER";

/// An upgrade from one program to another, whose newest feature level is one higher.
struct Upgrade {
    older: PathBuf,
    newer: PathBuf,
    /// The newest level of the older program, at which the group is.
    level: u32,
    /// What the older program says of a data folder of the higher level, and of joining.
    refusals: [&'static str; 2],
}

impl Upgrade {
    /// Runs a command of the newer program against the group.
    fn run(&self, cluster: &Cluster, arguments: &[&str]) -> Output {
        let mut command = Command::new(&self.newer);
        command.args(arguments).env("KUBECONFIG", cluster.group.admin_kubeconfig());
        command.output().expect("reddwarf runs")
    }

    /// Replaces a running member; stopped by a signal, it hands over what it leads.
    async fn replace(&self, cluster: &Cluster, i: u16, program: &Path) {
        let (began, led) = (Instant::now(), cluster.leader().await == i);
        cluster.stop(i).await;
        let gone = began.elapsed();
        cluster.start_missing_as(program).await;
        let name = program.file_name().unwrap_or_default().display();
        let led = if led { ", which led" } else { "" };
        println!(
            "node-{i}{led}: stopped in {gone:.2?}, ready as {name} after {:.2?}",
            began.elapsed()
        );
        // Members are taken down when that is safe, as an operator would.
        eventually("it is safe to go on", async || {
            self.run(cluster, &["upgrade", "--check"]).status.success()
        })
        .await;
        assert_eq!(self.check(cluster)["level"], self.level, "nobody raised it");
    }

    /// What `reddwarf upgrade --check` says.
    fn check(&self, cluster: &Cluster) -> Value {
        let output = self.run(cluster, &["upgrade", "--check", "-o", "json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)))
    }

    /// What a failing command says.
    fn refused(&self, cluster: &Cluster, arguments: &[&str]) -> String {
        let output = self.run(cluster, arguments);
        assert!(!output.status.success(), "{}", said(&output));
        said(&output)
    }

    fn levels_of(told: &Value) -> Vec<String> {
        let members = told["members"].as_array().into_iter().flatten();
        let levels = members.map(|member| {
            let levels: Option<FeatureLevels> =
                serde_json::from_value(member["levels"].clone()).expect("levels or none");
            levels.map(|levels| levels.to_string()).unwrap_or_default()
        });
        levels.collect()
    }

    /// There and back and there, under writers, watchers and a reader.
    async fn go(&self, cluster: Cluster) {
        let trial = Trial::over(cluster).await;
        let cluster = &trial.cluster;
        let leader = cluster.leader().await;
        let [first, second] = [leader % 3 + 1, (leader + 1) % 3 + 1];
        for i in [first, second, leader] {
            self.replace(cluster, i, &self.newer).await;
        }
        let back = cluster.leader().await;
        self.replace(cluster, back, &self.older).await;
        let why = self.refused(cluster, &["upgrade", "--finish"]);
        assert!(why.contains(&format!("node-{back}")) && why.contains("supports feature"), "{why}");
        let told = self.check(cluster);
        assert!(
            told["next"].as_str().unwrap_or_default().contains(&format!("node-{back}")),
            "{told}"
        );
        assert!(told["downgrade"].as_str().unwrap_or_default().starts_with("possible"), "{told}");

        self.replace(cluster, back, &self.newer).await;
        let told = self.check(cluster);
        assert!(told["next"].as_str().unwrap_or_default().contains("--finish"), "{told}");
        let (began, higher) = (Instant::now(), self.level + 1);
        let output = self.run(cluster, &["upgrade", "--finish"]);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(said(&output), format!("the group is at feature level {higher}"));
        println!("level {higher} after {:.2?}", began.elapsed());
        for i in 1..=3 {
            eventually("every member knows of the level", async || {
                cluster.get(i, "/reddwarf/status").await["level"] == higher
            })
            .await;
        }
        tokio::time::sleep(BETWEEN).await;
        self.no_way_back(cluster, back).await;
        trial.check().await;
    }

    /// The older program neither goes on with a member nor joins, and harms nothing.
    async fn no_way_back(&self, cluster: &Cluster, i: u16) {
        let before = self.check(cluster);
        cluster.stop(i).await;
        for _ in 0..2 {
            let why = cluster.refusal_of(&self.older, i).await;
            assert!(why.contains(self.refusals[0]), "{why}");
        }
        let name = format!("node-{i}");
        let why = self.refused(cluster, &["upgrade", "--check"]);
        assert!(why.contains(&format!("{name} does not answer")), "{why}");
        // What a member that does not run supported last is known.
        assert_eq!(Self::levels_of(&self.check(cluster)), Self::levels_of(&before));

        let token = self.run(cluster, &["token", "create"]);
        let line = String::from_utf8(token.stdout).expect("text");
        let folder = cluster.group.folder.join("too-old");
        let address = format!("127.0.0.1:{}", free_ports(1));
        let join = Command::new(&self.older)
            .args(line.split_whitespace().skip(1))
            .args(["--name", "node-9", "--listen", &address, "--data-dir"])
            .arg(&folder)
            .output()
            .expect("reddwarf runs");
        assert!(!join.status.success() && !folder.exists(), "{}", said(&join));
        assert!(said(&join).contains(self.refusals[1]), "{}", said(&join));

        cluster.start_missing_as(&self.newer).await;
        assert!(self.run(cluster, &["upgrade", "--check"]).status.success());
    }
}

/// A group of the older program.
async fn group_of(program: &Path) -> Cluster {
    let cluster = Cluster::prepare(3).await;
    cluster.start_missing_as(program).await;
    cluster
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_goes_to_the_next_version_and_one_member_back_and_there_again() {
    let upgrade = Upgrade {
        older: program(),
        newer: env!("CARGO_BIN_EXE_next-reddwarf").into(),
        level: FeatureLevels::OF_THIS_BUILD.newest.0,
        refusals: [
            "this version of reddwarf does not support its group's feature level",
            "supports feature level 1-2; the group is at level 3: install a version there",
        ],
    };
    let cluster = group_of(&upgrade.older).await;
    let raised = upgrade.run(&cluster, &["upgrade", "--finish"]);
    assert!(raised.status.success(), "{}", said(&raised));
    upgrade.go(cluster).await;
}

/// The same from a real older version: `tests/upgrade.sh` builds it and tells where it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the program of an older version: just upgrade REVISION"]
async fn a_group_of_an_older_version_is_upgraded() {
    let older = std::env::var_os(OLDER).unwrap_or_else(|| panic!("{OLDER} names a program"));
    let upgrade = Upgrade {
        older: older.into(),
        newer: program(),
        level: 1,
        refusals: [
            "has format version 3, this build reads up to 2; start the newer version of reddwarf",
            "from before there were feature levels, which supports feature level 1; the group is at \
             level 2: install a version there that supports it",
        ],
    };
    upgrade.go(group_of(&upgrade.older).await).await;
}
