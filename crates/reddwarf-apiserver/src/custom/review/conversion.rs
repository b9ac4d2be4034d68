//! How a definition says that its versions are converted.

use super::one_of;
use crate::custom::lifecycle::condition;
use crate::validation::read::{has, items, text};
use crate::validation::{ErrorList, FieldError, FieldPath, names, webhook_client};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Versions of `ConversionReview` that are understood.
const REVIEW_VERSIONS: [&str; 2] = ["v1", "v1beta1"];

/// Checks `spec.conversion`; `old` is the definition that is replaced.
pub(super) fn conversion_errors(spec: &Value, old: Option<&Value>, path: &FieldPath) -> ErrorList {
    let conversion = &spec["conversion"];
    if !conversion.is_object() {
        return ErrorList::new();
    }
    let strategy = text(conversion, "strategy");
    let mut errors: ErrorList =
        one_of(strategy, &["None", "Webhook"], path.child("strategy")).into_iter().collect();
    let webhook = &conversion["webhook"];
    let (client, versions) = (&webhook["clientConfig"], path.child("conversionReviewVersions"));
    let field = path.child("webhookClientConfig");
    if strategy == "Webhook" {
        match client.is_object() {
            true => errors.extend(client_errors(client, old, &field)),
            false => {
                let detail = "required when strategy is set to Webhook";
                errors.push(FieldError::required(field, detail));
            }
        }
        errors.extend(review_version_errors(webhook, old, &versions));
        return errors;
    }
    let detail = "should not be set when strategy is not set to Webhook";
    if client.is_object() {
        errors.push(FieldError::forbidden(field, detail));
    }
    if !items(webhook, "conversionReviewVersions").is_empty() {
        errors.push(FieldError::forbidden(versions, detail));
    }
    errors
}

fn client_errors(client: &Value, old: Option<&Value>, path: &FieldPath) -> ErrorList {
    if has(client, "url") == has(client, "service") {
        let detail = "exactly one of url or service is required";
        return vec![FieldError::required(path.clone(), detail)];
    }
    let mut errors = webhook_client(client, path);
    if !may_be_invalid(old) && !is_bundle(text(client, "caBundle")) {
        let detail = "unable to load root certificates: unable to parse bytes as PEM block";
        let field = path.child("caBundle");
        errors.push(FieldError::invalid(field, text(client, "caBundle"), detail));
    }
    errors
}

/// A bundle that was invalid, or given before the kind was established, may stay so.
fn may_be_invalid(old: Option<&Value>) -> bool {
    let Some(old) = old else { return true };
    let before = old.pointer("/spec/conversion/webhook/clientConfig/caBundle");
    let invalid = before.and_then(Value::as_str).is_some_and(|bundle| !is_bundle(bundle));
    !condition::holds(old, "Established") || invalid
}

/// Whether a bundle is absent or holds certificates.
fn is_bundle(encoded: &str) -> bool {
    let decoded = STANDARD.decode(encoded).unwrap_or_default();
    encoded.is_empty() || decoded.windows(11).any(|window| window == b"-----BEGIN ")
}

fn review_version_errors(webhook: &Value, old: Option<&Value>, path: &FieldPath) -> ErrorList {
    let versions = items(webhook, "conversionReviewVersions");
    if versions.is_empty() {
        return vec![FieldError::required(path.clone(), "")];
    }
    let known = |version: &Value| version.as_str().is_some_and(|v| REVIEW_VERSIONS.contains(&v));
    let mut errors = ErrorList::new();
    for (at, version) in versions.iter().enumerate() {
        if versions[..at].contains(version) {
            let field = path.index(at);
            errors.push(FieldError::invalid(field, version.clone(), "duplicate version"));
            continue;
        }
        let name = version.as_str().unwrap_or_default();
        let wrong = names::dns_1035_label(name).into_iter();
        errors.extend(wrong.map(|why| FieldError::invalid(path.index(at), name, why)));
    }
    let before = old.and_then(|old| old.pointer("/spec/conversion/webhook"));
    let before = before.map(|webhook| items(webhook, "conversionReviewVersions"));
    let tolerated = before.is_some_and(|before| !before.is_empty() && !before.iter().any(known));
    if !tolerated && !versions.iter().any(known) {
        let detail = format!("must include at least one of {}", REVIEW_VERSIONS.join(", "));
        errors.push(FieldError::invalid(path.clone(), versions.to_vec(), detail));
    }
    errors
}
