//! Follows the members' health, and writes events.

use super::plan::{Known, News};
use crate::Controllers;
use crate::recorder::{Involved, Recorder, Said};
use reddwarf_core::{Collection, Store};
use tokio_util::sync::CancellationToken;

/// Whom the events name as their source.
const COMPONENT: &str = "reddwarf";
const NAMESPACE: &str = "default";
const SERVICE: &str = "kubernetes";

/// Tells of the members until `stop` fires, with a client fenced by the leader's term.
pub async fn run(controllers: Controllers, stop: CancellationToken) {
    stop.run_until_cancelled(follow(controllers)).await;
}

async fn follow(controllers: Controllers) {
    let mut members = controllers.members.clone();
    let mut recorder = Recorder::start(controllers.client.clone(), COMPONENT);
    let mut known = Known::default();
    loop {
        let news = known.take(&members.borrow_and_update());
        for news in news {
            recorder.say_again(said(&*controllers.store, news));
        }
        if members.changed().await.is_err() {
            // Nobody tells of members here; what was said is still to be written.
            return std::future::pending().await;
        }
    }
}

fn said(store: &dyn Store, news: News) -> Said {
    let key = Collection::new("", "services").key(NAMESPACE, SERVICE);
    let uid = store.view().get(&key).map(|service| service.index.uid.to_string());
    let involved = Involved {
        api_version: "v1".to_owned(),
        kind: "Service".to_owned(),
        namespace: NAMESPACE.to_owned(),
        name: SERVICE.to_owned(),
        uid: uid.unwrap_or_default(),
    };
    let News { severity, reason, message } = news;
    Said { involved, severity, reason, message }
}
