//! A group of members in one process, each with a runtime of its own, over real TLS.

#![allow(dead_code, reason = "every test file uses its own part of it")]

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use reddwarf_core::{
    Author, BranchId, Change, Committed, Expectation, FeatureLevels, ObjectIndex, ObjectKey,
    Precondition, ProposeError, Store, Write,
};
use reddwarf_raft::peer::TlsDial;
use reddwarf_raft::types::Member;
use reddwarf_raft::wal::{Disk, FileDisk};
use reddwarf_raft::{ALPNS, Admission, Environment, Limits, Node, NodeConfig, Peer};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::collections::HashMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Ca {
    pub fn new() -> Ca {
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test-ca");
        let key = KeyPair::generate().expect("key");
        let certificate = params.self_signed(&key).expect("signed").der().clone();
        Ca { issuer: Issuer::new(params, key), certificate }
    }

    fn issue(&self, name: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("params");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("key");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed").der().clone();
        (vec![certificate], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("root");
        roots
    }

    pub fn client(&self, name: &str) -> ClientConfig {
        let (chain, key) = self.issue(name);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(self.roots())
            .with_client_auth_cert(chain, key)
            .expect("client")
    }

    pub fn server(&self, name: &str) -> ServerConfig {
        let (chain, key) = self.issue(name);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()), provider.clone())
                .build()
                .expect("verifier");
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .expect("server");
        config.alpn_protocols = ALPNS.map(<[u8]>::to_vec).to_vec();
        config
    }
}

pub struct Running {
    pub runtime: Runtime,
    pub node: Arc<Node>,
    pub store: Arc<dyn Store>,
}

pub struct Group {
    pub ca: Ca,
    pub peers: Vec<Peer>,
    pub limits: Limits,
    /// Of members that do not write their logs to plain files.
    pub disks: HashMap<usize, Arc<dyn Disk>>,
    /// Of members that joined later, by number.
    pub admissions: HashMap<usize, Admission>,
    /// Of members that run another build, the feature levels that it supports.
    pub levels: HashMap<usize, FeatureLevels>,
    dirs: Vec<TempDir>,
    pub members: Vec<Option<Running>>,
}

pub fn free_addr() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    listener.local_addr().expect("has an address").to_string()
}

impl Group {
    pub fn start(size: u64, limits: Limits) -> Group {
        Group::start_on(size, limits, HashMap::new())
    }

    /// The same with members of builds that support other feature levels.
    pub fn start_as(size: u64, limits: Limits, levels: HashMap<usize, FeatureLevels>) -> Group {
        Group::make(size, limits, HashMap::new(), levels)
    }

    pub fn start_on(size: u64, limits: Limits, disks: HashMap<usize, Arc<dyn Disk>>) -> Group {
        Group::make(size, limits, disks, HashMap::new())
    }

    fn make(
        size: u64,
        limits: Limits,
        disks: HashMap<usize, Arc<dyn Disk>>,
        levels: HashMap<usize, FeatureLevels>,
    ) -> Group {
        let peers = (1..=size)
            .map(|id| Peer { id, name: format!("node-{id}"), addr: free_addr() })
            .collect();
        let dirs = (0..size).map(|_| tempfile::tempdir().expect("tempdir")).collect();
        let members = (0..size).map(|_| None).collect();
        let (admissions, ca) = (HashMap::new(), Ca::new());
        let mut group = Group { ca, peers, limits, disks, admissions, levels, dirs, members };
        (0..size as usize).for_each(|at| group.start_member(at));
        group
    }

    /// Those who were there before a member that joined; all first members of the others.
    fn peers_of(&self, at: usize) -> Vec<Peer> {
        let joined = |other: &usize| self.admissions.contains_key(other);
        let peers = self.peers.iter().enumerate();
        match joined(&at) {
            true => peers.take(at).map(|(_, peer)| peer.clone()).collect(),
            false => peers.filter(|(i, _)| !joined(i)).map(|(_, peer)| peer.clone()).collect(),
        }
    }

    /// Lets a new member join, as member `by` is asked; its number.
    pub fn join(&mut self, by: usize, name: &str, replaces: Option<&str>) -> usize {
        let peer = Peer { id: rand::random(), name: name.to_owned(), addr: free_addr() };
        let (member, replaces) = (
            Member { name: peer.name.clone(), addr: peer.addr.clone(), incarnation: 0 },
            replaces.map(str::to_owned),
        );
        let running = self.member(by);
        let admitted = running.node.admit(peer.id, member, replaces.clone());
        let admitted_at = running.runtime.block_on(admitted).expect("it is let in");
        let at = self.peers.len();
        self.peers.push(peer);
        self.dirs.push(tempfile::tempdir().expect("tempdir"));
        self.members.push(None);
        self.admissions.insert(at, Admission { admitted_at, replaces });
        self.start_member(at);
        at
    }

