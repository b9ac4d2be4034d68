//! Operations and their lines.

use super::{Edn, Lines};
use clojure_reader::edn::Edn as Borrowed;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead, Write};

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Process {
    /// A client; a number is not used again after an operation whose outcome nobody knows.
    Client(u64),
    /// What makes the faults.
    Nemesis,
    /// What asks the members for their state.
    Probe,
}

/// Which of an operation's lines this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It begins.
    Invoke,
    /// It happened.
    Ok,
    /// It did not happen, and never will.
    Fail,
    /// Nobody knows; or a line of the nemesis.
    Info,
}

/// One line of a history.
#[derive(Clone, Debug, PartialEq)]
pub struct Op {
    /// Its place, from 0.
    pub index: u64,
    /// Nanoseconds since the run began, by one monotonic clock.
    pub time_ns: u64,
    /// Who acts.
    pub process: Process,
    /// Invocation or outcome.
    pub kind: Kind,
    /// What is done.
    pub f: String,
    /// Arguments or results; see the [module](super).
    pub value: Edn,
    /// Further keys, such as `node` and `error`.
    pub more: BTreeMap<String, Edn>,
}

/// Lines in the order in which they happened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The lines.
    pub ops: Vec<Op>,
}

/// Why a history cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The file cannot be read.
    #[error("cannot read the history")]
    Io(#[from] io::Error),
    /// A line is not an operation.
    #[error("line {line}: {what}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Invoke => "invoke",
            Kind::Ok => "ok",
            Kind::Fail => "fail",
            Kind::Info => "info",
        }
    }
}

fn key(name: &str) -> Edn {
    Edn::key(name.to_owned())
}

impl Op {
    /// The member that was asked.
    pub fn node(&self) -> Option<&str> {
        self.text("node")
    }

    /// Why it failed or is unknown: the name of a keyword, or a text.
    pub fn error(&self) -> Option<&str> {
        self.text("error")
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.more.get(name)? {
            Borrowed::Key(text) | Borrowed::Str(text) => Some(text),
            _ => None,
        }
    }

    /// As one EDN map.
    pub fn to_edn(&self) -> Edn {
        let process = match self.process {
            Process::Client(number) => Edn::Int(number as i64),
            Process::Nemesis => key("nemesis"),
            Process::Probe => key("probe"),
        };
        let mut map = BTreeMap::from([
            (key("index"), Edn::Int(self.index as i64)),
            (key("time"), Edn::Int(self.time_ns as i64)),
            (key("process"), process),
            (key("type"), key(self.kind.name())),
            (key("f"), key(&self.f)),
            (key("value"), self.value.clone()),
        ]);
        map.extend(self.more.iter().map(|(name, value)| (key(name), value.clone())));
        Edn::Map(map)
    }

    /// From an EDN map.
    ///
    /// # Errors
    /// What is missing or of another form.
    pub fn from_edn(edn: Edn) -> Result<Op, String> {
        let Borrowed::Map(map) = &edn else { return Err("not a map".into()) };
        let mut more = BTreeMap::new();
        for (name, value) in map {
            let Borrowed::Key(name) = name else { return Err(format!("{name} is no keyword")) };
            more.insert(name.clone().into_owned(), value.clone());
        }
        let mut take = |name: &str| more.remove(name).ok_or(format!("no :{name}"));
        let number = |name: &str, value: &Edn| match value {
            Borrowed::Int(number) => u64::try_from(*number).map_err(|_| format!(":{name} below 0")),
            other => Err(format!(":{name} is {other}, not a number")),
        };
        let word = |name: &str, value: &Edn| match value {
            Borrowed::Key(word) => Ok(word.clone().into_owned()),
            other => Err(format!(":{name} is {other}, not a keyword")),
        };
        let process = match &take("process")? {
            Borrowed::Key(name) if name == "nemesis" => Process::Nemesis,
            Borrowed::Key(name) if name == "probe" => Process::Probe,
            other => Process::Client(number("process", other)?),
        };
        let kind = match word("type", &take("type")?)?.as_str() {
            "invoke" => Kind::Invoke,
            "ok" => Kind::Ok,
            "fail" => Kind::Fail,
            "info" => Kind::Info,
            other => return Err(format!(":type is :{other}")),
        };
        Ok(Op {
            index: number("index", &take("index")?)?,
            time_ns: number("time", &take("time")?)?,
            process,
            kind,
            f: word("f", &take("f")?)?,
            value: take("value")?,
            more,
        })
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_edn().fmt(f)
    }
}

impl History {
    /// Reads lines of EDN maps.
    ///
    /// # Errors
    /// [`HistoryError`]
    pub fn read(from: impl BufRead) -> Result<History, HistoryError> {
        let ops = Lines::new(from).collect::<Result<_, _>>()?;
        Ok(History { ops })
    }

    /// Writes a line an operation.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn write(&self, mut to: impl Write) -> io::Result<()> {
        self.ops.iter().try_for_each(|op| writeln!(to, "{op}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_jepsen_writes() {
        let text = "{:process 0, :type :invoke, :f :cas, :value [3 {:rev 4 :val 5}], :time 7, \
                    :index 0}\n{:type :info, :f :kill, :value {:targets [\"n1\"]}, :process \
                    :nemesis, :time 9, :index 1, :error \"why\"}\n";
        let history = History::read(text.as_bytes()).expect("valid");
        assert_eq!(history.ops[0].process, Process::Client(0));
        assert_eq!(history.ops[1].error(), Some("why"));
        let mut written = Vec::new();
        history.write(&mut written).expect("memory");
        assert_eq!(History::read(&written[..]).expect("valid"), history);
    }

    #[test]
    fn tells_the_line_that_is_wrong() {
        let text = "\n{:process 0, :type :maybe, :f :read, :value nil, :time 7, :index 0}\n";
        let error = History::read(text.as_bytes()).expect_err("no such type");
        assert_eq!(error.to_string(), "line 2: :type is :maybe");
    }

    proptest! {
        #[test]
        fn texts_survive(error in ".*", f in "[a-z][a-z-]{0,8}") {
            let op = Op {
                index: 1, time_ns: 2, process: Process::Probe, kind: Kind::Info, f,
                value: Edn::Nil,
                more: BTreeMap::from([("error".to_owned(), Edn::string(error))]),
            };
            let mut written = Vec::new();
            let history = History { ops: vec![op] };
            history.write(&mut written).expect("memory");
            prop_assert_eq!(History::read(&written[..]).expect("valid"), history);
        }
    }
}
