//! Reviews the rules of a definition.

use super::compile::{Outcome, compiled, environments};
use super::finding::{Finding, FindingKind, Path};
use crate::declared::Declared;
use crate::schema::{Rule, Schema};
use crate::{DEFINITION_ESTIMATE_MAX, RULE_ESTIMATE_MAX};
use serde_json::{Value as Json, json};

/// So many of the most expensive rules are named if all cost too much together.
const NAMED_MAX: usize = 4;

/// What is wrong with the rules of a schema at a path. `unchanged` says whether the same schema
/// was accepted before; then each rule may cost what it costs. Rules of a part are passed over if
/// `is_faulty` says that something else is wrong at its path or below.
pub fn review(
    schema: &Schema,
    unchanged: bool,
    path: &str,
    is_faulty: &dyn Fn(&str) -> bool,
) -> Vec<Finding> {
    let mut review =
        Review { unchanged, is_faulty, findings: Vec::new(), total: 0, expensive: Vec::new() };
    let path = Path::new(path);
    let place = Place { is_resource: true, occurrences: Some(1), uncorrelated: None };
    review.schema(schema, &path, &place);
    review.total(&path);
    review.findings
}

struct Review<'r> {
    unchanged: bool,
    is_faulty: &'r dyn Fn(&str) -> bool,
    findings: Vec<Finding>,
    total: u64,
    /// Rules that cost much, the most expensive first.
    expensive: Vec<(u64, Path)>,
}

/// Where a schema stands.
#[derive(Clone)]
struct Place {
    is_resource: bool,
    /// How often values can be there, if that is limited.
    occurrences: Option<u64>,
    /// The list around it in which old items cannot be told.
    uncorrelated: Option<Path>,
}

impl Review<'_> {
    fn schema(&mut self, schema: &Schema, path: &Path, place: &Place) {
        let occurrences = match (place.occurrences, elements_max(schema)) {
            (Some(outside), Some(inside)) => Some(outside.saturating_mul(inside)),
            _ => None,
        };
        let below = |schema: &Schema, uncorrelated: &Option<Path>| Place {
            is_resource: schema.embedded,
            occurrences,
            uncorrelated: uncorrelated.clone(),
        };
        if let Some(additional) = &schema.additional {
            let place = below(additional, &place.uncorrelated);
            self.schema(additional, &path.child("additionalProperties"), &place);
        }
        for (name, property) in schema.properties.iter().flatten() {
            let mut place = below(property, &place.uncorrelated);
            if !schema.correlates_entries() {
                place.uncorrelated.get_or_insert_with(|| path.clone());
            }
            self.schema(property, &path.child("properties").key(name), &place);
        }
        if let Some(items) = &schema.items {
            let mut place = below(items, &place.uncorrelated);
            if schema.list_type != "map" {
                place.uncorrelated.get_or_insert_with(|| path.clone());
            }
            self.schema(items, &path.child("items"), &place);
        }
        if !schema.rules.is_empty() && !(self.is_faulty)(&path.to_string()) {
            self.rules(schema, path, place);
        }
    }

    fn rules(&mut self, schema: &Schema, path: &Path, place: &Place) {
        let list = path.child("x-kubernetes-validations");
        let Some(declared) = Declared::from_schema(schema, place.is_resource) else {
            let detail = "internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations";
            self.findings.push(Finding::new(FindingKind::Internal, &list, detail));
            return;
        };
        let environments = environments(&declared);
        let occurrences = place.occurrences.unwrap_or_else(|| declared.occurrences_max());
        for (at, rule) in schema.rules.iter().enumerate() {
            let outcome = compiled(rule, &environments, Some(&declared));
            self.rule(rule, &outcome, occurrences, &list.index(at), place);
        }
    }

    fn rule(
        &mut self,
        rule: &Rule,
        outcome: &Outcome,
        occurrences: u64,
        path: &Path,
        place: &Place,
    ) {
        let at = path.child("rule");
        self.cost("estimated rule cost", outcome.cost_max.saturating_mul(occurrences), &at);
        if let Some(error) = &outcome.error {
            self.findings.push(Finding::invalid(&at, shown(rule), error.as_str()));
        }
        let at_message = path.child("messageExpression");
        match &outcome.message_error {
            Some(error) => {
                self.findings.push(Finding::invalid(&at_message, shown(rule), error.as_str()));
            }
            None if outcome.message.is_some() => {
                self.cost(
                    "estimated messageExpression cost",
                    outcome.message_cost_max,
                    &at_message,
                );
            }
            None => {}
        }
        if outcome.uses_old {
            if let Some(list) = &place.uncorrelated {
                let detail = format!(
                    "oldSelf cannot be used on the uncorrelatable portion of the schema within {list}"
                );
                self.findings.push(Finding::invalid(&at, rule.rule.as_str(), detail));
            }
        } else if let Some(optional) = rule.optional_old_self {
            let detail = "may not be set if oldSelf is not used in rule";
            let at = path.child("optionalOldSelf");
            self.findings.push(Finding::invalid(&at, optional, detail));
        }
    }

    /// Counts what an expression can cost.
    fn cost(&mut self, name: &str, cost: u64, path: &Path) {
        if !self.unchanged && cost > RULE_ESTIMATE_MAX {
            let detail = too_expensive(name, cost, RULE_ESTIMATE_MAX);
            self.findings.push(Finding::new(FindingKind::Forbidden, path, detail));
        }
        self.total = self.total.saturating_add(cost);
        if cost >= DEFINITION_ESTIMATE_MAX / 100 {
            self.expensive.push((cost, path.clone()));
            self.expensive.sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
            self.expensive.truncate(NAMED_MAX);
        }
    }

    fn total(&mut self, path: &Path) {
        if self.total <= DEFINITION_ESTIMATE_MAX {
            return;
        }
        for (_, path) in &self.expensive {
            let detail = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
            self.findings.push(Finding::new(FindingKind::Forbidden, path, detail));
        }
        let name = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        let detail = too_expensive(name, self.total, DEFINITION_ESTIMATE_MAX);
        self.findings.push(Finding::new(FindingKind::Forbidden, path, detail));
    }
}

/// How often values below a schema can be there for each of its own, if that is limited.
fn elements_max(schema: &Schema) -> Option<u64> {
    let limit = |limit: Option<i64>| limit.map(|limit| limit.max(0) as u64);
    match schema.kind.as_str() {
        "object" if schema.additional.is_some() => limit(schema.max_properties),
        "array" => limit(schema.max_items),
        _ => Some(1),
    }
}

fn too_expensive(name: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let factor = match factor {
        factor if factor > 100.0 => "more than 100x".to_owned(),
        factor if factor < 1.5 => format!("{factor:.6}x"),
        factor => format!("{factor:.1}x"),
    };
    format!(
        "{name} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}

/// A rule as upstream shows it in errors.
fn shown(rule: &Rule) -> Json {
    json!({
        "Rule": rule.rule,
        "Message": rule.message,
        "MessageExpression": rule.message_expression,
        "Reason": rule.reason,
        "FieldPath": rule.field_path,
        "OptionalOldSelf": rule.optional_old_self,
    })
}
