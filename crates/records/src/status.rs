//! The progress of a grid.

use std::collections::BTreeMap;

use documented::DocumentedFields;
use serde::Serialize;

use crate::parts::Timing;

/// The progress of a grid, from the files in its folder alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, DocumentedFields)]
pub struct Status {
    /// The parts there are, extensions included as far as they are known.
    pub parts: usize,
    /// Those that are there and whole.
    pub done: usize,
    /// The cells of those.
    pub cells: u64,
    /// Cells of those that failed.
    pub failed: u64,
    /// Shards with parts that are missing, as an `--array=` string, where their number is known.
    pub missing: Option<String>,
    /// Whether the result files are there and whole, and are those of this config and build.
    pub merged: bool,
    /// The result files of this config that aren't there, or not as they were written.
    pub damaged: Vec<String>,
    /// How many parts of libtorch's engine each kind of CPU made: its bits depend on that.
    pub cpus: Cpus,
}

/// Kinds of CPU, and how many parts of libtorch's engine each made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Cpus(BTreeMap<String, usize>);

impl Cpus {
    /// Counts a part.
    pub fn add(&mut self, timing: &Timing) {
        if let Some(cpu) = &timing.cpu {
            *self.0.entry(cpu.clone()).or_default() += 1;
        }
    }

    /// What there is to say where they differ.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        let kinds: Vec<String> = self.0.iter().map(|(cpu, parts)| format!("{cpu} ({parts} parts)")).collect();
        (kinds.len() > 1).then(|| {
            format!(
                "parts of libtorch's engine come from CPUs of different kinds, whose results may differ in their \
                 last digits: {}",
                kinds.join(", ")
            )
        })
    }
}
