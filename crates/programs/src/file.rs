//! Files that a config names.

use std::any::Any;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::sha256;
use crate::export::export;
use crate::python::{Python, Wanted, is_source};
use crate::{Program, Shared};

/// The most bytes that a program or a file of data may have: it is kept in memory as long as the program runs.
const MOST_BYTES: u64 = 8 << 30;

/// A file that a config names: relative to the folder of the config.
///
/// It is written in results as it is in the config, so that they don't depend on where the project is;
/// what it holds goes into the key of everything computed from it ([`digest`](Self::digest)).
///
/// It is read when it is [loaded](Self::load), and its bytes are shared by all clones: a file that is replaced while a
/// grid runs changes nothing of that run. Only a regular file is read. Files of one name are equal where they hold the
/// same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct File {
    name: String,
    #[serde(skip)]
    read: Option<Arc<Read>>,
}

#[derive(Debug)]
struct Read {
    bytes: Vec<u8>,
    digest: String,
    /// Whether it stands for code that is evaluated in Python.
    in_python: bool,
}

impl PartialEq for Read {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl File {
    /// A file by its name, which isn't loaded.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), read: None }
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

    /// Refuses a file without a name.
    ///
    /// # Errors
    /// If there is none: what to do.
    pub fn check(&self) -> Result<(), String> {
        let needed = || "a file is needed: name it, relative to the config's folder".to_owned();
        self.is_named().then_some(()).ok_or_else(needed)
    }

    /// Reads it, unless that was done before.
    ///
    /// # Errors
    /// If it has no name, or can't be read: its name, where it was looked for, and what the system reports.
    pub fn load(&mut self, files: &mut Files) -> Result<(), String> {
        self.check()?;
        if self.read.is_none() {
            self.read = Some(files.read(&self.name)?);
        }
        Ok(())
    }

    /// Reads it as a PyTorch program, once for all entries that name it, and checks it against its samples.
    ///
    /// # Errors
    /// As [`load`](Self::load). What is wrong with a program is an error of what calls it.
    /// A source file in its place, `my_code.py:Name`, is an error where it isn't exported, and Python mayn't be started.
    pub fn load_program(&mut self, files: &mut Files, wanted: &Wanted) -> Result<Shared, String> {
        if is_source(&self.name) {
            let (read, program) = files.exported(&self.name, wanted)?;
            self.read = Some(read);
            return Ok(program);
        }
        self.load(files)?;
        let read = || Program::read(self.bytes()?).and_then(|program| program.check().map(|()| program));
        Ok(files.made(format!("program {}", self.name), read))
    }

    /// What it held when it was loaded.
    ///
    /// # Errors
    /// If it wasn't.
    pub fn bytes(&self) -> Result<&[u8], String> {
        let read = self.read.as_ref().ok_or_else(|| format!("`{}` isn't loaded", self.name))?;
        Ok(&read.bytes)
    }

    /// Whether it is code that is evaluated in Python, once it is loaded.
    #[must_use]
    pub fn is_in_python(&self) -> bool {
        self.read.as_ref().is_some_and(|read| read.in_python)
    }

    /// The SHA-256 of its [bytes](Self::bytes), once it is loaded.
    #[must_use]
    pub fn digest(&self) -> Option<&str> {
        self.read.as_ref().map(|read| &*read.digest)
    }
}

/// How many starts are exported of a source file, where nothing asks for more.
const STARTS: u64 = 10;

/// The files of one config, and what is made of them: each once, however often the config names it.
#[derive(Clone, Debug, Default)]
pub struct Files {
    folder: PathBuf,
    python: Python,
    /// The seeds that are going to be asked for are below it.
    seeds: u64,
    read: HashMap<String, Result<Arc<Read>, String>>,
    made: HashMap<String, Arc<dyn Any + Send + Sync>>,
}

impl Files {
    /// The files whose names are relative to this folder.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), ..Self::default() }
    }

    /// The same, for which Python may be started or not.
    #[must_use]
    pub fn with_python(self, python: Python) -> Self {
        Self { python, ..self }
    }

    /// Source files that are exported from now on get starts for the seeds up to this.
    pub fn expect_seed(&mut self, seed: u64) {
        self.seeds = self.seeds.max(seed.saturating_add(1));
    }

