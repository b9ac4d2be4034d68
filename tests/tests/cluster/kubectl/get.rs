//! `get` in all forms of output and selection, and watches.

use super::turns::Kubectl;
use reddwarf_tests::cluster::Cluster;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

const MAPS: &str = r"
apiVersion: v1
kind: ConfigMap
metadata: {name: one, labels: {tier: front, rank: '2'}}
data: {a: 'x', b: 'y'}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: two, labels: {tier: back, rank: '1'}}
---
apiVersion: v1
kind: Secret
metadata: {name: three, labels: {tier: back}}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn get_prints_in_every_form() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    let file = cluster.write("maps.yaml", MAPS);
    kubectl.ok(&format!("create -f {file}"));

    let rows = kubectl.ok("get configmap one two");
    let columns: Vec<Vec<&str>> = rows.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(columns[0], ["NAME", "DATA", "AGE"]);
    assert_eq!((&columns[1][..2], &columns[2][..2]), (&["one", "2"][..], &["two", "0"][..]));
    assert!(!kubectl.ok("get cm one --no-headers").contains("NAME"));
    kubectl.says("get cm one --show-labels", "rank=2,tier=front");
    kubectl.says("get cm -L tier,rank", "TIER    RANK");
    kubectl.says("get cm/one secret/three", "configmap/one");
    kubectl.says("get cm one --show-kind", "configmap/one");
    kubectl.says("get cm one --server-print=false", "NAME   AGE");
    kubectl.says(&format!("get -f {file}"), "secret/three");
    kubectl.says("get svc kubernetes -o wide", "SELECTOR");
    kubectl.prints(
        "get cm,secret one three --ignore-not-found -o name",
        "configmap/one\nsecret/three",
    );
    kubectl.prints("get cm nosuch --ignore-not-found", "");
    kubectl.refused("get cm one nosuch", "configmaps \"nosuch\" not found");

    kubectl.prints("get cm one -o jsonpath={.data.a}{.data.b}", "xy");
    kubectl.prints(
        "get cm one two -o jsonpath='{range .items[*]}{.metadata.name}={.kind} {end}'",
        "one=ConfigMap two=ConfigMap",
    );
    let filter = "'{.items[?(@.metadata.labels.rank==\"1\")].metadata.name}'";
    kubectl.prints(&format!("get cm -l tier -o jsonpath={filter}"), "two");
    kubectl.says("get cm one -o jsonpath-as-json={.data}", "\"a\": \"x\"");
    kubectl.prints(
        "get cm one -o go-template='{{range $k, $v := .data}}{{$k}}:{{$v}} {{end}}'",
        "a:x b:y",
    );
    kubectl.prints("get cm one -o template={{.data.a}}", "x");
    let template = cluster.write("template", "{{.metadata.name}} has {{len .data}}");
    kubectl.prints(&format!("get cm one -o go-template-file={template}"), "one has 2");
    let path = cluster.write("path", "{.metadata.name}");
    kubectl.prints(&format!("get cm one -o jsonpath-file={path}"), "one");
    let custom =
        kubectl.ok("get cm -l tier -o custom-columns=N:.metadata.name,T:.metadata.labels.tier");
    assert_eq!(
        custom.split_whitespace().collect::<Vec<_>>(),
        ["N", "T", "one", "front", "two", "back"]
    );
    let columns = cluster.write("columns", "NAME            A\nmetadata.name   data.a\n");
    kubectl.says(&format!("get cm one -o custom-columns-file={columns}"), "one    x");

    let json: serde_json::Value =
        serde_json::from_str(&kubectl.ok("get cm -l tier -o json")).expect("JSON");
    assert_eq!((&json["kind"], json["items"].as_array().map(Vec::len)), (&"List".into(), Some(2)));
    assert!(!kubectl.ok("get cm one -o yaml").contains("managedFields"));
    kubectl.says("get cm one -o yaml --show-managed-fields", "managedFields");
    kubectl.says("get --raw /api/v1/namespaces/default/configmaps/one", "\"tier\":\"front\"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn get_selects_sorts_and_pages() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    let file = cluster.write("maps.yaml", MAPS);
    kubectl.ok(&format!("create -f {file}"));
    for (selector, wanted) in [
        ("tier=front", "configmap/one"),
        ("tier!=front,tier", "configmap/two"),
        ("'tier in (front,back)'", "configmap/one\nconfigmap/two"),
        ("'tier,rank notin (1)'", "configmap/one"),
        ("'!tier,rank'", ""),
    ] {
        kubectl.prints(&format!("get cm -l {selector} -o name"), wanted);
    }
    kubectl.prints("get cm --field-selector metadata.name=two -o name", "configmap/two");
    kubectl.prints(
        "get secret --field-selector type=Opaque,metadata.namespace=default -o name",
        "secret/three",
    );
    kubectl.prints("get ns --field-selector status.phase!=Active,metadata.name!=x -o name", "");
    kubectl.refused("get cm --field-selector data.a=x", "\"data.a\" is not a known field selector");
    kubectl.refused("get cm -l 'tier in front'", "unable to parse requirement");

    kubectl.prints(
        "get cm -l tier --sort-by=.metadata.labels.rank -o name",
        "configmap/two\nconfigmap/one",
    );
    kubectl.prints("get cm,secret -l tier=back -o name", "configmap/two\nsecret/three");
    let everywhere = kubectl.ok("get configmaps -A");
    for wanted in ["NAMESPACE", "default", "kube-system", "kube-root-ca.crt"] {
        assert!(everywhere.contains(wanted), "{wanted}: {everywhere}");
    }
    for n in 0..7 {
        kubectl.ok(&format!("create configmap page-{n}"));
    }
    let whole = kubectl.ok("get cm -o name --chunk-size=0");
    assert_eq!(whole.matches("page-").count(), 7, "{whole}");
    for size in [1, 3, 500] {
        kubectl.prints(&format!("get cm -o name --chunk-size={size}"), whole.trim());
    }
}

