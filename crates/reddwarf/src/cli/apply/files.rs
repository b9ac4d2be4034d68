//! Reads the objects of a set, and keeps plans.

use miette::Diagnostic;
use reddwarf_apiserver::schema::parse_documents;
use reddwarf_core::limits::PROPOSAL_BYTES_MAX;
use serde_json::Value;
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files of a folder that hold objects.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

#[derive(Debug, thiserror::Error, Diagnostic)]
pub(super) enum Failed {
    #[error("{} cannot be read", path.display())]
    #[diagnostic(code(reddwarf::apply::read))]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} cannot be written", path.display())]
    #[diagnostic(code(reddwarf::apply::write))]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} holds no objects: {why}", path.display())]
    #[diagnostic(code(reddwarf::apply::form), help("YAML or JSON of Kubernetes objects is wanted"))]
    Form { path: PathBuf, why: String },
    #[error("there are no objects in what was given")]
    #[diagnostic(
        code(reddwarf::apply::nothing),
        help("files of a folder are read when they end with .yaml, .yml or .json")
    )]
    Nothing,
    #[error("the set has {bytes} bytes, and {PROPOSAL_BYTES_MAX} are the most that it may have")]
    #[diagnostic(
        code(reddwarf::apply::size),
        help("apply parts of it, each of which is then a commit of its own")
    )]
    TooLarge { bytes: usize },
    #[error("{} is no plan", path.display())]
    #[diagnostic(code(reddwarf::apply::plan), help("`reddwarf apply --plan -o FILE` keeps one"))]
    Plan { path: PathBuf },
}

/// Objects, and where each was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) objects: Vec<Value>,
    pub(super) origins: Vec<Origin>,
}

/// Where an object was found.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    path: Arc<Path>,
    /// Which one of the file's objects it is, from 1; `None` for the only one.
    place: Option<usize>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_os_str().as_encoded_bytes() {
            b"-" => f.write_str("standard input")?,
            _ => write!(f, "{}", self.path.display())?,
        }
        match self.place {
            Some(place) => write!(f, ", object {place}"),
            None => Ok(()),
        }
    }
}

/// All objects of these files, in their order; those of a folder in the order of their names.
pub(super) fn read(files: &[PathBuf]) -> Result<Found, Failed> {
    let mut found = Found::default();
    for path in files {
        for file in within(path)? {
            read_file(&file, &mut found)?;
        }
    }
    if found.objects.is_empty() { Err(Failed::Nothing) } else { Ok(found) }
}

fn within(path: &Path) -> Result<Vec<PathBuf>, Failed> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let failed = |source| Failed::Read { path: path.to_owned(), source };
    let mut files = Vec::new();
    for entry in path.read_dir().map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if file.is_file() && extension.is_some_and(|known| EXTENSIONS.contains(&known)) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn read_file(path: &Path, found: &mut Found) -> Result<(), Failed> {
    let text = text(path).map_err(|source| Failed::Read { path: path.to_owned(), source })?;
    let form = |why: String| Failed::Form { path: path.to_owned(), why };
    let before = found.objects.len();
    for document in parse_documents(&text).map_err(form)? {
        take_apart(document, &mut found.objects).map_err(form)?;
    }
    let (path, count) = (Arc::<Path>::from(path), found.objects.len() - before);
    let places = (1..=count).map(|place| (count > 1).then_some(place));
    found.origins.extend(places.map(|place| Origin { path: path.clone(), place }));
    Ok(())
}

fn text(path: &Path) -> io::Result<Vec<u8>> {
    if path != Path::new("-") {
        return std::fs::read(path);
    }
    let mut text = Vec::new();
    io::stdin().lock().read_to_end(&mut text)?;
    Ok(text)
}

/// Adds an object, or those of a list.
fn take_apart(document: Value, objects: &mut Vec<Value>) -> Result<(), String> {
    let Value::Object(mut object) = document else {
        return if document.is_null() { Ok(()) } else { Err("it has a value of its own".into()) };
    };
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    match (kind.ends_with("List"), object.get_mut("items").map(Value::take)) {
        (true, Some(Value::Array(items))) => {
            items.into_iter().try_for_each(|item| take_apart(item, objects))
        }
        (_, items) => {
            if let Some(items) = items {
                object.insert("items".to_owned(), items);
            }
            objects.push(Value::Object(object));
            Ok(())
        }
    }
}

/// A plan that was kept.
pub(super) fn read_plan(path: &Path) -> Result<Value, Failed> {
    let text = text(path).map_err(|source| Failed::Read { path: path.to_owned(), source })?;
    let set: Value = serde_json::from_slice(&text).unwrap_or_default();
    match set["spec"]["basedOn"].is_array() {
        true => Ok(set),
        false => Err(Failed::Plan { path: path.to_owned() }),
    }
}

/// Keeps a plan.
pub(super) fn write_plan(path: &Path, set: &Value) -> Result<(), Failed> {
    let written = std::fs::write(path, format!("{set:#}\n"));
    written.map_err(|source| Failed::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn names(objects: &[Value]) -> Vec<&str> {
        objects.iter().filter_map(|object| object["metadata"]["name"].as_str()).collect()
    }

    #[test]
    fn a_folder_is_read_in_the_order_of_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("written");
        };
        write("2.json", r#"{"kind": "Pod", "metadata": {"name": "c"}}"#);
        write(
            "1.yaml",
            "kind: Pod\nmetadata: {name: a}\n---\n---\nkind: Pod\nmetadata: {name: b}\n",
        );
        write("0.txt", "not an object");
        let found = read(&[folder.path().to_owned()]).expect("read");
        assert_eq!(names(&found.objects), ["a", "b", "c"]);
        let origins: Vec<String> = found.origins.iter().map(ToString::to_string).collect();
        let file = |name: &str| folder.path().join(name).display().to_string();
        let one = file("1.yaml");
        assert_eq!(
            origins,
            [format!("{one}, object 1"), format!("{one}, object 2"), file("2.json")]
        );
        let stdin = Origin { path: Path::new("-").into(), place: None };
        assert_eq!(stdin.to_string(), "standard input");
        let empty = read(&[folder.path().join("0.txt")]);
        assert!(matches!(empty, Err(Failed::Form { .. })), "{empty:?}");
        let nothing = tempfile::tempdir().expect("a folder");
        assert!(matches!(read(&[nothing.path().to_owned()]), Err(Failed::Nothing)));
    }

    #[test]
    fn lists_are_taken_apart() {
        let named = |name: &str| json!({"kind": "ConfigMap", "metadata": {"name": name}});
        let list = json!({"kind": "List", "items": [named("a"),
            {"kind": "ConfigMapList", "items": [named("b")]}]});
        let mut objects = Vec::new();
        take_apart(list, &mut objects).expect("taken apart");
        assert_eq!(names(&objects), ["a", "b"]);
        let mut kept = Vec::new();
        let with_items = json!({"kind": "Basket", "metadata": {"name": "c"}, "items": [1]});
        take_apart(with_items.clone(), &mut kept).expect("kept");
        assert_eq!(kept, [with_items]);
        assert!(take_apart(json!("text"), &mut kept).is_err());
    }

    #[test]
    fn plans_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("plan.json");
        let set = json!({"spec": {"objects": [], "basedOn": []}});
        write_plan(&file, &set).expect("written");
        assert_eq!(read_plan(&file).expect("read"), set);
        write_plan(&file, &json!({"spec": {}})).expect("written");
        assert!(read_plan(&file).is_err());
    }
}
