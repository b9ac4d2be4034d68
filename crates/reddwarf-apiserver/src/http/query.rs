//! Query parameters, read as upstream's conversion of `url.Values` reads them.

use crate::errors::bad_request;
use reddwarf_core::Status;
use std::borrow::Cow;

/// The decoded parameters in their order.
#[derive(Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes the part of a URL after the question mark.
    pub fn parse(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Query(pairs.map(|(k, v)| (owned(k), owned(v))).collect())
    }

    /// The first value of a parameter, if it is there and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.first(name).filter(|v| !v.is_empty())
    }

    /// The first value of a parameter.
    pub fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> + 'a {
        self.0.iter().filter(move |(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// Whether any parameter is given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A boolean: `false` and `0` are false, any other text is true.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.first(name).map(|v| !(v.eq_ignore_ascii_case("false") || v == "0"))
    }

    /// A number.
    ///
    /// # Errors
    /// 400 in the words of Go's `strconv`.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Box<Status>> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse::<i64>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => {
                Err(bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))
            }
        }
    }
}

fn owned(text: Cow<'_, str>) -> String {
    text.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let query =
            Query::parse(Some("watch=1&a=&limit=x&labelSelector=a%3Db&dryRun=All&dryRun=B"));
        assert_eq!(query.flag("watch"), Some(true));
        assert_eq!(query.flag("none"), None);
        assert_eq!(query.text("a"), None);
        assert_eq!(query.text("labelSelector"), Some("a=b"));
        assert_eq!(query.all("dryRun").collect::<Vec<_>>(), ["All", "B"]);
        assert!(query.number("limit").is_err());
        assert_eq!(query.number("none").expect("absent"), None);
    }
}