    pub fn data_dir(&self, at: usize) -> PathBuf {
        self.dirs[at].path().to_owned()
    }

    pub fn config(&self, at: usize) -> NodeConfig {
        let peer = &self.peers[at];
        let mut environment = Environment::dialing(TlsDial::shared(&self.ca.client(&peer.name)));
        environment.disk = self.disks.get(&at).cloned().unwrap_or_else(|| Arc::new(FileDisk));
        NodeConfig {
            node_id: peer.id,
            name: peer.name.clone(),
            data_dir: self.data_dir(at),
            cluster_id: "test".to_owned(),
            peers: self.peers_of(at),
            admission: self.admissions.get(&at).cloned(),
            version: "test".to_owned(),
            levels: self.levels.get(&at).copied().unwrap_or_default(),
            limits: self.limits.clone(),
            environment,
        }
    }

    pub fn start_member(&mut self, at: usize) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("runtime");
        let config = self.config(at);
        let acceptor = TlsAcceptor::from(Arc::new(self.ca.server(&config.name)));
        let addr = self.peers[at].addr.clone();
        let node = runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind(addr).await.expect("binds");
            let node = Node::start(config).await.expect("the node starts");
            let serving = Arc::clone(&node);
            tokio::spawn(async move {
                while let Ok((tcp, _)) = listener.accept().await {
                    let (acceptor, node) = (acceptor.clone(), Arc::clone(&serving));
                    tokio::spawn(async move {
                        if let Ok(tls) = acceptor.accept(tcp).await {
                            node.serve_peer(tls).await;
                        }
                    });
                }
            });
            node
        });
        let store = node.store();
        self.members[at] = Some(Running { runtime, node, store });
    }

    /// Stops a member as a crash would: nothing is handed over or flushed on purpose.
    pub fn kill(&mut self, at: usize) {
        let running = self.members[at].take().expect("it runs");
        let Running { runtime, node, store } = running;
        drop((node, store));
        runtime.shutdown_timeout(Duration::from_secs(5));
    }

    /// Stops a member cleanly.
    pub fn stop(&mut self, at: usize) {
        let Running { runtime, node, store } = self.members[at].take().expect("it runs");
        runtime.block_on(node.shutdown());
        drop((node, store));
        runtime.shutdown_timeout(Duration::from_secs(5));
    }

    pub fn member(&self, at: usize) -> &Running {
        self.members[at].as_ref().expect("it runs")
    }

    /// The member that leads, once there is one.
    pub fn leader(&self) -> usize {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            let leads = |running: &Running| running.node.leadership().borrow().is_some();
            let running = self.members.iter().position(|m| m.as_ref().is_some_and(leads));
            if let Some(at) = running {
                return at;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("no leader in time");
    }

    pub fn create(&self, at: usize, name: &str) -> Result<Committed, ProposeError> {
        let running = self.member(at);
        running.runtime.block_on(running.store.propose(create(name, 64)))
    }

    pub fn barrier(&self, at: usize) {
        let running = self.member(at);
        running.runtime.block_on(running.store.read_barrier()).expect("the read is confirmed");
    }

    pub fn has(&self, at: usize, name: &str) -> bool {
        self.member(at).store.view().get(&key(name)).is_some()
    }

    /// Waits until all running members have applied the same index, and compares their roots.
    pub fn assert_same_roots(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let roots: Vec<_> =
                self.members.iter().flatten().map(|m| m.node.state_root()).collect();
            if roots.iter().all(|(index, _)| *index == roots[0].0) {
                assert!(roots.iter().all(|root| *root == roots[0]), "{roots:?}");
                return;
            }
            assert!(Instant::now() < deadline, "the members do not meet: {roots:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

pub fn key(name: &str) -> ObjectKey {
    ObjectKey::new("", "configmaps", "default", name)
}

pub fn create(name: &str, bytes: usize) -> Write {
    let head = format!(
        "{{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{{\"name\":\"{name}\",\"resourceVersion\":\""
    );
    let body = format!("{head}\"}},\"data\":{{\"a\":\"{}\"}}}}", "x".repeat(bytes));
    Write {
        branch: BranchId::MAIN,
        author: Author { user: "test".to_owned(), ..Author::default() },
        verb: "create".to_owned(),
        preconditions: vec![Precondition { key: key(name), expect: Expectation::Absent }],
        changes: vec![Change::Put {
            key: key(name),
            body: Bytes::from(body),
            version_offset: head.len() as u32,
            index: ObjectIndex::default(),
            salt: None,
        }],
        links: None,
        excised: Vec::new(),
        ..Write::default()
    }
}
