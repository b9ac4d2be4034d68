//! All steps from a text to something that can be evaluated.

use crate::check::{self, Checked};
use crate::deep::{is_deep, may_be_deep, with_room};
use crate::environment::Environment;
use crate::program::Program;
use crate::source::{Issues, Location};
use crate::syntax;
use crate::types::Type;
use crate::validate;
use crate::value::Fault;

/// An expression whose types are right.
#[derive(Debug)]
pub struct Compiled {
    checked: Checked,
}

impl Compiled {
    /// The type of what it comes to.
    pub fn output(&self) -> &Type {
        self.checked.output()
    }

    /// Whether it looks at a variable.
    pub fn uses(&self, variable: &str) -> bool {
        self.checked.uses(variable)
    }

    /// The nodes with their types.
    pub fn checked(&self) -> &Checked {
        &self.checked
    }

    /// Makes it ready for evaluation.
    ///
    /// # Errors
    /// A constant part of it fails already now.
    pub fn program(&self) -> Result<Program, Fault> {
        let deep = is_deep(self.checked.expr.depth);
        with_room(deep, || Program::new(&self.checked)).unwrap_or(Err(Fault::Cancelled))
    }
}

/// Parses an expression and finds out its types.
///
/// # Errors
/// All that is wrong with it.
pub fn compile(text: &str, environment: &Environment) -> Result<Compiled, Issues> {
    with_room(may_be_deep(text), || {
        let parsed = syntax::parse(text, environment.binds())?;
        let checked = check::check(parsed, text, environment)?;
        validate::literals(&checked, text)?;
        Ok(Compiled { checked })
    })
    .unwrap_or_else(|| {
        let mut issues = Issues::new(text);
        issues.add(Location::NONE, "max recursion depth exceeded");
        Err(issues)
    })
}
