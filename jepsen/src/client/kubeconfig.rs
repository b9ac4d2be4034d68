//! The current user of a kubeconfig.

use super::ClientError;
use super::credentials::Pem;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::path::Path;

/// Reads kubeconfigs; only what is embedded in them, as members write it.
pub(super) struct User;

impl User {
    /// The credentials of the current context.
    pub fn read(path: &Path) -> Result<Pem, ClientError> {
        let what = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(ClientError::credentials(&what))?;
        let file: Value =
            serde_yaml_ng::from_str(&text).map_err(ClientError::credentials(&what))?;
        let context = named(&file["contexts"], &file["current-context"]);
        let user = named(&file["users"], &context["context"]["user"]);
        let cluster = named(&file["clusters"], &context["context"]["cluster"]);
        let data = |from: &Value, name: &str| -> Result<Option<Vec<u8>>, ClientError> {
            let Some(text) = from[name].as_str() else { return Ok(None) };
            STANDARD.decode(text).map(Some).map_err(ClientError::credentials(name))
        };
        let authority = data(&cluster["cluster"], "certificate-authority-data")?;
        let certificate = data(&user["user"], "client-certificate-data")?;
        let key = data(&user["user"], "client-key-data")?;
        Ok(Pem {
            authority: authority.unwrap_or_default(),
            identity: certificate.zip(key),
            token: user["user"]["token"].as_str().map(str::to_owned),
        })
    }
}

fn named<'a>(list: &'a Value, name: &Value) -> &'a Value {
    let items = list.as_array().into_iter().flatten();
    items.into_iter().find(|item| item["name"] == *name).unwrap_or(&Value::Null)
}
