//! Where a webhook is reached, as configurations say it.

use super::client::{CallError, TIMEOUT};
use serde::Deserialize;

/// The port of a service that names none.
const PORT: u16 = 443;

/// `clientConfig` of a webhook.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientConfig {
    /// `https://host:port/path`
    pub url: Option<String>,
    /// A service, instead of a URL.
    pub service: Option<ServiceReference>,
    /// The authorities that are trusted, PEM in base64; those of the system where there are none.
    pub ca_bundle: Option<String>,
}

/// A service that a webhook is reached at.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceReference {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The path of the request.
    pub path: Option<String>,
    /// One of its ports.
    pub port: Option<u16>,
}

impl ServiceReference {
    /// The port that is called.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(PORT)
    }

    /// The name that the certificate must bear: `<name>.<namespace>.svc`.
    pub fn server_name(&self) -> String {
        format!("{}.{}.svc", self.name, self.namespace)
    }
}

/// What a call is sent to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The URL for the client. That of a service has no port: the resolver says which one.
    pub url: String,
    /// The URL as messages show it.
    pub shown: String,
    /// The header `Host`, where the URL does not say it.
    pub host: Option<String>,
}

impl ClientConfig {
    /// What calls are sent to.
    ///
    /// # Errors
    /// [`CallError::Nowhere`]
    pub(super) fn target(&self) -> Result<Target, CallError> {
        let timeout = format!("timeout={}s", TIMEOUT.as_secs());
        if let Some(service) = &self.service {
            let (name, path) = (service.server_name(), rooted(service.path.as_deref()));
            let host = format!("{name}:{}", service.port());
            return Ok(Target {
                url: format!("https://{name}{path}?{timeout}"),
                shown: format!("https://{host}{path}?{timeout}"),
                host: Some(host),
            });
        }
        let url = self.url.as_deref().filter(|url| !url.is_empty()).ok_or(CallError::Nowhere)?;
        let whole = match url.split_once("://").is_some_and(|(_, rest)| rest.contains('/')) {
            true => format!("{url}?{timeout}"),
            false => format!("{url}/?{timeout}"),
        };
        Ok(Target { shown: whole.clone(), url: whole, host: None })
    }
}

fn rooted(path: Option<&str>) -> String {
    format!("/{}", path.unwrap_or_default().trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn target(config: serde_json::Value) -> Target {
        let config: ClientConfig = serde_json::from_value(config).expect("a configuration");
        config.target().expect("a target")
    }

    #[test]
    fn services_and_urls() {
        let service =
            json!({"service": {"namespace": "a", "name": "s", "path": "convert", "port": 8443}});
        assert_eq!(
            target(service),
            Target {
                url: "https://s.a.svc/convert?timeout=30s".into(),
                shown: "https://s.a.svc:8443/convert?timeout=30s".into(),
                host: Some("s.a.svc:8443".into()),
            }
        );
        let bare = target(json!({"service": {"namespace": "a", "name": "s"}}));
        assert_eq!(bare.shown, "https://s.a.svc:443/?timeout=30s");
        let url = |url: &str| target(json!({"url": url})).url;
        assert_eq!(url("https://h:1/a/b"), "https://h:1/a/b?timeout=30s");
        assert_eq!(url("https://h"), "https://h/?timeout=30s");
        assert!(matches!(ClientConfig::default().target(), Err(CallError::Nowhere)));
    }
}
