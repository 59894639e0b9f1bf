//! The schema of results, and nothing of how they are made: result files, part files ([`parts`]), and the
//! [`evidence`] of a diagnosis.
//!
//! The result files are `cells.csv`, one row for each training run ([`Cell`]), `curves.csv`, its points ([`Point`]),
//! and `terms.csv`, the terms of the losses that have several, at those points ([`Term`]). Their columns are the fields of
//! these types, and docs/src/result-files.md is made from their docs. Readers find a column by its name, whatever else there
//! is, in any order.
//!
//! Losses and errors stand in the shortest decimals that read back to the same number of the run's
//! own type, so a file that is read and written again has the same bytes.

mod columns;
mod error;
pub mod evidence;
mod manifest;
mod model;
pub mod number;
pub mod parts;
mod read;
mod renamed;
pub mod rows;
mod status;
pub mod text;
mod write;

pub use columns::{MAP_COLUMNS, PROFILE_COLUMNS, PROFILE_PLACES};
pub use error::RecordError;
pub use manifest::{
    Conditions, DiagnosisManifest, Hashed, Manifest, MapAxes, MapAxis, MapManifest, Results, digest,
    save_manifest,
};
pub use model::{
    AxisScale, Cell, Dtype, Engine, Hit, Key, Outcome, Point, Role, RunTiming, TargetError, Targets, Term,
};
pub use read::{Cells, Points};
pub use renamed::RENAMED_COLUMNS;
pub use status::{Cpus, Status};
pub use write::{
    float, integer, write_cell, write_cell_header, write_point, write_point_header, write_term,
    write_term_header, write_text, write_timing, write_timing_header,
};

/// The version of the form of the result files. It rises when a column goes or changes its name or meaning: 2 added
/// `budget`, 3 `evaluations_to_<target>`; 4 gave keys their `k`, and each column a name of its own in all files.
pub const SCHEMA: u32 = 4;

/// The oldest version that is read: [`RENAMED_COLUMNS`] and [`registry::renamed`] are what differs.
pub const OLDEST: u32 = 3;
