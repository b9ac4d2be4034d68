//! Pods and nodes as they come from the API: a list, then a watch from there on.

use crate::object::{Frame, List, NodeInfo, PodInfo, RawNode, RawPod};
use reddwarf_core::api::ApiClient;
use reddwarf_core::{Reason, Status};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Items on one page of a list.
const PAGE_ITEMS: usize = 500;
/// Wait before a watch that could not be opened is tried again.
const REOPEN_AFTER: Duration = Duration::from_millis(250);
/// Attempts to open a watch before listing anew.
const REOPENS_MAX: u32 = 8;

/// One change, as the API shows it.
#[derive(Debug)]
pub enum Update {
    /// A pod came or changed.
    Pod(Box<PodInfo>),
    /// A pod is gone or has finished; its uid.
    PodGone(Arc<str>),
    /// A node came or changed.
    Node(Box<NodeInfo>),
    /// A node is gone; its name.
    NodeGone(Arc<str>),
    /// Changes may have been missed: list again.
    Lost(String),
}

/// Why nothing could be listed.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The API refused.
    #[error("listing {path}")]
    List {
        /// What was asked for.
        path: &'static str,
        /// The answer.
        #[source]
        source: Box<Status>,
    },
    /// The answer cannot be read.
    #[error("reading the list of {path}")]
    Read {
        /// What was asked for.
        path: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// A resource that is followed.
pub trait Followed: DeserializeOwned + Send + 'static {
    /// Path and the fixed part of the query, up to where the rest of it follows.
    const PATH: &'static str;
    /// Its `resourceVersion`.
    fn version(&mut self) -> String;
    /// The code of a `Status`.
    fn code(&self) -> u16;
    /// It came or changed.
    fn changed(self) -> Update;
    /// It left.
    fn gone(self) -> Update;
}

impl Followed for RawPod {
    /// Finished pods take no room.
    const PATH: &'static str =
        "/api/v1/pods?fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed&";

    fn version(&mut self) -> String {
        std::mem::take(&mut self.metadata.resource_version)
    }

    fn code(&self) -> u16 {
        self.code
    }

    fn changed(self) -> Update {
        Update::Pod(Box::new(self.into()))
    }

    fn gone(self) -> Update {
        Update::PodGone(self.metadata.uid.into())
    }
}

impl Followed for RawNode {
    const PATH: &'static str = "/api/v1/nodes?";

    fn version(&mut self) -> String {
        std::mem::take(&mut self.metadata.resource_version)
    }

    fn code(&self) -> u16 {
        self.code
    }

    fn changed(self) -> Update {
        Update::Node(Box::new(self.into()))
    }

    fn gone(self) -> Update {
        Update::NodeGone(self.metadata.name.into())
    }
}

/// Lists everything, page by page, into `sink`; the version from which to watch.
///
/// # Errors
/// [`SourceError`].
pub async fn list<T: Followed>(
    client: &dyn ApiClient,
    mut sink: impl FnMut(Update),
) -> Result<String, SourceError> {
    let mut path = format!("{}limit={PAGE_ITEMS}", T::PATH);
    loop {
        let page = client
            .request("GET", &path, None, None)
            .await
            .map_err(|source| SourceError::List { path: T::PATH, source })?;
        let page: List<T> = serde_json::from_slice(&page)
            .map_err(|source| SourceError::Read { path: T::PATH, source })?;
        page.items.into_iter().for_each(|item| sink(item.changed()));
        if page.metadata.r#continue.is_empty() {
            return Ok(page.metadata.resource_version);
        }
        let token = escape(&page.metadata.r#continue);
        path = format!("{}limit={PAGE_ITEMS}&continue={token}", T::PATH);
    }
}

/// A continue token within a query: base64 may hold `+`, `/` and `=`.
fn escape(token: &str) -> String {
    token.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

/// Watches from `version` on and sends every change; ends after [`Update::Lost`] or when nobody
/// listens. Opens the watch anew where it ended, as long as the server allows that.
pub async fn follow<T: Followed>(
    client: Arc<dyn ApiClient>,
    mut version: String,
    updates: mpsc::Sender<Update>,
) {
    let mut failures = 0;
    let lost = loop {
        let path =
            format!("{}watch=true&allowWatchBookmarks=true&resourceVersion={version}", T::PATH);
        let mut watch = match client.watch(&path).await {
            Ok(watch) => watch,
            Err(status) if too_old(status.reason, status.code) => break status.message,
            Err(status) if failures == REOPENS_MAX => break status.message,
            Err(_) => {
                failures += 1;
                tokio::time::sleep(REOPEN_AFTER).await;
                continue;
            }
        };
        let mut frames = 0;
        let ended = loop {
            let Some(frame) = watch.next().await else { break None };
            frames += 1;
            match read::<T>(&frame, &mut version) {
                Ok(None) => {}
                Ok(Some(update)) => {
                    if updates.send(update).await.is_err() {
                        return;
                    }
                }
                Err(why) => break Some(why),
            }
        };
        match ended {
            Some(why) => break why,
            None if frames == 0 && failures == REOPENS_MAX => break "the watch stays empty".into(),
            None if frames == 0 => {
                failures += 1;
                tokio::time::sleep(REOPEN_AFTER).await;
            }
            None => failures = 0,
        }
    };
    let _ = updates.send(Update::Lost(lost)).await;
}

fn too_old(reason: Option<Reason>, code: u16) -> bool {
    code == 410 || matches!(reason, Some(Reason::Expired | Reason::Gone))
}

/// The change that a frame tells of, if any; advances `version`.
fn read<T: Followed>(frame: &[u8], version: &mut String) -> Result<Option<Update>, String> {
    let mut frame: Frame<T> =
        serde_json::from_slice(frame).map_err(|e| format!("unreadable frame: {e}"))?;
    if frame.kind.as_ref() == "ERROR" {
        return Err(format!("the watch failed with {}", frame.object.code()));
    }
    *version = frame.object.version();
    Ok(match frame.kind.as_ref() {
        "ADDED" | "MODIFIED" => Some(frame.object.changed()),
        "DELETED" => Some(frame.object.gone()),
        _ => None,
    })
}
