//! Texts as numbers.

use indexmap::IndexSet;
use std::num::NonZeroU32;

/// The number of a text in [`Names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(NonZeroU32);

/// Each text once: uids and members are told in most lines.
#[derive(Debug, Default)]
pub struct Names {
    texts: IndexSet<Box<str>>,
}

impl Names {
    /// The number of a text, which is kept.
    pub fn name(&mut self, text: &str) -> Name {
        let place = match self.texts.get_index_of(text) {
            Some(place) => place,
            None => self.texts.insert_full(text.into()).0,
        };
        let number = u32::try_from(place + 1).expect("invariant: fewer than 2^32 texts fit memory");
        Name(NonZeroU32::new(number).expect("invariant: counted from 1"))
    }

    /// The text of a number.
    pub fn text(&self, name: Name) -> &str {
        self.texts.get_index(name.0.get() as usize - 1).map_or("?", |text| text)
    }
}
