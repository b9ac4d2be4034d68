//! What checkers say.

use crate::history::Edn;
use std::fmt;

/// Whether a history is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Valid {
    /// Nothing is wrong.
    Yes,
    /// Something is.
    No,
    /// Too little happened, or the search was too long, to tell.
    Unknown,
}

/// Something that must not have happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Anomaly {
    /// What sort, such as `stale-read`.
    pub kind: &'static str,
    /// What is wrong.
    pub words: String,
    /// The indexes of the lines that show it, ascending.
    pub ops: Vec<u64>,
}

/// What one checker says.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// Its name.
    pub checker: &'static str,
    /// Its verdict.
    pub valid: Valid,
    /// Why it is [`Valid::Unknown`], one reason each.
    pub reasons: Vec<String>,
    /// What it counted.
    pub figures: Vec<(String, u64)>,
    /// What it found; of each kind the first few, see the figures for their number.
    pub anomalies: Vec<Anomaly>,
}

/// What all checkers say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// One for each that had something to look at.
    pub results: Vec<Checked>,
}

impl Verdict {
    /// An anomaly makes the whole invalid; else anything unknown makes it unknown.
    pub fn valid(&self) -> Valid {
        let any = |valid| self.results.iter().any(|result| result.valid == valid);
        match () {
            () if any(Valid::No) => Valid::No,
            () if any(Valid::Unknown) || self.results.is_empty() => Valid::Unknown,
            () => Valid::Yes,
        }
    }

    /// What a checker said.
    pub fn of(&self, checker: &str) -> Option<&Checked> {
        self.results.iter().find(|result| result.checker == checker)
    }

    /// Every anomaly, with its checker.
    pub fn anomalies(&self) -> impl Iterator<Item = (&Checked, &Anomaly)> {
        self.results.iter().flat_map(|result| result.anomalies.iter().map(move |one| (result, one)))
    }

    /// As Jepsen's `results.edn` has it: a map by checker, with `:valid?` true, false or :unknown.
    pub fn to_edn(&self) -> Edn {
        let entries = self.results.iter().map(|result| (key(result.checker), result.to_edn()));
        let valid = (key("valid?"), self.valid().to_edn());
        Edn::Map(std::iter::once(valid).chain(entries).collect())
    }
}

impl Valid {
    fn to_edn(self) -> Edn {
        match self {
            Valid::Yes => Edn::Bool(true),
            Valid::No => Edn::Bool(false),
            Valid::Unknown => key("unknown"),
        }
    }
}

impl Checked {
    fn to_edn(&self) -> Edn {
        // A keyword has no spaces.
        let word = |name: &String| key(&name.replace(' ', "-"));
        let figures = self.figures.iter().map(|(name, count)| (word(name), number(*count)));
        let reasons = self.reasons.iter().map(|reason| Edn::string(reason.clone()));
        let anomalies = self.anomalies.iter().map(Anomaly::to_edn);
        Edn::Map(
            [
                (key("valid?"), self.valid.to_edn()),
                (key("figures"), Edn::Map(figures.collect())),
                (key("reasons"), Edn::Vector(reasons.collect())),
                (key("anomalies"), Edn::Vector(anomalies.collect())),
            ]
            .into(),
        )
    }
}

impl Anomaly {
    fn to_edn(&self) -> Edn {
        let ops = self.ops.iter().map(|index| number(*index)).collect();
        Edn::Map(
            [
                (key("kind"), key(self.kind)),
                (key("words"), Edn::string(self.words.clone())),
                (key("ops"), Edn::Vector(ops)),
            ]
            .into(),
        )
    }
}

impl fmt::Display for Valid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Valid::Yes => "valid",
            Valid::No => "INVALID",
            Valid::Unknown => "unknown",
        })
    }
}

fn key(name: &str) -> Edn {
    Edn::key(name.to_owned())
}

fn number(count: u64) -> Edn {
    Edn::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clojure_reader::edn::read_string;

    #[test]
    fn results_can_be_read_again() {
        let checked = Checked {
            checker: "coverage",
            valid: Valid::Unknown,
            reasons: vec!["fault \"kill\" was not made".to_owned()],
            figures: vec![("fault kill".to_owned(), 0), ("fault pause".to_owned(), 2)],
            anomalies: vec![Anomaly { kind: "lost", words: "a \n b".to_owned(), ops: vec![3] }],
        };
        let edn = Verdict { results: vec![checked] }.to_edn();
        for text in [format!("{edn}"), format!("{edn:#}")] {
            assert_eq!(read_string(&text).expect("EDN").into_owned(), edn);
        }
    }
}
