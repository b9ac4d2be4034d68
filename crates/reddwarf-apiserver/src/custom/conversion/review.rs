//! A `ConversionReview`: what a webhook is asked, and what is made of its answer.

use super::error::ConversionError;
use super::identity;
use crate::custom::decode;
use crate::object::set_meta;
use bytes::Bytes;
use reddwarf_core::gvk::parse_api_version;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use std::ops::Range;

/// Objects of one review.
const OBJECTS_MAX: usize = 256;
/// Bytes of the objects of one review; a single object may be longer.
const BYTES_MAX: usize = 1024 * 1024;

const GROUP: &str = "apiextensions.k8s.io";
const KIND: &str = "ConversionReview";
const V1: &str = "apiextensions.k8s.io/v1";
const V1BETA1: &str = "apiextensions.k8s.io/v1beta1";

/// One question to a webhook.
pub(super) struct Review<'r> {
    /// `apiVersion` of the review.
    api_version: &'static str,
    uid: String,
    /// The version that is wanted.
    desired: &'r str,
    /// The objects as they are, in the order in which they are asked for.
    originals: Vec<&'r Value>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'q> {
    kind: &'static str,
    api_version: &'static str,
    request: Request<'q>,
}

#[derive(Serialize)]
struct Request<'q> {
    uid: &'q str,
    #[serde(rename = "desiredAPIVersion")]
    desired: &'q str,
    objects: &'q [Box<RawValue>],
}

/// An object as it is sent: upstream's stored objects have no `resourceVersion`.
pub(super) fn sent(object: &Value) -> Box<RawValue> {
    let mut object = object.clone();
    if object["metadata"].is_object() {
        set_meta(&mut object, "resourceVersion", None);
    }
    to_raw_value(&object).expect("invariant: a JSON value serializes into memory")
}

/// Objects of these lengths, parted into reviews.
pub(super) fn parts(lengths: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (at, length) in lengths.enumerate() {
        bytes += length;
        match parts.last_mut() {
            Some(last) if last.len() < OBJECTS_MAX && bytes <= BYTES_MAX => last.end = at + 1,
            _ => {
                bytes = length;
                parts.push(at..at + 1);
            }
        }
    }
    parts
}

/// `group/version, Kind=Kind` of an object.
fn type_of(object: &Value) -> String {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let (group, version) = parse_api_version(text("apiVersion")).unwrap_or_default();
    format!("{group}/{version}, Kind={}", text("kind"))
}

impl<'r> Review<'r> {
    /// A review in the first version that the webhook takes and that is known here.
    ///
    /// # Errors
    /// [`ConversionError::NoReviewVersion`]
    pub fn new(
        versions: &[String],
        desired: &'r str,
        originals: Vec<&'r Value>,
    ) -> Result<Self, ConversionError> {
        let known = versions.iter().find_map(|version| match version.as_str() {
            "v1" => Some(V1),
            "v1beta1" => Some(V1BETA1),
            _ => None,
        });
        let api_version = known.ok_or(ConversionError::NoReviewVersion)?;
        let uid = uuid::Uuid::new_v4().to_string();
        Ok(Review { api_version, uid, desired, originals })
    }

    /// The body of the request; `objects` are the originals as they are [`sent`].
    pub fn body(&self, objects: &[Box<RawValue>]) -> Bytes {
        let request = Request { uid: &self.uid, desired: self.desired, objects };
        let question = Question { kind: KIND, api_version: self.api_version, request };
        let body = serde_json::to_vec(&question);
        body.expect("invariant: a review serializes into memory").into()
    }

    /// What of the originals names them in messages.
    fn of(&self) -> String {
        self.originals.first().map(|object| type_of(object)).unwrap_or_default()
    }

    /// The failure of the whole review.
    pub fn failed(&self, cause: impl ToString) -> ConversionError {
        ConversionError::Failed { of: self.of(), cause: cause.to_string() }
    }

    /// The converted objects, with what the webhook may not change as it was.
    ///
    /// # Errors
    /// The answer is no success, or not an answer to this question.
    pub fn converted(&self, answer: &[u8]) -> Result<Vec<Value>, ConversionError> {
        let objects = self.objects(answer).map_err(|cause| self.failed(cause))?;
        let (found, wanted) = (objects.len(), self.originals.len());
        if found != wanted {
            return Err(ConversionError::Count { of: self.of(), found, wanted });
        }
        let objects = objects.into_iter().enumerate();
        objects.map(|(at, object)| self.judged(at, object)).collect()
    }

