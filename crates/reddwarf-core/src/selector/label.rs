//! Label selectors.

use super::SelectorError;
use super::label_syntax::{key_errors, value_errors};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// What a label selector looks labels up in.
pub trait Labels {
    /// The value of the label `key`.
    fn label(&self, key: &str) -> Option<&str>;
}

impl Labels for [(Box<str>, Box<str>)] {
    /// By binary search; the slice is sorted by key.
    fn label(&self, key: &str) -> Option<&str> {
        let at = self.binary_search_by(|(k, _)| k.as_ref().cmp(key)).ok()?;
        Some(&self[at].1)
    }
}

impl Labels for Vec<(Box<str>, Box<str>)> {
    fn label(&self, key: &str) -> Option<&str> {
        self.as_slice().label(key)
    }
}

impl Labels for BTreeMap<String, String> {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

impl<S: std::hash::BuildHasher> Labels for HashMap<String, String, S> {
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).map(String::as_str)
    }
}

impl Labels for serde_json::Map<String, serde_json::Value> {
    /// Values that are no strings do not count.
    fn label(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(serde_json::Value::as_str)
    }
}

/// How a requirement relates its key and its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `key in (a,b)`.
    In,
    /// `key notin (a,b)`; also true without the key.
    NotIn,
    /// `key=a`.
    Equals,
    /// `key==a`.
    DoubleEquals,
    /// `key!=a`; also true without the key.
    NotEquals,
    /// `key`.
    Exists,
    /// `!key`.
    DoesNotExist,
    /// `key>1`.
    GreaterThan,
    /// `key<1`.
    LessThan,
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    key: Box<str>,
    operator: Operator,
    /// Sorted, each once.
    values: Vec<Box<str>>,
}

impl Requirement {
    /// Checks the parts and puts them together.
    ///
    /// # Errors
    /// The key's, the values' and the operator's errors, each with its path below the
    /// requirement, as upstream joins them.
    pub fn new(
        key: &str,
        operator: Operator,
        values: Vec<Box<str>>,
    ) -> Result<Requirement, SelectorError> {
        let mut errors = Vec::new();
        if let Some(error) = key_error("key", key) {
            errors.push(error);
        }
        operator_errors(operator, &values, &mut errors);
        for (i, value) in values.iter().enumerate() {
            let wrong = value_errors(value);
            if !wrong.is_empty() {
                errors.push(invalid(&format!("values[{i}][{key}]"), value, &wrong.join("; ")));
            }
        }
        match errors.len() {
            0 => {}
            1 => return Err(SelectorError(errors.remove(0))),
            _ => return Err(SelectorError(format!("[{}]", errors.join(", ")))),
        }
        let mut values = values;
        values.sort();
        values.dedup();
        Ok(Requirement { key: key.into(), operator, values })
    }

    /// The label's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The operator.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// The values, sorted.
    pub fn values(&self) -> &[Box<str>] {
        &self.values
    }

    /// Whether labels fulfil it.
    pub fn matches<L: Labels + ?Sized>(&self, labels: &L) -> bool {
        let found = labels.label(&self.key);
        let has = |value: &str| self.values.iter().any(|v| v.as_ref() == value);
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => found.is_some_and(has),
            Operator::NotIn | Operator::NotEquals => !found.is_some_and(has),
            Operator::Exists => found.is_some(),
            Operator::DoesNotExist => found.is_none(),
            Operator::GreaterThan => self.compare(found).is_some_and(|(a, b)| a > b),
            Operator::LessThan => self.compare(found).is_some_and(|(a, b)| a < b),
        }
    }

    fn compare(&self, found: Option<&str>) -> Option<(i64, i64)> {
        Some((found?.parse().ok()?, self.values.first()?.parse().ok()?))
    }
}

/// The error of a label key at `path`, in upstream's form.
pub(super) fn key_error(path: &str, key: &str) -> Option<String> {
    let wrong = key_errors(key);
    (!wrong.is_empty()).then(|| invalid(path, key, &wrong.join("; ")))
}

fn invalid(path: &str, value: &str, detail: &str) -> String {
    format!("{path}: Invalid value: {value:?}: {detail}")
}

