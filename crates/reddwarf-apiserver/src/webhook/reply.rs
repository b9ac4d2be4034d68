//! Codes of answers, in the words of Go's client of the API.

use http::StatusCode;

/// What is said of an answer with that code; `None` for success.
pub(super) fn failure(code: StatusCode, body: &[u8]) -> Option<String> {
    if (200..=206).contains(&code.as_u16()) {
        return None;
    }
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let said = if text.is_empty() { "unknown" } else { text };
    Some(match code {
        StatusCode::BAD_REQUEST => "the server rejected our request for an unknown reason".into(),
        StatusCode::UNAUTHORIZED => {
            "the server has asked for the client to provide credentials".into()
        }
        StatusCode::FORBIDDEN | StatusCode::UNSUPPORTED_MEDIA_TYPE => said.to_owned(),
        StatusCode::NOT_FOUND => "the server could not find the requested resource".into(),
        StatusCode::METHOD_NOT_ALLOWED => {
            "the server does not allow this method on the requested resource".into()
        }
        StatusCode::CONFLICT => "the server reported a conflict".into(),
        StatusCode::UNPROCESSABLE_ENTITY => {
            "the server rejected our request due to an error in our request".into()
        }
        StatusCode::TOO_MANY_REQUESTS => {
            "the server has received too many requests and has asked us to try again later".into()
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            "the server is currently unable to handle the request".into()
        }
        StatusCode::GATEWAY_TIMEOUT => {
            "the server was unable to return a response in the time allotted, but may still be processing the request".into()
        }
        code if code.is_server_error() => {
            format!("an error on the server ({said:?}) has prevented the request from succeeding")
        }
        code => format!(
            "the server responded with the status code {} but did not return more information",
            code.as_u16()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_words() {
        let said = |code: u16, body: &str| {
            failure(StatusCode::from_u16(code).expect("a code"), body.as_bytes())
        };
        assert_eq!(said(200, "x"), None);
        assert_eq!(
            said(500, "no\n").as_deref(),
            Some("an error on the server (\"no\") has prevented the request from succeeding")
        );
        assert_eq!(
            said(302, "").as_deref(),
            Some(
                "the server responded with the status code 302 but did not return more information"
            )
        );
        assert_eq!(said(403, "").as_deref(), Some("unknown"));
    }
}
