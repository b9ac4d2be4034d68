//! Content negotiation.

use http::HeaderMap;
use http::header::ACCEPT;
use reddwarf_core::{Reason, Status, status::StatusDetails};

/// In what form an object is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Representation {
    /// As it is.
    #[default]
    Full,
    /// `as=Table`; `true` for `meta.k8s.io/v1`, `false` for `v1beta1`.
    Table(bool),
    /// `as=PartialObjectMetadata`, with the same meaning.
    Partial(bool),
    /// `as=PartialObjectMetadataList`.
    PartialList(bool),
    /// `as=APIGroupDiscoveryList`.
    Aggregated,
}

/// The negotiated form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Accept {
    /// YAML instead of JSON.
    pub yaml: bool,
    /// `;stream=watch` was named.
    pub stream: bool,
    /// The form of objects.
    pub representation: Representation,
}

/// What an endpoint can answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// One object.
    Object,
    /// A list, or a watch of it.
    List,
    /// Discovery documents.
    Discovery,
}

const MEDIA_TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
const STREAM_TYPES: &str =
    "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

/// One clause of an `Accept` header.
struct Clause<'a> {
    media: &'a str,
    quality: f32,
    parameters: Vec<(&'a str, &'a str)>,
}

fn clauses(header: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = header.split(',').filter_map(clause).collect();
    clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    clauses
}

fn clause(text: &str) -> Option<Clause<'_>> {
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next().filter(|m| !m.is_empty())?;
    let mut clause = Clause { media, quality: 1.0, parameters: Vec::new() };
    for (key, value) in parts.filter_map(|p| p.split_once('=')) {
        match key {
            "q" => clause.quality = value.parse().unwrap_or(0.0),
            _ => clause.parameters.push((key, value)),
        }
    }
    Some(clause)
}

/// Chooses the form of the answer by the `Accept` header.
///
/// Protobuf is never produced; a client that takes nothing else is answered in JSON, which the
/// content type of the answer says.
///
/// # Errors
/// 406 in upstream's words.
pub fn negotiate(headers: &HeaderMap, offer: Offer) -> Result<Accept, Box<Status>> {
    let Some(header) = headers.get(ACCEPT).and_then(|v| v.to_str().ok()) else {
        return Ok(Accept::default());
    };
    if header.is_empty() || header == "*/*" || header == "application/json" {
        return Ok(Accept::default());
    }
    let mut known_media = false;
    for clause in clauses(header) {
        let yaml = match clause.media {
            "application/json" | "*/*" | "application/vnd.kubernetes.protobuf" => false,
            "application/yaml" => true,
            _ => continue,
        };
        known_media = true;
        if let Some(accept) = accepted(yaml, &clause.parameters, offer) {
            return Ok(accept);
        }
    }
    Err(Box::new(not_acceptable(known_media, offer)))
}

fn accepted(yaml: bool, parameters: &[(&str, &str)], offer: Offer) -> Option<Accept> {
    let value = |name: &str| parameters.iter().find(|(k, _)| *k == name).map(|(_, v)| *v);
    let stream = value("stream") == Some("watch");
    let Some(form) = value("as") else {
        return Some(Accept { yaml, stream, representation: Representation::Full });
    };
    let newest = match (value("g"), value("v")) {
        (Some("meta.k8s.io"), Some("v1")) => true,
        (Some("meta.k8s.io"), Some("v1beta1")) => false,
        (Some("apidiscovery.k8s.io"), Some("v2")) if offer == Offer::Discovery => true,
        _ => return None,
    };
    let representation = match (form, offer) {
        ("APIGroupDiscoveryList", Offer::Discovery) => Representation::Aggregated,
        ("Table", Offer::Object | Offer::List) => Representation::Table(newest),
        ("PartialObjectMetadata", Offer::Object | Offer::List) => Representation::Partial(newest),
        ("PartialObjectMetadataList", Offer::List) => Representation::PartialList(newest),
        _ => return None,
    };
    Some(Accept { yaml, stream, representation })
}

fn not_acceptable(known_media: bool, offer: Offer) -> Status {
    if known_media || offer == Offer::Discovery {
        let message = format!("only the following media types are accepted: {MEDIA_TYPES}");
        return Status::failure(Reason::NotAcceptable, message);
    }
    let types = match offer {
        Offer::List => format!("{MEDIA_TYPES}, {STREAM_TYPES}"),
        _ => MEDIA_TYPES.to_owned(),
    };
    unavailable_representation(&types)
}

/// 406 that lists what there is.
pub fn unavailable_representation(types: &str) -> Status {
    let message = format!("406: Not Acceptable\n\nAvailable representations: {types}");
    Status::failure(Reason::NotAcceptable, message).with_details(StatusDetails::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str, offer: Offer) -> Option<Accept> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, header.parse().expect("a header"));
        negotiate(&headers, offer).ok()
    }

    #[test]
    fn forms() {
        let full = Accept::default();
        assert_eq!(of("*/*", Offer::Object), Some(full));
        assert_eq!(of("text/html,*/*;q=0.8", Offer::Object), Some(full));
        assert_eq!(of("application/*", Offer::Object), None);
        assert_eq!(of("application/cbor", Offer::Object), None);
        assert_eq!(of("application/json;as=Nothing;v=v1;g=meta.k8s.io", Offer::Object), None);
        let yaml = of("application/json;q=0.3,application/yaml;q=0.9", Offer::Object);
        assert!(yaml.expect("accepted").yaml);
        let table =
            of("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Offer::List);
        assert_eq!(table.expect("accepted").representation, Representation::Table(true));
    }
}
