//! From EDN values to typed ones; see the table in [`crate::history`].

use super::{
    Change, Deed, End, Event, Input, LeaseVerb, ListOp, Marked, Member, Mode, Name, Names, Output,
    Placed, Selector, State,
};
use clojure_reader::edn::Edn;
use std::borrow::Cow;

type Decoded<T> = Result<T, String>;

/// What an invocation asks.
pub(super) fn input(f: &str, value: &Edn<'static>, names: &mut Names) -> Decoded<Input> {
    Ok(match f {
        "read" => {
            let (key, want) = pair(value)?;
            Input::Read { key, at_least: maybe(want, "at-least", number)? }
        }
        "create" => {
            let (key, val) = pair(value)?;
            Input::Create { key, val: integer(val)? }
        }
        "write" => {
            let (key, val) = pair(value)?;
            Input::Write { key, val: integer(val)? }
        }
        "cas" => {
            let (key, want) = pair(value)?;
            Input::Cas { key, rev: number(need(want, "rev")?)?, val: integer(need(want, "val")?)? }
        }
        "delete" => {
            let (key, want) = pair(value)?;
            Input::Delete { key, rev: maybe(want, "rev", number)? }
        }
        "add" => Input::Add { val: integer(value)? },
        "list" => Input::List {
            selector: maybe(value, "selector", selector)?.unwrap_or(Selector::All),
            at_least: maybe(value, "at-least", number)?,
        },
        "watch" => Input::Watch {
            from: maybe(value, "from", number)?,
            mode: mode(need(value, "mode")?)?,
            selector: maybe(value, "selector", selector)?.unwrap_or(Selector::All),
        },
        "acquire" | "renew" | "release" => {
            Input::Lease { verb: verb(f), holder: label(need(value, "holder")?, names) }
        }
        "fenced" => Input::Fenced {
            fence: number(need(value, "fence")?)?,
            val: integer(need(value, "val")?)?,
        },
        "pod" => {
            Input::Pod { key: number(need(value, "pod")?)?, cpu: number(need(value, "cpu")?)? }
        }
        "delete-pod" => Input::DeletePod { key: number(need(value, "pod")?)? },
        "node" => Input::Node {
            node: label(need(value, "node")?, names),
            cpu: number(need(value, "cpu")?)?,
        },
        "settle" => Input::Settle,
        "txn" => Input::Txn { ops: list_ops(value)? },
        "note" | "branch" | "merge" | "apply" | "revert" => Input::Deed {
            deed: deed(f),
            family: number(need(value, "family")?)?,
            element: number(need(value, "element")?)?,
            objects: all(need(value, "objects")?, number)?,
        },
        "look" => Input::Look {
            family: number(need(value, "family")?)?,
            local: field(value, "local") == Some(&Edn::Bool(true)),
        },
        "present" => Input::Present { key: maybe(value, "key", number)? },
        "past" => {
            Input::Past { rev: number(need(value, "rev")?)?, key: maybe(value, "key", number)? }
        }
        "writable" => Input::Writable,
        _ => Input::Other,
    })
}

/// What an acknowledgement answers to `input`.
pub(super) fn output(input: &Input, value: &Edn<'static>, names: &mut Names) -> Decoded<Output> {
    Ok(match input {
        Input::Read { key, .. } => Output::State(object(*key, value, names)?),
        Input::Create { key, .. } | Input::Write { key, .. } | Input::Cas { key, .. } => {
            let state = object(*key, value, names)?.ok_or("a write was answered with nil")?;
            Output::State(Some(state))
        }
        Input::Delete { key, .. } => {
            let (answered, version_of) = pair(value)?;
            same(*key, answered)?;
            version(version_of, names)?
        }
        Input::Add { .. } | Input::Pod { .. } | Input::DeletePod { .. } | Input::Node { .. } => {
            version(value, names)?
        }
        Input::List { .. } => list(value, names)?,
        Input::Watch { .. } => Output::Events {
            events: vector(need(value, "events")?)?
                .iter()
                .map(|edn| event(edn, names))
                .collect::<Decoded<_>>()?,
            end: end(need(value, "end")?)?,
        },
        Input::Lease { .. } | Input::Fenced { .. } => Output::Lease {
            fence: number(need(value, "fence")?)?,
            rev: maybe(value, "rev", number)?,
        },
        Input::Settle => Output::Pods {
            rev: number(need(value, "rev")?)?,
            pods: vector(need(value, "pods")?)?
                .iter()
                .map(|edn| placed(edn, names))
                .collect::<Decoded<_>>()?,
        },
        Input::Txn { ops } => Output::Txn { ops: answered_list_ops(ops, value)? },
        Input::Deed { .. } => Output::Range {
            revs: maybe(value, "first", number)?.zip(maybe(value, "last", number)?),
        },
        Input::Look { .. } => Output::Family {
            rev: number(need(value, "rev")?)?,
            objects: all(need(value, "objects")?, |edn| marked(edn, names))?,
        },
        Input::Present { .. } | Input::Past { .. } => Output::Bytes {
            rev: number(need(value, "rev")?)?,
            digests: all(need(value, "digests")?, |edn| Ok(label(edn, names)))?,
        },
        Input::Writable | Input::Other => Output::None,
    })
}

