//! Why a loss decreases slowly: rules that judge what was measured of it ([`find_all`]), and the verdict once remedies
//! were run ([`verdict`]).
//!
//! Every [`Cause`] is one file in `causes/`. Nothing here knows how a loss is computed: rules read numbers, which are
//! [`records::evidence`].

mod causes;
mod found;
mod rules;
mod verdict;

pub use causes::Cause;
pub use causes::rule::{Rule, Threshold};
pub use found::Value;
pub use rules::{Finding, find_all};
pub use verdict::{Diagnosis, FixResult, LineFit, verdict};

/// The thresholds that measuring needs, too: where to look closer, and when to stop.
pub mod thresholds {
    pub use crate::causes::biased_minimizer::BIAS;
    pub use crate::causes::detached_gradient::MISMATCH;
    pub use crate::causes::lr_too_large::{OVERSHOOT, overshoots};
    pub use crate::causes::plateau::GAMMA;
    pub use crate::causes::saddle_point::SADDLE_CURVATURE;
    pub use crate::causes::saturated_activation::DEAD_LAYER;
    pub use crate::causes::unbounded_below::ENDLESS;
}
