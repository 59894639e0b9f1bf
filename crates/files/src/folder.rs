//! A folder of results.

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::{open_with, read_all, text, write_whole};

/// What the name of a file begins with while it is written.
pub const PREFIX: &str = ".writing-";

/// So long after its last byte a file that is being written has been given up: another run may be at work here.
const GIVEN_UP: Duration = Duration::from_secs(3600);

/// A folder that results are in, perhaps those of somebody else. The folder itself may be reached by links;
/// nothing below it is.
///
/// Every file is named by its plain name: a name with a separator, `..` or a control character is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
    /// Whether it is in another one, so that it may not be a link.
    is_below: bool,
}

impl Folder {
    /// A folder that is there or not yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self { path: if path.as_os_str().is_empty() { ".".into() } else { path }, is_below: false }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a plain name in it, there or not yet. Where it is a link, nothing can be done in it.
    #[must_use]
    pub fn below(&self, name: &'static str) -> Self {
        Self { path: self.path.join(name), is_below: true }
    }

    /// Makes it if need be; and those above it, unless it is below another.
    ///
    /// # Errors
    /// As the system says, or that it is a link.
    pub fn create(&self) -> io::Result<()> {
        if !self.is_below {
            return fs::create_dir_all(&self.path);
        }
        match fs::create_dir(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => self.check(),
        }
    }

    /// An error where it is a link that isn't followed.
    fn check(&self) -> io::Result<()> {
        if !self.is_below || fs::symlink_metadata(&self.path)?.is_dir() {
            return Ok(());
        }
        Err(refused("it is no folder; a link isn't followed in a results folder".into()))
    }

    /// Opens a regular file of at most `most` bytes.
    ///
    /// # Errors
    /// As the system says, or that it is a link, no regular file, or too large.
    pub fn open(&self, name: &str, most: u64) -> io::Result<File> {
        let path = self.inside(name)?;
        if fs::symlink_metadata(&path)?.is_symlink() {
            return Err(refused("it is a link, which isn't followed in a results folder".into()));
        }
        // Once more, for a link that came in between.
        open_with(&path, most, if cfg!(unix) { libc::O_NOFOLLOW } else { 0 })
    }

    /// All bytes of a regular file of at most `most` bytes.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn read(&self, name: &str, most: u64) -> io::Result<Vec<u8>> {
        read_all(self.open(name, most)?, most)
    }

    /// As [`read`](Self::read), a text.
    ///
    /// # Errors
    /// As [`open`](Self::open), and if it isn't UTF-8.
    pub fn read_text(&self, name: &str, most: u64) -> io::Result<String> {
        text(self.read(name, most)?)
    }

    /// Whether anything has this name, be it what it may.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.inside(name).is_ok_and(|path| fs::symlink_metadata(path).is_ok())
    }

    /// Writes a file, whole or not at all: see [`write_whole`].
    ///
    /// # Errors
    /// As the system says; then nothing is left behind.
    pub fn write(
        &self,
        name: &str,
        write: impl FnOnce(&mut io::BufWriter<&File>) -> io::Result<()>,
    ) -> io::Result<()> {
        write_whole(&self.inside(name)?, write)
    }

    /// Whether a file could be written; none is.
    ///
    /// # Errors
    /// As the system says.
    pub fn try_write(&self) -> io::Result<()> {
        self.check()?;
        tempfile::Builder::new().prefix(PREFIX).tempfile_in(&self.path).map(|_| ())
    }

    /// Removes a file that this program made; a link goes, and not what it leads to.
    ///
    /// # Errors
    /// As the system says.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.inside(name)?)
    }

    /// The names in it, sorted; without those that aren't UTF-8, which this program never makes.
    ///
    /// # Errors
    /// If the folder can't be read.
    pub fn names(&self) -> io::Result<Vec<String>> {
        self.check()?;
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort();
        Ok(names)
    }

    /// Removes what an interrupted program left half-written here an hour ago or earlier.
    ///
    /// # Errors
    /// If the folder can't be read.
    pub fn remove_half_written(&self) -> io::Result<()> {
        for name in self.names()?.iter().filter(|name| name.starts_with(PREFIX)) {
            let metadata = fs::symlink_metadata(self.path.join(name));
            // A clock that was set back makes an age an error, and then the file stays.
            let age = metadata.and_then(|metadata| metadata.modified()).ok().and_then(|at| at.elapsed().ok());
            if age.is_some_and(|age| age > GIVEN_UP) {
                let _ = self.remove(name);
            }
        }
        Ok(())
    }

    /// The path of a plain name.
    pub(crate) fn inside(&self, name: &str) -> io::Result<PathBuf> {
        self.check()?;
        let mut parts = Path::new(name).components();
        let plain =
            matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == name);
        if !plain || name.chars().any(char::is_control) {
            return Err(refused(format!("{name:?} is no plain name of a file")));
        }
        Ok(self.path.join(name))
    }
}

