//! Every generator of `create`, and `run` and `expose`.

use super::turns::Kubectl;
use reddwarf_tests::cluster::{Cluster, eventually};

/// A command of `create` with an object it makes, a path into it and what stands there.
const CREATED: &[(&str, &str, &str, &str)] = &[
    ("namespace shop", "namespace/shop", "{.status.phase}", "Active"),
    ("configmap lit --from-literal=a=b --from-literal=c=d", "cm/lit", "{.data.a}{.data.c}", "bd"),
    ("configmap file --from-file=key=FILE", "cm/file", "{.data.key}", "a=1\nb=2"),
    ("configmap env --from-env-file=FILE", "cm/env", "{.data.a}{.data.b}", "12"),
    ("secret generic gen --from-literal=a=b", "secret/gen", "{.type}{.data.a}", "OpaqueYg=="),
    (
        "secret docker-registry reg --docker-server=r.example --docker-username=u --docker-password=p",
        "secret/reg",
        "{.type}",
        "kubernetes.io/dockerconfigjson",
    ),
    ("secret tls cert --cert=CERT --key=KEY", "secret/cert", "{.type}", "kubernetes.io/tls"),
    ("serviceaccount robot", "sa/robot", "{.metadata.name}", "robot"),
    (
        "deployment web --image=registry.example/web:1 --image=registry.example/log:1 --replicas=0",
        "deploy/web",
        "{.spec.template.spec.containers[*].name}",
        "web log",
    ),
    (
        "job once --image=registry.example/x -- echo hello",
        "job/once",
        "{.spec.template.spec.containers[0].command}",
        r#"["echo","hello"]"#,
    ),
    (
        "cronjob daily --image=registry.example/x --schedule='0 5 * * *'",
        "cronjob/daily",
        "{.spec.schedule}",
        "0 5 * * *",
    ),
    ("job from --from=cronjob/daily", "job/from", "{.metadata.ownerReferences[0].kind}", "CronJob"),
    (
        "ingress in --class=c --rule=a.example/x=svc:80,tls=cert --annotation=n=v",
        "ingress/in",
        "{.spec.rules[0].http.paths[0].backend.service.name}{.spec.tls[0].secretName}",
        "svccert",
    ),
    (
        "ingress default --default-backend=svc:http",
        "ingress/default",
        "{.spec.defaultBackend.service.port.name}",
        "http",
    ),
    (
        "poddisruptionbudget guard --selector=app=web --min-available=50%",
        "pdb/guard",
        "{.spec.minAvailable}",
        "50%",
    ),
    (
        "priorityclass high --value=1000 --description=important --preemption-policy=Never",
        "priorityclass/high",
        "{.value}{.preemptionPolicy}",
        "1000Never",
    ),
    (
        "quota limits --hard=cpu=1,pods=2 --scopes=BestEffort --dry-run=client",
        "ns/shop",
        "{.metadata.name}",
        "shop",
    ),
    ("quota limits --hard=cpu=1,pods=2", "quota/limits", "{.spec.hard.pods}", "2"),
    (
        "role reader --verb=get,list --resource=pods,deployments.apps/scale --resource-name=x",
        "role/reader",
        "{.rules[*].resources}",
        r#"["pods"] ["deployments/scale"]"#,
    ),
    (
        "rolebinding reading --role=reader --serviceaccount=default:robot --user=ann",
        "rolebinding/reading",
        "{.subjects[*].name}",
        "ann robot",
    ),
    (
        "clusterrole all-reader --verb=get --resource=nodes",
        "clusterrole/all-reader",
        "{.rules[0].resources[0]}",
        "nodes",
    ),
    (
        "clusterrole url-reader --verb=get --non-resource-url=/logs/*",
        "clusterrole/url-reader",
        "{.rules[0].nonResourceURLs[0]}",
        "/logs/*",
    ),
    (
        "clusterrole sum --aggregation-rule=part=yes",
        "clusterrole/sum",
        "{.aggregationRule.clusterRoleSelectors[0].matchLabels.part}",
        "yes",
    ),
    (
        "clusterrolebinding all-reading --clusterrole=all-reader --group=people",
        "clusterrolebinding/all-reading",
        "{.subjects[0].kind}",
        "Group",
    ),
    ("service clusterip inner --tcp=80:8080", "svc/inner", "{.spec.ports[0].targetPort}", "8080"),
    (
        "service clusterip headless --clusterip=None --tcp=80",
        "svc/headless",
        "{.spec.clusterIP}",
        "None",
    ),
    (
        "service nodeport outer --tcp=80 --node-port=30123",
        "svc/outer",
        "{.spec.ports[0].nodePort}",
        "30123",
    ),
    ("service loadbalancer balanced --tcp=443", "svc/balanced", "{.spec.type}", "LoadBalancer"),
    (
        "service externalname alias --external-name=a.example",
        "svc/alias",
        "{.spec.externalName}",
        "a.example",
    ),
];

