//! Why a loss decreases slowly: rules that judge what was measured of it ([`judge`]), and the verdict once remedies
//! were run ([`conclude`]).
//!
//! Every [`Cause`] is one file in `causes/`. Nothing here knows how a loss is computed: rules read numbers, which are
//! [`records::evidence`].

mod causes;
mod conclude;
mod found;
mod judge;

pub use causes::Cause;
pub use causes::rule::{Rule, Threshold};
pub use conclude::{Diagnosis, LineFit, Tried, conclude};
pub use found::Value;
pub use judge::{Finding, judge};

/// The thresholds that measuring needs, too: where to look closer, and when to stop.
pub mod thresholds {
    pub use crate::causes::biased_minimiser::BIAS;
    pub use crate::causes::detached_gradient::MISMATCH;
    pub use crate::causes::lr_too_large::{OVERSHOOT, overshoots};
    pub use crate::causes::plateau::GAMMA;
    pub use crate::causes::saddle_point::SADDLE_CURVATURE;
    pub use crate::causes::saturated_activation::ASLEEP;
    pub use crate::causes::unbounded_below::ENDLESS;
}