/// What the probe was told by each member.
pub(super) fn members(value: &Edn<'static>, names: &mut Names) -> Decoded<Vec<Member>> {
    let member = |edn: &Edn<'static>| {
        Ok(Member {
            node: label(need(edn, "node")?, names),
            applied: maybe(edn, "index", number)?,
            rev: maybe(edn, "rev", number)?,
            root: field(edn, "root").map(|root| label(root, names)),
            roots: match field(edn, "roots") {
                None => Box::default(),
                Some(roots) => vector(roots)?
                    .iter()
                    .map(|edn| pair(edn).map(|(index, root)| (index, label(root, names))))
                    .collect::<Decoded<_>>()?,
            },
            diverged: maybe(edn, "diverged", number)?,
            floor: maybe(edn, "floor", number)?,
        })
    };
    vector(value)?.iter().map(member).collect()
}

/// The members that a fault was done to.
pub(super) fn targets(value: &Edn<'static>, names: &mut Names) -> Vec<Name> {
    match field(value, "targets") {
        Some(Edn::Vector(items) | Edn::List(items)) => {
            items.iter().map(|item| label(item, names)).collect()
        }
        Some(Edn::Set(items)) => items.iter().map(|item| label(item, names)).collect(),
        Some(other) => vec![label(other, names)],
        None => Vec::new(),
    }
}

/// What a map has under a keyword, unless it is nil.
pub(super) fn field<'a>(map: &'a Edn<'static>, name: &'static str) -> Option<&'a Edn<'static>> {
    let Edn::Map(map) = map else { return None };
    map.get(&Edn::Key(Cow::Borrowed(name))).filter(|value| **value != Edn::Nil)
}

/// A name, whether it is a keyword, a string or something else.
pub(super) fn label(value: &Edn<'static>, names: &mut Names) -> Name {
    match value {
        Edn::Key(text) | Edn::Str(text) | Edn::Symbol(text) => names.name(text),
        other => names.name(&other.to_string()),
    }
}

/// A whole number from 0.
pub(super) fn number(value: &Edn<'static>) -> Decoded<u64> {
    u64::try_from(integer(value)?).map_err(|_| format!("{value} is below 0"))
}

fn integer(value: &Edn<'static>) -> Decoded<i64> {
    match value {
        Edn::Int(number) => Ok(*number),
        other => Err(format!("{other} is not a whole number")),
    }
}

fn need<'a>(map: &'a Edn<'static>, name: &'static str) -> Decoded<&'a Edn<'static>> {
    field(map, name).ok_or_else(|| format!("no :{name} in {map}"))
}

fn maybe<T>(
    map: &Edn<'static>,
    name: &'static str,
    decode: impl FnOnce(&Edn<'static>) -> Decoded<T>,
) -> Decoded<Option<T>> {
    field(map, name).map(decode).transpose()
}

fn vector<'a>(value: &'a Edn<'static>) -> Decoded<&'a [Edn<'static>]> {
    match value {
        Edn::Vector(items) | Edn::List(items) => Ok(items),
        other => Err(format!("{other} is not a vector")),
    }
}

fn all<T>(
    value: &Edn<'static>,
    decode: impl FnMut(&Edn<'static>) -> Decoded<T>,
) -> Decoded<Box<[T]>> {
    vector(value)?.iter().map(decode).collect()
}

fn pair<'a>(value: &'a Edn<'static>) -> Decoded<(u64, &'a Edn<'static>)> {
    match vector(value)? {
        [key, rest] => Ok((number(key)?, rest)),
        _ => Err(format!("{value} is not [k …]")),
    }
}

fn same(asked: u64, answered: u64) -> Decoded<()> {
    if asked == answered { Ok(()) } else { Err(format!("asked for {asked}, answered {answered}")) }
}

fn object(key: u64, value: &Edn<'static>, names: &mut Names) -> Decoded<Option<State>> {
    let (answered, content) = pair(value)?;
    same(key, answered)?;
    if *content == Edn::Nil { Ok(None) } else { state(content, names).map(Some) }
}

fn state(value: &Edn<'static>, names: &mut Names) -> Decoded<State> {
    Ok(State {
        rev: number(need(value, "rev")?)?,
        uid: field(value, "uid").map(|uid| label(uid, names)),
        val: integer(need(value, "val")?)?,
    })
}

fn version(value: &Edn<'static>, names: &mut Names) -> Decoded<Output> {
    Ok(Output::Version {
        rev: maybe(value, "rev", number)?,
        uid: field(value, "uid").map(|uid| label(uid, names)),
    })
}

fn list(value: &Edn<'static>, names: &mut Names) -> Decoded<Output> {
    let rev = number(need(value, "rev")?)?;
    if let Some(elements) = field(value, "elements") {
        let elements = vector(elements)?.iter().map(integer).collect::<Decoded<_>>()?;
        return Ok(Output::Elements { rev, elements });
    }
    let item = |edn: &Edn<'static>| {
        let (key, content) = pair(edn)?;
        Ok((key, state(content, names)?))
    };
    let items = vector(need(value, "items")?)?.iter().map(item).collect::<Decoded<_>>()?;
    Ok(Output::Items { rev, items })
}

