//! The schema of results, and nothing of how they are made: result files, part files ([`parts`]), and the
//! [`evidence`] of a diagnosis.
//!
//! The result files are `cells.csv`, one row for each training run, and `curves.csv`, its points;
//! and `terms.csv`, the terms of the losses that have several, at those points.
//!
//! `cells.csv` has these columns, in this order:
//!
//! | column | what it holds |
//! |---|---|
//! | `key` | 16 hexadecimal digits that name the run |
//! | `problem`, `loss`, `optimizer`, `schedule` | labels |
//! | `lr`, `seed`, `role` | learning rate; seed; `tuning` or `reporting` |
//! | `engine`, `dtype` | `fused` or `libtorch`; `float32` or `float64` |
//! | `outcome` | `reached`, `budget`, `diverged` or `failed` |
//! | `budget` | the optimizer steps that it was allowed |
//! | `steps`, `evaluations` | optimizer steps that ran; gradient evaluations |
//! | `start_loss`, `final_loss`, `best_loss` | the loss |
//! | `start_error`, `final_error`, `best_error` | the error, which doesn't depend on the loss |
//! | `steps_to_<target>`, one for each target | the step; `inf`: not within the budget; empty: not asked |
//! | `evaluations_to_<target>`, one for each target | the same in gradient evaluations |
//! | `message` | why a run failed |
//!
//! Losses and errors stand in the shortest decimals that read back to the same number of the run's
//! own type, so a file that is read and written again has the same bytes.

mod error;
pub mod evidence;
mod manifest;
mod model;
pub mod number;
pub mod parts;
mod read;
pub mod rows;
pub mod text;
mod word;
mod write;

pub use error::RecordError;
pub use manifest::{Conditions, Hashed, Manifest, Results, digest};
pub use model::{Cell, Dtype, Engine, Hit, Key, Outcome, Point, Role, TargetError, Targets, Term};
pub use read::{Cells, Points};
pub use word::Word;
pub use write::{
    csv_text, float, integer, write_cell, write_cell_header, write_point, write_point_header, write_term,
    write_term_header, write_text,
};

/// The version of the form of the result files. It rises when a column comes, goes or changes its
/// meaning; 2 added `budget`, 3 `evaluations_to_<target>`. A file of another form is refused by its header, never misread.
pub const SCHEMA: u32 = 3;
