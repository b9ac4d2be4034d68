//! The alerts and the dashboard of `deploy/` ask for what a running member tells.

use reddwarf_tests::cluster::{Cluster, eventually};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

fn read(path: &str) -> String {
    fs::read_to_string(deploy().join(path)).expect("there")
}

fn yaml(path: &str) -> Value {
    serde_yaml_ng::from_str(&read(path)).expect("YAML")
}

/// The rules that alert.
fn rules() -> Vec<Value> {
    let groups = yaml("prometheus/alerts.yaml")["groups"].as_array().cloned().expect("groups");
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().cloned().expect("rules"));
    rules.collect()
}

/// The panels of the dashboard that ask for something.
fn panels() -> Vec<Value> {
    let dashboard: Value = serde_json::from_str(&read("grafana/reddwarf.json")).expect("JSON");
    let panels = dashboard["panels"].as_array().cloned().expect("panels");
    panels.into_iter().filter(|panel| panel["type"] != "row").collect()
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}

/// All expressions, by whose they are.
fn expressions() -> Vec<(String, String)> {
    let alerts = rules();
    let alerts = alerts.iter().map(|rule| (text(rule, "alert").into(), text(rule, "expr").into()));
    let mut all: Vec<(String, String)> = alerts.collect();
    for panel in panels() {
        for target in panel["targets"].as_array().expect("targets") {
            all.push((text(&panel, "title").to_owned(), text(target, "expr").to_owned()));
        }
    }
    all
}

/// What PromQL takes for something else than a metric where no parenthesis follows.
const WORDS: [&str; 7] = ["and", "or", "unless", "offset", "bool", "inf", "nan"];
/// After these, labels follow in parentheses.
const LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Leaves out what stands between two signs.
fn without(text: &str, open: char, close: char) -> String {
    let mut inside = false;
    let mut rest = String::new();
    for c in text.chars() {
        match inside {
            true if c == close => inside = false,
            false if c == open => inside = true,
            false => rest.push(c),
            true => {}
        }
    }
    rest
}

/// The metrics that an expression of PromQL names.
fn metrics(expression: &str) -> BTreeSet<String> {
    let bare = without(&without(&without(expression, '"', '"'), '{', '}'), '[', ']');
    let mut found = BTreeSet::new();
    let mut rest = bare.as_str();
    let name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    while let Some(start) = rest.find(name) {
        rest = &rest[start..];
        let end = rest.find(|c| !name(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        rest = after;
        let next = after.trim_start();
        let call = ["(", "by (", "without ("].iter().any(|sign| next.starts_with(sign));
        if LISTS.contains(&word) {
            rest = if call { after.split_once(')').map_or("", |(_, rest)| rest) } else { after };
        } else if !call && !WORDS.contains(&word) && !word.starts_with(|c: char| c.is_ascii_digit())
        {
            found.insert(word.to_owned());
        }
    }
    found
}

#[test]
fn the_metrics_of_an_expression_are_found() {
    let of = |text| metrics(text).into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(of(r#"sum by (group) (up{job="a b"}) <= count(up) / 2"#), "up");
    assert_eq!(
        of("max by (g) (a_b offset 1m) - on (g) group_right () c_d{x=~\"5..\"} > 0"),
        "a_b c_d"
    );
    assert_eq!(of("histogram_quantile(0.99, sum by (le) (rate(x_bucket[5m]))) > 1e3"), "x_bucket");
    assert_eq!(of("time() - (a > 0) and on (i) (b == 1)"), "a b");
}

#[test]
fn every_alert_says_what_it_means_and_where_to_read_on() {
    let guide = fs::read_to_string(deploy().join("../docs/operators-guide.md")).expect("there");
    let headings: BTreeSet<&str> = guide
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|l| l.trim_start_matches(['#', ' ']))
        .collect();
    let mut names = BTreeSet::new();
    for rule in rules() {
        let name = text(&rule, "alert");
        assert!(names.insert(name.to_owned()), "{name} is there twice");
        assert!(guide.contains(&format!("| `{name}` |")), "{name} is in the guide's table");
        assert!(["critical", "warning"].contains(&text(&rule["labels"], "severity")), "{name}");
        let annotations = &rule["annotations"];
        assert!(text(annotations, "summary").contains("{{ $labels.group }}"), "{name}");
        assert!(text(annotations, "description").ends_with('.'), "{name}");
        let section = text(annotations, "runbook").strip_prefix("docs/operators-guide.md, ");
        assert!(section.is_some_and(|title| headings.contains(title)), "{name}: {section:?}");
    }
    let listed = guide.matches("| `Reddwarf").count();
    assert_eq!(listed, names.len(), "the guide's table has no alert that is not there");
    for panel in panels() {
        assert!(!panel["targets"].as_array().expect("targets").is_empty(), "{panel}");
    }
    let scraped = &yaml("prometheus/prometheus.yaml")["scrape_configs"][0];
    assert_eq!(scraped["job_name"], "reddwarf");
    promtool();
}

/// Prometheus' own judgement of the rules, where it is installed.
fn promtool() {
    for arguments in [
        &["check", "config", "--syntax-only", "prometheus.yaml"][..],
        &["check", "rules", "alerts.yaml"],
        &["test", "rules", "alerts.test.yaml"],
    ] {
        let folder = deploy().join("prometheus");
        let checked = Command::new("promtool").args(arguments).current_dir(folder).output();
        let Ok(checked) = checked else {
            println!("without promtool the rules were only read");
            return;
        };
        let said = String::from_utf8_lossy(&[checked.stdout, checked.stderr].concat()).into_owned();
        assert!(checked.status.success(), "{said}");
    }
}

/// A service account whose requests have one seat, and a schema that sends them there.
fn narrow() -> String {
    let level = json!({
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "PriorityLevelConfiguration",
        "metadata": {"name": "narrow"},
        "spec": {"type": "Limited", "limited": {"nominalConcurrencyShares": 0,
            "borrowingLimitPercent": 0, "limitResponse": {"type": "Reject"}}},
    });
    let schema = json!({
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema",
        "metadata": {"name": "narrow"},
        "spec": {"matchingPrecedence": 2, "priorityLevelConfiguration": {"name": "narrow"},
            "rules": [{"subjects": [{"kind": "ServiceAccount",
                "serviceAccount": {"namespace": "default", "name": "default"}}],
                "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"],
                    "namespaces": ["*"], "clusterScope": true}]}]},
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [level, schema]}).to_string()
}