fn event(value: &Edn<'static>, names: &mut Names) -> Decoded<Event> {
    let change = change(value)?;
    let key = if change.is_bookmark() { 0 } else { number(need(value, "key")?)? };
    let content = match field(value, "val") {
        Some(val) => Some(integer(val)?),
        None => maybe(value, "cpu", integer)?,
    };
    Ok(Event {
        change,
        key,
        rev: number(need(value, "rev")?)?,
        uid: field(value, "uid").map(|uid| label(uid, names)),
        val: content,
        node: field(value, "node").map(|node| label(node, names)),
        has: field(value, "has").map(|has| names.name(&has.to_string())),
    })
}

fn list_ops(value: &Edn<'static>) -> Decoded<Box<[ListOp]>> {
    all(value, |op| match vector(op)? {
        [what, key, rest] => match word(what)? {
            "r" if *rest == Edn::Nil => Ok(ListOp::Read { key: number(key)?, list: None }),
            "r" => Ok(ListOp::Read { key: number(key)?, list: Some(all(rest, integer)?) }),
            "append" => Ok(ListOp::Append { key: number(key)?, val: integer(rest)? }),
            other => Err(format!("an operation :{other} of a transaction")),
        },
        _ => Err(format!("{op} is not [what k …]")),
    })
}

/// What a transaction was answered, which must be what was asked, with lists.
fn answered_list_ops(asked: &[ListOp], value: &Edn<'static>) -> Decoded<Box<[ListOp]>> {
    let answered = list_ops(value)?;
    let fits = |(asked, answered): (&ListOp, &ListOp)| match (asked, answered) {
        (ListOp::Read { key: a, .. }, ListOp::Read { key: b, list }) => a == b && list.is_some(),
        (asked, answered) => asked == answered,
    };
    match asked.len() == answered.len() && asked.iter().zip(&answered).all(fits) {
        true => Ok(answered),
        false => Err(format!("{value} answers another transaction")),
    }
}

fn marked(value: &Edn<'static>, names: &mut Names) -> Decoded<(u64, Marked)> {
    let (key, content) = pair(value)?;
    let has = names.name(&need(content, "has")?.to_string());
    let rev = number(need(content, "rev")?)?;
    Ok((key, Marked { rev, has, val: integer(need(content, "val")?)? }))
}

fn placed(value: &Edn<'static>, names: &mut Names) -> Decoded<Placed> {
    Ok(Placed {
        key: number(need(value, "pod")?)?,
        cpu: number(need(value, "cpu")?)?,
        node: field(value, "node").map(|node| label(node, names)),
    })
}

fn change(value: &Edn<'static>) -> Decoded<Change> {
    Ok(match word(need(value, "type")?)? {
        "added" => Change::Added,
        "modified" => Change::Modified,
        "deleted" => Change::Deleted,
        "bookmark" if field(value, "initial") == Some(&Edn::Bool(true)) => Change::InitialEnd,
        "bookmark" => Change::Bookmark,
        other => return Err(format!("an event of type :{other}")),
    })
}

fn word<'a>(value: &'a Edn<'static>) -> Decoded<&'a str> {
    match value {
        Edn::Key(text) | Edn::Str(text) => Ok(text),
        other => Err(format!("{other} is not a keyword")),
    }
}

fn selector(value: &Edn<'static>) -> Decoded<Selector> {
    match word(value)? {
        "all" => Ok(Selector::All),
        "even" => Ok(Selector::Even),
        "odd" => Ok(Selector::Odd),
        other => Err(format!("a selector :{other}")),
    }
}

fn mode(value: &Edn<'static>) -> Decoded<Mode> {
    match word(value)? {
        "watch" => Ok(Mode::Watch),
        "watch-list" => Ok(Mode::WatchList),
        "resume" => Ok(Mode::Resume),
        other => Err(format!("a watch's mode :{other}")),
    }
}

fn end(value: &Edn<'static>) -> Decoded<End> {
    match word(value)? {
        "timeout" => Ok(End::Timeout),
        "cut" => Ok(End::Cut),
        "closed" => Ok(End::Closed),
        "gone" => Ok(End::Gone),
        other => Err(format!("a watch's end :{other}")),
    }
}

fn deed(f: &str) -> Deed {
    match f {
        "note" => Deed::Note,
        "branch" => Deed::Branch,
        "merge" => Deed::Merge,
        "apply" => Deed::Apply,
        _ => Deed::Revert,
    }
}

fn verb(f: &str) -> LeaseVerb {
    match f {
        "acquire" => LeaseVerb::Acquire,
        "renew" => LeaseVerb::Renew,
        _ => LeaseVerb::Release,
    }
}
