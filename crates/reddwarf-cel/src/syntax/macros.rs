//! Calls that are written like functions but are loops and tests.

use super::grammar::Parser;
use crate::ast::{ACCUMULATOR, Comprehension, Expr, ExprKind, Id, Literal};
use crate::source::Location;
use std::sync::Arc;

/// What becomes of a call.
pub enum Expanded {
    /// It is no macro: here is the call back.
    Not(Option<Expr>, Vec<Expr>),
    /// This instead.
    Into(Expr),
    /// The macro is used wrongly.
    Wrong(Location, String),
}

type Expansion = Result<Expr, (Location, String)>;

/// The name of a loop variable that is never looked at.
const UNUSED: &str = "#unused";
/// The name under which `sortBy` keeps the list that it sorts.
const SORTED: &str = "@__sortBy_input__";

/// Expands a call if a macro has its name, number of arguments and style.
pub fn expand(
    p: &mut Parser<'_>,
    id: Id,
    function: &str,
    target: Option<Expr>,
    args: Vec<Expr>,
) -> Expanded {
    let mut m = Expansions { place: p.place(id), p };
    let result = match (function, target, args.len()) {
        ("has", None, 1) => m.has(args),
        ("all" | "exists" | "exists_one" | "existsOne", Some(target), 2 | 3) => {
            m.quantifier(function, target, args)
        }
        ("map", Some(target), 2 | 3) => m.map(target, args),
        ("filter", Some(target), 2) => m.filter(target, args),
        ("transformList" | "transformMap" | "transformMapEntry", Some(target), 3 | 4) => {
            m.transform(function, target, args)
        }
        ("optMap" | "optFlatMap", Some(target), 2) => m.opt_map(function, target, args),
        ("sortBy", Some(target), 2) => m.sort_by(target, args),
        ("bind", Some(target), 3)
            if m.p.binds && target.as_ident().is_some_and(|name| &**name == "cel") =>
        {
            m.bind(args)
        }
        (_, target, _) => return Expanded::Not(target, args),
    };
    match result {
        Ok(expr) => Expanded::Into(expr),
        Err((at, message)) => Expanded::Wrong(at, message),
    }
}

struct Expansions<'p, 'a> {
    p: &'p mut Parser<'a>,
    place: Location,
}

/// The parts of a loop but for what it ranges over and its variables.
struct Loop {
    init: Expr,
    condition: Expr,
    step: Expr,
    result: Expr,
}

impl Expansions<'_, '_> {
    fn node(&mut self, kind: ExprKind) -> Expr {
        let id = self.p.id(self.place);
        self.p.node(id, kind)
    }

    fn literal(&mut self, value: Literal) -> Expr {
        self.node(ExprKind::Literal(value))
    }

    fn ident(&mut self, name: &str) -> Expr {
        self.node(ExprKind::Ident(name.into()))
    }

    fn accumulator(&mut self) -> Expr {
        self.ident(ACCUMULATOR)
    }

    fn list(&mut self, items: Vec<Expr>) -> Expr {
        self.node(ExprKind::List { items, optional: Vec::new() })
    }

    fn call(&mut self, function: &str, args: Vec<Expr>) -> Expr {
        self.node(ExprKind::Call { function: function.into(), target: None, args })
    }

    fn member(&mut self, function: &str, target: Expr, args: Vec<Expr>) -> Expr {
        let target = Some(Box::new(target));
        self.node(ExprKind::Call { function: function.into(), target, args })
    }

    fn wrong<T>(&self, at: &Expr, message: &str) -> Result<T, (Location, String)> {
        Err((self.p.place(at.id), message.to_owned()))
    }

    /// The name of a loop variable.
    fn variable(&self, arg: &Expr, refusal: &str) -> Result<Arc<str>, (Location, String)> {
        let Some(name) = arg.as_ident() else { return self.wrong(arg, refusal) };
        if [ACCUMULATOR, "__result__"].contains(&&**name) {
            return self.wrong(arg, "iteration variable overwrites accumulator variable");
        }
        Ok(name.clone())
    }

