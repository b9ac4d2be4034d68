//! Members' certificates are exchanged while everything goes on.

use bytes::{Bytes, BytesMut};
use http::Method;
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use reddwarf::client::{ClientError, Connection, client_config};
use reddwarf::config::TlsFiles;
use reddwarf::kubeconfig::Kubeconfig;
use reddwarf::pki::{self, Authority, Credentials, Leaf, Validity};
use reddwarf_raft::peer::{Identity, Kind, Lane, PeerClient, TlsDial};
use reddwarf_raft::types::Member;
use reddwarf_tests::cluster::{Cluster, eventually, free_ports};
use reddwarf_tests::joiner::{Joiner, reddwarf, said, token};
use rustix::process::Signal;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

const PATH: &str = "/api/v1/namespaces/default/configmaps";

fn files(cluster: &Cluster, i: u16) -> TlsFiles {
    cluster.group.node_config(i).tls.expect("a group on one machine names its files")
}

fn authority(cluster: &Cluster) -> Authority {
    Authority::open_or_create(&cluster.group.folder.join("pki")).expect("its own")
}

fn leaf(certificate: &Path) -> Leaf {
    let der = CertificateDer::from_pem_file(certificate).expect("a certificate");
    Leaf::of(&der).expect("readable")
}

/// The certificate that a new connection to `address` is shown.
async fn shown(cluster: &Cluster, address: &str) -> Leaf {
    let kubeconfig = Kubeconfig::read(&cluster.group.admin_kubeconfig()).expect("written");
    let tls = client_config(&kubeconfig).expect("certificates");
    let tcp = TcpStream::connect(address).await.expect("connects");
    let name = ServerName::try_from("127.0.0.1").expect("an address");
    let stream = tokio_rustls::TlsConnector::from(tls).connect(name, tcp).await.expect("TLS");
    let chain = stream.get_ref().1.peer_certificates().expect("it shows one");
    Leaf::of(&chain[0]).expect("readable")
}

async fn shown_by(cluster: &Cluster, i: u16) -> Leaf {
    shown(cluster, &cluster.group.node_config(i).advertise).await
}

/// Writes on one connection to one member until it is told to stop; any failure is one too many.
fn write(cluster: &Arc<Cluster>, i: u16, stop: &Arc<AtomicBool>) -> JoinHandle<u64> {
    let (cluster, stop) = (cluster.clone(), stop.clone());
    tokio::spawn(async move {
        let mut open = cluster.connect(i).await.expect("connects");
        let mut written = 0;
        while !stop.load(Ordering::Relaxed) {
            let body = json!({"metadata": {"name": format!("w{i}-{written}")}}).to_string();
            let json = Some("application/json");
            let answer = open.send(Method::POST, PATH, json, body.into()).await;
            let answer = answer.expect("the connection stays");
            assert_eq!(answer.status.as_u16(), 201, "{:?}", answer.body);
            written += 1;
        }
        written
    })
}

