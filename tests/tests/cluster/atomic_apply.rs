//! `reddwarf apply` against a group of real processes.

use http::Method;
use reddwarf_core::limits::PROPOSAL_OBJECTS_MAX;
use reddwarf_tests::cluster::{Cluster, program};
use serde_json::{Value, json};
use std::fs;
use std::process::Output;
use std::time::{Duration, Instant};

const DEFINITION: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: signs.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: signs, singular: sign, kind: Sign, listKind: SignList}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer, default: 3}
"#;
const SIGN: &str = r#"
apiVersion: example.com/v1
kind: Sign
metadata: {name: door, labels: {app: shop}}
spec: {}
"#;
const WEB: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: shop}}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: web, image: nginx}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: hours, labels: {app: shop}}
data: {from: "8"}
"#;
/// With a field that the manager owns: without any, the second apply writes who owns the others.
const NAMESPACE: &str =
    "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {app: shop}}}\n";
const BAD: &str = r#"{apiVersion: v1, kind: ConfigMap, metadata: {name: fine}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: bad}, data: {"not a key!": ""}}
"#;
/// A set of as many objects as one may have must not keep people waiting.
const LONG: Duration = Duration::from_secs(10);

const SHOP: [&str; 5] = [
    "/api/v1/namespaces/shop",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/signs.example.com",
    "/apis/example.com/v1/namespaces/shop/signs/door",
    "/apis/apps/v1/namespaces/shop/deployments/web",
    "/api/v1/namespaces/shop/configmaps/hours",
];

/// The program against a group, in a folder with files of objects.
struct Shell(Cluster);

impl Shell {
    /// Files that need each other, in an order in which single requests would fail.
    async fn start() -> Shell {
        let shell = Shell(Cluster::start(3).await);
        fs::create_dir(shell.0.group.folder.join("shop")).expect("a folder");
        let files = [("1-sign", SIGN), ("2-web", WEB), ("3-kind", DEFINITION), ("4", NAMESPACE)];
        for (name, text) in files {
            shell.0.write(&format!("shop/{name}.yaml"), text);
        }
        shell
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = std::process::Command::new(program());
        command.args(arguments).current_dir(&self.0.group.folder);
        command.env("KUBECONFIG", self.0.group.admin_kubeconfig());
        command.output().expect("reddwarf runs")
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What a command says that must fail, in one line.
    #[track_caller]
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
    }

    async fn is_there(&self, path: &str) -> bool {
        let answer = self.0.ask(1, Method::GET, path, None).await.expect("an answer");
        answer.status == 200
    }

