//! The causes, one file each.

pub(crate) mod asymmetry;
pub(crate) mod biased_minimizer;
pub(crate) mod cliff;
pub(crate) mod detached_gradient;
pub(crate) mod flat_minimum;
pub(crate) mod healthy;
pub(crate) mod ill_conditioning;
pub(crate) mod jump;
pub(crate) mod local_minima;
pub(crate) mod lr_too_large;
pub(crate) mod lr_too_small;
pub(crate) mod noisy_gradient;
pub(crate) mod non_finite;
pub(crate) mod plateau;
pub(crate) mod precision_floor;
pub(crate) mod rule;
pub(crate) mod saddle_point;
pub(crate) mod saturated_activation;
pub(crate) mod shape_broadcast;
pub(crate) mod term_conflict;
pub(crate) mod term_imbalance;
pub(crate) mod unbounded_below;

use crate::causes::rule::Rule;

macro_rules! causes {
    ($($code:ident $Variant:ident,)*) => {
        /// Why a loss decreases slowly, in the order in which causes are tested: an earlier one
        /// invalidates later statistics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Cause { $(#[doc = concat!("`", stringify!($code), "`")] $Variant),* }

        impl Cause {
            /// Every cause, in the order of the tests.
            pub const ALL: &'static [Self] = &[$(Self::$Variant),*];

            /// Its code in results and suites.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$Variant => stringify!($code)),* }
            }

            /// What it is, when it is found, and what removes it.
            #[must_use]
            pub const fn rule(self) -> &'static Rule {
                match self { $(Self::$Variant => &$code::RULE),* }
            }
        }
    };
}

causes! {
    shape_broadcast ShapeBroadcast,
    non_finite NonFinite,
    detached_gradient DetachedGradient,
    jump Jump,
    cliff Cliff,
    noisy_gradient NoisyGradient,
    unbounded_below UnboundedBelow,
    biased_minimizer BiasedMinimizer,
    precision_floor PrecisionFloor,
    saddle_point SaddlePoint,
    local_minima LocalMinima,
    asymmetry Asymmetry,
    saturated_activation SaturatedActivation,
    plateau Plateau,
    flat_minimum FlatMinimum,
    term_imbalance TermImbalance,
    term_conflict TermConflict,
    ill_conditioning IllConditioning,
    lr_too_large LrTooLarge,
    lr_too_small LrTooSmall,
    healthy Healthy,
}

impl Cause {
    /// The cause with this code.
    #[must_use]
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.code() == code)
    }

    /// What a sentence calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.rule().name
    }
}

impl std::fmt::Display for Cause {
    fn fmt(&self, formatter: &mut std::fmt::Formatter) -> std::fmt::Result {
        formatter.pad(self.code())
    }
}

impl serde::Serialize for Cause {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_names() {
        for cause in Cause::ALL {
            assert_eq!(Cause::named(cause.code()), Some(*cause));
        }
        assert_eq!(Cause::named("slow"), None);
    }
}
