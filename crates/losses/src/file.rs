//! Files that a config names.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A file that a config names: relative to the folder of the config.
///
/// It is written in results as it is in the config, so that they don't depend on where the project lies;
/// what it holds goes into the key of everything computed from it ([`digest`](Self::digest)).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct File {
    name: String,
    #[serde(skip)]
    path: OnceLock<PathBuf>,
    #[serde(skip)]
    digest: OnceLock<Result<String, String>>,
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
        self.path.get_or_init(|| folder.join(&self.name));
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.path.get().map_or(Path::new(&self.name), PathBuf::as_path)
    }

    /// Whether it can be read.
    ///
    /// # Errors
    /// If not: its name, where it was looked for, and what the system says.
    pub fn check(&self) -> Result<(), String> {
        self.digest().map(|_| ())
    }

    /// The SHA-256 of what it holds, as it was when first asked for.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn digest(&self) -> Result<&str, String> {
        let read = || {
            if !self.is_named() {
                return Err("a file is needed: name it, relative to the config's folder".to_owned());
            }
            sha256(self.path()).map_err(|error| {
                format!(
                    "can't read `{}`, looked for at {}: {error}; a file's name is relative to the config's folder",
                    self.name,
                    self.path().display()
                )
            })
        };
        self.digest.get_or_init(read).as_deref().map_err(Clone::clone)
    }
}

fn sha256(path: &Path) -> io::Result<String> {
    let mut reader = BufReader::new(std::fs::File::open(path)?);
    let mut hash = Sha256::new();
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(base16ct::lower::encode_string(&hash.finalize()));
        }
        hash.update(bytes);
        let count = bytes.len();
        reader.consume(count);
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
}
