//! The quiet phase: faults are over; is the group writable, and what is there?

use super::subject::Subject;
use super::{Act, Recorder};
use crate::client::{Call, Client, Endpoint};
use crate::history::{Edn, Kind, Process, value};
use futures::future::join_all;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long members may take to be writable; the checker wants much less.
const WRITABLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an attempt may take; shorter than what the checker allows in all.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Writes through every member until each took one, and records it as one operation.
pub async fn writable(subject: &Subject, recorder: &Recorder, timeout: Duration) {
    let log = |kind, value| recorder.log(Process::Probe, kind, "writable", value, BTreeMap::new());
    log(Kind::Invoke, Edn::Nil);
    let timeout = timeout.min(ATTEMPT_TIMEOUT);
    let servers = subject.servers.all();
    let writes = servers.iter().map(|endpoint| write(subject, endpoint, timeout));
    let written = join_all(writes).await;
    let names = servers.iter().zip(&written).filter(|(_, written)| **written);
    let names = value::texts(names.map(|(endpoint, _)| &endpoint.name));
    let all = written.iter().all(|written| *written);
    log(if all { Kind::Ok } else { Kind::Fail }, value::map([("nodes", names)]));
}

async fn write(subject: &Subject, endpoint: &Endpoint, timeout: Duration) -> bool {
    let mut client = Client::new(endpoint.clone(), &subject.credentials, timeout);
    let deadline = Instant::now() + WRITABLE_TIMEOUT;
    // It may have been made by an attempt that was not answered; the name is taken then.
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"generateName": "writable-"}});
    while Instant::now() < deadline {
        let call = Call::post("/api/v1/namespaces/default/configmaps", &body);
        if client.send(call).await.is_ok_and(|answer| answer.is_success()) {
            return true;
        }
        tokio::time::sleep(PAUSE).await;
    }
    false
}

/// Lets every workload read everything on every member.
pub async fn conclude(acts: &[Act]) {
    join_all(acts.iter().map(|act| act.workload.conclude(&act.stage))).await;
}
