//! What tells contents apart.

use sha2::{Digest, Sha256};

/// The SHA-256 of something, in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(bytes))
}
