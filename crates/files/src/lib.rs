//! Files of others, opened so that they can do no harm; and our own files, written whole or not at all.
//!
//! A path that the user names may be a link. Below a [`Folder`] of results, which somebody else may have made,
//! nothing is followed: not a link, not a name with `..`, and no file that isn't a regular one.

pub mod archive;
mod folder;
mod lock;

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

pub use folder::{Folder, PREFIX};
pub use lock::{Lock, LockError};

/// The most bytes of a text that is read whole: a config, a manifest, a diagnosis.
pub const TEXT: u64 = 32 << 20;

/// Opens a regular file of at most `most` bytes that the user names; a link is followed.
///
/// # Errors
/// As the system says, or that it is no regular file, or too large.
pub fn open(path: &Path, most: u64) -> io::Result<File> {
    open_with(path, most, 0)
}

/// All bytes of a regular file of at most `most` bytes that the user names.
///
/// # Errors
/// As [`open`].
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_all(open(path, most)?, most)
}

/// As [`read`], a text.
///
/// # Errors
/// As [`open`], and if it isn't UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    text(read(path, most)?)
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it isn't UTF-8 text"))
}

fn open_with(path: &Path, most: u64, flags: i32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    // A pipe without a writer must not keep us waiting.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK | libc::O_NOCTTY | flags);
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    let wrong = |message: String| Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    if !metadata.is_file() {
        return wrong("it is no regular file".into());
    }
    if metadata.len() > most {
        return wrong(format!("it has {} bytes, and at most {most} are read", metadata.len()));
    }
    Ok(file)
}

/// What is in a file, which may grow while it is read.
fn read_all(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes =
        Vec::with_capacity(file.metadata().map_or(0, |metadata| metadata.len().min(most) as usize));
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file so that under its name there is ever only a whole one: first under another name in
/// the same folder, synced, then renamed. A link of that name is replaced, not followed.
///
/// # Errors
/// As the system says; then nothing is left behind.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut io::BufWriter<&File>) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder)?;
    let mut buffer = io::BufWriter::with_capacity(1 << 16, file.as_file());
    write(&mut buffer)?;
    buffer.flush()?;
    drop(buffer);
    file.as_file().sync_all()?;
    // Results are for everybody to read, which a temporary file is not.
    #[cfg(unix)]
    file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    file.persist(path).map_err(|error| error.error)?;
    // The rename itself must survive a power cut. Some systems can't sync a folder: then it may not.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}
