//! From answers to outcomes: what surely happened, surely did not, or may have.

use crate::client::{Answer, ClientError};
use crate::history::{Edn, value};
use serde_json::Value;
use std::collections::BTreeMap;

/// Whether an operation changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Not: whatever goes wrong, it did not happen.
    Read,
    /// It may.
    Write,
}

/// How an operation ended, as far as its client knows.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It happened, with this value.
    Ok(Edn),
    /// It did not happen; the value is that of the invocation.
    Fail(BTreeMap<String, Edn>),
    /// Nobody knows.
    Info(String),
}

impl Outcome {
    /// A failure that the vocabulary names.
    pub fn fail(error: &str) -> Outcome {
        Outcome::Fail(BTreeMap::from([("error".to_owned(), value::keyword(error))]))
    }

    fn fail_because(error: String) -> Outcome {
        Outcome::Fail(BTreeMap::from([("error".to_owned(), value::text(error))]))
    }

    /// Of a request, with what a success means.
    pub fn of(
        effect: Effect,
        answer: Result<Answer, ClientError>,
        read: impl FnOnce(&Value) -> Option<Edn>,
    ) -> Outcome {
        match answer {
            Ok(answer) if answer.is_success() => match answer.json().as_ref().and_then(read) {
                Some(value) => Outcome::Ok(value),
                // It was done, but with what result?
                None => Outcome::Info("the answer cannot be read".into()),
            },
            Ok(answer) => Outcome::refused(effect, &answer),
            Err(error) => Outcome::unanswered(effect, &error),
        }
    }

    /// Of a request without an answer.
    pub fn unanswered(effect: Effect, error: &ClientError) -> Outcome {
        match error {
            ClientError::Refused(answer) => Outcome::refused(effect, answer),
            ClientError::NotSent(_) => Outcome::fail_because(error.to_string()),
            _ if effect == Effect::Read => Outcome::fail_because(error.to_string()),
            _ => Outcome::Info(error.to_string()),
        }
    }

    /// Of an answer that is no success.
    pub fn refused(effect: Effect, answer: &Answer) -> Outcome {
        let status = answer.json().unwrap_or_default();
        let reason = status["reason"].as_str().unwrap_or_default();
        let message = status["message"].as_str().unwrap_or_default();
        match (answer.status.as_u16(), reason) {
            (409, "AlreadyExists") => Outcome::fail("exists"),
            (409, _) => Outcome::fail("conflict"),
            (404, _) => Outcome::fail("not-found"),
            (410, _) => expired(message),
            (429, _) => Outcome::fail("throttled"),
            // Refused before anything was done.
            (code @ 400..500, _) => Outcome::fail_because(format!("{code} {reason}: {message}")),
            (code, _) if effect == Effect::Read => {
                Outcome::fail_because(format!("{code} {reason}: {message}"))
            }
            // Also 503: a server may lose what it needs between doing and answering.
            (code, _) => Outcome::Info(format!("{code} {reason}: {message}")),
        }
    }
}

/// A version that is no longer there, with the floor when the server tells it:
/// `too old resource version: 5 (70)`.
pub fn expired(message: &str) -> Outcome {
    let mut more = BTreeMap::from([("error".to_owned(), value::keyword("expired"))]);
    let told = message.rsplit_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    if let Some(floor) = told.and_then(|floor| floor.parse().ok()) {
        more.insert("floor".into(), value::number(floor));
    }
    Outcome::Fail(more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    fn answer(code: u16, reason: &str, message: &str) -> Answer {
        let body = serde_json::json!({"reason": reason, "message": message}).to_string();
        let status = StatusCode::from_u16(code).expect("a code");
        Answer { status, headers: Box::default(), body: body.into() }
    }

    fn named(outcome: &Outcome) -> String {
        match outcome {
            Outcome::Ok(_) => "ok".into(),
            Outcome::Fail(more) => format!("fail {}", more["error"]),
            Outcome::Info(_) => "info".into(),
        }
    }

    #[test]
    fn writes_are_unknown_unless_surely_not_done() {
        let of = |code, reason| named(&Outcome::refused(Effect::Write, &answer(code, reason, "m")));
        assert_eq!(of(409, "AlreadyExists"), "fail :exists");
        assert_eq!(of(409, "Conflict"), "fail :conflict");
        assert_eq!(of(404, "NotFound"), "fail :not-found");
        assert_eq!(of(429, "TooManyRequests"), "fail :throttled");
        assert_eq!(of(422, "Invalid"), "fail \"422 Invalid: m\"");
        assert_eq!([of(500, ""), of(503, ""), of(504, "Timeout")], ["info", "info", "info"]);
        let unanswered = |error| named(&Outcome::unanswered(Effect::Write, &error));
        assert_eq!(unanswered(ClientError::Timeout), "info");
        assert_eq!(unanswered(ClientError::Broken("reset".into())), "info");
        assert_eq!(
            unanswered(ClientError::NotSent("refused".into())),
            "fail \"not sent: refused\""
        );
    }

    #[test]
    fn reads_never_happened_when_they_fail() {
        assert!(
            named(&Outcome::refused(Effect::Read, &answer(504, "Timeout", ""))).starts_with("fail")
        );
        assert!(
            named(&Outcome::unanswered(Effect::Read, &ClientError::Timeout)).starts_with("fail")
        );
    }

    #[test]
    fn the_floor_is_told() {
        let told = Outcome::refused(
            Effect::Read,
            &answer(410, "Expired", "too old resource version: 5 (70)"),
        );
        let Outcome::Fail(more) = told else { panic!("a failure") };
        assert_eq!(more["floor"], Edn::Int(70));
        assert_eq!(more["error"], value::keyword("expired"));
    }

    #[test]
    fn a_success_that_cannot_be_read_is_unknown() {
        let unread = Outcome::of(Effect::Write, Ok(answer(200, "", "")), |_| None);
        assert_eq!(named(&unread), "info");
    }
}
