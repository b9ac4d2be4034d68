//! Commands that change objects: `label`, `annotate`, `patch`, `set`, `delete`.

use super::turns::Kubectl;
use reddwarf_tests::cluster::Cluster;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_and_annotations_come_change_and_go() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    kubectl.ok("create cm one");
    kubectl.ok("create cm two");
    for verb in ["label", "annotate"] {
        let path = format!("get cm one -o jsonpath={{.metadata.{verb}s.k}}");
        let path = path.replace("annotates", "annotations");
        kubectl.ok(&format!("{verb} cm one k=a other=x"));
        kubectl.refused(&format!("{verb} cm one k=b"), "--overwrite is false");
        kubectl.prints(&path, "a");
        kubectl.ok(&format!("{verb} cm one k=b --overwrite"));
        kubectl.prints(&path, "b");
        kubectl.says(&format!("{verb} cm one --list"), "k=b");
        kubectl.says(&format!("{verb} cm one k=c --overwrite --dry-run=server"), "server dry run");
        kubectl.says(&format!("{verb} cm one k=c --overwrite --dry-run=client -o yaml"), "k: c");
        kubectl.refused(&format!("{verb} cm one k=c --overwrite --resource-version=1"), "modified");
        kubectl.ok(&format!("{verb} cm one k-"));
        kubectl.prints(&path, "");
        kubectl.ok(&format!("{verb} cm --all all=yes"));
    }
    kubectl.says("label cm -l all=yes more=yes", "configmap/two labeled");
    kubectl.prints("get cm -l more=yes,other=x -o name", "configmap/one");
    kubectl.says("annotate cm --field-selector metadata.name=two note='two words'", "two annotate");
    kubectl.refused("label cm one 'bad key=x'", "invalid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patches_of_all_kinds_reach_objects_and_subresources() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    kubectl.ok("create deployment web --image=registry.example/web:1 --replicas=0");
    let container = "{.spec.template.spec.containers[*].name}";
    let read = format!("get deployment web -o jsonpath={container}");
    let side = r#"{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"x"}]}}}}"#;
    kubectl.ok(&format!("patch deployment web -p {side}"));
    kubectl.prints(&read, "side web");
    kubectl.ok(&format!("patch deployment web --type=merge -p {side}"));
    kubectl.prints(&read, "side");
    let json = r#"[{"op":"test","path":"/spec/replicas","value":0},{"op":"add","path":"/metadata/labels/k","value":"v"}]"#;
    kubectl.says(
        &format!("patch deployment web --type=json -p {json}"),
        "deployment.apps/web patched",
    );
    kubectl.prints("get deployment web -o jsonpath={.metadata.labels.k}", "v");
    let wrong = json.replace("\"value\":0", "\"value\":5");
    kubectl.refused(&format!("patch deployment web --type=json -p {wrong}"), "request is invalid");
    kubectl.says(&format!("patch deployment web -p {side}"), "(no change)");
    let file = cluster.write("patch.yaml", "metadata: {labels: {k: w}}\n");
    kubectl.ok(&format!("patch deployment web --patch-file={file}"));
    kubectl.prints("get deployment web -o jsonpath={.metadata.labels.k}", "w");
    kubectl.says(r#"patch deployment web --dry-run=server -p {"spec":{"replicas":9}} -o jsonpath={.spec.replicas}"#, "9");
    kubectl.prints("get deployment web -o jsonpath={.spec.replicas}", "0");

    kubectl
        .ok(r#"patch deployment web --subresource=scale --type=merge -p {"spec":{"replicas":1}}"#);
    kubectl.prints("get deployment web -o jsonpath={.spec.replicas}", "1");
    kubectl.prints(
        "get deployment web --subresource=scale -o jsonpath={.kind}{.spec.replicas}",
        "Scale1",
    );
    kubectl.ok("create ingress in --rule=a.example/=svc:80");
    let status = r#"{"status":{"loadBalancer":{"ingress":[{"ip":"10.1.2.3"}]}}}"#;
    kubectl.ok(&format!("patch ingress in --type=merge -p {status}"));
    kubectl.prints("get ingress in -o jsonpath={.status.loadBalancer}", "{}");
    kubectl.ok(&format!("patch ingress in --subresource=status --type=merge -p {status}"));
    kubectl.prints(
        "get ingress in --subresource=status -o jsonpath={.status.loadBalancer.ingress[0].ip}",
        "10.1.2.3",
    );
    kubectl.ok_edited("edit ingress in --subresource=status", "s/10.1.2.3/10.1.2.4/");
    kubectl.says("get ingress in", "10.1.2.4");
    kubectl.refused("patch cm nosuch -p {}", "not found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_of_workloads_are_set() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    kubectl.ok("create deployment web --image=registry.example/web:1 --replicas=0");
    kubectl.ok("create cm settings --from-literal=COLOUR=red");
    let container = |path: &str| {
        format!("get deployment web -o jsonpath={{.spec.template.spec.containers[0].{path}}}")
    };
    kubectl.says("set image deployment/web web=registry.example/web:2", "image updated");
    kubectl.prints(&container("image"), "registry.example/web:2");
    kubectl.ok("set image deployments --all *=registry.example/web:3");
    kubectl.prints(&container("image"), "registry.example/web:3");
    kubectl.ok("set env deployment/web A=b C=d");
    kubectl.ok("set env deployment/web --from=configmap/settings --prefix=MY_");
    kubectl.ok("set env deployment/web C-");
    kubectl.prints(&container("env[*].name"), "A MY_COLOUR");
    kubectl.says("set env deployment/web --list", "A=b");
    kubectl.says("set env deployment/web --list --resolve", "MY_COLOUR=red");
    kubectl.ok("set resources deployment web --limits=cpu=200m,memory=64Mi --requests=cpu=100m");
    kubectl.prints(&container("resources.limits.cpu"), "200m");
    kubectl.says(
        "set resources deployment web --requests=cpu=1 --limits=cpu=2 --dry-run=server",
        "dry run",
    );
    kubectl.ok("create serviceaccount robot");
    kubectl.ok("set serviceaccount deployment web robot");
    kubectl
        .prints("get deployment web -o jsonpath={.spec.template.spec.serviceAccountName}", "robot");
    kubectl.ok("create service clusterip web --tcp=80");
    kubectl.ok("set selector service web tier=front,app=web");
    kubectl.prints("get svc web -o jsonpath={.spec.selector.tier}", "front");
    kubectl.ok("create rolebinding reading --clusterrole=view --user=ann");
    kubectl.ok(
        "set subject rolebinding reading --user=bob --group=people --serviceaccount=default:robot",
    );
    kubectl
        .prints("get rolebinding reading -o jsonpath={.subjects[*].name}", "ann bob people robot");
}

const OWNED: &str = r"
apiVersion: v1
kind: ConfigMap
metadata:
  name: CHILD
  ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: owner, uid: UID, blockOwnerDeletion: true}]
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_deleted_by_every_choice() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    for name in ["a", "b", "c", "d", "e"] {
        kubectl.ok(&format!("create cm {name}"));
    }
    kubectl.ok("label cm a b tier=x");
    kubectl.says("delete cm e --dry-run=server", "configmap \"e\" deleted");
    kubectl.prints("get cm e -o name", "configmap/e");
    kubectl.says("delete cm -l tier=x", "configmap \"b\" deleted");
    kubectl.says("delete cm --field-selector metadata.name=c", "\"c\" deleted");
    kubectl.says("delete cm/d cm/e -o name", "configmap/e");
    kubectl.refused("delete cm e", "not found");
    kubectl.prints("delete cm e --ignore-not-found", "");
    kubectl.ok("create cm last");
    kubectl.says("delete cm --all --wait=false", "\"last\" deleted");

    for (cascade, left) in [("background", false), ("foreground", false), ("orphan", true)] {
        kubectl.ok("create cm owner");
        let uid = kubectl.ok("get cm owner -o jsonpath={.metadata.uid}");
        let child = OWNED.replace("CHILD", cascade).replace("UID", &uid);
        kubectl.ok_with_input("create -f -", &child);
        kubectl.ok(&format!("delete cm owner --cascade={cascade} --timeout=20s"));
        kubectl.refused("get cm owner", "NotFound");
        if left {
            kubectl
                .prints(&format!("get cm {cascade} -o jsonpath={{.metadata.ownerReferences}}"), "");
        } else {
            kubectl.ok(&format!("wait --for=delete cm/{cascade} --timeout=20s"));
        }
    }
    kubectl.ok("create cm held");
    kubectl.ok(r#"patch cm held -p {"metadata":{"finalizers":["test.example/hold"]}}"#);
    kubectl.refused("delete cm held --timeout=1s", "timed out");
    kubectl.says("get cm held -o jsonpath={.metadata.deletionTimestamp}", "T");
    kubectl
        .ok("patch cm held --type=json -p [{\"op\":\"remove\",\"path\":\"/metadata/finalizers\"}]");
    kubectl.refused("get cm held", "NotFound");
    kubectl.ok("create ns leaving");
    kubectl.ok("-n leaving create cm inside");
    kubectl.ok("delete ns leaving --now --timeout=20s");
    kubectl.refused("-n leaving get cm inside", "not found");
}