    /// A source file as a program, made once for each thing that it is wanted for.
    fn exported(&mut self, name: &str, wanted: &Wanted) -> Result<(Arc<Read>, Shared), String> {
        let key = format!("source {name} {wanted:?}");
        let made = (self.folder.clone(), self.python, self.seeds.max(STARTS));
        let exported = self.made(key, || {
            let exported = export((&made.0, made.1, made.2), name, wanted)?;
            let digest = sha256(&exported.bytes);
            let in_python = exported.program.as_ref().is_ok_and(|program| program.python().is_some());
            let read = Read { bytes: exported.bytes, digest, in_python };
            Ok::<_, String>((Arc::new(read), Arc::new(exported.program)))
        });
        let (read, program) = Result::as_ref(&exported).map_err(Clone::clone)?;
        self.read.insert(name.to_owned(), Ok(read.clone()));
        Ok((read.clone(), program.clone()))
    }

    /// The files that were read: names as the config writes them, and the SHA-256 of each, sorted.
    #[must_use]
    pub fn digests(&self) -> Vec<(String, String)> {
        let digest = |(name, read): (&String, &Result<Arc<Read>, String>)| {
            Some((name.clone(), read.as_ref().ok()?.digest.clone()))
        };
        let mut digests: Vec<_> = self.read.iter().filter_map(digest).collect();
        digests.sort();
        digests
    }

    fn read(&mut self, name: &str) -> Result<Arc<Read>, String> {
        if let Some(known) = self.read.get(name) {
            return known.clone();
        }
        let path = self.folder.join(name);
        let read = files::read(&path, MOST_BYTES)
            .map(|bytes| {
                let digest = sha256(&bytes);
                Arc::new(Read { bytes, digest, in_python: false })
            })
            .map_err(|error| {
                format!(
                    "can't read `{name}`, looked for at {}: {error}; a file's name is relative to the config's folder",
                    path.display()
                )
            });
        self.read.insert(name.to_owned(), read.clone());
        read
    }

    /// What is made of files, such as a data set: made once for each key, which names the files and everything else that
    /// it depends on.
    pub fn made<T: Send + Sync + 'static>(&mut self, key: String, make: impl FnOnce() -> T) -> Arc<T> {
        let known = self.made.get(&key).and_then(|made| made.clone().downcast().ok());
        known.unwrap_or_else(|| {
            let made = Arc::new(make());
            self.made.insert(key, made.clone());
            made
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_once_for_all_that_name_it_and_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.pt");
        std::fs::write(&path, "abc").unwrap();
        let mut files = Files::new(folder.path());
        let [mut first, mut second, mut third] = [File::new("a.pt"), File::new("a.pt"), File::new("a.pt")];
        assert!(first.digest().is_none() && first.bytes().is_err());
        first.load(&mut files).unwrap();
        std::fs::write(&path, "second").unwrap();
        second.load(&mut files).unwrap();
        first.load(&mut Files::new(Path::new("elsewhere"))).unwrap();
        assert_eq!((first.bytes(), second.bytes()), (Ok(&b"abc"[..]), Ok(&b"abc"[..])));
        assert_eq!(first, second);
        third.load(&mut Files::new(folder.path())).unwrap();
        assert_ne!(first, third);
        assert_eq!(serde_json::to_string(&first).unwrap(), r#""a.pt""#);
        // The published SHA-256 of “abc”.
        assert_eq!(
            first.digest().unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_with_the_place_it_was_looked_for() {
        let load = |name: &str| File::new(name).load(&mut Files::new(Path::new("/nowhere"))).unwrap_err();
        let message = load("no such.pt");
        assert!(
            message.starts_with("can't read `no such.pt`, looked for at /nowhere/no such.pt: "),
            "{message}"
        );
        assert!(load("").contains("a file is needed"));
    }

    #[test]
    #[cfg(unix)]
    fn what_is_no_regular_file_is_refused() {
        for path in ["/dev/zero", "/"] {
            let message = File::new(path).load(&mut Files::default()).unwrap_err();
            assert!(message.contains(path) && message.contains("no regular file"), "{message}");
        }
    }

    #[test]
    fn what_is_made_of_files_is_made_once() {
        let mut files = Files::default();
        assert_eq!(*files.made("key".into(), || 1), 1);
        assert_eq!(*files.made("key".into(), || 2), 1);
        assert_eq!(*files.made("other".into(), || 3), 3);
    }
}
