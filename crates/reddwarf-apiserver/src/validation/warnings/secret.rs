//! TLS secrets that hold no certificate and key. Whether the key fits the certificate is not
//! looked at.

use super::super::read::text;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use x509_parser::pem::Pem;

const CERTIFICATE: &str = "CERTIFICATE";

/// What is wrong with the pair.
pub fn tls(secret: &Value) -> Option<String> {
    if text(secret, "type") != "kubernetes.io/tls" {
        return None;
    }
    let blocks = |name: &str| -> Vec<Pem> {
        let bytes = STANDARD.decode(text(&secret["data"], name)).unwrap_or_default();
        Pem::iter_from_buffer(&bytes).filter_map(Result::ok).collect()
    };
    let (certificates, keys) = (blocks("tls.crt"), blocks("tls.key"));
    let Some(certificate) = certificates.iter().find(|block| block.label == CERTIFICATE) else {
        return Some(no_certificate(&certificates));
    };
    if !keys.iter().any(is_key) {
        return Some(no_key(&keys));
    }
    certificate.parse_x509().is_err().then(|| "x509: malformed certificate".to_owned())
}

fn is_key(block: &Pem) -> bool {
    block.label == "PRIVATE KEY" || block.label.ends_with(" PRIVATE KEY")
}

fn no_certificate(blocks: &[Pem]) -> String {
    match blocks {
        [] => "tls: failed to find any PEM data in certificate input".to_owned(),
        [key] if is_key(key) => "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched".to_owned(),
        _ => format!(
            "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following types: [{}]",
            types(blocks)
        ),
    }
}

fn no_key(blocks: &[Pem]) -> String {
    match blocks {
        [] => "tls: failed to find any PEM data in key input".to_owned(),
        [only] if only.label == CERTIFICATE => {
            "tls: found a certificate rather than a key in the PEM for the private key".to_owned()
        }
        _ => format!(
            "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the following types: [{}]",
            types(blocks)
        ),
    }
}

fn types(blocks: &[Pem]) -> String {
    blocks.iter().map(|block| block.label.as_str()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn pairs() {
        let block = |label: &str| format!("-----BEGIN {label}-----\neA==\n-----END {label}-----\n");
        let texts = [CERTIFICATE, "EC PRIVATE KEY", "ODD"].map(block);
        let [certificate, key, odd] = texts.each_ref().map(String::as_str);
        let of = |certificate: &str, key: &str| {
            let data =
                json!({"tls.crt": STANDARD.encode(certificate), "tls.key": STANDARD.encode(key)});
            tls(&json!({"type": "kubernetes.io/tls", "data": data})).unwrap_or_default()
        };
        for (certificate, key, expected) in [
            ("x", "x", "tls: failed to find any PEM data in certificate input"),
            (certificate, "x", "tls: failed to find any PEM data in key input"),
            (key, key, "PEM inputs may have been switched"),
            (certificate, certificate, "found a certificate rather than a key"),
            (odd, key, "of the following types: [ODD]"),
            (certificate, key, "x509: malformed certificate"),
        ] {
            assert!(of(certificate, key).contains(expected), "{}", of(certificate, key));
        }
        assert_eq!(tls(&json!({"type": "Opaque"})), None);
    }
}