    /// The names of two loop variables.
    fn variables(&self, args: &[Expr]) -> Result<(Arc<str>, Arc<str>), (Location, String)> {
        let simple = |arg: &Expr| match arg.as_ident() {
            Some(name) => Ok(name.clone()),
            None => self.wrong(arg, "argument must be a simple name"),
        };
        let (first, second) = (simple(&args[0])?, simple(&args[1])?);
        if first == second {
            return self.wrong(&args[1], &format!("duplicate variable name: {first}"));
        }
        self.variable(&args[0], "")?;
        self.variable(&args[1], "")?;
        Ok((first, second))
    }

    fn comprehension(
        &mut self,
        range: Expr,
        (var, var2): (Arc<str>, Option<Arc<str>>),
        of: Loop,
    ) -> Expr {
        let Loop { init, condition, step, result } = of;
        let accumulator = ACCUMULATOR.into();
        self.node(ExprKind::Comprehension(Box::new(Comprehension {
            range,
            var,
            var2,
            accumulator,
            init,
            condition,
            step,
            result,
        })))
    }

    /// `result`, in which `name` stands for `value`.
    fn bound(&mut self, name: Arc<str>, value: Expr, result: Expr) -> Expr {
        let range = self.list(Vec::new());
        let condition = self.literal(Literal::Bool(false));
        let step = self.ident(&name);
        self.node(ExprKind::Comprehension(Box::new(Comprehension {
            range,
            var: UNUSED.into(),
            var2: None,
            accumulator: name,
            init: value,
            condition,
            step,
            result,
        })))
    }

    fn has(&mut self, mut args: Vec<Expr>) -> Expansion {
        let arg = args.remove(0);
        match arg.kind {
            ExprKind::Select { operand, field, test: false } => {
                Ok(self.node(ExprKind::Select { operand, field, test: true }))
            }
            _ => self.wrong(&arg, "invalid argument to has() macro"),
        }
    }

    fn quantifier(&mut self, function: &str, target: Expr, mut args: Vec<Expr>) -> Expansion {
        let vars = match args.len() {
            2 => (self.variable(&args[0], "argument must be a simple name")?, None),
            _ => {
                let (first, second) = self.variables(&args)?;
                (first, Some(second))
            }
        };
        let predicate = args.remove(args.len() - 1);
        let of = match function {
            "all" => self.all(predicate),
            "exists" => self.exists(predicate),
            _ => self.exists_one(predicate),
        };
        Ok(self.comprehension(target, vars, of))
    }

    fn all(&mut self, predicate: Expr) -> Loop {
        let init = self.literal(Literal::Bool(true));
        let so_far = self.accumulator();
        let condition = self.call("@not_strictly_false", vec![so_far]);
        let so_far = self.accumulator();
        let step = self.call("_&&_", vec![so_far, predicate]);
        Loop { init, condition, step, result: self.accumulator() }
    }

    fn exists(&mut self, predicate: Expr) -> Loop {
        let init = self.literal(Literal::Bool(false));
        let so_far = self.accumulator();
        let not = self.call("!_", vec![so_far]);
        let condition = self.call("@not_strictly_false", vec![not]);
        let so_far = self.accumulator();
        let step = self.call("_||_", vec![so_far, predicate]);
        Loop { init, condition, step, result: self.accumulator() }
    }

    fn exists_one(&mut self, predicate: Expr) -> Loop {
        let init = self.literal(Literal::Int(0));
        let condition = self.literal(Literal::Bool(true));
        let (so_far, one) = (self.accumulator(), self.literal(Literal::Int(1)));
        let more = self.call("_+_", vec![so_far, one]);
        let same = self.accumulator();
        let step = self.call("_?_:_", vec![predicate, more, same]);
        let (so_far, one) = (self.accumulator(), self.literal(Literal::Int(1)));
        Loop { init, condition, step, result: self.call("_==_", vec![so_far, one]) }
    }

