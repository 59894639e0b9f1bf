//! Part files: what a batch came to, written once and whole.
//!
//! A part is a line of JSON (its key, lengths and hash), then rows of `cells.csv`, then rows of
//! `curves.csv`, then rows of `terms.csv`. It is written under another name, synced and renamed, so that a part that is there is
//! whole; and it is checked against its hash, which covers its first line too, before it is used, so that a damaged
//! one is made again.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use files::Folder;

use crate::Outcome;

/// A part in memory.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// Rows of `cells.csv`.
    pub cells: Vec<u8>,
    /// Rows of `curves.csv`.
    pub curves: Vec<u8>,
    /// Rows of `terms.csv`; none where no loss has several terms.
    pub terms: Vec<u8>,
    /// How many cells, and how many of them diverged or failed.
    pub counts: Counts,
    /// Where and how long it ran: not a result.
    pub timing: Timing,
}

/// How many cells came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All of them.
    pub cells: u64,
    /// Those that diverged.
    pub diverged: u64,
    /// Those that failed.
    pub failed: u64,
}

impl AddAssign for Counts {
    /// Parts of others may say anything.
    fn add_assign(&mut self, other: Self) {
        self.cells = self.cells.saturating_add(other.cells);
        self.diverged = self.diverged.saturating_add(other.diverged);
        self.failed = self.failed.saturating_add(other.failed);
    }
}

impl Counts {
    /// Counts a cell.
    pub fn add(&mut self, outcome: Outcome) {
        self.cells += 1;
        self.diverged += u64::from(outcome == Outcome::Diverged);
        self.failed += u64::from(outcome == Outcome::Failed);
    }
}

/// Where and how long a batch ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// The machine's name.
    pub host: String,
    /// The time of one worker.
    pub wall_us: u64,
    /// On libtorch's engine the kind of CPU, on which its bits depend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
}

/// The first line of a part.
#[derive(Serialize, Deserialize)]
struct Header {
    key: String,
    cells_bytes: u64,
    curves_bytes: u64,
    terms_bytes: u64,
    counts: Counts,
    timing: Timing,
    /// Of this line without it, and of all that follows.
    sha256: String,
}

impl Header {
    /// The bytes that follow, if their number is one.
    fn body(&self) -> Option<u64> {
        let lengths = [self.curves_bytes, self.terms_bytes];
        lengths.iter().try_fold(self.cells_bytes, |sum, length| sum.checked_add(*length))
    }

    /// A hash that has taken in this line.
    fn hash(&self) -> Sha256 {
        let line = serde_json::to_vec(&Self {
            key: self.key.clone(),
            timing: self.timing.clone(),
            sha256: String::new(),
            ..*self
        });
        Sha256::new_with_prefix(line.expect("plain data"))
    }
}

/// The most bytes of a first line.
const LINE: u64 = 4096;

/// The most bytes that are read into memory of a part.
const MOST: u64 = 2 << 30;

impl Part {
    /// Writes the part into `folder`, whole or not at all.
    ///
    /// # Errors
    /// If the disk is full or the folder can't be written.
    pub fn save(&self, folder: &Folder, key: &str) -> io::Result<()> {
        let blocks = [&self.cells, &self.curves, &self.terms];
        let [cells_bytes, curves_bytes, terms_bytes] = blocks.map(|block| block.len() as u64);
        let (key, timing) = (key.to_owned(), self.timing.clone());
        let (counts, sha256) = (self.counts, String::new());
        let mut header = Header { key, cells_bytes, curves_bytes, terms_bytes, counts, timing, sha256 };
        header.sha256 = hex(blocks.into_iter().fold(header.hash(), Sha256::chain_update));
        folder.write(&name(&header.key), |file| {
            serde_json::to_writer(&mut *file, &header)?;
            file.write_all(b"\n")?;
            blocks.iter().try_for_each(|block| file.write_all(block))
        })
    }

    /// Reads the part with this key. `None` if there is none, or if it isn't what was written.
    #[must_use]
    pub fn load(folder: &Folder, key: &str) -> Option<Self> {
        let (header, mut file) = open(folder, key)?;
        let body = header.body().filter(|length| *length <= MOST)?;
        let mut cells = Vec::with_capacity(body as usize);
        file.read_to_end(&mut cells).ok()?;
        if hex(header.hash().chain_update(&cells)) != header.sha256 {
            return None;
        }
        let mut curves = cells.split_off(header.cells_bytes as usize);
        let terms = curves.split_off(header.curves_bytes as usize);
        let Header { counts, timing, .. } = header;
        Some(Self { cells, curves, terms, counts, timing })
    }

    /// What the first line of the part with this key says; `None` as in [`load`](Self::load). However large the part
    /// is, it takes no memory.
    #[must_use]
    pub fn look(folder: &Folder, key: &str) -> Option<(Counts, Timing)> {
        let (header, mut file) = open(folder, key)?;
        let mut hash = header.hash();
        loop {
            let bytes = file.fill_buf().ok()?;
            if bytes.is_empty() {
                return (hex(hash) == header.sha256).then_some((header.counts, header.timing));
            }
            hash.update(bytes);
            let count = bytes.len();
            file.consume(count);
        }
    }
}

/// A part after its first line, if it is as long as that says.
fn open(folder: &Folder, key: &str) -> Option<(Header, BufReader<File>)> {
    let file = folder.open(&name(key), u64::MAX).ok()?;
    let length = file.metadata().ok()?.len();
    let mut file = BufReader::with_capacity(1 << 16, file);
    let mut line = String::new();
    // A damaged first line must not make us read for ever.
    file.by_ref().take(LINE).read_line(&mut line).ok()?;
    let header: Header = serde_json::from_str(&line).ok()?;
    let whole = header.body().and_then(|body| body.checked_add(line.len() as u64)) == Some(length);
    (whole && header.key == key).then_some((header, file))
}

/// The name of a part's file.
#[must_use]
pub fn name(key: &str) -> String {
    format!("{key}.part")
}

/// Whether a text can be the key of a part.
#[must_use]
pub fn is_key(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A hash in hexadecimal digits.
#[must_use]
pub fn hex(hash: Sha256) -> String {
    base16ct::lower::encode_string(&hash.finalize())
}

/// Removes parts that no batch of this run has. Only what is called like a part goes.
///
/// Returns how many were removed.
///
/// # Errors
/// If the folder can't be read.
pub fn remove_others(folder: &Folder, is_known: impl Fn(&str) -> bool) -> io::Result<usize> {
    let of_another =
        |name: &String| name.strip_suffix(".part").is_some_and(|key| is_key(key) && !is_known(key));
    let names = folder.names()?;
    Ok(names.iter().filter(|name| of_another(name) && folder.remove(name).is_ok()).count())
}
