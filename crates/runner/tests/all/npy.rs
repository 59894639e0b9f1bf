//! Files of NumPy.

use std::fs;
use std::path::Path;

use crate::sandbox::text;

/// The header and the numbers of a file of NumPy.
pub fn numbers(path: &Path) -> (String, Vec<f32>) {
    let bytes = fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let length = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    assert_eq!(length % 64, 0);
    let numbers = bytes[length..].chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap()));
    (text(&bytes[10..length]), numbers.collect())
}