    /// The objects of an answer that says success.
    fn objects(&self, answer: &[u8]) -> Result<Vec<Value>, String> {
        let mut answer = decode::parse(answer, &mut Vec::new())
            .map_err(|error| format!("couldn't get version/kind; json parse error: {error}"))?;
        // Upstream has never checked type and uid of the older version.
        let checked = self.api_version == V1;
        if checked && (answer["apiVersion"] != V1 || answer["kind"] != KIND) {
            let given = type_of(&answer);
            return Err(format!(
                "expected webhook response of {GROUP}/v1, Kind={KIND}, got {given}"
            ));
        }
        let response = answer.get_mut("response").filter(|response| response.is_object());
        let response = response.ok_or("no response provided")?;
        let uid = response["uid"].as_str().unwrap_or_default();
        if checked && uid != self.uid {
            return Err(format!("expected response.uid={:?}, got {uid:?}", self.uid));
        }
        refusal(&response["result"])?;
        match response["convertedObjects"].take() {
            Value::Array(objects) => Ok(objects),
            _ => Ok(Vec::new()),
        }
    }

    /// The object at that place of the answer, if it is what was asked for.
    fn judged(&self, at: usize, object: Value) -> Result<Value, ConversionError> {
        let original = self.originals[at];
        let single = self.originals.len() == 1;
        let invalid =
            |what: String, cause: String| ConversionError::Invalid { of: self.of(), what, cause };
        let here = match single {
            true => format!("object at index {at}"),
            false => format!("converted object at index {at}"),
        };
        has_type(original, &object, self.desired).map_err(|cause| invalid(here.clone(), cause))?;
        let whole = if single { "object".to_owned() } else { here };
        identity::check(original, &object).map_err(|cause| invalid(whole, cause))?;
        identity::restored(original, object).map_err(|cause| {
            let metadata = match single {
                true => "metadata".to_owned(),
                false => format!("metadata in object at index {at}"),
            };
            invalid(metadata, cause)
        })
    }
}

/// Whether the result says success.
fn refusal(result: &Value) -> Result<(), String> {
    let text = |field: &str| result[field].as_str().unwrap_or_default();
    match (text("status"), text("message")) {
        ("Success", _) => Ok(()),
        (status, "") => Err(format!("response.result.status was '{status}', not 'Success'")),
        (_, message) => Err(message.to_owned()),
    }
}

