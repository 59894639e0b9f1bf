//! Part files: what a batch came to, written once and whole.
//!
//! A part is a line of JSON (its key, lengths and hash), then rows of `cells.csv`, then rows of
//! `curves.csv`, then rows of `terms.csv`. It is written under another name, synced and renamed, so that a part that is there is
//! whole; and it is checked against its hash before it is used, so that a damaged one is made again.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::time::Duration;

use analysis::records::{self, Cell, Hit, Outcome, Point, Targets, Term};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use files::write_whole;

use crate::engine::LaneResult;
use crate::plan::Batch;

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
    fn add_assign(&mut self, other: Self) {
        self.cells += other.cells;
        self.diverged += other.diverged;
        self.failed += other.failed;
    }
}

/// Where and how long a batch ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// The machine's name.
    pub host: String,
    /// The time of one worker.
    pub wall_us: u64,
}

/// The first line of a part.
#[derive(Serialize, Deserialize)]
struct Header {
    key: String,
    cells_bytes: u64,
    curves_bytes: u64,
    terms_bytes: u64,
    sha256: String,
    counts: Counts,
    timing: Timing,
}

impl Part {
    /// Writes the results of a batch as rows.
    ///
    /// # Panics
    /// If `targets` lacks a target of the batch: they come from the same plan.
    #[must_use]
    pub fn new(batch: &Batch, results: &[LaneResult], targets: &Targets, timing: Timing) -> Self {
        let labels = batch.labels();
        let dtype = batch.settings.dtype;
        let [mut cells, mut curves, mut terms] = [const { Vec::new() }; 3];
        let mut counts = Counts::default();
        let mut cell = Cell {
            key: records::Key(0),
            problem: labels.problem.clone(),
            loss: labels.loss.clone(),
            optimizer: labels.optimizer.clone(),
            schedule: labels.schedule.clone(),
            lr: 0.0,
            seed: 0,
            role: records::Role::Tuning,
            engine: batch.engine,
            dtype,
            outcome: Outcome::Budget,
            budget: batch.settings.steps,
            steps: 0,
            evaluations: 0,
            start_loss: 0.0,
            final_loss: 0.0,
            best_loss: 0.0,
            start_error: 0.0,
            final_error: 0.0,
            best_error: 0.0,
            hits: Vec::new(),
            message: String::new(),
        };
        for (lane, result) in batch.lanes.iter().zip(results) {
            cell.key = labels.key(lane);
            (cell.lr, cell.seed, cell.role) = (lane.lr, lane.seed, lane.role);
            (cell.outcome, cell.steps, cell.evaluations) = (result.outcome, result.steps, result.evaluations);
            [cell.start_loss, cell.final_loss, cell.best_loss] = result.loss;
            [cell.start_error, cell.final_error, cell.best_error] = result.error;
            let counts_to = result.hits.iter().zip(&result.hit_evaluations);
            cell.hits.clear();
            cell.hits.extend(batch.settings.targets.iter().zip(counts_to).map(
                |(target, (step, evaluations))| Hit {
                    target: *target,
                    step: *step,
                    evaluations: *evaluations,
                },
            ));
            cell.message.clone_from(&result.message);
            records::write_cell(&mut cells, &cell, targets).expect("the plan's targets hold every batch's");
            for moment in &result.curve {
                let point = Point {
                    key: cell.key,
                    step: moment.step,
                    loss: moment.loss,
                    error: moment.error,
                    gradient_norm: moment.gradient_norm,
                    lr: moment.lr,
                };
                records::write_point(&mut curves, &point, dtype);
            }
            for share in &result.terms {
                let term = Term {
                    key: cell.key,
                    step: share.step,
                    name: &share.term,
                    value: share.value,
                    gradient_norm: share.gradient_norm,
                    cosine: share.cosine,
                };
                records::write_term(&mut terms, &term, dtype);
            }
            counts.cells += 1;
            counts.diverged += u64::from(result.outcome == Outcome::Diverged);
            counts.failed += u64::from(result.outcome == Outcome::Failed);
        }
        Self { cells, curves, terms, counts, timing }
    }

    /// Writes the part into `folder`, whole or not at all.
    ///
    /// # Errors
    /// If the disk is full or the folder can't be written.
    pub fn save(&self, folder: &Path, key: &str) -> io::Result<()> {
        let header = Header {
            key: key.to_owned(),
            cells_bytes: self.cells.len() as u64,
            curves_bytes: self.curves.len() as u64,
            terms_bytes: self.terms.len() as u64,
            sha256: hash([&self.cells, &self.curves, &self.terms]),
            counts: self.counts,
            timing: self.timing.clone(),
        };
        write_whole(&path(folder, key), |file| {
            serde_json::to_writer(&mut *file, &header)?;
            file.write_all(b"\n")?;
            file.write_all(&self.cells)?;
            file.write_all(&self.curves)?;
            file.write_all(&self.terms)
        })
    }

    /// Reads the part with this key. `None` if there is none, or if it isn't what was written.
    #[must_use]
    pub fn load(folder: &Path, key: &str) -> Option<Self> {
        let mut file = BufReader::new(File::open(path(folder, key)).ok()?);
        let mut line = String::new();
        // A damaged header must not make us read for ever.
        file.by_ref().take(4096).read_line(&mut line).ok()?;
        let header: Header = serde_json::from_str(&line).ok()?;
        let mut body = Vec::new();
        file.read_to_end(&mut body).ok()?;
        let lengths = [header.curves_bytes, header.terms_bytes];
        let whole = lengths.iter().try_fold(header.cells_bytes, |sum, length| sum.checked_add(*length));
        if header.key != key || whole != Some(body.len() as u64) {
            return None;
        }
        let mut curves = body.split_off(header.cells_bytes as usize);
        let terms = curves.split_off(header.curves_bytes as usize);
        (hash([&body, &curves, &terms]) == header.sha256).then_some(Self {
            cells: body,
            curves,
            terms,
            counts: header.counts,
            timing: header.timing,
        })
    }
}

/// Where a part lies.
pub(crate) fn path(folder: &Path, key: &str) -> PathBuf {
    folder.join(format!("{key}.part"))
}

fn hash(blocks: [&[u8]; 3]) -> String {
    let hash = blocks.iter().fold(Sha256::new(), Sha256::chain_update);
    base16ct::lower::encode_string(&hash.finalize())
}

/// So long after its last byte a file that is being written has been given up: another run may be at work here.
const GIVEN_UP: Duration = Duration::from_secs(3600);

/// Removes what an interrupted run left half-written, and parts that no batch of this run has.
///
/// Returns how many parts were removed.
///
/// # Errors
/// If the folder can't be read.
pub fn sweep(folder: &Path, is_known: impl Fn(&str) -> bool) -> io::Result<usize> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let foreign = name.strip_suffix(".part").is_some_and(|key| !is_known(key));
        // A clock that was set back makes an age an error, and then the file stays.
        let age = || entry.metadata().and_then(|data| data.modified()).ok()?.elapsed().ok();
        let half = name.starts_with(".writing-") && age().is_some_and(|age| age > GIVEN_UP);
        if (foreign || half) && fs::remove_file(entry.path()).is_ok() {
            removed += usize::from(foreign);
        }
    }
    Ok(removed)
}
