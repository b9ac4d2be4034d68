//! Operations of a file, one at a time.

use super::{HistoryError, Op};
use clojure_reader::edn::read_string;
use std::io::BufRead;

/// Reads operations without keeping them; lines that are empty or comments are passed over.
pub struct Lines<R> {
    from: R,
    line: String,
    number: usize,
}

impl<R: BufRead> Lines<R> {
    /// From the beginning of a history.
    pub fn new(from: R) -> Lines<R> {
        Lines { from, line: String::new(), number: 0 }
    }

    fn parse(&self) -> Result<Op, HistoryError> {
        let bad = |what| HistoryError::Line { line: self.number, what };
        let edn = read_string(&self.line).map_err(|error| bad(error.to_string()))?;
        Op::from_edn(edn.into_owned()).map_err(bad)
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Op, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.line.clear();
            match self.from.read_line(&mut self.line) {
                Ok(0) => return None,
                Ok(_) => self.number += 1,
                Err(error) => return Some(Err(error.into())),
            }
            let content = self.line.trim();
            if !content.is_empty() && !content.starts_with(';') {
                return Some(self.parse());
            }
        }
    }
}
