//! What results say: pure functions of [`records`].
//!
//! [`table`] makes the convergence table, with the [`statistics`] that are defined for runs that never got there,
//! [`scores`] optimizers over many problems, and [`compare`](mod@compare) tells two sets of results apart.

pub mod compare;
mod places;
pub mod scores;
pub mod statistics;
pub mod table;
pub mod text_table;