    /// Applied commits that changed something in `shop`, the newest first.
    fn applied(&self) -> Vec<String> {
        let log = self.ok(&["log", "-n", "shop", "--oneline"]);
        log.lines().filter(|line| line.contains(" apply ")).map(str::to_owned).collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_lands_as_one_commit_or_not_at_all() {
    let shell = Shell::start().await;
    let apply = ["apply", "-n", "shop", "-f", "shop", "-m", "Open the shop"];
    let with = |more: &[&'static str]| [apply.as_slice(), more].concat();

    let bad = shell.0.write("shop/5-bad.yaml", BAD);
    let said = shell.refused(&apply);
    assert!(
        said.contains(
            "shop/5-bad.yaml, object 2: configmaps/bad in shop: ConfigMap \"bad\" is invalid"
        ) && said.contains("nothing was changed"),
        "{said}"
    );
    fs::remove_file(bad).expect("removed");
    let said = shell.ok(&with(&["--plan", "-o", "plan.json"]));
    assert!(said.contains("signs.example.com/door in shop would be created"), "{said}");
    for path in SHOP {
        assert!(!shell.is_there(path).await, "{path} is there already");
    }

    let said = shell.ok(&["apply", "--planned", "plan.json"]);
    assert!(said.contains("deployments.apps/web in shop created"), "{said}");
    let mut revisions = Vec::new();
    for path in SHOP {
        for member in 1..=3 {
            let object = shell.0.get(member, path).await;
            let revision = object["metadata"]["resourceVersion"].as_str().expect("a text");
            revisions.push(revision.parse::<u64>().expect("a number"));
        }
    }
    revisions.sort_unstable();
    // The namespace's service account is the sixth.
    assert!(revisions[revisions.len() - 1] - revisions[0] <= 5, "one commit: {revisions:?}");
    let commits = shell.applied();
    assert!(
        matches!(commits.as_slice(), [one] if one.ends_with(" apply 6 objects: Open the shop")),
        "{commits:?}"
    );
    let said = shell.refused(&["apply", "--planned", "plan.json"]);
    assert!(said.contains("the plan no longer holds: "), "{said}");
    assert!(shell.ok(&apply).ends_with("everything is so already: no commit\n"));
    assert_eq!(shell.applied().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plans_hold_until_something_changes_and_prune_what_left() {
    let shell = Shell::start().await;
    let apply = ["apply", "-n", "shop", "-f", "shop"];
    let with = |more: &[&'static str]| [apply.as_slice(), more].concat();
    shell.ok(&apply);

    let later = WEB.replace("from: \"8\"", "from: \"9\"");
    shell.0.write("shop/2-web.yaml", &later);
    let said = shell.ok(&with(&["--plan", "-o", "plan.json"]));
    assert!(
        said.contains(
            "configmaps/hours in shop would be configured\n  .data.from\n    - \"8\"\n    + \"9\"\n"
        ),
        "{said}"
    );
    shell.0.kubectl_ok(2, &["annotate", "-n", "shop", "configmap", "hours", "who=me"]);
    let said = shell.refused(&["apply", "--planned", "plan.json"]);
    assert!(said.contains("configmaps/hours in shop has changed since"), "{said}");
    shell.ok(&with(&["--plan", "-o", "plan.json"]));
    shell.ok(&["apply", "--planned", "plan.json"]);
    let hours = shell.0.get(3, SHOP[4]).await;
    assert_eq!(
        (&hours["data"]["from"], &hours["metadata"]["annotations"]["who"]),
        (&json!("9"), &json!("me"))
    );

    // With the definition itself left out, its kind and objects stay; the object is pruned.
    for file in ["1-sign", "3-kind"] {
        fs::remove_file(shell.0.group.folder.join(format!("shop/{file}.yaml"))).expect("removed");
    }
    let prune = with(&["--prune", "-l", "app=shop"]);
    let said = shell.ok(&[prune.as_slice(), &["--plan"]].concat());
    assert!(said.contains("signs.example.com/door in shop would be pruned"), "{said}");
    assert!(shell.is_there(SHOP[2]).await);
    let said = shell.ok(&prune);
    assert!(said.contains("signs.example.com/door in shop pruned"), "{said}");
    assert!(!shell.is_there(SHOP[2]).await && shell.is_there(SHOP[1]).await);
    assert!(shell.refused(&with(&["--prune"])).contains("--selector"));
}

/// A list of `count` config maps, each with `bytes` of data.
fn maps(count: usize, bytes: usize) -> String {
    let data = "x".repeat(bytes);
    let map = |n: usize| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("m{n}")},
            "data": {"k": data}})
    };
    let items: Vec<Value> = (0..count).map(map).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_a_limit_is_refused_in_words() {
    let shell = Shell::start().await;
    let max = PROPOSAL_OBJECTS_MAX;
    let apply = ["apply", "-f", "maps.json"];
    shell.0.write("maps.json", &maps(max + 1, 1));
    let said = shell.refused(&apply);
    assert!(said.contains("limit is 1000 objects, the set has 1001"), "{said}");
    shell.0.write("maps.json", &maps(max, 1));
    let begun = Instant::now();
    let said = shell.ok(&apply);
    let took = begun.elapsed();
    assert_eq!(said.lines().filter(|line| line.ends_with(" created")).count(), max);
    assert!(took < LONG, "{took:?}");
    println!("{max} objects took {took:?}");

    // More than 16 MiB in the files; and as much as just fits there, but not with what the server adds.
    shell.0.write("maps.json", &maps(17, 1_000_000));
    let said = shell.refused(&apply);
    assert!(said.contains("16777216 are the most that it may have"), "{said}");
    shell.0.write("maps.json", &maps(16, 1_048_300));
    let said = shell.refused(&apply);
    assert!(
        said.contains("Request entity too large: limit is 16777216 bytes in one commit"),
        "{said}"
    );
    // All but the whole of it, by way of each member.
    for member in 1..=3 {
        let list: Value = serde_json::from_str(&maps(15, 1_040_000)).expect("JSON");
        let set = json!({"apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "ChangeSet",
            "spec": {"objects": list["items"], "namespace": "default",
                "fieldManager": format!("m{member}"), "force": true}});
        let path = "/apis/history.reddwarf.dev/v1alpha1/changesets";
        let answer = shell.0.ask(member, Method::POST, path, Some(&set)).await.expect("an answer");
        assert_eq!(answer.status, 201, "{:?}", answer.body);
    }
}
