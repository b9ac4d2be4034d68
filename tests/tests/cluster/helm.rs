//! Helm against every member: releases are kept in secrets, each command goes to another member.
//!
//! `just helm` runs it. It is left out of the others because Helm is built from its module, which
//! takes minutes where it was not built before.

use reddwarf_tests::cluster::Cluster;
use reddwarf_tests::program;
use std::fs;
use std::process::Command;

const CHART: &str = "{apiVersion: v2, name: shop, version: 1.0.0, appVersion: '7'}";
const VALUES: &str = "colour: red\nextra: true\nname: settings\n";
const TEMPLATES: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Values.name }}, labels: {app: {{ .Release.Name }}}}
data:
  colour: {{ .Values.colour }}
  revision: "{{ .Release.Revision }}"
  apps: "{{ .Capabilities.APIVersions.Has "apps/v1/Deployment" }}"
  server: "{{ .Capabilities.KubeVersion.Version }}"
  looked: "{{ (lookup "v1" "Namespace" "" "default").metadata.name }}"
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: 0
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec: {containers: [{name: main, image: "registry.example/shop:{{ .Values.colour }}"}]}
---
{{- if .Values.extra }}
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec: {selector: {app: {{ .Release.Name }}}, ports: [{port: 80}]}
{{- end }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: hooked
  annotations: {helm.sh/hook: "post-install,post-upgrade", helm.sh/hook-delete-policy: before-hook-creation}
data: {revision: "{{ .Release.Revision }}"}
"#;

/// Helm and kubectl, each command at the member after the last one's.
struct Helm<'a> {
    cluster: &'a Cluster,
    program: String,
    chart: String,
    turn: u16,
}

impl Helm<'_> {
    /// Runs a command, whose words stand between spaces; gives whether it succeeds and what it says.
    fn run(&mut self, line: &str) -> (bool, String) {
        self.turn = self.turn % 3 + 1;
        let folder = &self.cluster.group.folder;
        let output = Command::new(&self.program)
            .args(line.replace("CHART", &self.chart).split(' '))
            .arg("--kubeconfig")
            .arg(self.cluster.group.admin_kubeconfig())
            .args(["--kube-context", &format!("node-{}", self.turn), "--namespace", "default"])
            .env("HOME", folder)
            .output()
            .expect("helm runs");
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    #[track_caller]
    fn says(&mut self, line: &str, wanted: &str) {
        let (success, said) = self.run(line);
        assert!(success && said.contains(wanted), "helm {line}\nwanted: {wanted}\nsaid: {said}");
    }

    /// What kubectl prints at the next member.
    #[track_caller]
    fn got(&mut self, words: &str) -> String {
        self.turn = self.turn % 3 + 1;
        let words: Vec<&str> = ["get"].into_iter().chain(words.split(' ')).collect();
        self.cluster.kubectl_ok(self.turn, &words)
    }
}

#[ignore = "builds Helm: just helm"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chart_is_installed_upgraded_rolled_back_and_uninstalled() {
    let program = program::prepare("helm").await.remove(0);
    let cluster = Cluster::start(3).await;
    let chart = cluster.group.folder.join("shop");
    fs::create_dir_all(chart.join("templates")).expect("a folder");
    for (name, text) in
        [("Chart.yaml", CHART), ("values.yaml", VALUES), ("templates/all.yaml", TEMPLATES)]
    {
        fs::write(chart.join(name), text).expect("written");
    }
    let chart = chart.display().to_string();
    let mut helm = Helm { cluster: &cluster, program, chart, turn: 0 };
    let data =
        "cm settings -o jsonpath={.data.colour},{.data.revision},{.data.apps},{.data.looked}";

    helm.says("install shop CHART --dry-run=server", "looked: \"default\"");
    helm.says("install shop CHART", "STATUS: deployed");
    assert_eq!(helm.got(data), "red,1,true,default");
    assert!(helm.got("svc shop -o jsonpath={.spec.clusterIP}").contains('.'));
    assert_eq!(helm.got("cm hooked -o jsonpath={.data.revision}"), "1");
    let (success, said) = helm.run("install shop CHART");
    assert!(!success && said.contains("cannot reuse a name"), "{said}");
    helm.says("list", "shop-1.0.0");
    helm.says("status shop --show-resources", "deployment.apps/shop");
    helm.says("get manifest shop", "registry.example/shop:red");

    helm.says("upgrade shop CHART --set colour=blue --set extra=false", "REVISION: 2");
    assert_eq!(helm.got(data), "blue,2,true,default");
    assert_eq!(helm.got("cm hooked -o jsonpath={.data.revision}"), "2");
    assert_eq!(helm.got("svc shop --ignore-not-found -o name"), "", "what the chart left out goes");
    let image = "deploy shop -o jsonpath={.spec.template.spec.containers[0].image}";
    assert_eq!(helm.got(image), "registry.example/shop:blue");
    helm.says("get values shop", "colour: blue");

    let (success, said) = helm.run("upgrade shop CHART --set name=Bad_Name --atomic --timeout=10s");
    assert!(!success && said.contains("RFC 1123"), "{said}");
    assert_eq!(helm.got(data).split(',').next(), Some("blue"), "it is rolled back by itself");

    helm.says("rollback shop 1", "Rollback was a success");
    assert!(helm.got(data).starts_with("red,1,"), "what the first revision made");
    helm.says("history shop", "Rollback to 1");
    let stored =
        helm.got("secrets -l owner=helm,name=shop,status=deployed -o jsonpath={.items[*].type}");
    assert_eq!(stored, "helm.sh/release.v1");

    helm.says("uninstall shop", "uninstalled");
    assert_eq!(helm.got("secrets,deploy,svc -l owner=helm -o name"), "");
    assert_eq!(helm.got("deploy,cm shop settings --ignore-not-found -o name"), "");
}
