//! Archives of arrays, as `numpy.savez` writes them.
//!
//! tch has a reader, which trusts the header about the length of the data and takes no array in Fortran's
//! order, which is how a transposed matrix is stored.

use files::archive;
use tch::{Kind, Tensor};

/// Every array of an archive, by name.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<(String, Tensor)>, String> {
    let remedy = |message: String| format!("{message}: write it with numpy.savez");
    let mut archive = archive::open(bytes).map_err(remedy)?;
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| remedy(error.to_string()))?;
        let name = entry.name().strip_suffix(".npy").unwrap_or(entry.name()).to_owned();
        let bytes = archive::unpack(entry);
        let array =
            bytes.and_then(|bytes| array(&bytes)).map_err(|message| format!("`{name}`: {message}"))?;
        arrays.push((name, array));
    }
    Ok(arrays)
}

/// An array in the format `npy`, versions 1 to 3.
fn array(bytes: &[u8]) -> Result<Tensor, String> {
    let no_array = || "it is no array of NumPy".to_owned();
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or_else(no_array)?;
    let (&[major, _], rest) = rest.split_first_chunk().ok_or_else(no_array)?;
    let (length, rest) = if major == 1 {
        let (length, rest) = rest.split_first_chunk().ok_or_else(no_array)?;
        (usize::from(u16::from_le_bytes(*length)), rest)
    } else {
        let (length, rest) = rest.split_first_chunk().ok_or_else(no_array)?;
        (u32::from_le_bytes(*length) as usize, rest)
    };
    let (header, data) = rest.split_at_checked(length).ok_or_else(no_array)?;
    let header = String::from_utf8_lossy(header);
    // The header is a Python dict with these three keys, written by `repr`.
    let after = |key: &str| header.split_once(key).map(|(_, rest)| rest.trim_start().to_owned());
    let dtype = after("'descr':").ok_or_else(no_array)?;
    let dtype = dtype.strip_prefix('\'').and_then(|text| text.split('\'').next()).unwrap_or("a record");
    let kind = match dtype.trim_start_matches(['<', '|', '=']) {
        "f2" => Kind::Half,
        "f4" => Kind::Float,
        "f8" => Kind::Double,
        "i8" => Kind::Int64,
        "i4" => Kind::Int,
        "i2" => Kind::Int16,
        "i1" => Kind::Int8,
        "u1" => Kind::Uint8,
        "b1" => Kind::Bool,
        _ => return Err(format!("its dtype is {dtype}: store float32, float64 or int64, little-endian")),
    };
    let shape = after("'shape':").ok_or_else(no_array)?;
    let shape = shape.strip_prefix('(').and_then(|text| text.split(')').next()).ok_or_else(no_array)?;
    let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
    let mut sizes: Vec<i64> =
        sizes.map(str::parse).collect::<Result<_, std::num::ParseIntError>>().map_err(|_| no_array())?;
    let bytes_told = sizes
        .iter()
        .try_fold(kind.elt_size_in_bytes(), |bytes, size| bytes.checked_mul(usize::try_from(*size).ok()?));
    if bytes_told != Some(data.len()) {
        return Err(format!(
            "the header tells of a shape ({shape}) of {dtype}, and {} bytes follow",
            data.len()
        ));
    }
    let fortran = after("'fortran_order':").is_some_and(|text| text.starts_with("True"));
    if fortran {
        sizes.reverse();
    }
    let array = Tensor::from_data_size(data, &sizes, kind);
    let reversed: Vec<i64> = (0..sizes.len() as i64).rev().collect();
    Ok(if fortran { array.permute(reversed).contiguous() } else { array })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let length = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
    }

    #[test]
    fn both_orders_are_read() {
        let data: Vec<u8> = (1..=6).flat_map(|x| f64::from(x).to_le_bytes()).collect();
        let read = |order: &str| {
            let header =
                format!("{{'descr': '<f8', 'fortran_order': {order}, 'shape': (2, 3), }}          \n");
            Vec::<f64>::try_from(array(&npy(&header, &data)).unwrap().flatten(0, -1)).unwrap()
        };
        assert_eq!(read("False"), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(read("True"), [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    }

    #[test]
    fn a_header_that_lies_about_the_length_reads_no_memory_that_is_not_its_own() {
        for shape in ["(3,)", "(1,)", "(-2,)", "(4611686018427387904, 4611686018427387904)", "()"] {
            let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
            let message = array(&npy(&header, &[0; 16])).unwrap_err();
            assert!(message.contains("and 16 bytes follow"), "{message}");
        }
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for bytes in [&b""[..], b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff{", b"PK"] {
            assert_eq!(array(bytes).unwrap_err(), "it is no array of NumPy");
        }
        let big_endian = npy("{'descr': '>f8', 'fortran_order': False, 'shape': (2,), }\n", &[0; 16]);
        assert!(array(&big_endian).unwrap_err().starts_with("its dtype is >f8: store float32"));
        let record = npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (2,), }\n", &[0; 16]);
        assert!(array(&record).unwrap_err().starts_with("its dtype is a record: "));
    }
}
