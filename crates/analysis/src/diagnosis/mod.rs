//! Why a loss decreases slowly: what was measured ([`Evidence`]), which causes that shows ([`judge`]), and what
//! became of the remedies ([`conclude`]).
//!
//! Nothing here knows how a loss is computed: the runner measures, and these rules judge numbers.

mod cause;
mod conclude;
mod evidence;
mod judge;
mod path;
mod spectrum;
pub mod thresholds;
mod words;

pub use cause::Cause;
pub use conclude::{Diagnosis, LineFit, Tried, conclude};
pub use evidence::{
    Asleep, Baseline, Bias, Curvature, Evidence, Fall, Noise, NonFinite, Plateau, Precision, Rate, Saddle,
    Shapes, Sides, Term,
};
pub use judge::{Finding, judge};
pub use path::{Fit, Path, exponent, gamma};
pub use spectrum::{Spectrum, lanczos};
