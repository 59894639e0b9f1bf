//! `manifest.json`: what the result files are of, and what they held when they were written; and the files, opened
//! only where they still hold that.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use documented::DocumentedFields;
use files::Folder;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::rows::Rows;
use super::write::{CELLS_FILE, CURVES_FILE};
use super::{Cells, OLDEST, Points, RecordError, SCHEMA};

/// What `manifest.json` says: enough to know what the results are of, and nothing of where they ran. What an older one
/// lacks is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
#[serde(default)]
pub struct Manifest {
    /// The version of the form of the result files.
    pub schema: u32,
    /// The file of the config, relative to the results folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The grid's name.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// The fingerprint of the sources that first gave these results: a later build that gives the same leaves the file as
    /// it is.
    pub build: String,
    /// The version of libtorch, where it was used; else `null`.
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
    /// The files that the config names, as it names them, and their SHA-256; absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<(String, String)>,
    /// What the runs of each workload ran under.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Conditions>,
    /// The text of the config.
    pub config: String,
}

/// What makes the runs of some workloads comparable with others, wherever they run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, DocumentedFields)]
pub struct Conditions {
    /// Budget, targets, `hold`, `divergence` and type, by name.
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

    /// Reads the bytes of one; `path` is named in errors. Labels of schema 3 are read as what they are today.
    ///
    /// # Errors
    /// If they are no manifest of a grid, or of a schema that isn't read.
    pub fn parse(json: &[u8], path: impl Into<PathBuf>) -> Result<Self, RecordError> {
        let problem = |error: serde_json::Error| error.to_string();
        let path = path.into();
        let mut manifest: Self = match serde_json::from_slice(json).map_err(problem) {
            Ok(manifest) => manifest,
            Err(problem) => return Err(RecordError::Manifest { path, problem }),
        };
        if !(OLDEST..=SCHEMA).contains(&manifest.schema) {
            return Err(RecordError::Schema { path, schema: manifest.schema });
        }
        if manifest.schema < SCHEMA {
            let workloads = manifest.conditions.iter_mut().flat_map(|conditions| &mut conditions.workloads);
            for label in workloads.flatten() {
                *label = registry::renamed(label).into_owned();
            }
        }
        Ok(manifest)
    }

    /// The SHA-256 of a result file.
    #[must_use]
    pub fn digest(&self, name: &str) -> Option<&str> {
        self.files.iter().find(|(own, _)| own == name).map(|(_, digest)| digest.as_str())
    }
}

/// The `manifest.json` of a map.
#[derive(Clone, Debug, Serialize, DocumentedFields)]
pub struct MapManifest {
    /// The map's name.
    pub name: String,
    /// The file of the config, relative to the results folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The program's version.
    pub version: String,
    /// The fingerprint of the sources that first gave this map: a later build that gives the same leaves the file as it is.
    pub build: String,
    /// How many runs there are: one a pixel.
    pub runs: u64,
    /// Those that reached the target.
    pub reached: u64,
    /// Those that spent their budget.
    pub budget: u64,
    /// Those that diverged.
    pub diverged: u64,
    /// What varies along the axes.
    pub axes: MapAxes,
    /// The files with numbers: name and SHA-256.
    pub files: Vec<(String, String)>,
    /// The files that the config names, as it names them, and their SHA-256; absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<(String, String)>,
    /// The text of the config.
    pub config: String,
}

/// The axes of a map.
#[derive(Clone, Debug, Serialize, DocumentedFields)]
pub struct MapAxes {
    /// Along a row of pixels: the second index of an array in a `.npy` file.
    pub x: MapAxis,
    /// Along a column of pixels, from the bottom: the first index.
    pub y: MapAxis,
}

/// An axis of a map.
#[derive(Clone, Debug, Serialize, DocumentedFields)]
pub struct MapAxis {
    /// What varies, as the config names it, such as `lr` or `optimizer.momentum`; its column in `map.csv`.
    pub vary: String,
    /// The value of each pixel.
    pub values: Vec<f64>,
}

/// The `manifest.json` of a diagnosis.
#[derive(Clone, Debug, Serialize, DocumentedFields)]
pub struct DiagnosisManifest {
    /// The diagnosis's name.
    pub name: String,
    /// The file of the config, relative to the results folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The program's version.
    pub version: String,
    /// The fingerprint of the sources that first gave this answer: a later build that gives the same leaves the file as it
    /// is.
    pub build: String,
    /// The files that the config names, as it names them, and their SHA-256; absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<(String, String)>,
    /// Where the start is, typically, in the first column of `profile.csv`.
    pub start: f64,
    /// The text of the config.
    pub config: String,
}

/// Writes the manifest of a grid, a map or a diagnosis into its folder; not if that which is there says the same but for
/// `build`: the results are the same, and so is the file then.
///
/// # Errors
/// If it can't be written.
///
/// # Panics
/// Never: a manifest is plain data.
pub fn save_manifest(folder: &Folder, manifest: &impl Serialize) -> io::Result<()> {
    let but_build = |mut manifest: Value| {
        manifest.as_object_mut().and_then(|fields| fields.remove("build"));
        manifest
    };
    let before = folder.read(Manifest::FILE, files::TEXT).ok();
    let before = before.and_then(|json| serde_json::from_slice::<Value>(&json).ok());
    let now = serde_json::to_value(manifest).expect("a manifest is plain data");
    if before.map(but_build) == Some(but_build(now)) {
        return Ok(());
    }
    folder.write(Manifest::FILE, |file| {
        serde_json::to_writer_pretty(&mut *file, manifest)?;
        file.write_all(b"\n")
    })
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
    pub const CELLS: &str = CELLS_FILE;
    /// Points of their curves.
    pub const CURVES: &str = CURVES_FILE;
    /// Terms of their losses.
    pub const TERMS: &str = "terms.csv";
    /// Where and how long they ran.
    pub const TIMINGS: &str = "timings.csv";

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

    /// The files in `parts/` that the runs come from, in their order, as `timings.csv` says; empty where it says nothing.
    #[must_use]
    pub fn parts(&self) -> Vec<String> {
        self.timed_parts().unwrap_or_default()
    }

    fn timed_parts(&self) -> Result<Vec<String>, RecordError> {
        let mut rows = Rows::new(self.path(Self::TIMINGS), self.file(Self::TIMINGS)?)?;
        let [part] = rows.columns(Self::TIMINGS, ["part"])?;
        let mut parts: Vec<String> = Vec::new();
        while let Some(row) = rows.next_row()? {
            if parts.last().is_none_or(|last| last != row.text(part)) {
                parts.push(row.text(part).to_owned());
            }
        }
        Ok(parts)
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