async fn told(cluster: &Cluster) -> String {
    let answer = cluster.ask(1, http::Method::GET, "/metrics", None).await.expect("an answer");
    String::from_utf8_lossy(&answer.body).into_owned()
}

/// The names of all samples.
async fn served(cluster: &Cluster) -> BTreeSet<String> {
    let text = told(cluster).await;
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned).collect()
}

/// Metrics with labels are there from the first time that something is counted: a request is
/// refused, since another one of that account, whose body does not end, has the only seat.
async fn refuse_one(cluster: &Cluster) {
    let path = cluster.write("narrow.json", &narrow());
    cluster.kubectl_ok(1, &["apply", "-f", &path]);
    let token = cluster.kubectl_ok(1, &["create", "token", "default"]);
    let bearer = format!("Authorization: Bearer {}", token.trim());
    let url = format!("{}/api/v1/namespaces/default/configmaps", cluster.group.urls()[0].1);
    let authority = cluster.group.folder.join("pki/ca.crt");
    let curl = || {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "60", "--header", &bearer, "--cacert"])
            .arg(&authority);
        curl.arg(&url);
        curl
    };
    // A member looks at the rules from time to time.
    eventually("the schema is in force", async || {
        curl().output().expect("curl runs");
        told(cluster).await.contains("flow_schema=\"narrow\"")
    })
    .await;
    // The head of the request is sent, and a body that does not come is waited for.
    let mut holding = curl()
        .args(["--http1.1", "--request", "POST", "--upload-file", "."])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("curl runs");
    eventually("a request is refused", async || {
        let output = curl().output().expect("curl runs");
        String::from_utf8_lossy(&output.stdout).contains("Too many requests")
    })
    .await;
    holding.kill().expect("it runs");
    holding.wait().expect("it ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_member_tells_what_alerts_and_dashboard_ask_for() {
    let cluster = Cluster::start(1).await;
    let pod = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/pod.yaml");
    cluster.kubectl_ok(1, &["apply", "-f", pod.to_str().expect("a plain path")]);
    cluster.kubectl_ok(1, &["get", "--raw", "/api/v1/namespaces/default/pods"]);
    refuse_one(&cluster).await;
    eventually("the scheduler has looked at the pod", async || {
        served(&cluster).await.contains("scheduler_schedule_attempts_total")
    })
    .await;
    let mut known = served(&cluster).await;
    // Prometheus' own.
    known.insert("up".to_owned());
    let asked = expressions();
    assert!(asked.len() > 50, "{}", asked.len());
    for (whose, expression) in asked {
        let named = metrics(&expression);
        assert!(!named.is_empty(), "{whose}: {expression}");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{whose} asks for {unknown:?}, which no member tells");
    }
}
