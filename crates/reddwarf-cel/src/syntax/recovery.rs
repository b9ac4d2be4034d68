//! What a parser does about a token that it did not expect.

use super::grammar::Parser;
use super::token::{Kind, Kinds, Token, quoted};
use crate::source::{Issue, Location};

/// Faults after which parsing ends.
const ATTEMPTS_MAX: usize = 30;
/// Tokens that may be skipped after one fault.
const SKIPPED_MAX: usize = 256;
/// Errors after which parsing ends.
const ERRORS_MAX: usize = 100;

/// Kinds that may come next, and whether the rule may also end.
#[derive(Clone, Copy, Debug)]
pub struct Next {
    pub kinds: Kinds,
    pub end: bool,
}

impl Next {
    pub const fn only(kinds: Kinds) -> Self {
        Next { kinds, end: false }
    }

    pub const fn or_end(kinds: Kinds) -> Self {
        Next { kinds, end: true }
    }
}

/// Why a rule was left.
#[derive(Clone, Copy, Debug)]
pub enum Raised {
    /// The next token is none of those expected.
    Mismatch(Next),
    /// No alternative goes on with the token at this index; they began at the first.
    NoViable { start: usize, offending: usize },
    /// Parsing ends; why is told.
    Fatal,
}

/// Where the parser stands with regard to faults.
#[derive(Debug, Default)]
pub struct Recovery {
    /// No fault is told until a token has been taken again.
    recovering: bool,
    attempts: usize,
    /// The index of the last fault and the points of the grammar at which it was.
    last: Option<(usize, Vec<&'static str>)>,
    errors: usize,
}

impl<'a> Parser<'a> {
    /// Everything that may come next here, in the enclosing rules too.
    fn expected(&self, next: Next) -> Kinds {
        let (mut kinds, mut end) = (next.kinds, next.end);
        for follow in self.follows.iter().rev() {
            if !end {
                return kinds;
            }
            kinds = kinds.or(follow.kinds);
            end = follow.end;
        }
        if end { kinds.or(Kinds::of(&[Kind::End])) } else { kinds }
    }

    fn recovery_set(&self) -> Kinds {
        self.follows.iter().fold(Kinds::NONE, |all, follow| all.or(follow.kinds))
    }

    fn tell(&mut self, token: Token<'_>, message: String) -> Result<(), Raised> {
        self.recovery.recovering = true;
        let message = viable(&message);
        self.recovery.errors += 1;
        if self.recovery.errors > ERRORS_MAX {
            self.syntax(token.at, format!("More than {ERRORS_MAX} syntax errors"));
            return Err(Raised::Fatal);
        }
        self.syntax(token.at, message);
        Ok(())
    }

    fn syntax(&mut self, at: Location, message: String) {
        self.syntax_issues.push(Issue { at, message: format!("Syntax error: {message}") });
    }

    /// Ends parsing with an error that belongs to no place.
    pub fn fatal(&mut self, message: &str) -> Raised {
        self.issues.push(Issue { at: Location::NONE, message: message.to_owned() });
        Raised::Fatal
    }

    /// Before an optional part, a repetition or alternatives: makes sure that the next token is
    /// one of those, leaving out one that is not.
    pub fn sync(&mut self, next: Next) -> Result<(), Raised> {
        if self.recovery.recovering || next.end || next.kinds.has(self.kind(0)) {
            return Ok(());
        }
        if self.leave_out(next)? { Ok(()) } else { Err(Raised::Mismatch(next)) }
    }

    /// After an item of a repetition that must go on or end with one of `next`.
    pub fn sync_after_item(&mut self, next: Next) -> Result<(), Raised> {
        if self.recovery.recovering || next.kinds.has(self.kind(0)) {
            return Ok(());
        }
        let expected = self.expected(next);
        let token = self.token(0);
        self.tell(token, format!("extraneous input {} expecting {expected}", token.shown()))?;
        self.skip_to(expected.or(self.recovery_set()))
    }

