//! Archives that somebody else made.

use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::read::ZipFile;
use zip::result::ZipError;

/// An archive that is at most so large unpacked is taken, whatever its own size.
const ALWAYS: u64 = 1 << 30;
/// And a larger one if it is packed no more than this: PyTorch and `numpy.savez` don't pack at all, compressed numbers
/// reach a tenth at best, and a thousandth is what only an archive of nothing reaches.
const PACKED: u64 = 100;

/// Opens a zip archive, unless unpacking it would take absurdly much memory.
///
/// # Errors
/// If it is no zip archive, or packed more than numbers can be.
pub fn open(bytes: &[u8]) -> Result<ZipArchive<Cursor<&[u8]>>, String> {
    let size = bytes.len() as u64;
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| said(&error))?;
    let mut unpacked = 0_u64;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|error| said(&error))?;
        unpacked = unpacked.saturating_add(entry.size());
    }
    if unpacked > ALWAYS.max(size.saturating_mul(PACKED)) {
        return Err(format!(
            "unpacked it would have {unpacked} bytes, out of {size}: no numbers can be packed like that"
        ));
    }
    Ok(archive)
}

/// The bytes of an entry.
///
/// # Errors
/// If they can't be unpacked, are more than was announced, or have another checksum.
pub fn unpack(mut entry: ZipFile) -> Result<Vec<u8>, String> {
    let announced = entry.size();
    let mut bytes = Vec::new();
    let mut read = || {
        entry.by_ref().take(announced).read_to_end(&mut bytes)?;
        // The checksum is compared where there is nothing more.
        entry.read(&mut [0])
    };
    match read() {
        Ok(0) => Ok(bytes),
        Ok(_) => Err("it has more bytes than it says".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn said(error: &ZipError) -> String {
    format!("it is no zip archive ({error})")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn archive(write: impl FnOnce(&mut Vec<u8>)) -> Result<(), String> {
        let mut bytes = Vec::new();
        write(&mut bytes);
        open(&bytes).map(|_| ())
    }

    fn packed(bytes: &mut Vec<u8>, zeros: usize) {
        let mut writer = zip::ZipWriter::new(Cursor::new(bytes));
        let options = zip::write::FileOptions::default();
        writer.start_file("a", options.compression_method(zip::CompressionMethod::Deflated)).unwrap();
        writer.write_all(&vec![0; zeros]).unwrap();
        writer.finish().unwrap();
    }

    #[test]
    fn a_bomb_is_refused_by_what_it_says_and_a_common_archive_is_not() {
        assert_eq!(archive(|bytes| packed(bytes, 1 << 20)), Ok(()));
        let bomb = |bytes: &mut Vec<u8>| {
            packed(bytes, 1 << 20);
            // The size before packing, in the central directory, becomes nearly 4 GiB.
            let at = bytes.windows(4).rposition(|four| four == b"PK\x01\x02").unwrap() + 24;
            bytes[at..at + 4].copy_from_slice(&0xffff_fff0_u32.to_le_bytes());
        };
        assert!(archive(bomb).unwrap_err().contains("no numbers can be packed"));
        assert!(archive(|bytes| bytes.extend(b"abc")).unwrap_err().contains("no zip archive"));
    }
}
