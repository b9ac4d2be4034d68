//! Lists in other forms than the stored one: tables, metadata only, other versions, YAML,
//! indented. Written piece by piece, so that a long list never stands in memory as a whole.

use super::ListAnswer;
use crate::http::Representation;
use crate::http::yaml::to_yaml;
use crate::registry::RowContext;
use crate::representation::{self, TableOptions};
use serde_json::{Map, Value};

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// JSON without white space.
    Json,
    /// JSON with an indentation of two.
    Indented,
    /// YAML, keys sorted.
    Yaml,
}

/// A list on its way into text.
pub struct Rendering {
    list: ListAnswer,
    representation: Representation,
    table: TableOptions,
    syntax: Syntax,
    context: RowContext,
    /// The next item.
    at: usize,
    stage: Stage,
}

#[derive(PartialEq, Eq)]
enum Stage {
    Head,
    Items,
    Ended,
}

impl Rendering {
    /// Begins to write `list`.
    pub fn new(
        list: ListAnswer,
        representation: Representation,
        table: TableOptions,
        syntax: Syntax,
    ) -> Self {
        let context = RowContext { now_ms: jiff::Timestamp::now().as_millisecond() };
        Rendering { list, representation, table, syntax, context, at: 0, stage: Stage::Head }
    }

    /// The next piece, of so many items at most; `None` after the last.
    pub fn next(&mut self, items_max: usize) -> Option<String> {
        let mut out = String::new();
        match self.stage {
            Stage::Ended => return None,
            Stage::Head => {
                self.head(&mut out);
                self.stage = Stage::Items;
            }
            Stage::Items => {}
        }
        let end = self.list.items.len().min(self.at.saturating_add(items_max));
        while self.at < end {
            self.item(&mut out);
            self.at += 1;
        }
        if self.at == self.list.items.len() {
            self.tail(&mut out);
            self.stage = Stage::Ended;
        }
        Some(out)
    }

    /// Everything.
    pub fn whole(mut self) -> String {
        self.next(usize::MAX).unwrap_or_default()
    }

    /// The document without its items, and the key under which they stand: its last.
    fn frame(&self) -> (Map<String, Value>, &'static str) {
        let (list, meta) = (&self.list, self.list.metadata());
        match self.representation {
            Representation::Table(newest) => {
                let table = representation::table_head(&list.kind, meta, newest, &self.table);
                (table, "rows")
            }
            Representation::Partial(newest) | Representation::PartialList(newest) => {
                (representation::partial_head(meta, newest), "items")
            }
            _ => (representation::list_head(&list.kind, meta), "items"),
        }
    }

    fn head(&self, out: &mut String) {
        let (frame, key) = self.frame();
        match self.syntax {
            Syntax::Yaml => {
                let before = frame.into_iter().filter(|(k, _)| k.as_str() < key);
                out.push_str(&to_yaml(&Value::Object(before.collect())));
                out.push_str(key);
                out.push_str(if self.list.items.is_empty() { ": []\n" } else { ":\n" });
            }
            Syntax::Json => {
                let text = Value::Object(frame).to_string();
                out.push_str(text.strip_suffix('}').unwrap_or(&text));
                out.push_str(&format!(",\"{key}\":["));
            }
            Syntax::Indented => {
                let text = format!("{:#}", Value::Object(frame));
                out.push_str(text.strip_suffix("\n}").unwrap_or(&text));
                out.push_str(&format!(",\n  \"{key}\": ["));
            }
        }
    }

    fn item(&self, out: &mut String) {
        let kind = &self.list.kind;
        let object = match &self.list.converted {
            Some(converted) => representation::parse(&converted[self.at]),
            None => representation::shown(kind, &self.list.items[self.at].bytes),
        };
        let value = match self.representation {
            Representation::Table(newest) => {
                representation::row(kind, object, newest, &self.table, &self.context)
            }
            Representation::Partial(newest) | Representation::PartialList(newest) => {
                representation::partial(object, newest)
            }
            // Upstream leaves the type out where its items are Go structs.
            _ if kind.custom.is_none() => representation::without_type(object),
            _ => object,
        };
        if self.at > 0 && self.syntax != Syntax::Yaml {
            out.push(',');
        }
        match self.syntax {
            Syntax::Json => out.push_str(&value.to_string()),
            Syntax::Yaml => out.push_str(&to_yaml(&Value::Array(vec![value]))),
            Syntax::Indented => {
                // Line ends within texts are escaped, so these are the document's own.
                out.push_str("\n    ");
                out.push_str(&format!("{value:#}").replace('\n', "\n    "));
            }
        }
    }

