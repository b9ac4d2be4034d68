//! Evaluates rules on an object.

use super::compile::{Node, OLD_SELF, Ready, Rules, SELF};
use super::correlation::{Correlation, Pair, old_item};
use super::finding::{Finding, FindingKind, Path};
use crate::cost::spent::Meter;
use crate::schema::{Rule, Schema};
use crate::value::{Fault, Outcome, Value};
use crate::{CALL_COST_MAX, MESSAGE_BYTES_MAX, OBJECT_COST_MAX};
use serde_json::Value as Json;

/// What evaluating rules has shown.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What was wrong before and did not change.
    pub warnings: Vec<Finding>,
}

/// No further rules are evaluated.
struct Stop;

struct Evaluation {
    verdict: Verdict,
    /// What may still be spent.
    budget: u64,
}

/// A value that rules are about.
#[derive(Clone, Copy)]
struct Subject<'v> {
    value: &'v Json,
    old: Option<&'v Json>,
    schema: &'v Schema,
    correlation: Correlation<'v>,
}

impl Rules {
    /// Evaluates the rules on a value at a path; `old` is what it was before.
    pub fn evaluate(&self, value: &Json, old: Option<&Json>, path: &str) -> Verdict {
        let mut evaluation = Evaluation { verdict: Verdict::default(), budget: OBJECT_COST_MAX };
        let pair = old.map(|old| Pair::new(value, old, &self.schema));
        let subject =
            Subject { value, old, schema: &self.schema, correlation: Correlation::of(pair) };
        // A stop says why in its last finding.
        let _ = evaluation.node(&self.root, subject, &Path::new(path));
        evaluation.verdict
    }
}

impl Evaluation {
    fn node(&mut self, node: &Node, subject: Subject<'_>, path: &Path) -> Result<(), Stop> {
        if subject.value.is_null() {
            return Ok(());
        }
        self.rules(node, subject, path)?;
        for all_of in &node.all_of {
            let correlation = subject.correlation.without_current();
            self.node(all_of, Subject { correlation, ..subject }, path)?;
        }
        match subject.value {
            Json::Array(items) => self.items(node, items, subject, path),
            Json::Object(fields) => self.fields(node, fields, subject, path),
            _ => Ok(()),
        }
    }

    fn items(
        &mut self,
        node: &Node,
        items: &[Json],
        subject: Subject<'_>,
        path: &Path,
    ) -> Result<(), Stop> {
        let (Some(below), Some(schema)) = (&node.items, subject.schema.items.as_deref()) else {
            return Ok(());
        };
        let old_items = subject.old.and_then(Json::as_array).map(Vec::as_slice);
        for (at, item) in items.iter().enumerate() {
            let of = Subject {
                value: item,
                old: old_item(subject.schema, old_items.unwrap_or_default(), item),
                schema,
                correlation: subject.correlation.index(at),
            };
            self.node(below, of, &path.index(at))?;
        }
        Ok(())
    }

    fn fields(
        &mut self,
        node: &Node,
        fields: &serde_json::Map<String, Json>,
        subject: Subject<'_>,
        path: &Path,
    ) -> Result<(), Stop> {
        let correlates = subject.schema.correlates_entries();
        let of = |name: &str, value, schema| Subject {
            value,
            old: subject.old.filter(|_| correlates).and_then(|old| old.get(name)),
            schema,
            correlation: subject.correlation.key(name),
        };
        if let (Some(below), Some(schema)) = (&node.additional, &subject.schema.additional) {
            for (name, value) in fields {
                self.node(below, of(name, value, schema), &path.key(name))?;
            }
        }
        for (name, value) in fields {
            let schema = subject.schema.properties.as_ref().and_then(|all| all.get(name));
            if let (Some(below), Some(schema)) = (node.properties.get(name), schema) {
                self.node(below, of(name, value, schema), &path.child(name))?;
            }
        }
        Ok(())
    }

    fn rules(&mut self, node: &Node, subject: Subject<'_>, path: &Path) -> Result<(), Stop> {
        if node.rules.is_empty() {
            return Ok(());
        }
        let schema = node.resource.as_deref().unwrap_or(subject.schema);
        let subject = Subject { schema, ..subject };
        if self.budget == 0 {
            return self.out_of_budget(&subject, path);
        }
        node.rules.iter().try_for_each(|rule| self.rule(rule, subject, path))
    }

    fn out_of_budget(&mut self, subject: &Subject<'_>, path: &Path) -> Result<(), Stop> {
        let detail = "validation failed due to running out of cost budget, no further validation rules will be run";
        self.failed(subject, path, detail);
        Err(Stop)
    }

    /// A finding that shows the type of the value only.
    fn failed(&mut self, subject: &Subject<'_>, path: &Path, detail: impl Into<String>) {
        let kind = subject.schema.kind.as_str();
        self.verdict.findings.push(Finding::invalid(path, kind, detail));
    }

