//! Server-side apply: from a configuration to the object that it makes.

use super::Exchange;
use super::create::namespace_of_path;
use super::identity::named_as_path;
use super::ownership::{self, absent_uid, not_converted, undecodable};
use crate::errors::bad_request;
use crate::managed_fields::Applied;
use crate::object::uid;
use crate::options::WriteOptions;
use crate::request::FieldValidation;
use crate::schema::{Expected, normalize_value, parse_yaml, type_name};
use reddwarf_core::Status;
use serde_json::{Map, Value};

/// The body of an apply.
pub struct Configuration {
    value: Result<Value, String>,
    /// Keys that come twice.
    problems: Vec<String>,
    validation: FieldValidation,
}

/// An object that a configuration makes.
pub struct Made {
    /// The object, normalized and with defaults; for a subresource in its form.
    pub object: Value,
    /// `managedFields` of the main object.
    pub managed: Option<Value>,
}

impl Configuration {
    /// Reads the body. What is wrong with it is told once the object was found: a missing one
    /// is told first.
    pub fn read(x: &Exchange<'_>, options: WriteOptions) -> Self {
        let mut problems = Vec::new();
        let value = parse_yaml(x.body, &mut problems).and_then(|value| match value {
            Value::Object(_) => Ok(value),
            Value::Null => Ok(Value::Object(Map::new())),
            other => Err(format!(
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                type_name(&other)
            )),
        });
        Configuration { value, problems, validation: options.validation }
    }

    fn value(&self) -> Result<&Value, Box<Status>> {
        self.value.as_ref().map_err(|message| undecodable(message))
    }

    /// Texts for `Warning` headers.
    ///
    /// # Errors
    /// 400 for keys that come twice when validation is strict.
    pub fn warnings(&self) -> Result<Vec<String>, Box<Status>> {
        match self.validation {
            FieldValidation::Ignore => Ok(Vec::new()),
            FieldValidation::Strict if !self.problems.is_empty() => Err(bad_request(format!(
                "error strict decoding patch: error converting YAML to JSON: {}",
                self.problems.join("\n")
            ))),
            _ => Ok(self.problems.clone()),
        }
    }

    /// Applies it to the object `old`, or makes a new one.
    ///
    /// # Errors
    /// 400, 409 or 500.
    pub async fn apply(&self, x: &Exchange<'_>, old: Option<&Value>) -> Result<Made, Box<Status>> {
        let configuration = self.value()?;
        let Applied { object, managed } = ownership::applied(x, old, configuration).await?;
        let mut object = match (object, old) {
            (Some(object), _) => {
                let mut object = decoded(Expected::of(x.kind), object, configuration)?;
                x.kind.fill_defaults(&mut object);
                object
            }
            (None, Some(old)) => old.clone(),
            (None, None) => x.kind.empty().clone(),
        };
        if old.is_none() && !uid(&object).is_empty() {
            return Err(absent_uid(x.kind, x.name(), &object));
        }
        namespace_of_path(x, &mut object)?;
        named_as_path(x, &object)?;
        Ok(Made { object, managed })
    }

    /// Applies it to the `Scale` of `workload`.
    ///
    /// # Errors
    /// As [`Configuration::apply`].
    pub fn apply_to_scale(
        &self,
        x: &Exchange<'_>,
        scale: &Value,
        workload: &Value,
    ) -> Result<Made, Box<Status>> {
        let configuration = self.value()?;
        let Applied { object, managed } =
            ownership::applied_to_scale(x, scale, configuration, workload)?;
        let mut object = match object {
            Some(object) => decoded(x.form(), object, configuration)?,
            None => scale.clone(),
        };
        namespace_of_path(x, &mut object)?;
        named_as_path(x, &object)?;
        Ok(Made { object, managed })
    }
}

/// Brings a merged object into the form that decoding gives.
fn decoded(
    expected: Expected<'_>,
    object: Value,
    configuration: &Value,
) -> Result<Value, Box<Status>> {
    normalize_value(expected, object, FieldValidation::Ignore)
        .map(|decoded| decoded.object)
        .map_err(|message| not_converted(configuration, &message))
}
