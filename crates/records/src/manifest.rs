//! `manifest.json`: what the result files are of, and what they held when they were written; and the files, opened
//! only where they still hold that.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use files::Folder;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Cells, Points, RecordError};

/// What `manifest.json` says: enough to know what the results are of, and nothing of where they ran. What an older one
/// lacks is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// The form of the result files.
    pub schema: u32,
    /// The file of the config, relative to the results folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The grid's name.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// The fingerprint of its sources.
    pub build: String,
    /// The version of libtorch, where it was used.
    pub libtorch: Option<String>,
    /// What ran it.
    pub engines: Vec<String>,
    /// How many runs there are.
    pub cells: u64,
    /// Those that diverged.
    pub diverged: u64,
    /// Those that failed.
    pub failed: u64,
    /// The result files: name and SHA-256.
    pub files: Vec<(String, String)>,
    /// The files that the config names, as it names them, and their SHA-256.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<(String, String)>,
    /// The problems and losses that may draw random numbers inside a module, so that their runs don't repeat.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub random: Vec<String>,
    /// What the runs of each workload ran under.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Conditions>,
    /// The config.
    pub config: String,
}

/// What makes the runs of some workloads comparable with others, wherever they run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// Budget, targets and more, by name.
    pub facts: BTreeMap<String, Value>,
    /// The labels of problem and loss of each workload.
    pub workloads: Vec<[String; 2]>,
}

impl Manifest {
    /// The name of the file.
    pub const FILE: &str = "manifest.json";

    /// Reads that of a folder; `None` if there is none.
    ///
    /// # Errors
    /// If it can't be read, or is no manifest of a grid.
    pub fn read(folder: &Folder) -> Result<Option<Self>, RecordError> {
        if !folder.has(Self::FILE) {
            return Ok(None);
        }
        let path = folder.path().join(Self::FILE);
        match folder.read(Self::FILE, files::TEXT) {
            Ok(json) => Self::parse(&json, path).map(Some),
            Err(source) => Err(RecordError::Io { path, source }),
        }
    }

    /// Reads the bytes of one; `path` is named in errors.
    ///
    /// # Errors
    /// If they are no manifest of a grid.
    pub fn parse(json: &[u8], path: impl Into<PathBuf>) -> Result<Self, RecordError> {
        let problem = |error: serde_json::Error| error.to_string();
        let wrong = |problem| RecordError::Manifest { path: path.into(), problem };
        serde_json::from_slice(json).map_err(problem).map_err(wrong)
    }

    /// The SHA-256 of a result file.
    #[must_use]
    pub fn digest(&self, name: &str) -> Option<&str> {
        self.files.iter().find(|(own, _)| own == name).map(|(_, digest)| digest.as_str())
    }
}

/// Passes bytes on, and knows the SHA-256 of those so far.
#[derive(Debug)]
pub struct Hashed<R> {
    read: R,
    hash: Sha256,
}

impl<R: Read> Hashed<R> {
    /// Nothing is read yet.
    pub fn new(read: R) -> Self {
        Self { read, hash: Sha256::new() }
    }

    /// The SHA-256 of all that was read, in hexadecimal.
    #[must_use]
    pub fn digest(self) -> String {
        base16ct::lower::encode_string(&self.hash.finalize())
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.read.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

/// The SHA-256 of what is read, in hexadecimal.
///
/// # Errors
/// As the reader says.
pub fn digest(read: impl Read) -> io::Result<String> {
    let mut read = Hashed::new(read);
    io::copy(&mut read, &mut io::sink())?;
    Ok(read.digest())
}

/// The results of a grid in a folder, which may be somebody else's. A file is opened only if it is the one that the
/// manifest beside it names by its SHA-256.
#[derive(Clone, Debug)]
pub struct Results {
    folder: Folder,
    /// What ran; `None` where a `cells.csv` lies alone, and then nothing tells whether it is whole.
    pub manifest: Option<Manifest>,
}

impl Results {
    /// Cells of all runs.
    pub const CELLS: &str = "cells.csv";
    /// Points of their curves.
    pub const CURVES: &str = "curves.csv";

    /// Looks into a folder.
    ///
    /// # Errors
    /// If its manifest can't be read.
    pub fn open(folder: Folder) -> Result<Self, RecordError> {
        let manifest = Manifest::read(&folder)?;
        Ok(Self { folder, manifest })
    }

    /// Where they are.
    #[must_use]
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The place of a file, for messages.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// An error unless a file is there and holds what the manifest says.
    ///
    /// # Errors
    /// If it can't be read, or was changed.
    pub fn verify(&self, name: &str) -> Result<(), RecordError> {
        let failed = |source| RecordError::Io { path: self.path(name), source };
        let file = self.folder.open(name, u64::MAX).map_err(failed)?;
        let Some(manifest) = &self.manifest else { return Ok(()) };
        let whole = manifest.digest(name) == Some(&digest(file).map_err(failed)?);
        if whole { Ok(()) } else { Err(RecordError::Changed { path: self.path(name) }) }
    }

    /// The files that the manifest names and that aren't there, or not as they were.
    #[must_use]
    pub fn damaged(&self) -> Vec<String> {
        let names = self.manifest.iter().flat_map(|manifest| &manifest.files).map(|(name, _)| name);
        names.filter(|name| self.verify(name).is_err()).cloned().collect()
    }

    fn file(&self, name: &str) -> Result<File, RecordError> {
        let failed = |source| RecordError::Io { path: self.path(name), source };
        self.folder.open(name, u64::MAX).map_err(failed)
    }

    /// All runs; call [`verify`](Self::verify) first.
    ///
    /// # Errors
    /// If the file can't be opened, or isn't of this form.
    pub fn cells(&self) -> Result<Cells<File>, RecordError> {
        Cells::new(self.path(Self::CELLS), self.file(Self::CELLS)?)
    }

    /// The points of all curves; call [`verify`](Self::verify) first.
    ///
    /// # Errors
    /// If the file can't be opened, or isn't of this form.
    pub fn points(&self) -> Result<Points<File>, RecordError> {
        Points::new(self.path(Self::CURVES), self.file(Self::CURVES)?)
    }
}
