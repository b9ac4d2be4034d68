//! Where decoding stands in the document, and what it found wrong so far.

use super::model::Struct;
use serde_json::Value;

/// Unknown and duplicate fields beyond this number are no longer told apart, as upstream does.
const PROBLEMS_MAX: usize = 100;

/// One step from the root.
#[derive(Debug)]
pub(super) enum Step<'g> {
    Field(&'g Struct, &'g str),
    Index(usize),
    Key(Box<str>),
}

/// The state of one decoding.
pub(super) struct Context<'g> {
    path: Vec<Step<'g>>,
    /// Whether unknown and duplicate fields are recorded.
    record: bool,
    /// `unknown field "…"` and `duplicate field "…"`, in order.
    pub problems: Vec<String>,
    /// The first error of a value's type or format.
    pub error: Option<String>,
    /// JSON pointers to lists and maps that are given, but empty, where none would be written
    /// as null.
    pub hollow: Vec<(String, Value)>,
}

impl<'g> Context<'g> {
    pub fn new(record: bool) -> Self {
        Context {
            path: Vec::with_capacity(16),
            record,
            problems: Vec::new(),
            error: None,
            hollow: Vec::new(),
        }
    }

    pub fn push(&mut self, step: Step<'g>) {
        self.path.push(step);
    }

    pub fn pop(&mut self) {
        self.path.pop();
    }

    /// Notes that the field `name` is given, but empty.
    pub fn hollow(&mut self, name: &str, value: Value) {
        let mut pointer = String::new();
        for step in &self.path {
            pointer.push('/');
            match step {
                Step::Field(_, name) => pointer.push_str(name),
                Step::Index(at) => pointer.push_str(&at.to_string()),
                Step::Key(key) => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
            }
        }
        self.hollow.push((format!("{pointer}/{name}"), value));
    }

    /// Whether decoding stands in the object's own metadata, rather than in a template's.
    pub fn in_own_metadata(&self) -> bool {
        match &self.path[..] {
            [Step::Field(_, name)] => *name == "metadata",
            // Of an object whose kind has no type.
            [Step::Key(name)] => &**name == "metadata",
            _ => false,
        }
    }

    /// Counts on in the list that is being decoded.
    pub fn set_index(&mut self, index: usize) {
        if let Some(last) = self.path.last_mut() {
            *last = Step::Index(index);
        }
    }

    pub fn unknown(&mut self, name: &str) {
        self.problem("unknown", name);
    }

    pub fn duplicate(&mut self, name: &str) {
        self.problem("duplicate", name);
    }

    fn problem(&mut self, what: &str, name: &str) {
        if self.record && self.problems.len() < PROBLEMS_MAX {
            let mut path = self.path();
            if !path.is_empty() {
                path.push('.');
            }
            self.problems.push(format!("{what} field \"{path}{name}\""));
        }
    }

    /// `spec.containers[0]`
    fn path(&self) -> String {
        let mut out = String::new();
        for step in &self.path {
            let name: &str = match step {
                Step::Index(at) => {
                    out.push_str(&format!("[{at}]"));
                    continue;
                }
                Step::Field(_, name) => name,
                Step::Key(key) => key,
            };
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(name);
        }
        out
    }

    /// Records that `found` (`string`, `number 1.5`, …) does not fit the Go type `wanted`.
    pub fn mismatch(&mut self, found: &str, wanted: &str) {
        let field = self.path.iter().rev().find_map(|step| match step {
            Step::Field(owner, _) => Some(owner.name),
            _ => None,
        });
        let message = match field {
            None => format!("json: cannot unmarshal {found} into Go value of type {wanted}"),
            Some(owner) => {
                let names: Vec<&str> = self
                    .path
                    .iter()
                    .filter_map(|step| match step {
                        Step::Field(_, name) => Some(*name),
                        _ => None,
                    })
                    .collect();
                let path = names.join(".");
                format!(
                    "json: cannot unmarshal {found} into Go struct field {owner}.{path} of type {wanted}"
                )
            }
        };
        self.fail(message);
    }

    /// Records an error; only the first counts.
    pub fn fail(&mut self, message: String) {
        self.error.get_or_insert(message);
    }
}