fn operator_errors(operator: Operator, values: &[Box<str>], errors: &mut Vec<String>) {
    let shape = match (operator, values.len()) {
        (Operator::In | Operator::NotIn, 0) => {
            Some("for 'in', 'notin' operators, values set can't be empty")
        }
        (Operator::Equals | Operator::DoubleEquals | Operator::NotEquals, n) if n != 1 => {
            Some("exact-match compatibility requires one single value")
        }
        (Operator::Exists | Operator::DoesNotExist, n) if n != 0 => {
            Some("values set must be empty for exists and does not exist")
        }
        (Operator::GreaterThan | Operator::LessThan, n) if n != 1 => {
            Some("for 'Gt', 'Lt' operators, exactly one value is required")
        }
        _ => None,
    };
    if let Some(detail) = shape {
        let list = serde_json::to_string(values).unwrap_or_default();
        errors.push(format!("values: Invalid value: {list}: {detail}"));
    }
    if matches!(operator, Operator::GreaterThan | Operator::LessThan) {
        for (i, value) in values.iter().enumerate() {
            if value.parse::<i64>().is_err() {
                let detail = "for 'Gt', 'Lt' operators, the value must be an integer";
                errors.push(invalid(&format!("values[{i}]"), value, detail));
            }
        }
    }
}

/// All of a list of requirements, or nothing at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelector {
    /// Sorted by key; `None` for the selector that matches no object.
    requirements: Option<Vec<Requirement>>,
}

impl LabelSelector {
    /// Matches every object.
    pub fn everything() -> Self {
        LabelSelector { requirements: Some(Vec::new()) }
    }

    /// Matches no object.
    pub fn nothing() -> Self {
        LabelSelector { requirements: None }
    }

    /// Matches what fulfils all `requirements`.
    pub fn all_of(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        LabelSelector { requirements: Some(requirements) }
    }

    /// Parses the text of a `labelSelector` parameter.
    ///
    /// # Errors
    /// The text that upstream answers with 400.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        super::label_parser::parse(text).map(Self::all_of)
    }

    /// Takes a `metav1.LabelSelector` as JSON; an absent one (`None`, null) selects nothing, an
    /// empty one everything.
    ///
    /// # Errors
    /// What upstream says of a bad operator, key or value, or that the JSON has another shape.
    pub fn from_object(object: Option<&serde_json::Value>) -> Result<Self, SelectorError> {
        let Some(object) = object.filter(|object| !object.is_null()) else {
            return Ok(Self::nothing());
        };
        let shape = |_| SelectorError("not a label selector".into());
        let parsed: ObjectForm = serde::Deserialize::deserialize(object).map_err(shape)?;
        let equal = parsed.match_labels.unwrap_or_default();
        let expressions = parsed.match_expressions.unwrap_or_default();
        let mut requirements = Vec::with_capacity(equal.len() + expressions.len());
        for (key, value) in equal {
            requirements.push(Requirement::new(&key, Operator::Equals, vec![value])?);
        }
        for expression in expressions {
            let values = expression.values.unwrap_or_default();
            let operator = object_operator(&expression.operator)?;
            requirements.push(Requirement::new(&expression.key, operator, values)?);
        }
        Ok(Self::all_of(requirements))
    }

    /// The requirements, sorted by key; `None` when nothing matches.
    pub fn requirements(&self) -> Option<&[Requirement]> {
        self.requirements.as_deref()
    }

    /// Whether every object matches.
    pub fn is_everything(&self) -> bool {
        self.requirements.as_ref().is_some_and(Vec::is_empty)
    }

    /// Whether labels match.
    pub fn matches<L: Labels + ?Sized>(&self, labels: &L) -> bool {
        self.requirements.as_ref().is_some_and(|all| all.iter().all(|r| r.matches(labels)))
    }
}

