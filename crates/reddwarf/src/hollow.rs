//! `reddwarf hollow`: simulated worker nodes.
//!
//! A demonstration and a test aid, and honest about it: no container runs. The nodes exist
//! through the public API alone, as a kubelet's would: they register, renew their Leases and
//! report their status; a pod that is bound to one becomes Running and Ready, keeps an address
//! of the node's range, and is removed when it is deleted. Every node carries
//! `reddwarf.dev/hollow: "true"` as label and annotation, and its kubelet version says so too.
//!
//! A pod that does not restart (`restartPolicy` Never or OnFailure) runs for ever, unless its
//! annotation `reddwarf.dev/hollow-runs-seconds` says for how long: then it succeeds.

mod api;
mod heartbeat;
mod node;
mod pod;
mod pods;
mod status;

use crate::client::{ClientError, GroupClient};
use crate::kubeconfig::Kubeconfig;
use api::Api;
use node::HollowNode;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Label and annotation of every simulated node.
pub const HOLLOW: &str = "reddwarf.dev/hollow";
/// Annotation of a pod that is to succeed: after how many seconds.
pub const RUNS_SECONDS: &str = "reddwarf.dev/hollow-runs-seconds";
/// Nodes that register at once.
const REGISTRATIONS_MAX: usize = 16;

/// What to simulate.
#[derive(Clone, Debug, clap::Args)]
pub struct HollowArgs {
    /// How many nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=16_384))]
    pub nodes: u32,
    /// What their names begin with; a number follows
    #[arg(long, default_value = "hollow-node-")]
    pub prefix: String,
}

/// Simulates nodes until `cancel` fires. Goes to another of the kubeconfig's members when one
/// does not answer, and waits while none does.
///
/// # Errors
/// [`ClientError::Certificates`] when the kubeconfig's cannot be used.
pub async fn run(
    args: HollowArgs,
    kubeconfig: &Kubeconfig,
    cancel: CancellationToken,
) -> Result<(), ClientError> {
    let api = Arc::new(Api::new(GroupClient::new(kubeconfig)?));
    let nodes: Arc<[HollowNode]> =
        (0..args.nodes).map(|at| HollowNode::new(&args.prefix, at)).collect();
    cancel.run_until_cancelled(simulate(api, args.prefix, nodes)).await;
    Ok(())
}

async fn simulate(api: Arc<Api>, prefix: String, nodes: Arc<[HollowNode]>) {
    let mut registrations = JoinSet::new();
    for at in 0..nodes.len() {
        if registrations.len() >= REGISTRATIONS_MAX {
            registrations.join_next().await;
        }
        let (api, nodes) = (api.clone(), nodes.clone());
        registrations.spawn(async move { nodes[at].register(&api).await });
    }
    while registrations.join_next().await.is_some() {}
    tracing::info!(nodes = nodes.len(), "simulated nodes are registered");
    tokio::join!(
        heartbeat::keep(api.clone(), nodes.clone()),
        pods::follow(api.clone(), prefix, nodes.clone()),
    );
}