/// A key and its certificate, made for this alone.
fn key_pair() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["web.example".to_owned()]).expect("a key pair");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_generator_creates_its_object() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    let file = cluster.write("settings", "a=1\nb=2\n");
    let (cert, key) = key_pair();
    let (cert, key) = (cluster.write("tls.crt", &cert), cluster.write("tls.key", &key));
    for (line, object, path, wanted) in CREATED {
        let line = line.replace("FILE", &file).replace("CERT", &cert).replace("KEY", &key);
        kubectl.says(&format!("create {line}"), " created");
        kubectl.prints(&format!("get {object} -o jsonpath='{path}'"), wanted);
    }
    kubectl.refused("create namespace shop", "AlreadyExists");
    kubectl.refused("create quota bad --hard=cpu=x", "quantities must match");
    kubectl.refused(
        "create service clusterip inner2 --clusterip=1.2.3.4 --tcp=80",
        "does not match the current range",
    );
    kubectl.says("create cm dry --dry-run=server -o jsonpath={.metadata.uid}", "-");
    kubectl.refused("get cm dry", "NotFound");
    kubectl.says("create cm dry --dry-run=client -o yaml", "kind: ConfigMap");
    let body = "---\n{apiVersion: v1, kind: ConfigMap, metadata: {generateName: made-}}";
    let made = kubectl.ok_with_input("create -f - -o name", body);
    kubectl.prints(&format!("get {} -o name", made.trim()), made.trim());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_are_run_and_exposed() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    let run = "run web --image=registry.example/web:1 --port=80 --labels=app=web,tier=front \
               --env=A=b --restart=Never --expose";
    eventually("the pod is accepted", async || kubectl.run(run).status.success()).await;
    let pod = "{.metadata.labels.tier}{.spec.restartPolicy}{.spec.containers[0].env[0].value}";
    kubectl.prints(&format!("get pod web -o jsonpath={pod}"), "frontNeverb");
    kubectl.prints("get svc web -o jsonpath={.spec.selector.tier}{.spec.ports[0].port}", "front80");
    let overrides = r#"--overrides='{"spec":{"activeDeadlineSeconds":9}}'"#;
    kubectl.ok(&format!("run other --image=registry.example/x {overrides} --command -- sleep 1"));
    let pod = "{.spec.activeDeadlineSeconds}{.spec.containers[0].command[1]}";
    kubectl.prints(&format!("get pod other -o jsonpath={pod}"), "91");
    kubectl.says(
        "run dry --image=x --dry-run=server -o jsonpath={.spec.serviceAccountName}",
        "default",
    );

    kubectl.ok("create deployment shop --image=registry.example/shop:1 --port=8080 --replicas=0");
    kubectl.says("expose deployment shop --port=80 --target-port=8080", "service/shop exposed");
    kubectl.prints(
        "get svc shop -o jsonpath={.spec.selector.app}{.spec.ports[0].targetPort}",
        "shop8080",
    );
    kubectl.says("expose pod web --name=node --port=80 --type=NodePort", "exposed");
    kubectl.says("get svc node -o jsonpath={.spec.ports[0].nodePort}", "3");
    kubectl.says("expose service shop --name=again --port=81", "exposed");
    kubectl.prints("get svc again -o jsonpath={.spec.selector.app}{.spec.ports[0].port}", "shop81");
    kubectl.refused("expose deployment nosuch --port=80", "not found");
}
