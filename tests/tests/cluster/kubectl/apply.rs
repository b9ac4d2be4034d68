//! `apply` in all its ways, `diff`, `replace` and `kustomize`.

use super::turns::Kubectl;
use reddwarf_tests::cluster::Cluster;
use std::fs;

const MAP: &str = "---
{apiVersion: v1, kind: ConfigMap, metadata: {name: NAME, labels: {set: s}}, data: {a: VALUE}}
";

fn map(name: &str, value: &str) -> String {
    MAP.replace("NAME", name).replace("VALUE", value)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_applied_is_viewed_set_and_edited() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    let file = cluster.write("map.yaml", &map("one", "x"));
    kubectl.ok(&format!("create -f {file}"));
    kubectl.refused(&format!("apply set-last-applied -f {file}"), "no last-applied-configuration");
    kubectl
        .says(&format!("apply set-last-applied --create-annotation=true -f {file}"), "configured");
    kubectl.says("apply view-last-applied cm one", "a: x");
    kubectl.says("apply view-last-applied cm/one -o json", "\"a\": \"x\"");
    kubectl.ok_edited("apply edit-last-applied cm one", "s/a: x/a: z/");
    kubectl.says("apply view-last-applied cm one", "a: z");
    kubectl.prints("get cm one -o jsonpath={.data.a}", "x");
    // A list is checked against the document of version 2, which alone has its kind.
    let list = kubectl.ok("get cm -o yaml");
    kubectl.ok_with_input("apply -f -", &list);
    // Three ways: what another added stays, what is no longer applied goes.
    kubectl.ok(r#"patch cm one --type=merge -p {"data":{"b":"theirs"}}"#);
    fs::write(&file, map("one", "w").replace("a: w", "c: w")).expect("written");
    kubectl.says(&format!("apply -f {file}"), "configmap/one configured");
    kubectl.prints("get cm one -o jsonpath={.data}", r#"{"b":"theirs","c":"w"}"#);
    kubectl.says(&format!("apply -f {file}"), "configmap/one unchanged");
    kubectl.says(&format!("apply -f {file} --dry-run=client"), "(dry run)");
    assert_eq!(kubectl.run(&format!("diff -f {file}")).status.code(), Some(0));

    kubectl.ok_with_input("apply -f - --wait", &map("two", "x"));
    kubectl.says("get cm two -o name", "two");
    let unknown = map("three", "x").replace("data: {a", "datta: {a");
    let unknown = cluster.write("unknown.yaml", &unknown);
    kubectl.refused(&format!("apply -f {unknown}"), "unknown field \"datta\"");
    kubectl.ok(&format!("apply --validate=warn -f {unknown}"));
    kubectl.ok(&format!("apply --validate=ignore -f {unknown}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_longer_applied_is_pruned() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    let both = format!("{}\n{}", map("one", "x"), map("two", "x"));
    let (both, one) =
        (cluster.write("both.yaml", &both), cluster.write("one.yaml", &map("one", "p")));
    kubectl.ok(&format!("apply -f {both}"));
    kubectl.ok("create cm three");
    kubectl.ok("label cm three set=s");
    let allowed = "--prune -l set=s --prune-allowlist=core/v1/ConfigMap";
    kubectl.says(&format!("apply -f {one} {allowed}"), "configmap/two pruned");
    kubectl.prints("get cm -l set=s -o name", "configmap/one\nconfigmap/three");

    // The other way is kept in an object of its own.
    kubectl.ok("create ns setted");
    let apply = |file: &str| {
        let line = format!("-n setted apply -f {file} --server-side --prune --applyset=all");
        let output = kubectl.command(&line).env("KUBECTL_APPLYSET", "true").output();
        let output = output.expect("kubectl runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(apply(&both).contains("two serverside-applied"));
    assert!(apply(&one).contains("configmap/two pruned"));
    kubectl.prints("-n setted get cm -l set=s -o name", "configmap/one");
    kubectl.says(
        "-n setted get secret all -o jsonpath={.metadata.labels}",
        "applyset.kubernetes.io/id",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_side_apply_has_managers_that_conflict() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    let file = cluster.write("map.yaml", &map("one", "x"));
    let apply = |manager: &str, more: &str| {
        format!("apply --server-side --field-manager={manager} {more} -f {file}")
    };
    kubectl.says(&apply("first", ""), "configmap/one serverside-applied");
    kubectl.says(&apply("second", ""), "serverside-applied");
    fs::write(&file, map("one", "p")).expect("written");
    kubectl.refused(&apply("second", ""), "conflict with \"first\": .data.a");
    kubectl.says(&apply("second", "--dry-run=server --force-conflicts"), "(server dry run)");
    kubectl.prints("get cm one -o jsonpath={.data.a}", "x");
    assert_eq!(
        kubectl.run(&format!("diff --server-side --force-conflicts -f {file}")).status.code(),
        Some(1)
    );
    kubectl.ok(&apply("second", "--force-conflicts"));
    kubectl.prints("get cm one -o jsonpath={.data.a}", "p");
    let managers = "{range .metadata.managedFields[*]}{.manager}:{.operation} {end}";
    kubectl.says(
        &format!("get cm one --show-managed-fields -o jsonpath='{managers}'"),
        "second:Apply",
    );
    // An object that was applied by the client goes over.
    fs::write(&file, map("two", "x")).expect("written");
    kubectl.ok(&format!("apply -f {file}"));
    fs::write(&file, map("two", "p").replace("labels: {set: s}", "annotations: {}"))
        .expect("written");
    kubectl.ok(&format!("apply --server-side -f {file}"));
    kubectl.prints("get cm two -o jsonpath={.data.a}{.metadata.labels}", "p");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_replaced_and_edited() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    let file = cluster.write("map.yaml", &map("one", "x"));
    kubectl.refused(&format!("replace -f {file}"), "NotFound");
    kubectl.ok(&format!("create -f {file} --save-config"));
    let uid = kubectl.ok("get cm one -o jsonpath={.metadata.uid}");
    fs::write(&file, map("one", "p")).expect("written");
    kubectl.says(&format!("replace -f {file}"), "configmap/one replaced");
    kubectl.prints("get cm one -o jsonpath={.data.a}{.metadata.uid}", &format!("p{uid}"));
    kubectl.says(&format!("replace --force --grace-period=0 -f {file}"), "configmap/one replaced");
    assert_ne!(kubectl.ok("get cm one -o jsonpath={.metadata.uid}"), uid, "made anew");

    kubectl.ok("create ingress in --rule=a.example/=svc:80");
    let reported = kubectl.ok("get ingress in -o yaml");
    let reported =
        reported.replace("loadBalancer: {}", "loadBalancer: {ingress: [{ip: 10.1.2.5}]}");
    kubectl.ok_with_input("replace -f -", &reported);
    kubectl.prints("get ingress in -o jsonpath={.status.loadBalancer}", "{}");
    let now = kubectl.ok("get ingress in -o jsonpath={.metadata.resourceVersion}");
    assert!(reported.contains(&now), "a status does not change by the way");
    kubectl.ok_with_input("replace --subresource=status -f -", &reported);
    kubectl.says("get ingress in", "10.1.2.5");

    kubectl.ok("create deployment web --image=registry.example/web:1 --replicas=0");
    kubectl.ok_edited("edit deployment web", "s/web:1/web:2/");
    kubectl.ok_edited("edit deployment web -o json --save-config", "s/web:2/web:3/");
    let image = "get deployment web -o jsonpath={.spec.template.spec.containers[0].image}";
    kubectl.prints(image, "registry.example/web:3");
    kubectl.prints("edit deployment web", "");
    kubectl.ok_edited("edit cm/one deployment/web", "s/a: p/a: z/");
    kubectl.prints("get cm one -o jsonpath={.data.a}", "z");
}

const KUSTOMIZATION: &str = r#"
resources: [map.yaml]
namePrefix: my-
labels: [{pairs: {from: kustomize}}]
configMapGenerator: [{name: made, literals: [x=y]}]
patches: [{patch: '[{"op": "replace", "path": "/data/a", "value": "patched"}]', target: {kind: ConfigMap, name: one}}]
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kustomizations_are_built_applied_and_deleted() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    let folder = cluster.group.folder.join("kustomization");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("map.yaml"), map("one", "x")).expect("written");
    fs::write(folder.join("kustomization.yaml"), KUSTOMIZATION).expect("written");
    let folder = folder.display();
    kubectl.says(&format!("kustomize {folder}"), "a: patched");
    kubectl.says(&format!("apply -k {folder}"), "configmap/my-one created");
    let names = kubectl.ok("get cm -l from=kustomize -o name");
    assert!(names.contains("configmap/my-made-") && names.contains("configmap/my-one"), "{names}");
    kubectl.prints("get cm my-one -o jsonpath={.data.a}", "patched");
    kubectl.ok(&format!("diff -k {folder}"));
    kubectl.says(&format!("get -k {folder}"), "my-one");
    kubectl.says(&format!("delete -k {folder}"), "deleted");
    kubectl.prints("get cm -l from=kustomize -o name", "");
}
