//! Where the items of a list stand, for lists that are looked into many times.

use super::items::text;
use reddwarf_core::{FieldPath, PathSegment};
use serde_json::Value;
use std::collections::BTreeMap;

/// An index of a list for the path segments of one form: it answers what
/// [`PathSegment::index_in`] does, without going through the list each time.
///
/// Names are texts as [`text`] makes them.
pub(super) struct Places {
    form: Form,
    /// Where the first item of each name stands.
    first: BTreeMap<String, usize>,
    /// Whether no two items have the same name.
    unique: bool,
}

/// What a segment tells the items of a list apart by.
#[derive(PartialEq)]
enum Form {
    Value,
    Keys(Vec<Box<str>>),
}

impl Places {
    /// Indexes items, which stand where they say, for segments like `like`; `None` when such a
    /// segment selects no items.
    pub(super) fn of<'v>(
        items: impl IntoIterator<Item = (usize, &'v Value)>,
        like: &PathSegment,
    ) -> Option<Self> {
        let form = Form::of(like)?;
        let mut places = Places { form, first: BTreeMap::new(), unique: true };
        for (at, item) in items {
            let Some(name) = places.name(item) else { continue };
            let first = *places.first.entry(name).or_insert(at);
            places.unique &= first == at;
        }
        Some(places)
    }

    /// Whether the index is one for this segment.
    pub(super) fn serves(&self, segment: &PathSegment) -> bool {
        match (&self.form, segment) {
            (Form::Value, PathSegment::Value(_)) => true,
            (Form::Keys(keys), PathSegment::Key(fields)) => {
                keys.iter().eq(fields.iter().map(|(key, _)| key))
            }
            _ => false,
        }
    }

    /// Where the first item of that name stands.
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.first.get(name).copied()
    }

    /// Follows a change of the list: `item` now stands at `place`, where the item of that name
    /// was or where nothing was. Returns false when that is too much for the index, which then no
    /// longer holds.
    pub(super) fn follow(&mut self, name: String, place: usize, item: Option<&Value>) -> bool {
        match item {
            None => self.first.remove(&name).is_none() || self.unique,
            Some(item) if self.name(item).as_ref() == Some(&name) => {
                self.first.entry(name).or_insert(place);
                true
            }
            Some(_) => false,
        }
    }

    /// What a segment of this form calls the item.
    fn name(&self, item: &Value) -> Option<String> {
        match (&self.form, item) {
            (Form::Value, Value::Array(_) | Value::Object(_)) => None,
            (Form::Value, scalar) => Some(scalar.to_string()),
            (Form::Keys(keys), Value::Object(fields)) => {
                let value = |key: &str| fields.get(key).unwrap_or(&Value::Null);
                Some(keys.iter().map(|key| format!("{},", value(key))).collect())
            }
            _ => None,
        }
    }
}

impl Form {
    fn of(segment: &PathSegment) -> Option<Self> {
        match segment {
            PathSegment::Field(_) => None,
            PathSegment::Value(_) => Some(Form::Value),
            PathSegment::Key(fields) => {
                Some(Form::Keys(fields.iter().map(|(key, _)| key.clone()).collect()))
            }
        }
    }
}

/// A place as texts that are equal for equal places only.
pub(super) type Address = Vec<String>;

pub(super) fn address(path: &FieldPath) -> Address {
    path.segments().iter().map(text).collect()
}

/// An object whose lists are indexed when they are first looked into.
pub(super) struct Indexed<'v> {
    object: Option<&'v Value>,
    lists: BTreeMap<Address, Places>,
}

impl<'v> Indexed<'v> {
    pub(super) fn of(object: Option<&'v Value>) -> Self {
        Indexed { object, lists: BTreeMap::new() }
    }

    /// The value at a path, whose address is `address`.
    pub(super) fn get(&mut self, path: &FieldPath, address: &[String]) -> Option<&'v Value> {
        let steps = path.segments().iter().enumerate();
        steps.into_iter().try_fold(self.object?, |value, (depth, segment)| match value {
            Value::Object(fields) => match segment {
                PathSegment::Field(name) => fields.get(&**name),
                _ => None,
            },
            Value::Array(items) => {
                let at = self.place(items, segment, &address[..depth], &address[depth]);
                items.get(at?)
            }
            _ => None,
        })
    }

    /// Where the item of that name stands in the list at an address.
    fn place(
        &mut self,
        items: &[Value],
        segment: &PathSegment,
        list: &[String],
        name: &str,
    ) -> Option<usize> {
        if !self.lists.get(list).is_some_and(|places| places.serves(segment)) {
            let places = Places::of(items.iter().enumerate(), segment)?;
            self.lists.insert(list.to_vec(), places);
        }
        self.lists.get(list)?.find(name)
    }
}