/// What upstream says of a `labelSelector` text that it turns into an object.
pub fn parse_to_object_error(text: &str, error: &SelectorError) -> SelectorError {
    SelectorError(format!("couldn't parse the selector string \"{text}\": {error}"))
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct ObjectForm {
    match_labels: Option<BTreeMap<String, Box<str>>>,
    match_expressions: Option<Vec<Expression>>,
}

#[derive(serde::Deserialize)]
struct Expression {
    key: String,
    operator: String,
    values: Option<Vec<Box<str>>>,
}

fn object_operator(text: &str) -> Result<Operator, SelectorError> {
    Ok(match text {
        "In" => Operator::In,
        "NotIn" => Operator::NotIn,
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        other => {
            return Err(SelectorError(format!("{other:?} is not a valid label selector operator")));
        }
    })
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.operator == Operator::DoesNotExist {
            f.write_str("!")?;
        }
        f.write_str(&self.key)?;
        let set = match self.operator {
            Operator::Exists | Operator::DoesNotExist => return Ok(()),
            Operator::Equals => "=",
            Operator::DoubleEquals => "==",
            Operator::NotEquals => "!=",
            Operator::GreaterThan => ">",
            Operator::LessThan => "<",
            Operator::In => " in ",
            Operator::NotIn => " notin ",
        };
        f.write_str(set)?;
        let list = self.values.join(",");
        match self.operator {
            Operator::In | Operator::NotIn => write!(f, "({list})"),
            _ => f.write_str(&list),
        }
    }
}

impl fmt::Display for LabelSelector {
    /// The text that [`LabelSelector::parse`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, requirement) in self.requirements.iter().flatten().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn labels(pairs: &[(&str, &str)]) -> Vec<(Box<str>, Box<str>)> {
        let mut sorted: Vec<_> = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        sorted.sort();
        sorted
    }

    #[test]
    fn matching() {
        let of = labels(&[("app", "web"), ("tier", "front"), ("n", "2"), ("empty", "")]);
        for (text, expected) in [
            ("", true),
            ("app=web", true),
            ("app == web", true),
            ("app!=web", false),
            ("other!=web", true),
            ("app in (web, db)", true),
            ("app notin (web)", false),
            ("other notin (web)", true),
            ("app", true),
            ("!app", false),
            ("!other", true),
            (" app = web ,tier", true),
            ("empty=", true),
            ("empty in ()", true),
            ("app in (,web)", true),
            ("n>1", true),
            ("n<2", false),
            ("app>1", false),
            ("app in (in,notin)", false),
        ] {
            let selector = LabelSelector::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(selector.matches(&of), expected, "{text}");
        }
    }

    #[test]
    fn object_form() {
        let parse = |json: &str| {
            LabelSelector::from_object(Some(&serde_json::from_str(json).expect("JSON")))
        };
        let of = labels(&[("app", "web")]);
        assert!(parse("{}").expect("valid").matches(&of));
        assert!(!LabelSelector::from_object(None).expect("valid").matches(&of));
        let both = r#"{"matchLabels":{"app":"web"},"matchExpressions":[{"key":"x","operator":"DoesNotExist"}]}"#;
        assert_eq!(parse(both).expect("valid").to_string(), "app=web,!x");
        let bad = r#"{"matchExpressions":[{"key":"x","operator":"Maybe"}]}"#;
        assert_eq!(
            parse(bad).expect_err("refused").0,
            r#""Maybe" is not a valid label selector operator"#
        );
    }

    proptest! {
        #[test]
        fn text_round_trip(
            keys in prop::collection::btree_set("[a-z]([a-z./-]{0,4}[a-z])?", 0..4),
            values in prop::collection::vec("[a-z0-9]{0,3}", 1..3),
            operators in prop::collection::vec(0usize..7, 4),
        ) {
            let mut requirements = Vec::new();
            for (key, operator) in keys.iter().zip(operators) {
                let operator = [
                    Operator::In, Operator::NotIn, Operator::Equals, Operator::DoubleEquals,
                    Operator::NotEquals, Operator::Exists, Operator::DoesNotExist,
                ][operator];
                let count = match operator {
                    Operator::In | Operator::NotIn => values.len(),
                    Operator::Exists | Operator::DoesNotExist => 0,
                    _ => 1,
                };
                let values = values[..count].iter().map(|v| v.as_str().into()).collect();
                if let Ok(requirement) = Requirement::new(key, operator, values) {
                    requirements.push(requirement);
                }
            }
            let selector = LabelSelector::all_of(requirements);
            prop_assert_eq!(LabelSelector::parse(&selector.to_string()), Ok(selector));
        }

        #[test]
        fn garbage_never_panics(text in "[ab!=<>(), \\PC]{0,20}") {
            let _ = LabelSelector::parse(&text);
        }
    }
}