    fn map(&mut self, target: Expr, mut args: Vec<Expr>) -> Expansion {
        let var = self.variable(&args[0], "argument is not an identifier")?;
        let item = args.remove(args.len() - 1);
        let filter = (args.len() == 2).then(|| args.remove(1));
        let of = self.collecting(item, filter);
        Ok(self.comprehension(target, (var, None), of))
    }

    fn filter(&mut self, target: Expr, mut args: Vec<Expr>) -> Expansion {
        let var = self.variable(&args[0], "argument is not an identifier")?;
        let filter = args.remove(1);
        let item = args.remove(0);
        let of = self.collecting(item, Some(filter));
        Ok(self.comprehension(target, (var, None), of))
    }

    /// Collects an item of each round, or of those that a filter lets through.
    fn collecting(&mut self, item: Expr, filter: Option<Expr>) -> Loop {
        let init = self.list(Vec::new());
        let so_far = self.accumulator();
        let items = self.list(vec![item]);
        let step = self.call("_+_", vec![so_far, items]);
        self.filtered(init, step, filter)
    }

    fn filtered(&mut self, init: Expr, step: Expr, filter: Option<Expr>) -> Loop {
        let condition = self.literal(Literal::Bool(true));
        let step = match filter {
            Some(filter) => {
                let same = self.accumulator();
                self.call("_?_:_", vec![filter, step, same])
            }
            None => step,
        };
        Loop { init, condition, step, result: self.accumulator() }
    }

    fn transform(&mut self, function: &str, target: Expr, mut args: Vec<Expr>) -> Expansion {
        let (first, second) = self.variables(&args)?;
        let item = args.remove(args.len() - 1);
        let filter = (args.len() == 3).then(|| args.remove(2));
        let of = match function {
            "transformList" => self.collecting(item, filter),
            "transformMap" => {
                let key = self.ident(&first);
                self.inserting(vec![key, item], filter)
            }
            _ => self.inserting(vec![item], filter),
        };
        Ok(self.comprehension(target, (first, Some(second)), of))
    }

    fn inserting(&mut self, entry: Vec<Expr>, filter: Option<Expr>) -> Loop {
        let init = self.node(ExprKind::Map(Vec::new()));
        let mut args = vec![self.accumulator()];
        args.extend(entry);
        let step = self.call("cel.@mapInsert", args);
        self.filtered(init, step, filter)
    }

    fn opt_map(&mut self, function: &str, target: Expr, mut args: Vec<Expr>) -> Expansion {
        let Some(name) = args[0].as_ident().cloned() else {
            let message = format!("{function}() variable name must be a simple identifier");
            return self.wrong(&args[0], &message);
        };
        let copy = self.p.copy(&target);
        let there = self.member("hasValue", target, Vec::new());
        let value = self.member("value", copy, Vec::new());
        let mapped = args.remove(1);
        let mut then = self.bound(name, value, mapped);
        if function == "optMap" {
            then = self.call("optional.of", vec![then]);
        }
        let none = self.call("optional.none", Vec::new());
        Ok(self.call("_?_:_", vec![there, then, none]))
    }

    fn sort_by(&mut self, target: Expr, args: Vec<Expr>) -> Expansion {
        if matches!(target.kind, ExprKind::Literal(_) | ExprKind::Map(_) | ExprKind::Struct { .. })
        {
            let message = "sortBy can only be applied to a list, identifier, comprehension, call or select expression";
            return self.wrong(&target, message);
        }
        let input = self.ident(SORTED);
        let keys = self.map(input, args)?;
        let input = self.ident(SORTED);
        let sorted = self.member("@sortByAssociatedKeys", input, vec![keys]);
        Ok(self.bound(SORTED.into(), target, sorted))
    }

    fn bind(&mut self, mut args: Vec<Expr>) -> Expansion {
        let Some(name) = args[0].as_ident().cloned() else {
            return self.wrong(&args[0], "cel.bind() variable names must be simple identifiers");
        };
        let result = args.remove(2);
        let value = args.remove(1);
        Ok(self.bound(name, value, result))
    }
}