/// Checks version and kind of a converted object.
fn has_type(original: &Value, converted: &Value, desired: &str) -> Result<(), String> {
    let text = |object: &'_ Value, field: &str| {
        object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    if text(converted, "kind").is_empty() {
        return Err(format!("Object 'Kind' is missing in '{converted}'"));
    }
    let received = text(converted, "apiVersion");
    if received != desired {
        return Err(format!("invalid groupVersion (expected {desired}, received {received})"));
    }
    let (expected, received) = (text(original, "kind"), text(converted, "kind"));
    if expected != received {
        return Err(format!("invalid kind (expected {expected}, received {received})"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(version: &str, name: &str) -> Value {
        json!({"kind": "W", "apiVersion": format!("g/{version}"),
            "metadata": {"name": name, "uid": name, "resourceVersion": "5"}})
    }

    fn answer(review: &Review<'_>, objects: Value) -> Value {
        json!({"kind": KIND, "apiVersion": review.api_version, "response": {
            "uid": review.uid, "result": {"status": "Success"}, "convertedObjects": objects}})
    }

    /// What is made of the answer to a question for `names`, after `change`.
    fn judged(
        names: &[&str],
        version: &str,
        change: impl FnOnce(&mut Value),
    ) -> Result<Vec<Value>, String> {
        let originals: Vec<Value> = names.iter().map(|name| object("v1", name)).collect();
        let versions = [version.to_owned()];
        let review = Review::new(&versions, "g/v2", originals.iter().collect()).expect("known");
        let objects = names.iter().map(|name| object("v2", name)).collect();
        let mut answer = answer(&review, objects);
        change(&mut answer);
        review.converted(answer.to_string().as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_question_is_put_in_the_first_version_that_is_known() {
        let original = object("v1", "a");
        let versions = ["v9", "v1beta1", "v1"].map(str::to_owned);
        let review = Review::new(&versions, "g/v2", vec![&original]).expect("known");
        let body: Value = serde_json::from_slice(&review.body(&[sent(&original)])).expect("JSON");
        let mut without_version = original.clone();
        set_meta(&mut without_version, "resourceVersion", None);
        assert_eq!(
            body,
            json!({"kind": KIND, "apiVersion": V1BETA1, "request": {
                "uid": review.uid, "desiredAPIVersion": "g/v2", "objects": [without_version]}})
        );
        let none = Review::new(&["v9".to_owned()], "g/v2", Vec::new()).err().expect("unknown");
        assert_eq!(none.to_string(), "no supported conversion review versions");
    }

    #[test]
    fn objects_come_back_in_order_with_their_metadata() {
        let converted = judged(&["a", "b"], "v1", |_| {}).expect("converted");
        assert_eq!(converted, [object("v2", "a"), object("v2", "b")]);
    }

    #[test]
    fn whole_answers_that_are_refused() {
        let said = |version: &str, change: fn(&mut Value)| {
            let error = judged(&["a"], version, change).expect_err("refused");
            let cause = error.strip_prefix("conversion webhook for g/v1, Kind=W failed: ");
            cause.expect("the usual words").to_owned()
        };
        assert_eq!(
            said("v1", |a| a["apiVersion"] = V1BETA1.into()),
            "expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got apiextensions.k8s.io/v1beta1, Kind=ConversionReview"
        );
        assert_eq!(said("v1", |a| a["response"] = json!(null)), "no response provided");
        assert!(said("v1", |a| a["response"]["uid"] = "x".into()).ends_with(", got \"x\""));
        let failure = |a: &mut Value| a["response"]["result"]["status"] = "Failure".into();
        assert_eq!(said("v1", failure), "response.result.status was 'Failure', not 'Success'");
        let message = |a: &mut Value| {
            a["response"]["result"] = json!({"status": "Failure", "message": "cannot"});
        };
        assert_eq!(said("v1beta1", message), "cannot");
        let no_json = |a: &mut Value| *a = json!("no review");
        assert!(said("v1", no_json).starts_with("expected webhook response of"));
        let lax = judged(&["a"], "v1beta1", |a| {
            a["response"]["uid"] = "x".into();
            a["kind"] = "Other".into();
        });
        assert!(lax.is_ok(), "{lax:?}");
    }

    #[test]
    fn objects_that_are_refused() {
        let said = |names: &[&str], change: fn(&mut Vec<Value>)| {
            judged(names, "v1", |answer| {
                let objects = answer["response"]["convertedObjects"].as_array_mut();
                change(objects.expect("a list"));
            })
            .expect_err("refused")
        };
        assert_eq!(
            said(&["a", "b"], |objects| objects.truncate(1)),
            "conversion webhook for g/v1, Kind=W returned 1 objects, expected 2"
        );
        assert_eq!(
            said(&["a"], |objects| objects[0]["apiVersion"] = "g/v3".into()),
            "conversion webhook for g/v1, Kind=W returned invalid object at index 0: invalid groupVersion (expected g/v2, received g/v3)"
        );
        assert_eq!(
            said(&["a", "b"], |objects| objects[1]["kind"] = "X".into()),
            "conversion webhook for g/v1, Kind=W returned invalid converted object at index 1: invalid kind (expected W, received X)"
        );
        assert_eq!(
            said(&["a"], |objects| objects[0]["metadata"]["name"] = "z".into()),
            "conversion webhook for g/v1, Kind=W returned invalid object: must have the same name: a != z"
        );
        assert_eq!(
            said(&["a", "b"], |objects| objects.swap(0, 1)),
            "conversion webhook for g/v1, Kind=W returned invalid converted object at index 0: must have the same name: a != b"
        );
        assert_eq!(
            said(&["a"], |objects| objects[0]["metadata"]["labels"] = 1.into()),
            "conversion webhook for g/v1, Kind=W returned invalid metadata: invalid metadata.labels of type int64 in converted object"
        );
    }

    #[test]
    fn reviews_are_bounded() {
        assert!(parts(std::iter::empty()).is_empty());
        assert_eq!(parts([1, 1, BYTES_MAX].into_iter()), [0..2, 2..3]);
        assert_eq!(parts([BYTES_MAX * 2, 1, BYTES_MAX].into_iter()), [0..1, 1..2, 2..3]);
        let many = parts(std::iter::repeat_n(1, OBJECTS_MAX + 1));
        assert_eq!(many, [0..OBJECTS_MAX, OBJECTS_MAX..OBJECTS_MAX + 1]);
    }
}
