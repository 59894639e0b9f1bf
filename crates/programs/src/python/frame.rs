//! Messages to and from a worker: see `python/optbench/worker.py`, which has the protocol.

use std::io::{self, Read, Write};

use serde_json::{Value, json};
use tch::{Kind, Tensor};

/// The longest header, and the most bytes of a tensor, that an answer may have.
const MOST_HEADER: u32 = 64 << 20;
const MOST_BYTES: u64 = 8 << 30;

const DTYPES: [(&str, Kind); 10] = [
    ("F64", Kind::Double),
    ("F32", Kind::Float),
    ("F16", Kind::Half),
    ("BF16", Kind::BFloat16),
    ("I64", Kind::Int64),
    ("I32", Kind::Int),
    ("I16", Kind::Int16),
    ("I8", Kind::Int8),
    ("U8", Kind::Uint8),
    ("BOOL", Kind::Bool),
];

/// The type with this name.
pub(super) fn kind(name: &str) -> Option<Kind> {
    DTYPES.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// Sends a header, to which the list of tensors is added, and their bytes.
pub(super) fn write(stream: &mut impl Write, mut header: Value, tensors: &[Tensor]) -> io::Result<()> {
    let tensors: Vec<Tensor> = tensors.iter().map(|tensor| tensor.detach().contiguous()).collect();
    let entry = |tensor: &Tensor| {
        let named = DTYPES.iter().find(|(_, kind)| *kind == tensor.kind());
        let (name, _) =
            named.ok_or_else(|| io::Error::other(format!("no {:?} can be sent", tensor.kind())))?;
        Ok(json!({ "dtype": name, "shape": tensor.size() }))
    };
    header["tensors"] = tensors.iter().map(entry).collect::<io::Result<Vec<_>>>()?.into();
    let text = header.to_string();
    let mut bytes = (text.len() as u32).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    for tensor in &tensors {
        let begin = bytes.len();
        let count = tensor.numel();
        bytes.resize(begin + count * tensor.kind().elt_size_in_bytes(), 0);
        if count > 0 {
            tensor.copy_data_u8(&mut bytes[begin..], count);
        }
    }
    stream.write_all(&bytes)?;
    stream.flush()
}

/// Receives a header and its tensors.
pub(super) fn read(stream: &mut impl Read) -> io::Result<(Value, Vec<Tensor>)> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    let unlike = |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("its answer has {what}"));
    if length > MOST_HEADER {
        return Err(unlike("too long a header"));
    }
    let mut text = vec![0; length as usize];
    stream.read_exact(&mut text)?;
    let header: Value = serde_json::from_slice(&text)?;
    let tensor = |entry: &Value| {
        let known =
            entry["dtype"].as_str().and_then(kind).ok_or_else(|| unlike("a tensor of no known type"))?;
        let shape: Vec<i64> = serde_json::from_value(entry["shape"].clone())?;
        let count = shape.iter().try_fold(known.elt_size_in_bytes() as u64, |product, size| {
            product.checked_mul(u64::try_from(*size).ok()?)
        });
        let count = count.filter(|count| *count <= MOST_BYTES).ok_or_else(|| unlike("too large a tensor"))?;
        let mut bytes = vec![0; count as usize];
        stream.read_exact(&mut bytes)?;
        Ok(Tensor::from_data_size(&bytes, &shape, known))
    };
    let tensors = header["tensors"].as_array().into_iter().flatten().map(tensor);
    let tensors = tensors.collect::<io::Result<Vec<_>>>()?;
    Ok((header, tensors))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_received() {
        let tensors = [
            Tensor::from_slice(&[1.5_f64, f64::NAN]),
            Tensor::from_slice(&[1_i64, 2, 3, 4]).reshape([2, 2]).tr(),
            Tensor::from_slice(&[true, false]),
            Tensor::zeros([0, 3], (Kind::Float, tch::Device::Cpu)),
            Tensor::from(2.5_f32),
        ];
        let mut bytes = Vec::new();
        write(&mut bytes, json!({ "op": "call" }), &tensors).unwrap();
        let (header, received) = read(&mut bytes.as_slice()).unwrap();
        assert_eq!(header["op"], "call");
        for (sent, received) in tensors.iter().zip(&received) {
            assert_eq!((sent.size(), sent.kind()), (received.size(), received.kind()));
            assert!(sent.allclose(received, 0.0, 0.0, true));
        }
        assert_eq!(received.len(), tensors.len());
    }

    #[test]
    fn an_answer_that_is_none_is_an_error() {
        let framed = |text: &str| [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat();
        let huge = r#"{"tensors": [{"dtype": "F64", "shape": [1073741824, 1073741824, 1073741824]}]}"#;
        for (bytes, message) in [
            (vec![1, 0], "fill"),
            (vec![255; 8], "too long a header"),
            (framed("[1"), "EOF"),
            (framed(r#"{"tensors": [{"dtype": "C64", "shape": [1]}]}"#), "no known type"),
            (framed(huge), "too large"),
            (framed(r#"{"tensors": [{"dtype": "F64", "shape": [-1]}]}"#), "too large"),
            (framed(r#"{"tensors": [{"dtype": "F64", "shape": [2]}]}"#), "fill"),
        ] {
            let error = read(&mut bytes.as_slice()).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
