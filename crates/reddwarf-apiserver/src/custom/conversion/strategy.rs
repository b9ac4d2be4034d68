//! What a definition says of conversion.

use crate::webhook::ClientConfig;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The webhook that converts the objects of a definition.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Webhook {
    /// Where it is reached.
    pub client_config: ClientConfig,
    /// The versions of `ConversionReview` that it takes, the one it likes best first.
    pub conversion_review_versions: Vec<String>,
}

#[derive(Deserialize)]
struct Strategy {
    strategy: String,
}

#[derive(Deserialize)]
struct Conversion {
    webhook: Webhook,
}

/// Reads `spec.conversion`; `None` where no webhook is to be asked.
///
/// One that cannot be read is asked nevertheless, and fails: its objects are not the same in all
/// versions.
pub fn webhook(conversion: Option<&RawValue>) -> Option<Webhook> {
    let text = conversion?.get();
    let named = serde_json::from_str::<Strategy>(text).ok()?;
    let read = || serde_json::from_str::<Conversion>(text).map(|conversion| conversion.webhook);
    (named.strategy == "Webhook").then(|| read().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::to_raw_value;
    use serde_json::{Value, json};

    fn read(conversion: Value) -> Option<Webhook> {
        webhook(Some(&to_raw_value(&conversion).expect("JSON")))
    }

    #[test]
    fn only_the_strategy_decides_whether_a_webhook_is_asked() {
        assert!(webhook(None).is_none());
        assert!(read(json!({"strategy": "None"})).is_none());
        let asked = json!({"strategy": "Webhook", "webhook": {
            "clientConfig": {"url": "https://h/c"}, "conversionReviewVersions": ["v1"]}});
        let asked = read(asked).expect("asked");
        assert_eq!(asked.client_config.url.as_deref(), Some("https://h/c"));
        assert_eq!(asked.conversion_review_versions, ["v1"]);
        let unreadable = json!({"strategy": "Webhook", "webhook": 5});
        assert_eq!(read(unreadable), Some(Webhook::default()));
    }
}
