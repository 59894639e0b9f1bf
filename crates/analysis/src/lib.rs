//! What the runs wrote, and what it says.
//!
//! [`records`] is the form of the result files; [`table`] makes the convergence table out of them,
//! with the [`statistics`] that are defined for runs that never got there, and [`scores`] optimizers over
//! many problems; [`report`] shows them as [`figures`] and as a page.

pub mod compare;
pub mod diagnosis;
pub mod figures;
mod layout;
mod places;
pub mod records;
pub mod report;
pub mod scores;
pub mod statistics;
pub mod table;
pub mod text;
mod words;
