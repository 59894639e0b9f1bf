//! Why a loss decreases slowly: what was measured ([`Evidence`]), which causes that shows ([`judge`]), and what
//! became of the remedies ([`conclude`]).
//!
//! Nothing here knows how a loss is computed: the runner measures, and these rules judge numbers.

mod cause;
mod conclude;
mod judge;
pub mod thresholds;
mod words;

pub use cause::Cause;
pub use conclude::{Diagnosis, LineFit, Tried, conclude};
pub use judge::{Finding, judge};
