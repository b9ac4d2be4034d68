//! Checks of the place where a revision is written into an object's bytes.

/// What stands before a splice offset.
pub const VERSION_PREFIX: &[u8] = b"\"resourceVersion\":\"";

/// Whether `offset` points between the two quotes of an empty `"resourceVersion":""`.
pub fn splice_offset_is_valid(body: &[u8], offset: u32) -> bool {
    let offset = offset as usize;
    body.get(offset) == Some(&b'"') && body[..offset].ends_with(VERSION_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_empty_version_is_accepted() {
        let body = br#"{"metadata":{"resourceVersion":""}}"#;
        let at = 32;
        assert!(splice_offset_is_valid(body, at));
        for wrong in [0, at - 1, at + 1, body.len() as u32, u32::MAX] {
            assert!(!splice_offset_is_valid(body, wrong), "{wrong}");
        }
        assert!(!splice_offset_is_valid(br#"{"metadata":{"resourceVersion":"7"}}"#, at));
        assert!(!splice_offset_is_valid(br#"{"metadata":{"resourceVersion":""#, at));
    }
}