    fn tail(&self, out: &mut String) {
        match self.syntax {
            Syntax::Json => out.push_str("]}"),
            Syntax::Indented if self.list.items.is_empty() => out.push_str("]\n}\n"),
            Syntax::Indented => out.push_str("\n  ]\n}\n"),
            Syntax::Yaml => {
                let (frame, key) = self.frame();
                let after = frame.into_iter().filter(|(k, _)| k.as_str() > key);
                let after: Map<String, Value> = after.collect();
                if !after.is_empty() {
                    out.push_str(&to_yaml(&Value::Object(after)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::to_change;
    use crate::registry::Registry;
    use reddwarf_core::{Change, Revision, StoredObject};
    use serde_json::json;
    use std::sync::Arc;

    fn list(count: usize) -> ListAnswer {
        let registry = Registry::builtin();
        let kind = registry.resource("", "v1", "configmaps").expect("a kind").clone();
        let items = (0..count).map(|n| {
            let object = json!({
                "kind": "ConfigMap", "apiVersion": "v1",
                "metadata": {"name": format!("m{n}"), "namespace": "a"},
                "data": {"lines": "one\ntwo\n", "n": n.to_string()},
            });
            let key = kind.storage.collection.key("a", &format!("m{n}"));
            let Change::Put { key, body, index, .. } = to_change(&kind, key, &object).0 else {
                panic!("a put")
            };
            let (revision, created) = (Revision(7), Revision(7));
            let (version_at, content) = ((0, 0), [0; 32]);
            Arc::new(StoredObject {
                key,
                revision,
                created,
                bytes: body,
                version_at,
                index,
                salt: None,
                content,
            })
        });
        let items = items.collect();
        ListAnswer {
            kind,
            items,
            revision: Revision(9),
            next: Some("t".into()),
            remaining: Some(2),
            converted: None,
        }
    }

    const FORMS: [Representation; 3] =
        [Representation::Full, Representation::Table(true), Representation::Partial(false)];

    fn text(count: usize, form: Representation, syntax: Syntax, step: usize) -> String {
        let mut rendering = Rendering::new(list(count), form, TableOptions::default(), syntax);
        rendering.context.now_ms = 0;
        std::iter::from_fn(|| rendering.next(step)).collect()
    }

    #[test]
    fn pieces_make_the_same_text_in_any_size_and_syntax() {
        for (count, form) in [0, 1, 5].into_iter().flat_map(|n| FORMS.map(|form| (n, form))) {
            let plain = text(count, form, Syntax::Json, usize::MAX);
            let value: Value = serde_json::from_str(&plain).expect("JSON");
            assert_eq!(value.to_string(), plain, "{form:?}");
            let indented = format!("{value:#}\n");
            for step in [1, 2, usize::MAX] {
                assert_eq!(text(count, form, Syntax::Json, step), plain);
                assert_eq!(text(count, form, Syntax::Indented, step), indented);
                assert_eq!(text(count, form, Syntax::Yaml, step), to_yaml(&value));
            }
        }
    }

    #[test]
    fn a_list_is_of_its_kind() {
        let value: Value =
            serde_json::from_str(&text(2, Representation::Full, Syntax::Json, 1)).expect("JSON");
        assert_eq!(value["kind"], "ConfigMapList");
        assert_eq!(value["metadata"]["remainingItemCount"], 2);
        assert_eq!(value["items"][1]["data"]["n"], "1");
        assert_eq!(value["items"][0].get("kind"), None);
        let value: Value =
            serde_json::from_str(&text(2, Representation::Table(true), Syntax::Json, 1))
                .expect("JSON");
        assert_eq!(value["rows"][1]["object"]["metadata"]["name"], "m1");
        assert_eq!(value["columnDefinitions"][0]["name"], "Name");
    }
}
