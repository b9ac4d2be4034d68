//! A client library, kube, against every member of a group of real processes.

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::discovery::{ApiGroup, Discovery, Scope, verbs};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Config, ResourceExt};
use parking_lot::Mutex;
use reddwarf_tests::cluster::{Cluster, eventually};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A client of member `i` alone, configured as any program is: by the kubeconfig.
async fn client(cluster: &Cluster, i: u16) -> Client {
    let kubeconfig = Kubeconfig::read_from(cluster.group.admin_kubeconfig()).expect("readable");
    let options =
        KubeConfigOptions { context: Some(format!("node-{i}")), ..KubeConfigOptions::default() };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await.expect("complete");
    Client::try_from(config).expect("usable certificates")
}

/// Clients of all three members.
async fn clients(cluster: &Cluster) -> Vec<Client> {
    let mut clients = Vec::new();
    for i in 1..=3 {
        clients.push(client(cluster, i).await);
    }
    clients
}

fn typed<K: serde::de::DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).expect("an object of the kind")
}

fn config_map(name: &str, value: &str) -> ConfigMap {
    typed(json!({"metadata": {"name": name, "labels": {"of": "test"}}, "data": {"a": value}}))
}

fn code(error: &kube::Error) -> u16 {
    match error {
        kube::Error::Api(status) => status.code,
        other => panic!("no answer of the API: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typed_verbs_work_on_every_member_and_show_on_the_next() {
    let cluster = Cluster::start(3).await;
    let clients = clients(&cluster).await;
    let (post, labelled) = (PostParams::default(), ListParams::default().labels("of=test"));
    for (i, client) in clients.iter().enumerate() {
        let here: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
        let there: Api<ConfigMap> = Api::namespaced(clients[(i + 1) % 3].clone(), "default");
        let name = format!("made-{i}");
        let made = here.create(&post, &config_map(&name, "b")).await.expect("created");
        assert!(made.uid().is_some() && made.resource_version().is_some(), "{made:?}");
        let again = here.create(&post, &config_map(&name, "b")).await.expect_err("it is there");
        assert_eq!(code(&again), 409);
        assert_eq!(there.get(&name).await.expect("there"), made, "the next member has the same");

        let merge = Patch::Merge(json!({"data": {"a": "c"}}));
        here.patch(&name, &PatchParams::default(), &merge).await.expect("patched");
        let strategic = Patch::Strategic(json!({"data": {"z": "y"}}));
        there.patch(&name, &PatchParams::default(), &strategic).await.expect("patched");
        let listed = here.list(&labelled).await.expect("listed");
        let data = listed.items[0].data.clone().expect("data");
        assert_eq!(listed.items.len(), 1);
        assert_eq!((data["a"].as_str(), data["z"].as_str()), ("c", "y"));

        let stale = here.replace(&name, &post, &made).await.expect_err("it has changed since");
        assert_eq!(code(&stale), 409);
        let mut newest = there.get(&name).await.expect("there");
        newest.data = Some(BTreeMap::from([("a".to_owned(), "d".to_owned())]));
        there.replace(&name, &post, &newest).await.expect("replaced");
        let metadata = here.get_metadata(&name).await.expect("its metadata alone");
        assert_eq!(metadata.labels()["of"], "test");

        here.delete(&name, &DeleteParams::default()).await.expect("deleted");
        assert_eq!(there.get_opt(&name).await.expect("an answer"), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_lists_come_in_pages_from_changing_members() {
    let cluster = Cluster::start(3).await;
    let clients = clients(&cluster).await;
    let api = |i: usize| Api::<ConfigMap>::namespaced(clients[i % 3].clone(), "default");
    for n in 0..25 {
        let map = config_map(&format!("page-{n:02}"), "x");
        api(n).create(&PostParams::default(), &map).await.expect("created");
    }
    let mut params = ListParams::default().labels("of=test").limit(10);
    let (mut names, mut versions) = (Vec::new(), BTreeSet::new());
    for page in 0.. {
        let list = api(page).list(&params).await.expect("a page");
        names.extend(list.items.iter().map(ResourceExt::name_any));
        versions.insert(list.metadata.resource_version.clone());
        if page == 0 {
            // What comes meanwhile is not in the list that was begun.
            let late = config_map("page-99", "x");
            api(1).create(&PostParams::default(), &late).await.expect("created");
        }
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    let wanted: Vec<String> = (0..25).map(|n| format!("page-{n:02}")).collect();
    assert_eq!(names, wanted);
    assert_eq!(versions.len(), 1, "all pages are of one version: {versions:?}");
}

/// What a library's watcher told.
#[derive(Default)]
struct Told {
    /// How often it began anew, with all objects.
    lists: u32,
    /// How often it failed.
    errors: u32,
    /// Changes of each object, in order: the value of `a`, or nothing for a deletion.
    changes: BTreeMap<String, Vec<Option<String>>>,
}

fn watch(client: Client, config: watcher::Config) -> Arc<Mutex<Told>> {
    let told = Arc::new(Mutex::new(Told::default()));
    let (api, to) = (Api::<ConfigMap>::namespaced(client, "default"), told.clone());
    let config = config.labels("of=test");
    tokio::spawn(async move {
        let mut events = watcher(api, config).default_backoff().boxed();
        while let Some(event) = events.next().await {
            let mut told = to.lock();
            match event {
                Ok(watcher::Event::Init) => told.lists += 1,
                Ok(watcher::Event::InitApply(map) | watcher::Event::Apply(map)) => {
                    let value = map.data.as_ref().and_then(|data| data.get("a").cloned());
                    told.changes.entry(map.name_any()).or_default().push(value);
                }
                Ok(watcher::Event::Delete(map)) => {
                    told.changes.entry(map.name_any()).or_default().push(None);
                }
                Ok(watcher::Event::InitDone) => {}
                Err(_) => told.errors += 1,
            }
        }
    });
    told
}

/// Objects that are written while the watchers watch.
const WATCHED: usize = 6;

/// Creates, changes and deletes one object on `client`.
async fn live(client: &Client, name: &str) {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    api.create(&PostParams::default(), &config_map(name, "0")).await.expect("created");
    let merge = Patch::Merge(json!({"data": {"a": "1"}}));
    api.patch(name, &PatchParams::default(), &merge).await.expect("patched");
    api.delete(name, &DeleteParams::default()).await.expect("deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watchers_of_both_kinds_resume_after_their_member_was_killed() {
    let cluster = Cluster::start(3).await;
    let clients = clients(&cluster).await;
    let before: Api<ConfigMap> = Api::namespaced(clients[0].clone(), "default");
    before.create(&PostParams::default(), &config_map("before", "0")).await.expect("created");
    let mut watchers = Vec::new();
    for i in 1..=3 {
        // A client of its own, so that each connection breaks by itself.
        watchers.push((i, watch(client(&cluster, i).await, watcher::Config::default())));
        let streaming = watcher::Config::default().streaming_lists();
        watchers.push((i, watch(client(&cluster, i).await, streaming)));
    }
    for (i, told) in &watchers {
        let listed = async || told.lock().changes.contains_key("before");
        eventually(&format!("the watcher on node-{i} lists"), listed).await;
    }
    let victim = cluster.leader().await;
    let writer = &clients[usize::from(victim % 3)];
    for n in 0..WATCHED / 2 {
        live(writer, &format!("life-{n}")).await;
    }
    cluster.kill(victim).await;
    cluster.leader().await;
    for n in WATCHED / 2..WATCHED {
        live(writer, &format!("life-{n}")).await;
    }
    cluster.start_missing().await;
    live(&clients[usize::from(victim - 1)], "last").await;
    let whole = vec![Some("0".to_owned()), Some("1".to_owned()), None];
    for (i, told) in &watchers {
        let caught_up = async || told.lock().changes.get("last").is_some_and(|c| c.len() == 3);
        eventually(&format!("the watcher on node-{i} catches up"), caught_up).await;
        let told = told.lock();
        for n in 0..WATCHED {
            assert_eq!(told.changes[&format!("life-{n}")], whole, "life-{n} on node-{i}");
        }
        assert_eq!(told.changes["before"].len(), 1, "node-{i}");
        assert_eq!(told.lists, 1, "the watcher on node-{i} resumed instead of listing anew");
        assert_eq!(told.errors > 0, *i == victim, "node-{i}: {} errors", told.errors);
    }
}

fn deployment() -> Deployment {
    typed(json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "main", "image": "registry.example/web:1"}]},
            },
        },
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scale_and_status_are_written_apart_from_the_rest() {
    let cluster = Cluster::start(3).await;
    let params = PatchParams::default();
    for client in clients(&cluster).await {
        let api: Api<Deployment> = Api::namespaced(client, "default");
        let made = api.create(&PostParams::default(), &deployment()).await.expect("created");
        assert_eq!(made.metadata.generation, Some(1));

        let scale = api.get_scale("web").await.expect("its scale");
        assert_eq!(scale.spec.as_ref().and_then(|spec| spec.replicas), Some(1));
        let more = Patch::Merge(json!({"spec": {"replicas": 4}}));
        let scaled = api.patch_scale("web", &params, &more).await.expect("scaled");
        assert_eq!(scaled.spec.and_then(|spec| spec.replicas), Some(4));
        let stale = api.replace_scale("web", &PostParams::default(), &scale).await;
        assert_eq!(code(&stale.expect_err("it has changed since")), 409);

        let both = json!({"spec": {"replicas": 9}, "status": {"replicas": 3, "readyReplicas": 2}});
        let after = api.patch_status("web", &params, &Patch::Merge(both)).await.expect("patched");
        let status = after.status.expect("a status");
        assert_eq!((status.replicas, status.ready_replicas), (Some(3), Some(2)));
        let read = api.get("web").await.expect("there");
        assert_eq!(read.spec.and_then(|spec| spec.replicas), Some(4), "only the status changed");
        assert_eq!(read.metadata.generation, Some(2), "counts changes of the specification");
        api.delete("web", &DeleteParams::default()).await.expect("deleted");
    }
}

/// Lists every kind of a group that can be listed; gives their names.
async fn list_all(client: &Client, group: &ApiGroup) -> Vec<String> {
    let mut plurals = Vec::new();
    for (resource, capabilities) in group.recommended_resources() {
        if !capabilities.supports_operation(verbs::LIST) {
            continue;
        }
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let list = api.list(&ListParams::default()).await;
        let list = list.unwrap_or_else(|error| panic!("{}: {error}", resource.plural));
        assert!(list.types.is_list(&resource), "{}: {:?}", resource.plural, list.types);
        assert!(matches!(capabilities.scope, Scope::Cluster | Scope::Namespaced));
        plurals.push(resource.plural);
    }
    plurals
}

/// Whether a list names its kind.
trait IsList {
    fn is_list(&self, of: &ApiResource) -> bool;
}

impl IsList for kube::core::TypeMeta {
    fn is_list(&self, of: &ApiResource) -> bool {
        self.kind == format!("{}List", of.kind) && self.api_version == of.api_version
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_is_discovered_and_can_be_listed_on_every_member() {
    let cluster = Cluster::start(3).await;
    let mut seen = BTreeSet::new();
    for client in clients(&cluster).await {
        let discovery = Discovery::new(client.clone()).run().await.expect("discovered");
        let mut plurals = Vec::new();
        for group in discovery.groups_alphabetical() {
            plurals.extend(list_all(&client, group).await);
        }
        for wanted in ["pods", "deployments", "leases", "customresourcedefinitions", "events"] {
            assert!(plurals.iter().any(|plural| plural == wanted), "{wanted}: {plurals:?}");
        }
        let aggregated = Discovery::new(client).run_aggregated().await.expect("discovered");
        let names = |d: &Discovery| -> BTreeSet<String> {
            d.groups().map(|group| group.name().to_owned()).collect()
        };
        assert_eq!(names(&discovery), names(&aggregated), "both ways tell the same");
        seen.insert(plurals);
    }
    assert_eq!(seen.len(), 1, "all members serve the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_served_to_who_asks_for_them() {
    let cluster = Cluster::start(3).await;
    for client in clients(&cluster).await {
        let request = http::Request::get("/api/v1/namespaces")
            .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io, application/json")
            .body(Vec::new())
            .expect("a request");
        let table: Value = client.request(request).await.expect("a table");
        assert_eq!(
            (&table["kind"], &table["apiVersion"]),
            (&json!("Table"), &json!("meta.k8s.io/v1"))
        );
        let columns: Vec<&str> = table["columnDefinitions"]
            .as_array()
            .expect("columns")
            .iter()
            .filter_map(|column| column["name"].as_str())
            .collect();
        assert_eq!(columns, ["Name", "Status", "Age"]);
        let rows = table["rows"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["cells"][0] == "default").expect("its row");
        assert_eq!(row["cells"][1], "Active");
        assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
    }
}

/// Terms for which the lease is contended.
const TERMS: u32 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_wins_a_lease_that_all_update_at_once() {
    let cluster = Cluster::start(3).await;
    let clients = clients(&cluster).await;
    let first: Api<Lease> = Api::namespaced(clients[0].clone(), "kube-system");
    let lease = typed(json!({"metadata": {"name": "election"}, "spec": {"leaseTransitions": 0}}));
    first.create(&PostParams::default(), &lease).await.expect("created");
    for term in 1..=TERMS {
        let held = first.get("election").await.expect("the lease");
        let conflicts = Arc::new(AtomicU32::new(0));
        let candidates = clients.iter().enumerate().map(|(i, client)| {
            let api: Api<Lease> = Api::namespaced(client.clone(), "kube-system");
            let (mut mine, conflicts) = (held.clone(), conflicts.clone());
            async move {
                let spec = mine.spec.as_mut().expect("a spec");
                spec.holder_identity = Some(format!("candidate-{i}"));
                spec.lease_transitions = Some(term.try_into().expect("small"));
                match api.replace("election", &PostParams::default(), &mine).await {
                    Ok(won) => won.spec.and_then(|spec| spec.holder_identity),
                    Err(error) => {
                        assert_eq!(code(&error), 409, "{error}");
                        conflicts.fetch_add(1, Ordering::Relaxed);
                        None
                    }
                }
            }
        });
        let winners: Vec<String> =
            futures::future::join_all(candidates).await.into_iter().flatten().collect();
        assert_eq!((winners.len(), conflicts.load(Ordering::Relaxed)), (1, 2), "{winners:?}");
        let now = first.get("election").await.expect("the lease");
        let spec = now.spec.expect("a spec");
        assert_eq!(spec.holder_identity.as_ref(), winners.first());
        assert_eq!(spec.lease_transitions, Some(term.try_into().expect("small")));
    }
}
