//! What the runs wrote, and what it says.
//!
//! [`records`] is the form of the result files; [`table`] makes the convergence table out of them,
//! with the [`statistics`] that are defined for runs that never got there.

pub mod compare;
pub mod records;
pub mod statistics;
pub mod table;
mod words;