/// Counts what one watch, which must not end, shows as added.
async fn watch(cluster: &Cluster, i: u16) -> (Arc<AtomicU64>, JoinHandle<()>) {
    let mut open = cluster.connect(i).await.expect("connects");
    let path = format!("{PATH}?watch=true");
    let response = open.start(Method::GET, &path, None, Bytes::new()).await.expect("a watch");
    let added = Arc::new(AtomicU64::new(0));
    let task = tokio::spawn({
        let added = added.clone();
        async move {
            let (mut body, mut buffer) = (response.into_body(), BytesMut::new());
            while let Some(frame) = body.frame().await {
                let frame = frame.expect("the watch stays open");
                buffer.extend_from_slice(frame.data_ref().map_or(&[][..], |data| &data[..]));
                while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                    let event: Value =
                        serde_json::from_slice(&buffer.split_to(end + 1)).expect("JSON");
                    let name = event["object"]["metadata"]["name"].as_str().unwrap_or_default();
                    let counts = event["type"] == "ADDED" && name.starts_with('w');
                    added.fetch_add(u64::from(counts), Ordering::Relaxed);
                }
            }
            drop(open);
        }
    });
    (added, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_rotate_under_writes_and_watches() {
    let cluster = Arc::new(Cluster::start(3).await);
    let stop = Arc::new(AtomicBool::new(false));
    let before: Vec<Leaf> = (1..=3).map(|i| leaf(&files(&cluster, i).cert_file)).collect();
    let (added, watching) = watch(&cluster, 2).await;
    let writers: Vec<_> = (1..=3).map(|i| write(&cluster, i, &stop)).collect();
    let term = cluster.get(1, "/reddwarf/status").await["members"][0]["term"].clone();
    for _ in 0..2 {
        let began = Instant::now();
        let output = reddwarf(&cluster, &["cert", "rotate", "--all"]);
        assert!(output.status.success(), "{}", said(&output));
        println!("three members had other certificates after {:?}", began.elapsed());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for (i, before) in (1..=3).zip(&before) {
        let kept = leaf(&files(&cluster, i).cert_file);
        assert_ne!(kept.fingerprint, before.fingerprint, "the file of node-{i} is replaced");
        assert_eq!((&kept.name, &kept.hosts), (&before.name, &before.hosts));
        assert_eq!(shown_by(&cluster, i).await, kept, "node-{i} shows what it keeps");
    }
    stop.store(true, Ordering::Relaxed);
    let mut written = 0;
    for writer in writers {
        written += writer.await.expect("no request failed");
    }
    println!("{written} objects were created meanwhile");
    assert!(written >= 20, "only {written} writes: this shows nothing");
    eventually("the watch has seen all", async || added.load(Ordering::Relaxed) == written).await;
    assert!(!watching.is_finished(), "the watch is open");
    let status = cluster.get(1, "/reddwarf/status").await;
    assert_eq!(status["members"][0]["term"], term, "nobody was elected");

    let listed = reddwarf(&cluster, &["cert", "list"]);
    assert!(listed.status.success(), "{}", said(&listed));
    let table = String::from_utf8_lossy(&listed.stdout).into_owned();
    for i in 1..=3 {
        let kept = leaf(&files(&cluster, i).cert_file);
        assert!(table.contains(&kept.fingerprint[..16]) && table.contains(" 364 "), "{table}");
    }
    assert!(table.contains("(authority)") && table.lines().count() == 5, "{table}");
    let answer = cluster.ask(1, Method::GET, "/metrics", None).await.expect("metrics");
    let until = leaf(&files(&cluster, 1).cert_file).validity.until.as_second();
    let wanted = format!("reddwarf_certificate_expiry_seconds{{what=\"member\"}} {until}");
    assert!(String::from_utf8_lossy(&answer.body).contains(&wanted), "{wanted}");

    let kept = leaf(&files(&cluster, 3).cert_file);
    cluster.kill(3).await;
    let failed = reddwarf(&cluster, &["cert", "rotate", "node-3"]);
    assert!(!failed.status.success() && said(&failed).contains("node-3"), "{}", said(&failed));
    let unknown = reddwarf(&cluster, &["cert", "rotate", "node-9"]);
    assert!(
        !unknown.status.success() && said(&unknown).contains("no member"),
        "{}",
        said(&unknown)
    );
    // Due when it starts.
    let now = Timestamp::now();
    let hours = SignedDuration::from_hours;
    let due = Validity { from: now - hours(20), until: now + hours(5) };
    let subject = pki::member("node-3", &["127.0.0.1".to_owned()]);
    let short = authority(&cluster).issue_within(&subject, due).expect("issued");
    cluster.start_missing().await;
    assert_eq!(shown_by(&cluster, 3).await, kept, "a start takes the newest files");
    cluster.kill(3).await;
    put(&short, &files(&cluster, 3));
    cluster.start_missing().await;
    eventually("a certificate that is due is renewed", async || {
        let shown = shown_by(&cluster, 3).await;
        shown.validity.until > now + hours(24) && shown == leaf(&files(&cluster, 3).cert_file)
    })
    .await;
}

fn put(credentials: &Credentials, files: &TlsFiles) {
    credentials.write(&files.cert_file, &files.key_file).expect("written");
}

async fn refusals(cluster: &Cluster, i: u16) -> u64 {
    let answer = cluster.ask(i, Method::GET, "/metrics", None).await.expect("metrics");
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let name = "reddwarf_certificate_renewal_failures_total ";
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.parse().ok());
    found.expect("a figure")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_good_replacement_is_taken_over() {
    let cluster = Cluster::prepare(1).await;
    // Its certificates come from elsewhere.
    let config = cluster.group.node_folder(1).join("config.toml");
    let text = fs::read_to_string(&config).expect("there");
    fs::write(&config, text.replace("renew = true", "renew = false")).expect("written");
    cluster.start_missing().await;
    let files = files(&cluster, 1);
    let first = shown_by(&cluster, 1).await;
    let output = reddwarf(&cluster, &["cert", "rotate", "--all"]);
    assert!(!output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("comes from elsewhere"), "{}", said(&output));

    let authority = authority(&cluster);
    let hosts = ["127.0.0.1".to_owned()];
    let own = || authority.issue(&pki::member("node-1", &hosts)).expect("issued");
    let (foreign, _) = Authority::create().expect("another authority");
    let now = Timestamp::now();
    let hours = SignedDuration::from_hours;
    let over = Validity { from: now - hours(9), until: now - hours(1) };
    let mut elsewhere = pki::member("node-1", &[]);
    elsewhere.hosts = vec!["10.9.9.9".into()];
    let wrong = [
        ("another authority's", foreign.issue(&pki::member("node-1", &hosts))),
        ("another member's", authority.issue(&pki::member("node-2", &hosts))),
        (
            "no member's",
            authority.issue(&pki::Subject {
                groups: vec!["shop".into()],
                ..pki::member("node-1", &hosts)
            }),
        ),
        ("over", authority.issue_within(&pki::member("node-1", &hosts), over)),
        ("for another host", authority.issue(&elsewhere)),
        ("without its key", Ok(Credentials { key: own().key, ..own() })),
        ("no certificate", Ok(Credentials { certificate: "hello".into(), ..own() })),
    ];
    for (what, credentials) in wrong {
        let before = refusals(&cluster, 1).await;
        put(&credentials.expect("issued"), &files);
        cluster.signal(1, Signal::HUP);
        eventually(what, async || refusals(&cluster, 1).await > before).await;
        assert_eq!(shown_by(&cluster, 1).await, first, "{what}");
    }
    let log = fs::read_to_string(cluster.group.node_folder(1).join("log")).expect("a log");
    assert!(log.matches("the old one stays").count() >= 7, "{log}");

    let good = own();
    put(&good, &files);
    cluster.signal(1, Signal::HUP);
    eventually("the good one is shown", async || {
        shown_by(&cluster, 1).await == leaf(&files.cert_file)
    })
    .await;
    let next = own();
    put(&next, &files);
    let output = reddwarf(&cluster, &["cert", "rotate", "node-1"]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(shown_by(&cluster, 1).await, leaf(&files.cert_file));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_without_the_key_asks_one_that_has_it_and_a_removed_one_is_refused() {
    let cluster = Cluster::start(1).await;
    let port = free_ports(1);
    let join = token(&cluster, &[]);
    let joiner = Joiner::start(&cluster, &join, "node-4", port, &[]);
    let address = format!("127.0.0.1:{port}");
    eventually("it votes", async || {
        let status = cluster.get(1, "/reddwarf/status").await;
        let members = status["members"].as_array().cloned().unwrap_or_default();
        members.len() == 2 && members.iter().all(|member| member["voter"] == true)
    })
    .await;
    assert!(!joiner.data_dir.join("pki/ca.key").exists());
    let kept = TlsFiles::generated(&joiner.data_dir);
    let before = leaf(&kept.cert_file);
    let output = reddwarf(&cluster, &["cert", "rotate", "node-4"]);
    assert!(output.status.success(), "{}", said(&output));
    let after = leaf(&kept.cert_file);
    assert_ne!(after.fingerprint, before.fingerprint);
    assert_eq!(shown(&cluster, &address).await, after);
    let hosts = |leaf: &Leaf| leaf.hosts.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(hosts(&after), hosts(&before));

    let credentials = Credentials {
        certificate: fs::read_to_string(&kept.cert_file).expect("there"),
        key: fs::read_to_string(&kept.key_file).expect("there"),
    };
    let sign = "/reddwarf/certificates/sign";
    let for_another = pki::CertificateRequest::create("node-1").expect("made").request;
    let body = json!({"certificateRequest": for_another});
    let tls = tls_of(&cluster, &credentials);
    assert_eq!(ask(&cluster, &tls, Method::GET, "/api", &json!({})).await, 200, "discovery");
    assert_eq!(ask(&cluster, &tls, Method::GET, PATH, &json!({})).await, 403, "no rights");
    assert_eq!(ask(&cluster, &tls, Method::POST, sign, &body).await, 403, "another's name");
    let admin = cluster.ask(1, Method::POST, sign, Some(&body)).await.expect("an answer");
    assert!(!admin.status.is_success() || !String::from_utf8_lossy(&admin.body).contains("BEGIN"));

    let key = cluster.group.folder.join("pki/ca.key");
    let away = cluster.group.folder.join("ca.key");
    fs::rename(&key, &away).expect("moved");
    let output = reddwarf(&cluster, &["cert", "rotate", "--all"]);
    assert!(!output.status.success(), "{}", said(&output));
    let why = said(&output);
    assert!(
        why.contains("node-1: ") && why.contains("node-4: ") && why.contains("ca.key"),
        "{why}"
    );
    assert_eq!(leaf(&kept.cert_file), after, "what failed changes nothing");
    let listed = reddwarf(&cluster, &["cert", "list"]);
    assert!(said(&listed).contains("warning: node-4"), "{}", said(&listed));
    fs::rename(&away, &key).expect("moved back");

    let output = reddwarf(&cluster, &["member", "remove", "node-4"]);
    assert!(output.status.success(), "{}", said(&output));
    let own = pki::CertificateRequest::create("node-4").expect("made").request;
    let body = json!({"certificateRequest": own});
    for (method, path) in [(Method::GET, "/api"), (Method::GET, "/healthz"), (Method::POST, sign)] {
        let code = ask(&cluster, &tls, method, path, &body).await;
        assert_eq!(code, 401, "{path}");
    }
    // Whatever it says of itself.
    let group = cluster.group.plan.cluster.as_str();
    let identity = Identity::new(group, 1 << 40, "node-4", 7, TlsDial::shared(&tls));
    identity.is_member_since(u64::MAX);
    let address = cluster.group.node_config(1).advertise;
    let member = Member { name: "node-1".into(), addr: address, incarnation: 0 };
    let peer = PeerClient::new(identity, 1, member);
    let called = peer.call(Lane::Control, Kind::Status, Bytes::new(), Duration::from_secs(5)).await;
    let why = called.expect_err("refused").to_string();
    assert!(why.contains("no member"), "{why}");
}

/// TLS of whoever holds a certificate.
fn tls_of(cluster: &Cluster, shown: &Credentials) -> Arc<rustls::ClientConfig> {
    let kubeconfig = Kubeconfig::read(&cluster.group.admin_kubeconfig()).expect("written");
    let Credentials { certificate, key } = shown.clone();
    client_config(&Kubeconfig { certificate, key, ..kubeconfig }).expect("TLS")
}

async fn ask(
    cluster: &Cluster,
    tls: &Arc<rustls::ClientConfig>,
    method: Method,
    path: &str,
    body: &Value,
) -> u16 {
    let url = format!("https://{}", cluster.group.node_config(1).advertise);
    let asked = async {
        let mut connection = Connection::open(&url, tls.clone(), None).await?;
        let json = Some("application/json");
        let answer = connection.send(method, path, json, body.to_string().into()).await?;
        Ok::<_, ClientError>(answer.status.as_u16())
    };
    asked.await.expect("an answer")
}
