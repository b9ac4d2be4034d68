//! Where things stand in an expression, and what is wrong with it.

use std::fmt::{self, Write};

/// Of one expression at most so many errors are told.
const ISSUES_MAX: usize = 100;
/// A longer line is not shown below its error.
const SNIPPET_CHARS_MAX: usize = 16_384;

/// A place in an expression: the line from 1, the column from 0, counted in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// From 1; -1 where an error belongs to no place.
    pub line: i32,
    /// From 0.
    pub column: i32,
}

impl Location {
    /// The place of errors that have none.
    pub const NONE: Location = Location { line: -1, column: -1 };
}

/// Something wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// Where.
    pub at: Location,
    /// What.
    pub message: String,
}

/// What is wrong with an expression, together with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issues {
    text: String,
    list: Vec<Issue>,
    more: usize,
}

impl Issues {
    /// No issues yet with a text.
    pub fn new(text: &str) -> Self {
        Issues { text: text.to_owned(), list: Vec::new(), more: 0 }
    }

    /// Adds one, unless there are too many.
    pub fn add(&mut self, at: Location, message: impl Into<String>) {
        if self.list.len() < ISSUES_MAX {
            self.list.push(Issue { at, message: message.into() });
        } else {
            self.more += 1;
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The issues in the order in which they were found.
    pub fn list(&self) -> &[Issue] {
        &self.list
    }
}

impl std::error::Error for Issues {}

impl fmt::Display for Issues {
    /// Each issue with the line that it is on and a mark below the place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sorted: Vec<&Issue> = self.list.iter().collect();
        sorted.sort_by_key(|issue| issue.at);
        for (at, issue) in sorted.iter().enumerate() {
            if at > 0 {
                f.write_char('\n')?;
            }
            let Location { line, column } = issue.at;
            write!(f, "ERROR: <input>:{line}:{}: {}", column + 1, issue.message)?;
            if let Some(snippet) = self.snippet(line) {
                write_snippet(f, snippet, column)?;
            }
        }
        if self.more > 0 {
            write!(f, "\n{} more errors were truncated", self.more)?;
        }
        Ok(())
    }
}

impl Issues {
    fn snippet(&self, line: i32) -> Option<&str> {
        let at = usize::try_from(line).ok()?.checked_sub(1)?;
        let snippet = self.text.split('\n').nth(at)?;
        (snippet.len() <= SNIPPET_CHARS_MAX).then_some(snippet)
    }
}

/// The line, and below it dots up to the mark; wide characters have wide dots.
fn write_snippet(f: &mut fmt::Formatter<'_>, snippet: &str, column: i32) -> fmt::Result {
    write!(f, "\n | {}\n | ", snippet.replace('\t', " "))?;
    let mut chars = snippet.chars();
    for _ in 0..column {
        match chars.next() {
            Some(c) => f.write_char(if c.is_ascii() { '.' } else { '\u{ff0e}' })?,
            None => break,
        }
    }
    let wide = chars.next().is_some_and(|c| !c.is_ascii());
    f.write_char(if wide { '\u{ff3e}' } else { '^' })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_shows_its_line() {
        let mut issues = Issues::new("a\n\t\u{e9} x");
        issues.add(Location { line: 2, column: 3 }, "second");
        issues.add(Location { line: 1, column: 0 }, "first");
        issues.add(Location::NONE, "none");
        assert_eq!(
            issues.to_string(),
            "ERROR: <input>:-1:0: none\nERROR: <input>:1:1: first\n | a\n | ^\n\
             ERROR: <input>:2:4: second\n |  \u{e9} x\n | .\u{ff0e}.^"
        );
    }

    #[test]
    fn too_many_issues_are_counted() {
        let mut issues = Issues::new("");
        for _ in 0..103 {
            issues.add(Location::NONE, "x");
        }
        assert!(issues.to_string().ends_with("\n3 more errors were truncated"));
    }
}
