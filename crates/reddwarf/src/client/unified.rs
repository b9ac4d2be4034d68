//! What differs between two versions of an object, as people read it.

use serde_json::{Map, Value};
use similar::TextDiff;
use std::collections::BTreeMap;
use std::time::Duration;

/// Lines shown around each difference.
const CONTEXT_LINES: usize = 3;
/// How long the shortest diff is looked for; after that any diff will do.
const SEARCH_MS: u64 = 1_000;

/// The unified diff (`diff -u`, `kubectl diff`) of two versions of an object in YAML, where `None`
/// is its absence; empty when they are the same.
///
/// Fields are sorted by name, as in all of kubectl's YAML, so that their order in the versions
/// shows nowhere.
///
/// # Errors
/// A version that YAML cannot tell.
pub fn unified_yaml(
    name_before: &str,
    name_after: &str,
    before: Option<&Value>,
    after: Option<&Value>,
) -> Result<String, serde_yaml_ng::Error> {
    let (before, after) = (yaml(before)?, yaml(after)?);
    let mut search = TextDiff::configure();
    let diff = search.timeout(Duration::from_millis(SEARCH_MS)).diff_lines(&before, &after);
    let mut unified = diff.unified_diff();
    Ok(unified.context_radius(CONTEXT_LINES).header(name_before, name_after).to_string())
}

fn yaml(object: Option<&Value>) -> Result<String, serde_yaml_ng::Error> {
    object.map_or_else(|| Ok(String::new()), |object| serde_yaml_ng::to_string(&sorted(object)))
}

/// The same with all fields sorted by name.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<_, _> = fields.iter().collect();
            let fields = fields.into_iter().map(|(name, value)| (name.clone(), sorted(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        scalar => scalar.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn unified(before: Option<Value>, after: Option<Value>) -> String {
        unified_yaml("a/web", "b/web", before.as_ref(), after.as_ref()).expect("YAML")
    }

    #[test]
    fn changed_lines_with_those_around() {
        let containers = |image: &str| json!([{"name": "web", "image": image, "args": ["--x", "true"], "ports": [{"containerPort": 80}]}]);
        let before = json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web"},
            "spec": {"containers": containers("web:1")}});
        let after = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"},
            "spec": {"containers": containers("web:2"), "hostNetwork": true}});
        let expected = "\
--- a/web
+++ b/web
@@ -7,7 +7,8 @@
   - args:
     - --x
     - 'true'
-    image: web:1
+    image: web:2
     name: web
     ports:
     - containerPort: 80
+  hostNetwork: true
";
        assert_eq!(unified(Some(before.clone()), Some(after)), expected);
        assert_eq!(unified(Some(before.clone()), Some(before)), "");
    }

    #[test]
    fn texts_of_several_lines_line_by_line() {
        let map = |text: &str| Some(json!({"data": {"file": text}}));
        let expected = "\
--- a/web
+++ b/web
@@ -1,4 +1,4 @@
 data:
   file: |
     one
-    two
+    2
";
        assert_eq!(unified(map("one\ntwo\n"), map("one\n2\n")), expected);
    }

    #[test]
    fn objects_that_come_and_go() {
        let object = || Some(json!({"a": 1, "b": []}));
        assert_eq!(
            unified(None, object()),
            "--- a/web\n+++ b/web\n@@ -0,0 +1,2 @@\n+a: 1\n+b: []\n"
        );
        assert_eq!(
            unified(object(), None),
            "--- a/web\n+++ b/web\n@@ -1,2 +0,0 @@\n-a: 1\n-b: []\n"
        );
        assert_eq!(unified(None, None), "");
    }
}
