//! Files that a config names.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::script::Script;

/// The most bytes that a module or a file of data may have: it is kept in memory as long as the program runs.
const MOST_BYTES: u64 = 8 << 30;

/// A file that a config names: relative to the folder of the config.
///
/// It is written in results as it is in the config, so that they don't depend on where the project is;
/// what it holds goes into the key of everything computed from it ([`digest`](Self::digest)).
///
/// It is read once, when its contents are first asked for, and its bytes are kept and shared by all clones: a file
/// that is replaced while a grid runs changes nothing of that run. Only a regular file is read.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct File {
    name: String,
    #[serde(skip)]
    contents: OnceLock<Arc<Contents>>,
}

/// A place, and what was there when it was first read.
#[derive(Debug)]
struct Contents {
    path: PathBuf,
    read: OnceLock<Result<Read, String>>,
}

#[derive(Debug)]
struct Read {
    bytes: Vec<u8>,
    digest: String,
    script: OnceLock<Result<Script, String>>,
}

impl Contents {
    fn at(path: PathBuf) -> Arc<Self> {
        Arc::new(Self { path, read: OnceLock::new() })
    }
}

impl PartialEq for File {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.path() == other.path()
    }
}

impl File {
    /// A file by its name; relative to the working folder until it is [located](Self::locate).
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Its name as the config writes it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is a name at all.
    #[must_use]
    pub fn is_named(&self) -> bool {
        !self.name.is_empty()
    }

    /// Says which folder the name is relative to. Only the first answer counts.
    pub fn locate(&self, folder: &Path) {
        self.contents.get_or_init(|| Contents::at(folder.join(&self.name)));
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.contents.get().map_or(Path::new(&self.name), |contents| &contents.path)
    }

    /// Whether it can be read.
    ///
    /// # Errors
    /// If not: its name, where it was looked for, and what the system says.
    pub fn check(&self) -> Result<(), String> {
        self.read().map(|_| ())
    }

    /// What it held when it was first read.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn bytes(&self) -> Result<&[u8], String> {
        self.read().map(|read| &*read.bytes)
    }

    /// The SHA-256 of its [bytes](Self::bytes).
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn digest(&self) -> Result<&str, String> {
        self.read().map(|read| &*read.digest)
    }

    /// Whether it is a TorchScript module whose code may draw random numbers, as its text says: it isn't loaded, nor
    /// run. What can't be read draws none.
    #[must_use]
    pub fn is_random_module(&self) -> bool {
        self.script().is_ok_and(|script| script.is_random)
    }

    /// What its text says, if it is a TorchScript module.
    pub(crate) fn script(&self) -> Result<Script, String> {
        let read = self.read()?;
        read.script.get_or_init(|| Script::read(&read.bytes)).clone()
    }

    fn read(&self) -> Result<&Read, String> {
        let contents = self.contents.get_or_init(|| Contents::at(PathBuf::from(&self.name)));
        let read = || {
            if !self.is_named() {
                return Err("a file is needed: name it, relative to the config's folder".to_owned());
            }
            let bytes = files::read(&contents.path, MOST_BYTES).map_err(|error| {
                format!(
                    "can't read `{}`, looked for at {}: {error}; a file's name is relative to the config's folder",
                    self.name,
                    contents.path.display()
                )
            })?;
            let digest = base16ct::lower::encode_string(&Sha256::digest(&bytes));
            Ok(Read { bytes, digest, script: OnceLock::new() })
        };
        contents.read.get_or_init(read).as_ref().map_err(Clone::clone)
    }
}

/// The files of one config, so that one named several times is read once.
#[derive(Clone, Debug, Default)]
pub struct Files {
    folder: PathBuf,
    known: Arc<Mutex<HashMap<String, Arc<Contents>>>>,
}

impl Files {
    /// The files whose names are relative to this folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), known: Arc::default() }
    }

    /// Says where these files are, as [`File::locate`] does.
    pub fn locate<'a>(&self, files: impl IntoIterator<Item = &'a File>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for file in files {
            let contents = known
                .entry(file.name.clone())
                .or_insert_with(|| Contents::at(self.folder.join(&file.name)))
                .clone();
            // A file that is located already stays where it is.
            let _ = file.contents.set(contents);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_relative_to_the_folder_it_is_given_and_stays_as_written() {
        let folder = std::env::temp_dir().join(format!("optbench-file-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a.pt"), "abc").unwrap();
        let file = File::new("a.pt");
        file.locate(&folder);
        file.locate(Path::new("elsewhere"));
        assert_eq!(file.path(), folder.join("a.pt"));
        assert_eq!(serde_json::to_string(&file).unwrap(), r#""a.pt""#);
        // The published SHA-256 of “abc”.
        assert_eq!(
            file.digest().unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_is_read_once_for_all_that_name_it() {
        let folder = std::env::temp_dir().join(format!("optbench-files-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("a.pt"), "first").unwrap();
        let files = Files::new(&folder);
        let [a, b] = [File::new("a.pt"), File::new("a.pt")];
        files.locate([&a, &b]);
        let clone = a.clone();
        assert_eq!(a.bytes().unwrap(), b"first");
        std::fs::write(folder.join("a.pt"), "second").unwrap();
        for file in [&a, &b, &clone] {
            assert_eq!(file.bytes().unwrap().as_ptr(), a.bytes().unwrap().as_ptr());
        }
        let again = File::new("a.pt");
        again.locate(&folder);
        assert_eq!(again.bytes().unwrap(), b"second");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_the_place_it_was_looked_for() {
        let file = File::new("no such.pt");
        file.locate(Path::new("/nowhere"));
        let message = file.check().unwrap_err();
        assert!(
            message.starts_with("can't read `no such.pt`, looked for at /nowhere/no such.pt: "),
            "{message}"
        );
        assert!(File::default().check().unwrap_err().contains("a file is needed"));
    }

    #[test]
    #[cfg(unix)]
    fn what_is_no_regular_file_is_refused() {
        for path in ["/dev/zero", "/"] {
            let message = File::new(path).check().unwrap_err();
            assert!(message.contains(path) && message.contains("no regular file"), "{message}");
        }
    }
}
