//! Compiles rules.

use super::field_path::field_path;
use crate::compile::{Compiled, compile};
use crate::cost::{Range, estimate};
use crate::declared::Declared;
use crate::environment::Environment;
use crate::program::Program;
use crate::schema::{Rule, Schema};
use crate::types::Type;
use std::collections::BTreeMap;

/// The value that a rule is about.
pub(super) const SELF: &str = "self";
/// The same before an update.
pub(super) const OLD_SELF: &str = "oldSelf";
/// The name of the type of objects; rules cannot name it.
const TYPE_NAME: &str = "selfType";

/// All rules of a schema, ready for evaluation.
#[derive(Debug)]
pub struct Rules {
    pub(super) schema: Schema,
    pub(super) root: Node,
}

/// The rules of a part of a schema.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) rules: Vec<Ready>,
    /// The schema of the part with the fields that an object of its own has.
    pub(super) resource: Option<Box<Schema>>,
    pub(super) items: Option<Box<Node>>,
    pub(super) properties: BTreeMap<String, Node>,
    pub(super) additional: Option<Box<Node>>,
    pub(super) all_of: Vec<Node>,
}

/// A rule that was compiled.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) rule: Rule,
    /// Why it was not compiled, or nothing for a rule without text.
    pub(super) program: Result<Option<Program>, String>,
    pub(super) uses_old: bool,
    pub(super) message: Option<Program>,
    /// The field that the rule blames.
    pub(super) field: Option<String>,
}

impl Rules {
    /// Compiles the rules of a schema and of all below it; `is_resource` says whether it is that
    /// of a whole object. Nothing if there are none.
    pub fn new(schema: Schema, is_resource: bool) -> Option<Self> {
        if !schema.has_rules() {
            return None;
        }
        let root = node(&schema, &schema, is_resource)?;
        Some(Rules { schema, root })
    }
}

/// The rules of `rules`, which is `schema` or something in its `allOf`.
fn node(rules: &Schema, schema: &Schema, is_resource: bool) -> Option<Node> {
    if !rules.has_rules() {
        return None;
    }
    let mut of = Node::default();
    if !rules.rules.is_empty() {
        let declared = Declared::from_schema(schema, is_resource);
        let environments = declared.as_deref().map(environments);
        of.rules = rules.rules.iter().map(|rule| ready(rule, schema, &environments)).collect();
        of.resource = is_resource.then(|| Box::new(schema.with_object_meta()));
    }
    if let (Some(rules), Some(below)) = (&rules.items, &schema.items) {
        of.items = node(rules, below, below.embedded).map(Box::new);
    }
    if let (Some(rules), Some(below)) = (&rules.additional, &schema.additional) {
        of.additional = node(rules, below, below.embedded).map(Box::new);
    }
    for (name, rules) in rules.properties.iter().flatten() {
        let below = schema.properties.as_ref().and_then(|all| all.get(name));
        if let Some(below) = below
            && Declared::from_schema(below, below.embedded).is_some()
            && let Some(below) = node(rules, below, below.embedded)
        {
            of.properties.insert(name.clone(), below);
        }
    }
    of.all_of = rules.all_of.iter().filter_map(|rules| node(rules, schema, is_resource)).collect();
    Some(of)
}

/// What rules may refer to: with an old value, and with one that may be missing.
pub(super) struct Environments {
    with_old: Environment,
    with_optional_old: Environment,
}

pub(super) fn environments(declared: &Declared) -> Environments {
    let mut objects = Vec::new();
    let of = declared.named(TYPE_NAME, &mut objects);
    let mut both = Environment::new().with_variable(SELF, of.clone());
    both.add_objects(objects);
    Environments {
        with_optional_old: both.clone().with_variable(OLD_SELF, Type::optional(of.clone())),
        with_old: both.with_variable(OLD_SELF, of),
    }
}

/// What compiling a rule has shown.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) program: Option<Program>,
    pub(super) error: Option<String>,
    pub(super) uses_old: bool,
    pub(super) cost_max: u64,
    pub(super) message: Option<Program>,
    pub(super) message_error: Option<String>,
    pub(super) message_cost_max: u64,
}

fn ready(rule: &Rule, schema: &Schema, environments: &Option<Environments>) -> Ready {
    let outcome = match environments {
        Some(environments) => compiled(rule, environments, None),
        None => Outcome {
            error: Some("failed to convert to declType for CEL validation rules".to_owned()),
            ..Outcome::default()
        },
    };
    let field = Some(rule.field_path.as_str()).filter(|path| !path.is_empty());
    Ready {
        rule: rule.clone(),
        program: match outcome.error {
            Some(error) => Err(error),
            None => Ok(outcome.program),
        },
        uses_old: outcome.uses_old,
        message: outcome.message,
        field: field.and_then(|path| field_path(path, schema).ok()),
    }
}

/// Compiles a rule; its cost is estimated if it is told what is declared.
pub(super) fn compiled(
    rule: &Rule,
    environments: &Environments,
    declared: Option<&Declared>,
) -> Outcome {
    let mut outcome = Outcome::default();
    if rule.rule.trim().is_empty() {
        return outcome;
    }
    let environment = match rule.optional_old_self {
        Some(true) => &environments.with_optional_old,
        _ => &environments.with_old,
    };
    let compiled = match expression(&rule.rule, environment, &Type::Bool) {
        Ok(compiled) => compiled,
        Err(Refused::Issues(issues)) => {
            outcome.error = Some(format!("compilation failed: {issues}"));
            return outcome;
        }
        Err(Refused::Type) => {
            outcome.error = Some("cel expression must evaluate to a bool".to_owned());
            return outcome;
        }
    };
    outcome.uses_old = compiled.uses(OLD_SELF);
    match compiled.program() {
        Ok(program) => outcome.program = Some(program),
        Err(fault) => {
            outcome.error = Some(format!("program instantiation failed: {fault}"));
            return outcome;
        }
    }
    outcome.cost_max = cost_max(&compiled, declared);
    if !rule.message_expression.is_empty() {
        message(&rule.message_expression, environment, declared, &mut outcome);
    }
    outcome
}

fn message(
    text: &str,
    environment: &Environment,
    declared: Option<&Declared>,
    outcome: &mut Outcome,
) {
    let error = match expression(text, environment, &Type::String) {
        Ok(compiled) => match compiled.program() {
            Ok(program) => {
                outcome.message = Some(program);
                outcome.message_cost_max = cost_max(&compiled, declared);
                return;
            }
            Err(fault) => format!("messageExpression instantiation failed: {fault}"),
        },
        Err(Refused::Issues(issues)) => format!("messageExpression compilation failed: {issues}"),
        Err(Refused::Type) => "messageExpression must evaluate to a string".to_owned(),
    };
    outcome.message_error = Some(error);
}

fn cost_max(compiled: &Compiled, declared: Option<&Declared>) -> u64 {
    let Some(declared) = declared else { return 0 };
    let Range { max, .. } = estimate(compiled.checked(), Some(declared));
    max
}

enum Refused {
    Issues(String),
    Type,
}

fn expression(text: &str, environment: &Environment, of: &Type) -> Result<Compiled, Refused> {
    let compiled =
        compile(text, environment).map_err(|issues| Refused::Issues(issues.to_string()))?;
    if compiled.output() == of { Ok(compiled) } else { Err(Refused::Type) }
}