    fn rule(&mut self, ready: &Ready, subject: Subject<'_>, path: &Path) -> Result<(), Stop> {
        let program = match &ready.program {
            Ok(Some(program)) => program,
            Ok(None) => return Ok(()),
            Err(error) => {
                self.failed(&subject, path, format!("rule compile error: {error}"));
                return Ok(());
            }
        };
        let optional = ready.rule.optional_old_self == Some(true);
        // Without an old value, rules about changes do not count.
        if ready.uses_old && subject.old.is_none() && !optional {
            return Ok(());
        }
        let mut meter = Meter::new(CALL_COST_MAX);
        let outcome = program.evaluate(|name| variable(name, subject, optional), &mut meter);
        match self.budget.checked_sub(meter.spent()) {
            Some(left) => self.budget = left,
            None => return self.out_of_budget(&subject, path),
        }
        let text = rule_text(&ready.rule);
        match outcome {
            Ok(Value::Bool(true)) => Ok(()),
            Ok(_) => self.not_satisfied(ready, subject, optional, path),
            Err(Fault::Cancelled) => {
                let detail = format!(
                    "'{}': no further validation rules will be run due to call cost exceeds limit for rule: {text}",
                    Fault::Cancelled
                );
                self.failed(&subject, path, detail);
                Err(Stop)
            }
            Err(Fault::Failed(error)) if error.starts_with("no such overload") => {
                let detail = format!(
                    "'{error}': call arguments did not match a supported operator, function or macro signature for rule: {text}"
                );
                self.failed(&subject, path, detail);
                Ok(())
            }
            Err(Fault::Failed(error)) => {
                self.failed(&subject, path, format!("{error} evaluating rule: {text}"));
                Ok(())
            }
        }
    }

    fn not_satisfied(
        &mut self,
        ready: &Ready,
        subject: Subject<'_>,
        optional: bool,
        path: &Path,
    ) -> Result<(), Stop> {
        let path = match &ready.field {
            Some(field) => path.child(field),
            None => path.clone(),
        };
        let message = match self.message(ready, subject, optional) {
            Ok(message) => message,
            Err(why) => {
                let kind = subject.schema.kind.as_str();
                self.tell(ready, subject, Finding::invalid(&path, kind, why));
                return Err(Stop);
            }
        };
        let rule = &ready.rule;
        let detail = message.unwrap_or_else(|| match rule.message.is_empty() {
            true => format!("failed rule: {}", rule_text(rule)),
            false => rule.message.trim().to_owned(),
        });
        let shown = !matches!(subject.schema.kind.as_str(), "object" | "array");
        let value = shown.then(|| subject.value.clone());
        let finding = match rule.reason.as_deref() {
            Some("FieldValueForbidden") => Finding::new(FindingKind::Forbidden, &path, detail),
            Some("FieldValueRequired") => Finding::new(FindingKind::Required, &path, detail),
            Some("FieldValueDuplicate") => {
                Finding { value, ..Finding::new(FindingKind::Duplicate, &path, "") }
            }
            _ => Finding { value, ..Finding::new(FindingKind::Invalid, &path, detail) },
        };
        self.tell(ready, subject, finding);
        Ok(())
    }

    /// Tells of a rule that is not satisfied; as a warning if nothing changed.
    fn tell(&mut self, ready: &Ready, subject: Subject<'_>, finding: Finding) {
        if !ready.uses_old && subject.correlation.is_unchanged() {
            self.verdict.warnings.push(finding);
        } else {
            self.verdict.findings.push(finding);
        }
    }

    /// What the rule's own expression says of the value; nothing if that fails.
    ///
    /// # Errors
    /// It costs too much.
    fn message(
        &mut self,
        ready: &Ready,
        subject: Subject<'_>,
        optional: bool,
    ) -> Result<Option<String>, String> {
        let Some(program) = &ready.message else { return Ok(None) };
        let mut meter = Meter::new(CALL_COST_MAX);
        let outcome = program.evaluate(|name| variable(name, subject, optional), &mut meter);
        let Some(left) = self.budget.checked_sub(meter.spent()) else {
            return Err("messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run".to_owned());
        };
        if let Err(Fault::Cancelled) = outcome {
            return Err(format!(
                "no further validation rules will be run due to call cost exceeds limit for messageExpression: {:?}",
                ready.rule.message_expression
            ));
        }
        self.budget = left;
        let text = match &outcome {
            Ok(Value::String(text)) => text.trim(),
            _ => return Ok(None),
        };
        let good = !text.is_empty() && text.len() <= MESSAGE_BYTES_MAX && !text.contains('\n');
        Ok(good.then(|| text.to_owned()))
    }
}

fn variable<'v>(name: &str, subject: Subject<'v>, optional: bool) -> Option<Outcome<'v>> {
    match name {
        SELF => Some(Value::bind(subject.value, subject.schema)),
        OLD_SELF if optional => Some(match subject.old {
            Some(old) => Value::bind(old, subject.schema).map(Value::some),
            None => Ok(Value::Optional(None)),
        }),
        OLD_SELF => subject.old.map(|old| Value::bind(old, subject.schema)),
        _ => None,
    }
}

fn rule_text(rule: &Rule) -> &str {
    if rule.message.is_empty() { rule.rule.trim() } else { rule.message.trim() }
}
