//! What an expression consists of at the least: names, calls, literals, collections.

use super::*;

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Parse<Expr> {
        self.sync(Next::only(FIRST_PRIMARY))?;
        match self.kind(0) {
            Kind::OpenParen => self.nested(),
            Kind::OpenBracket => self.list(),
            Kind::OpenBrace => self.map(),
            Kind::Dot | Kind::Identifier => self.named(),
            kind if LITERAL.has(kind) => self.rule("literal", ENDS, Self::broken, Self::literal),
            _ => Err(self.no_viable(0)),
        }
    }

    fn nested(&mut self) -> Parse<Expr> {
        self.take(Kind::OpenParen, Next::only(FIRST))?;
        let expr = self.expr(Next::only(Kinds::of(&[Kind::CloseParen])))?;
        self.take(Kind::CloseParen, AFTER_PRIMARY)?;
        Ok(expr)
    }

    /// A name, a call or an object.
    fn named(&mut self) -> Parse<Expr> {
        let dotted = usize::from(self.kind(0) == Kind::Dot);
        if self.kind(dotted) != Kind::Identifier {
            return Err(self.no_viable(1));
        }
        let mut after = dotted + 1;
        while self.kind(after) == Kind::Dot && self.kind(after + 1) == Kind::Identifier {
            after += 2;
        }
        if self.kind(after) == Kind::OpenBrace {
            return self.object(dotted == 1);
        }
        let first = self.token(0).at;
        if dotted == 1 {
            self.take(Kind::Dot, Next::only(NAME))?;
        }
        let name = self.take(Kind::Identifier, AFTER_PRIMARY)?;
        let full = if dotted == 1 { format!(".{}", name.text) } else { name.text.to_owned() };
        let reserved = RESERVED.contains(&name.text);
        if self.kind(0) != Kind::OpenParen {
            return Ok(if reserved {
                self.reserved(first, name.text)
            } else {
                self.ident(name.at, &full)
            });
        }
        let (open, args) = self.arguments()?;
        if reserved {
            return Ok(self.reserved(first, name.text));
        }
        let id = self.id(open);
        self.call(id, &full, None, args)
    }

    fn reserved(&mut self, at: Location, word: &str) -> Expr {
        self.wrong(at, format!("reserved identifier: {word}"))
    }

    fn list(&mut self) -> Parse<Expr> {
        let close = Kinds::of(&[Kind::CloseBracket]);
        let open = self.take(Kind::OpenBracket, Next::only(FIRST_OPTIONAL.or(COMMA).or(close)))?;
        let id = self.id(open.at);
        self.sync(Next::only(FIRST_OPTIONAL.or(COMMA).or(close)))?;
        let mut items = Vec::new();
        if FIRST_OPTIONAL.has(self.kind(0)) {
            let follow = Next::only(COMMA.or(close));
            items = self.rule(
                "items",
                follow,
                |_| Vec::new(),
                |p| {
                    let mut items = vec![p.optional(Next::or_end(COMMA))?];
                    while p.kind(0) == Kind::Comma && FIRST_OPTIONAL.has(p.kind(1)) {
                        p.take(Kind::Comma, Next::only(FIRST_OPTIONAL))?;
                        items.push(p.optional(Next::or_end(COMMA))?);
                    }
                    Ok(items)
                },
            )?;
        }
        self.last_comma(Kind::CloseBracket)?;
        Ok(self.list_of(id, items))
    }

    /// A comma that may stand before the closing bracket, and that bracket.
    fn last_comma(&mut self, close: Kind) -> Parse<()> {
        let closes = Kinds::of(&[close]);
        self.sync(Next::only(COMMA.or(closes)))?;
        if self.kind(0) == Kind::Comma {
            self.take(Kind::Comma, Next::only(closes))?;
        }
        self.take(close, AFTER_PRIMARY).map(|_| ())
    }

    /// An expression that may have a question mark.
    fn optional(&mut self, follow: Next) -> Parse<(bool, Expr)> {
        let otherwise = |p: &mut Self| (false, p.broken());
        self.rule("optional", follow, otherwise, |p| {
            let optional = p.question(FIRST_OPTIONAL)?;
            Ok((optional, p.expr(ENDS)?))
        })
    }

    fn map(&mut self) -> Parse<Expr> {
        let close = Kinds::of(&[Kind::CloseBrace]);
        let open = self.take(Kind::OpenBrace, Next::only(FIRST_OPTIONAL.or(COMMA).or(close)))?;
        let id = self.id(open.at);
        self.sync(Next::only(FIRST_OPTIONAL.or(COMMA).or(close)))?;
        let mut entries = Vec::new();
        if FIRST_OPTIONAL.has(self.kind(0)) {
            let follow = Next::only(COMMA.or(close));
            entries = self.rule(
                "entries",
                follow,
                |_| Vec::new(),
                |p| {
                    let mut entries = vec![p.entry()?];
                    while p.kind(0) == Kind::Comma && FIRST_OPTIONAL.has(p.kind(1)) {
                        p.take(Kind::Comma, Next::only(FIRST_OPTIONAL))?;
                        entries.push(p.entry()?);
                    }
                    Ok(entries)
                },
            )?;
        }
        self.last_comma(Kind::CloseBrace)?;
        Ok(self.map_of(id, entries))
    }

    fn entry(&mut self) -> Parse<Entry> {
        let (optional, key) = self.optional(Next::only(COLON))?;
        self.take(Kind::Colon, Next::only(FIRST))?;
        let value = self.expr(Next::or_end(COMMA))?;
        Ok(Entry { key, value, optional })
    }

    fn object(&mut self, dotted: bool) -> Parse<Expr> {
        let mut name = String::new();
        if dotted {
            self.take(Kind::Dot, Next::only(NAME))?;
            name.push('.');
        }
        name.push_str(self.take(Kind::Identifier, Next::or_end(MEMBERS))?.text);
        while self.kind(0) == Kind::Dot {
            self.take(Kind::Dot, Next::only(NAME))?;
            name.push('.');
            name.push_str(self.take(Kind::Identifier, Next::or_end(MEMBERS))?.text);
        }
        let close = Kinds::of(&[Kind::CloseBrace]);
        let open = self.take(Kind::OpenBrace, Next::only(FIRST_FIELD.or(COMMA).or(close)))?;
        let id = self.id(open.at);
        self.sync(Next::only(FIRST_FIELD.or(COMMA).or(close)))?;
        let mut fields = Vec::new();
        if FIRST_FIELD.has(self.kind(0)) {
            let follow = Next::only(COMMA.or(close));
            fields = self.rule(
                "fields",
                follow,
                |_| Vec::new(),
                |p| {
                    let mut fields: Vec<Field> = p.field()?.into_iter().collect();
                    while p.kind(0) == Kind::Comma && FIRST_FIELD.has(p.kind(1)) {
                        p.take(Kind::Comma, Next::only(FIRST_FIELD))?;
                        fields.extend(p.field()?);
                    }
                    Ok(fields)
                },
            )?;
        }
        self.last_comma(Kind::CloseBrace)?;
        Ok(self.object_of(id, &name, fields))
    }

    fn field(&mut self) -> Parse<Option<Field>> {
        let (optional, name) = self.rule(
            "field",
            Next::only(COLON),
            |_| (false, None),
            |p| {
                let optional = p.question(FIRST_FIELD)?;
                Ok((optional, p.name(ENDS)?))
            },
        )?;
        let colon = self.take(Kind::Colon, Next::only(FIRST))?;
        let id = self.id(colon.at);
        let value = self.expr(Next::or_end(COMMA))?;
        Ok(name.map(|name| Field { id, name, value, optional }))
    }

    fn literal(&mut self) -> Parse<Expr> {
        self.sync(Next::only(LITERAL))?;
        let first = self.token(0);
        let negative = first.kind == Kind::Minus;
        if negative {
            if !matches!(self.kind(1), Kind::Int | Kind::Double) {
                return Err(self.no_viable(1));
            }
            self.take(Kind::Minus, ENDS)?;
        }
        let token = self.take(self.kind(0), ENDS)?;
        Ok(self.literal_of(first.at, token, negative))
    }
}