    /// Leaves out the next token if the one after it is expected.
    fn leave_out(&mut self, next: Next) -> Result<bool, Raised> {
        let expected = self.expected(next);
        if !expected.has(self.kind(1)) {
            return Ok(false);
        }
        let token = self.token(0);
        if !self.recovery.recovering {
            self.tell(token, format!("extraneous input {} expecting {expected}", token.shown()))?;
        }
        self.advance();
        self.recovery.recovering = false;
        Ok(true)
    }

    /// Takes a token of a kind, after which `then` comes.
    pub fn take(&mut self, kind: Kind, then: Next) -> Result<Token<'a>, Raised> {
        let token = self.token(0);
        if token.kind == kind {
            self.recovery.recovering = false;
            self.advance();
            return Ok(token);
        }
        let next = Next::only(Kinds::of(&[kind]));
        self.count_attempt()?;
        if self.leave_out(next)? {
            let token = self.token(0);
            self.advance();
            return Ok(token);
        }
        if self.expected(then).has(token.kind) {
            if !self.recovery.recovering {
                let message = format!("missing {} at {}", next.kinds, token.shown());
                self.tell(token, message)?;
            }
            return Ok(Token { kind, text: "", ..token });
        }
        Err(Raised::Mismatch(next))
    }

    /// Tells of what a rule was left with, and skips to where an enclosing rule may go on.
    pub fn recover(&mut self, raised: Raised, rule: &'static str) -> Result<(), Raised> {
        if !self.recovery.recovering {
            self.tell_raised(raised)?;
        }
        self.count_attempt()?;
        match &mut self.recovery.last {
            Some((at, points)) if *at == self.at => {
                if points.contains(&rule) {
                    self.advance();
                }
            }
            last => *last = Some((self.at, Vec::new())),
        }
        let at = self.at;
        match &mut self.recovery.last {
            Some((last, points)) if *last == at => points.push(rule),
            last => *last = Some((at, vec![rule])),
        }
        self.skip_to(self.recovery_set())
    }

    fn tell_raised(&mut self, raised: Raised) -> Result<(), Raised> {
        match raised {
            Raised::Fatal => Err(Raised::Fatal),
            Raised::Mismatch(next) => {
                let (token, expected) = (self.token(0), self.expected(next));
                self.tell(token, format!("mismatched input {} expecting {expected}", token.shown()))
            }
            Raised::NoViable { start, offending } => {
                let token = self.tokens[offending];
                let input = quoted(&self.text_between(start, offending));
                self.tell(token, format!("no viable alternative at input {input}"))
            }
        }
    }

    fn count_attempt(&mut self) -> Result<(), Raised> {
        let attempts = self.recovery.attempts;
        self.recovery.attempts += 1;
        if attempts == ATTEMPTS_MAX {
            let at = self.token(0).at;
            self.syntax(at, format!("error recovery attempt limit exceeded: {ATTEMPTS_MAX}"));
            return Err(Raised::Fatal);
        }
        Ok(())
    }

    fn skip_to(&mut self, kinds: Kinds) -> Result<(), Raised> {
        for _ in 0..=SKIPPED_MAX {
            if self.kind(0) == Kind::End || kinds.has(self.kind(0)) {
                return Ok(());
            }
            self.advance();
        }
        let message = format!("error recovery token lookahead limit exceeded: {SKIPPED_MAX}");
        Err(self.fatal(&message))
    }

    /// The text from a token to another, without what is no token.
    fn text_between(&self, start: usize, end: usize) -> String {
        let mut text = String::new();
        for at in start..=end {
            let token = self.tokens[at];
            if at > start {
                let before = self.tokens[at - 1];
                let gap = &self.text[before.start + before.text.len()..token.start];
                text.extend(gap.chars().filter(|c| c.is_ascii_whitespace()));
            }
            text.push_str(token.text);
        }
        text
    }
}

/// A word that is reserved, where a name should stand, is told of in plainer terms.
fn viable(message: &str) -> String {
    for word in ["true", "false", "null"] {
        if message == format!("no viable alternative at input '.{word}'") {
            return format!("mismatched input '{word}' expecting IDENTIFIER");
        }
    }
    message.to_owned()
}