fn refused(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().join("results"));
        folder.create().unwrap();
        fs::write(place.path().join("outside"), "theirs").unwrap();
        (place, folder)
    }

    #[test]
    fn only_plain_names_are_taken() {
        let (_place, folder) = folder();
        for wrong in ["../outside", "..", ".", "", "a/b", "/etc/passwd", "a/", "a\nb", "./a"] {
            let error = folder.read(wrong, 100).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{wrong:?}: {error}");
            assert!(folder.write(wrong, |_| Ok(())).is_err(), "{wrong:?}");
            assert!(!folder.has(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn links_pipes_devices_and_folders_are_no_files() {
        let (place, folder) = folder();
        symlink(place.path().join("outside"), folder.path().join("link")).unwrap();
        symlink("/dev/zero", folder.path().join("zeros")).unwrap();
        symlink(place.path(), folder.path().join("parts")).unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        let made = Command::new("mkfifo").arg(folder.path().join("pipe")).status().unwrap();
        assert!(made.success());
        for name in ["link", "zeros", "inner", "pipe", "parts"] {
            assert!(folder.read(name, 100).is_err(), "{name}");
        }
        let parts = folder.below("parts");
        assert!(parts.create().is_err() && parts.names().is_err() && parts.try_write().is_err());
        assert!(parts.read("outside", 100).is_err() && parts.write("new", |_| Ok(())).is_err());
        let inner = folder.below("inner");
        inner.create().unwrap();
        inner.write("new", |_| Ok(())).unwrap();
        assert_eq!(inner.names().unwrap(), ["new"]);
        assert!(crate::read(&folder.path().join("pipe"), 100).is_err());
        assert!(crate::read(Path::new("/dev/zero"), 100).is_err());
        // A file that the user names may be a link.
        assert_eq!(crate::read(&folder.path().join("link"), 100).unwrap(), b"theirs");
        assert!(crate::read(&folder.path().join("link"), 5).is_err(), "it is larger than that");
    }

    #[test]
    fn a_link_is_replaced_or_removed_and_not_followed() {
        let (place, folder) = folder();
        for name in ["written", "removed"] {
            symlink(place.path().join("outside"), folder.path().join(name)).unwrap();
        }
        folder.write("written", |file| file.write_all(b"ours")).unwrap();
        folder.remove("removed").unwrap();
        assert_eq!(folder.read("written", 100).unwrap(), b"ours");
        assert_eq!(fs::read(place.path().join("outside")).unwrap(), b"theirs");
    }

    #[test]
    fn what_was_left_half_written_goes_after_an_hour() {
        let (_place, folder) = folder();
        let old = folder.path().join(".writing-old");
        fs::write(&old, "half").unwrap();
        fs::write(folder.path().join(".writing-new"), "half").unwrap();
        let then = std::time::SystemTime::now() - 2 * GIVEN_UP;
        File::options().write(true).open(&old).unwrap().set_modified(then).unwrap();
        folder.remove_half_written().unwrap();
        assert_eq!(folder.names().unwrap(), [".writing-new"]);
    }
}
