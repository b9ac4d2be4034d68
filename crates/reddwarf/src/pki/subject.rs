//! Who certificates are made for.

/// Kubernetes' group of those whom no authorizer refuses.
pub const ADMIN_GROUP: &str = "system:masters";

/// The organization in a member's certificate; only its holders may speak the peer protocol.
pub const MEMBERS_GROUP: &str = "reddwarf:members";

/// Days for which the certificate of a member is good; it is renewed well before.
const MEMBER_DAYS: u32 = 365;
/// Days for which a client's is: nothing renews it.
const CLIENT_DAYS: u32 = 3_650;

/// Names by which pods reach the API; every member's certificate carries them.
pub const SERVICE_NAMES: [&str; 5] = [
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "10.96.0.1",
];

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Common name: the user name, or a member's node name.
    pub name: String,
    /// Organizations: the user's groups.
    pub groups: Vec<String>,
    /// Host names and addresses that a server answers under; empty for a client.
    pub hosts: Vec<String>,
    /// For how long, in days.
    pub days: u32,
}

/// The administrator whom `admin.kubeconfig` speaks for.
pub fn admin_client() -> Subject {
    client("kubernetes-admin")
}

/// The simulated worker nodes.
pub fn hollow_client() -> Subject {
    client("reddwarf-hollow")
}

fn client(name: &str) -> Subject {
    Subject {
        name: name.into(),
        groups: vec![ADMIN_GROUP.into()],
        hosts: Vec::new(),
        days: CLIENT_DAYS,
    }
}

/// A member of the group, reached under its name, loop-back, `addresses` and the names of the
/// `kubernetes` Service.
pub fn member(name: &str, addresses: &[String]) -> Subject {
    let mut hosts: Vec<String> =
        [name, "localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    hosts.extend(addresses.iter().cloned());
    hosts.extend(SERVICE_NAMES.map(str::to_owned));
    let mut seen = std::collections::BTreeSet::new();
    hosts.retain(|host| seen.insert(host.clone()));
    Subject { name: name.into(), groups: vec![MEMBERS_GROUP.into()], hosts, days: MEMBER_DAYS }
}
