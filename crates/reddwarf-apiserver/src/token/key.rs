//! The key that signs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// DER of a P-256 `SubjectPublicKeyInfo` up to the point.
const PUBLIC_KEY_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Bytes of a coordinate; the point is a mark and two of them.
const COORDINATE_BYTES: usize = 32;

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are not a P-256 key in PKCS #8.
    #[error("the signing key cannot be read")]
    Malformed,
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    Random,
}

/// A P-256 key.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    id: String,
}

impl SigningKey {
    /// Makes a key; its PKCS #8 bytes.
    ///
    /// # Errors
    /// [`KeyError::Random`]
    pub fn generate() -> Result<Vec<u8>, KeyError> {
        let made =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        Ok(made.map_err(|_| KeyError::Random)?.as_ref().to_vec())
    }

    /// Reads PKCS #8 bytes.
    ///
    /// # Errors
    /// [`KeyError::Malformed`]
    pub fn read(pkcs8: &[u8]) -> Result<Self, KeyError> {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, &SystemRandom::new())
            .map_err(|_| KeyError::Malformed)?;
        let mut hash = Sha256::new();
        hash.update(PUBLIC_KEY_HEAD);
        hash.update(pair.public_key());
        let id = URL_SAFE_NO_PAD.encode(hash.finalize());
        Ok(SigningKey { pair, id })
    }

    /// The key's name in tokens: the hash of its public half.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The signature (two numbers of 32 bytes) of a message.
    ///
    /// # Errors
    /// [`KeyError::Random`]
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signed = self.pair.sign(&SystemRandom::new(), message);
        Ok(signed.map_err(|_| KeyError::Random)?.as_ref().to_vec())
    }

    /// Whether a signature of a message is this key's.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let public = self.pair.public_key().as_ref();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public).verify(message, signature).is_ok()
    }

    /// The public half as a JSON web key.
    pub fn public(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(COORDINATE_BYTES);
        json!({
            "use": "sig", "kty": "EC", "kid": self.id, "crv": "P-256", "alg": "ES256",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures() {
        let bytes = SigningKey::generate().expect("made");
        let (key, again) = (SigningKey::read(&bytes), SigningKey::read(&bytes));
        let (key, again) = (key.expect("read"), again.expect("read"));
        assert_eq!(key.id(), again.id());
        let signature = key.sign(b"message").expect("signed");
        assert_eq!(signature.len(), 2 * COORDINATE_BYTES);
        assert!(again.verifies(b"message", &signature));
        assert!(!again.verifies(b"another", &signature));
        let other = SigningKey::read(&SigningKey::generate().expect("made")).expect("read");
        assert!(!other.verifies(b"message", &signature));
        assert_ne!(other.id(), key.id());
        assert_eq!(SigningKey::read(b"nonsense").err(), Some(KeyError::Malformed));
    }

    #[test]
    fn the_identifier_is_the_hash_of_the_public_key() {
        use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo};
        let key = SigningKey::read(&SigningKey::generate().expect("made")).expect("read");
        let der = [&PUBLIC_KEY_HEAD[..], key.pair.public_key().as_ref()].concat();
        let (rest, info) = SubjectPublicKeyInfo::from_der(&der).expect("DER");
        assert!(rest.is_empty());
        assert_eq!(info.subject_public_key.data.as_ref(), key.pair.public_key().as_ref());
    }
}
