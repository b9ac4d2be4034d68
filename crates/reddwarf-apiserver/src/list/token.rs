//! Continue tokens, in upstream's form: unpadded URL-safe base64 of
//! `{"v":"meta.k8s.io/v1","rv":N,"start":"namespace/name\u0000"}`.
//!
//! Nothing in a token belongs to the member that issued it: the revision counts commits of the
//! group, and the key is the last object's.

use crate::errors::bad_request;
use crate::schema::{check_syntax, type_name};
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use base64::{DecodeError, Engine};
use reddwarf_core::Status;
use serde_json::{Value, json};

const VERSION: &str = "meta.k8s.io/v1";
/// As Go decodes it: bits behind the last whole byte do not matter.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&URL_SAFE, NO_PAD.with_decode_allow_trailing_bits(true));

/// Where the next page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The state of which pages are read; `None` reads the newest (an inconsistent list).
    pub revision: Option<u64>,
    /// The last item of the page before: its name, after its namespace and a slash in a list of
    /// all namespaces.
    pub after: String,
}

impl Token {
    /// The token as text.
    pub fn encode(&self) -> String {
        let rv = self.revision.map_or(-1, |r| r as i64);
        let wire = json!({"v": VERSION, "rv": rv, "start": format!("{}\0", self.after)});
        BASE64.encode(wire.to_string())
    }

    /// Reads a token.
    ///
    /// # Errors
    /// 400 in upstream's words.
    pub fn decode(text: &str) -> Result<Token, Box<Status>> {
        read(text).map_err(|why| {
            bad_request(format!("invalid continue token: continue key is not valid: {why}"))
        })
    }
}

fn read(text: &str) -> Result<Token, String> {
    let bytes = BASE64.decode(text).map_err(|error| {
        let at = match error {
            DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => at,
            DecodeError::InvalidLength(length) => length.saturating_sub(1),
            DecodeError::InvalidPadding => text.find('=').unwrap_or_default(),
        };
        format!("illegal base64 data at input byte {at}")
    })?;
    check_syntax(&bytes)?;
    let wire: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    if !wire.is_object() && !wire.is_null() {
        let found = type_name(&wire);
        return Err(format!(
            "json: cannot unmarshal {found} into Go value of type storage.continueToken"
        ));
    }
    let version = field(&wire, "v", "string", Value::as_str)?.unwrap_or_default();
    let revision = field(&wire, "rv", "int64", Value::as_i64)?.unwrap_or_default();
    let start = field(&wire, "start", "string", Value::as_str)?.unwrap_or_default();
    if version != VERSION {
        return Err(format!("server does not recognize this encoded version {version}"));
    }
    if revision == 0 {
        return Err("incorrect encoded start resourceVersion (version meta.k8s.io/v1)".to_owned());
    }
    if start.is_empty() {
        return Err("encoded start key empty (version meta.k8s.io/v1)".to_owned());
    }
    let key = start.strip_prefix('/').unwrap_or(start);
    if !key.is_empty() && key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(start.to_owned());
    }
    let after = key.trim_end_matches('\0').to_owned();
    Ok(Token { revision: u64::try_from(revision).ok(), after })
}

/// A field of the token, which may be absent or null.
fn field<'a, T>(
    wire: &'a Value,
    name: &str,
    of_type: &str,
    read: impl Fn(&'a Value) -> Option<T>,
) -> Result<Option<T>, String> {
    match wire.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read(value).map(Some).ok_or_else(|| {
            let found = match value {
                Value::Number(number) => format!("number {number}"),
                other => type_name(other).to_owned(),
            };
            format!(
                "json: cannot unmarshal {found} into Go struct field continueToken.{name} of type {of_type}"
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let message = Token::decode(text).expect_err("no token").message;
        let begin = "invalid continue token: continue key is not valid: ";
        message.strip_prefix(begin).expect("upstream's words").to_owned()
    }

    #[test]
    fn round_trip() {
        for revision in [Some(7), None] {
            let token = Token { revision, after: "shop/web".into() };
            assert_eq!(Token::decode(&token.encode()).expect("decodes"), token);
        }
    }

    #[test]
    fn upstreams_form() {
        let token = Token { revision: Some(7), after: "web".into() };
        let text = BASE64.encode(r#"{"v":"meta.k8s.io/v1","rv":7,"start":"web\u0000"}"#);
        assert_eq!(token.encode(), text);
    }

    #[test]
    fn refusals() {
        for (text, why) in [
            ("eyJhIjoxfQ", "server does not recognize this encoded version "),
            ("garbage", "invalid character '\\x81' looking for beginning of value"),
            ("a", "illegal base64 data at input byte 0"),
            ("ab=", "illegal base64 data at input byte 2"),
            ("ab+c", "illegal base64 data at input byte 2"),
        ] {
            assert_eq!(refusal(text), why, "{text}");
        }
        for (json, why) in [
            (r#"{"v":"x"}"#, "server does not recognize this encoded version x"),
            (
                r#"{"v":"meta.k8s.io/v1","start":"a"}"#,
                "incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
            ),
            (
                r#"{"v":"meta.k8s.io/v1","rv":1}"#,
                "encoded start key empty (version meta.k8s.io/v1)",
            ),
            (r#"{"v":"meta.k8s.io/v1","rv":1,"start":"../x"}"#, "../x"),
            (r#"{"v":"meta.k8s.io/v1","rv":1,"start":"a//x"}"#, "a//x"),
            (
                r#"{"v":1}"#,
                "json: cannot unmarshal number 1 into Go struct field continueToken.v of type string",
            ),
            ("[]", "json: cannot unmarshal array into Go value of type storage.continueToken"),
        ] {
            assert_eq!(refusal(&BASE64.encode(json)), why, "{json}");
        }
    }
}
