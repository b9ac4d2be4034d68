//! What follows an operand: fields, indexes and calls.

use super::*;

impl Parser<'_> {
    pub(super) fn member(&mut self, follow: Next) -> Parse<Expr> {
        self.enter(Rule::Member)?;
        let parsed = self.rule("member", follow, Self::broken, Self::member_body);
        self.leave(Rule::Member, 1);
        parsed
    }

    fn member_body(&mut self) -> Parse<Expr> {
        let mut operand = self.rule("primary", AFTER_PRIMARY, Self::broken, Self::primary)?;
        let mut steps = 0;
        while MEMBERS.has(self.kind(0)) {
            self.enter(Rule::Member)?;
            steps += 1;
            operand = match (self.kind(0), self.kind(1), self.kind(2)) {
                (Kind::OpenBracket, _, _) => self.index(operand)?,
                (_, Kind::Identifier, Kind::OpenParen) => self.member_call(operand)?,
                (_, Kind::Question | Kind::Identifier | Kind::Escaped, _) => {
                    self.select(operand)?
                }
                _ => return Err(self.no_viable(1)),
            };
        }
        self.leave(Rule::Member, steps);
        Ok(operand)
    }

    fn select(&mut self, operand: Expr) -> Parse<Expr> {
        let dot = self.take(Kind::Dot, Next::only(FIRST_FIELD))?;
        let optional = self.question(FIRST_FIELD)?;
        let name = self.token(0).at;
        let Some(field) = self.name(AFTER_PRIMARY)? else { return Ok(self.broken()) };
        if !optional {
            let id = self.id(dot.at);
            return self.selected(id, operand, field);
        }
        let id = self.id(dot.at);
        let field = self.text_literal(name, field);
        self.call(id, "_?._", None, vec![operand, field])
    }

    fn member_call(&mut self, target: Expr) -> Parse<Expr> {
        self.take(Kind::Dot, Next::only(NAME))?;
        let name = self.take(Kind::Identifier, Next::only(Kinds::of(&[Kind::OpenParen])))?;
        let (open, args) = self.arguments()?;
        let id = self.id(open);
        self.call(id, name.text, Some(target), args)
    }

    fn index(&mut self, operand: Expr) -> Parse<Expr> {
        let open = self.take(Kind::OpenBracket, Next::only(FIRST_OPTIONAL))?;
        let optional = self.question(FIRST_OPTIONAL)?;
        let id = self.id(open.at);
        let index = self.expr(Next::only(Kinds::of(&[Kind::CloseBracket])))?;
        self.take(Kind::CloseBracket, AFTER_PRIMARY)?;
        let function = if optional { "_[?_]" } else { "_[_]" };
        self.call(id, function, None, vec![operand, index])
    }

    pub(super) fn question(&mut self, first: Kinds) -> Parse<bool> {
        self.sync(Next::only(first))?;
        let there = self.kind(0) == Kind::Question;
        if there {
            self.take(Kind::Question, Next::only(first))?;
        }
        Ok(there)
    }

    /// A name, which may stand in backquotes.
    pub(super) fn name(&mut self, follow: Next) -> Parse<Option<Arc<str>>> {
        self.rule(
            "name",
            follow,
            |_| None,
            |p| {
                p.sync(Next::only(NAME))?;
                match p.kind(0) {
                    Kind::Escaped => {
                        let text = p.take(Kind::Escaped, ENDS)?.text;
                        Ok(Some(text.trim_matches('`').into()))
                    }
                    _ => Ok(Some(p.take(Kind::Identifier, ENDS)?.text.into())),
                }
            },
        )
    }

    pub(super) fn arguments(&mut self) -> Parse<(Location, Vec<Expr>)> {
        let close = Kinds::of(&[Kind::CloseParen]);
        let open = self.take(Kind::OpenParen, Next::only(FIRST.or(close)))?;
        self.sync(Next::only(FIRST.or(close)))?;
        let mut args = Vec::new();
        if FIRST.has(self.kind(0)) {
            args = self.rule(
                "arguments",
                Next::only(close),
                |_| Vec::new(),
                |p| {
                    let mut args = vec![p.expr(Next::or_end(COMMA))?];
                    while p.kind(0) == Kind::Comma {
                        p.take(Kind::Comma, Next::only(FIRST))?;
                        args.push(p.expr(Next::or_end(COMMA))?);
                    }
                    Ok(args)
                },
            )?;
        }
        self.take(Kind::CloseParen, AFTER_PRIMARY)?;
        Ok((open.at, args))
    }
}
