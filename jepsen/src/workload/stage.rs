//! What the clients of one workload share.

use crate::client::{Answer, Call, Client, ClientError, Credentials, Habits, Servers};
use crate::generator::Pace;
use crate::nemesis::Rng;
use crate::run::Recorder;
use rand::SeedableRng;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long setting up may take.
const SET_UP_TIMEOUT: Duration = Duration::from_secs(20);
/// How long to wait before a set-up request is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Why a workload cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The server refuses what is needed.
    #[error("{path} answered {status}: {message}")]
    Refused {
        /// What was asked.
        path: String,
        /// HTTP status.
        status: u16,
        /// The answer.
        message: String,
    },
    /// The server does not answer.
    #[error("{path} was not answered")]
    Silent {
        /// What was asked.
        path: String,
        /// Why.
        #[source]
        source: ClientError,
    },
}

/// What tells clients to stop.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// Begin nothing new.
    pub stop: CancellationToken,
}

/// What the clients of one workload share.
pub struct Stage {
    /// The workload's name, on each of its lines.
    pub workload: &'static str,
    /// Where lines go.
    pub recorder: Arc<Recorder>,
    /// The servers.
    pub servers: Servers,
    /// What clients show them.
    pub credentials: Credentials,
    /// How clients behave.
    pub habits: Arc<Habits>,
    /// Where the workload's objects are.
    pub namespace: String,
    /// What all choices come from.
    pub seed: u64,
    /// When operations begin.
    pub pace: Pace,
    /// How many clients act.
    pub concurrency: usize,
    /// How long an operation may take.
    pub timeout: Duration,
    /// How long the faults last.
    pub time: Duration,
    /// What tells clients to stop.
    pub signals: Signals,
}

impl Stage {
    /// Waits for a turn; `false` when there will be none.
    pub async fn turn(&self) -> bool {
        self.turn_of(&self.pace).await
    }

    /// The same with a pace of the workload's own.
    pub async fn turn_of(&self, pace: &Pace) -> bool {
        tokio::select! {
            biased;
            () = self.signals.stop.cancelled() => false,
            () = pace.turn() => true,
        }
    }

    /// Waits unless the stage stops; whether it goes on.
    pub async fn rest(&self, time: Duration) -> bool {
        tokio::select! {
            () = self.signals.stop.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }

    /// What client `number` of the workload draws from.
    pub fn rng(&self, number: usize) -> Rng {
        // Workloads and clients differ; the same seed gives the same choices.
        let name = self.workload.bytes().fold(0u64, |sum, byte| sum * 31 + u64::from(byte));
        Rng::seed_from_u64(self.seed ^ name.rotate_left(32) ^ (number as u64) << 8)
    }

    /// The path of the workload's ConfigMaps.
    pub fn config_maps(&self) -> String {
        format!("/api/v1/namespaces/{}/configmaps", self.namespace)
    }

    /// Makes the namespace.
    ///
    /// # Errors
    /// [`StageError`]
    pub async fn make_namespace(&self) -> Result<(), StageError> {
        let body = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": self.namespace}});
        self.make("/api/v1/namespaces", &body).await
    }

    /// Removes the namespace with everything in it, as far as the server does that.
    pub async fn remove_namespace(&self) {
        if self.servers.is_empty() {
            return;
        }
        let mut client = Client::new(self.servers.at(0), &self.credentials, self.timeout);
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        if let Err(error) = client.send(Call::delete(path, &json!({}))).await {
            tracing::warn!(%error, namespace = self.namespace, "cannot remove the namespace");
        }
    }

    /// Creates an object that is no part of the history; one that is there already will do.
    ///
    /// # Errors
    /// [`StageError`]
    pub async fn make(&self, path: &str, body: &Value) -> Result<(), StageError> {
        self.ask(Call::post(path, body), &[409]).await.map(drop)
    }

    /// Asks the first server until it answers with success or one of `accepted`; only for what
    /// may be done twice.
    ///
    /// # Errors
    /// [`StageError`]
    pub async fn ask(&self, call: Call, accepted: &[u16]) -> Result<Answer, StageError> {
        let path = call.path.clone();
        let deadline = Instant::now() + SET_UP_TIMEOUT;
        let mut client = Client::new(self.servers.at(0), &self.credentials, self.timeout);
        loop {
            let failure = match client.send(call.clone()).await {
                Ok(answer) if answer.is_success() => return Ok(answer),
                Ok(answer) if accepted.contains(&answer.status.as_u16()) => return Ok(answer),
                Ok(answer) => StageError::Refused {
                    path: path.clone(),
                    status: answer.status.as_u16(),
                    message: String::from_utf8_lossy(&answer.body).into_owned(),
                },
                Err(source) => StageError::Silent { path: path.clone(), source },
            };
            if Instant::now() > deadline {
                return Err(failure);
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}
