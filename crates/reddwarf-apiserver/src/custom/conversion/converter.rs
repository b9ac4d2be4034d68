//! Asks the webhook of a kind.

use super::error::ConversionError;
use super::review::{self, Review};
use super::strategy::Webhook;
use crate::custom::kind::CustomKind;
use crate::object::stored_version;
use crate::registry::Kind;
use crate::representation::parse;
use crate::webhook::Webhooks;
use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

/// Brings objects of one kind into its version and back, with the help of its webhook.
pub struct Converter<'c> {
    webhooks: &'c Webhooks,
    kind: &'c CustomKind,
    webhook: &'c Webhook,
}

impl<'c> Converter<'c> {
    /// The converter of a kind; `None` for all kinds that need no webhook.
    pub fn of(webhooks: &'c Webhooks, kind: &'c Kind) -> Option<Self> {
        let kind = kind.custom.as_deref()?;
        let webhook = kind.definition.webhook.as_ref()?;
        Some(Converter { webhooks, kind, webhook })
    }

    /// Whether an object with these stored bytes is in another version than the kind's.
    pub fn converts(&self, stored: &[u8]) -> bool {
        stored_version(stored) != Some(&*self.kind.api_version())
    }

    /// A stored object as the kind's version shows it.
    ///
    /// # Errors
    /// See [`ConversionError`].
    pub async fn show(&self, stored: Bytes) -> Result<Value, ConversionError> {
        let shown = self.show_all(vec![stored]).await?;
        Ok(one_of(shown))
    }

    /// Stored objects as the kind's version shows them, in the same order.
    ///
    /// # Errors
    /// See [`ConversionError`].
    pub async fn show_all(&self, stored: Vec<Bytes>) -> Result<Vec<Value>, ConversionError> {
        let revived = stored.iter().map(|bytes| {
            let mut object = parse(bytes);
            self.kind.revive(&mut object);
            object
        });
        let mut shown = self.convert(revived.collect(), &self.kind.api_version()).await?;
        shown.iter_mut().for_each(|object| self.kind.shape(&self.kind.version, object));
        Ok(shown)
    }

    /// An object of the kind's version as it is to be stored.
    ///
    /// # Errors
    /// See [`ConversionError`].
    pub async fn store(&self, object: &Value) -> Result<Value, ConversionError> {
        self.convert_one(object, &self.kind.definition.storage_version()).await
    }

    /// An object in the version `to`, pruned by its schema.
    ///
    /// # Errors
    /// See [`ConversionError`].
    pub async fn convert_one(&self, object: &Value, to: &str) -> Result<Value, ConversionError> {
        let mut converted = one_of(self.convert(vec![object.clone()], to).await?);
        if let Some(version) = self.kind.definition.version_of(to) {
            self.kind.shape(version, &mut converted);
        }
        Ok(converted)
    }

    /// Objects in the version `to`, in the same order; those that are in it stay as they are.
    ///
    /// # Errors
    /// See [`ConversionError`].
    async fn convert(
        &self,
        mut objects: Vec<Value>,
        to: &str,
    ) -> Result<Vec<Value>, ConversionError> {
        let mut others = Vec::new();
        for (at, object) in objects.iter_mut().enumerate() {
            if object["apiVersion"] == to {
                continue;
            }
            self.check_version(object)?;
            match is_empty(object) {
                true => object["apiVersion"] = to.into(),
                false => others.push(at),
            }
        }
        let sent: Vec<Box<RawValue>> =
            others.iter().map(|at| review::sent(&objects[*at])).collect();
        for part in review::parts(sent.iter().map(|object| object.get().len())) {
            let places = &others[part.clone()];
            let originals = places.iter().map(|at| &objects[*at]).collect();
            let converted = self.ask(originals, &sent[part], to).await?;
            for (at, object) in places.iter().zip(converted) {
                objects[*at] = object;
            }
        }
        Ok(objects)
    }

    /// Checks that the definition has the object's version.
    fn check_version(&self, object: &Value) -> Result<(), ConversionError> {
        let given = object["apiVersion"].as_str().unwrap_or_default();
        match self.kind.definition.version_of(given) {
            Some(_) => Ok(()),
            None => Err(ConversionError::FromUnknown(given.to_owned())),
        }
    }

    async fn ask(
        &self,
        originals: Vec<&Value>,
        sent: &[Box<RawValue>],
        to: &str,
    ) -> Result<Vec<Value>, ConversionError> {
        let versions = &self.webhook.conversion_review_versions;
        let review = Review::new(versions, to, originals)?;
        let config = &self.webhook.client_config;
        let answer = self.webhooks.post(config, review.body(sent)).await;
        let answer = answer.map_err(|error| review.failed(error))?;
        review.converted(&answer)
    }
}

fn one_of(mut objects: Vec<Value>) -> Value {
    objects.pop().expect("invariant: as many objects come back as were given")
}

/// Whether an object has nothing that a webhook could convert.
fn is_empty(object: &Value) -> bool {
    let mut fields = object.as_object().into_iter().flatten();
    fields.all(|(name, value)| match name.as_str() {
        "kind" | "apiVersion" => true,
        "metadata" => value.as_object().is_none_or(serde_json::Map::is_empty),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_without_content_is_not_asked_about() {
        assert!(is_empty(&json!({"kind": "W", "apiVersion": "g/v1", "metadata": {}})));
        assert!(!is_empty(&json!({"kind": "W", "apiVersion": "g/v1", "metadata": {"name": "a"}})));
        assert!(!is_empty(&json!({"kind": "W", "spec": {}})));
    }
}