/// A kubectl that goes on printing.
struct Printing {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Printing {
    fn start(kubectl: &Kubectl<'_>, line: &str) -> Self {
        let mut child = kubectl.command(line).stdout(Stdio::piped()).spawn().expect("kubectl runs");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Printing { child, lines }
    }

    /// The words of the next line.
    fn words(&mut self) -> Vec<String> {
        let line = self.lines.next().expect("it goes on").expect("it prints text");
        line.split_whitespace().map(str::to_owned).collect()
    }
}

impl Drop for Printing {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const EVENT: &str = r"
apiVersion: v1
kind: Event
metadata: {name: told, namespace: default}
involvedObject: {apiVersion: v1, kind: ConfigMap, name: watched-0, namespace: default}
reason: Told
message: it was told
type: Warning
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_print_what_other_members_write() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    for turn in 0..3 {
        let (label, name) = (format!("turn={turn}"), format!("watched-{turn}"));
        kubectl.ok(&format!("create cm {name}"));
        kubectl.ok(&format!("label cm {name} {label}"));
        let rows = format!("get cm -w -l {label} --output-watch-events");
        let mut rows = Printing::start(&kubectl, &rows);
        let mut names = Printing::start(&kubectl, &format!("get cm -w -l {label} -o name"));
        assert_eq!(rows.words()[..2], ["EVENT", "NAME"]);
        assert_eq!(rows.words()[..3], ["ADDED", &name, "0"]);
        assert_eq!(names.words(), [format!("configmap/{name}")]);
        kubectl.ok(&format!("patch cm {name} --type=merge -p {{\"data\":{{\"a\":\"b\"}}}}"));
        assert_eq!(rows.words()[..3], ["MODIFIED", &name, "1"]);
        assert_eq!(names.words(), [format!("configmap/{name}")]);
        // What no longer matches is deleted, as far as the watcher knows.
        kubectl.ok(&format!("label cm {name} turn-"));
        assert_eq!(rows.words()[..2], ["DELETED", &name]);
    }
    let rows = "get commits -w --output-watch-events --field-selector object=configmaps/logged";
    kubectl.ok("create cm logged");
    let mut commits = Printing::start(&kubectl, rows);
    assert_eq!(commits.words()[..2], ["EVENT", "NAME"]);
    assert_eq!(commits.words()[5], "create");
    kubectl.ok("delete cm logged");
    let words = commits.words();
    assert_eq!(
        (&words[0], &words[5], &words[6]),
        (&"ADDED".into(), &"delete".into(), &"configmaps/logged".into())
    );
    let mut events = Printing::start(&kubectl, "events -w --for configmap/watched-0");
    kubectl.ok_with_input("create -f -", EVENT);
    assert_eq!(events.words()[..2], ["LAST", "SEEN"]);
    assert_eq!(events.words()[1..4], ["Warning", "Told", "ConfigMap/watched-0"]);
    kubectl.says("events --types=Warning", "it was told");
    kubectl.says("events -A -o jsonpath={.items[*].reason}", "Told");
}
