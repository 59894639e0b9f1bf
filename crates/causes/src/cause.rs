//! The causes, by the codes that results know them by.

macro_rules! causes {
    ($($code:literal $Variant:ident $name:literal $what:literal)*) => {
        /// Why a loss decreases slowly, in the order in which causes are tested: an earlier one
        /// invalidates later statistics.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Cause { $(#[doc = $what] $Variant),* }

        impl Cause {
            /// Every cause, in the order of the tests.
            pub const ALL: &'static [Self] = &[$(Self::$Variant),*];

            /// Its code in results and suites.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$Variant => $code),* }
            }

            /// What a sentence calls it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$Variant => $name),* }
            }

            /// What it is, in one line.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Self::$Variant => $what),* }
            }
        }
    };
}

causes! {
    "shape_broadcast" ShapeBroadcast "a shape mismatch" "Prediction and target have as many elements, but other shapes, and broadcast into pairs."
    "non_finite" NonFinite "non-finite numbers" "The loss or its gradient is infinite or NaN where training goes."
    "detached_gradient" DetachedGradient "a detached gradient" "The gradient isn't the slope of the value: something is detached, or has no derivative."
    "jump" Jump "a jump" "The value jumps, and the gradient doesn't see it."
    "cliff" Cliff "a cliff" "The slope is suddenly many times steeper than nearer the minimum."
    "noisy_gradient" NoisyGradient "noise" "Gradients of single steps have more noise than direction."
    "unbounded_below" UnboundedBelow "no minimum" "The loss falls for ever."
    "biased_minimiser" BiasedMinimiser "a biased minimiser" "The loss is least somewhere else than at the target."
    "precision_floor" PrecisionFloor "a precision floor" "Rounding drowns the gradient before the target is reached."
    "saddle_point" SaddlePoint "a saddle point" "The run passes a point where the gradient vanishes, though it is no minimum."
    "local_minima" LocalMinima "local minima" "On the way to the minimum the loss rises."
    "asymmetry" Asymmetry "an asymmetry" "Errors of one sign weigh several times those of the other."
    "saturated_activation" SaturatedActivation "a saturated activation" "An activation is flat where the predictions are, whatever the target."
    "plateau" Plateau "a plateau" "The gradient is tiny where the loss is still far above its minimum."
    "flat_minimum" FlatMinimum "a flat minimum" "The loss flattens out faster than a parabola around its minimum."
    "term_imbalance" TermImbalance "an imbalance of terms" "One term's gradient drowns another's."
    "term_conflict" TermConflict "a conflict of terms" "At the minimum the terms still pull against each other."
    "ill_conditioning" IllConditioning "ill-conditioning" "Curvatures differ so much that no one rate suits all directions."
    "lr_too_large" LrTooLarge "a learning rate that is too large" "Steps overshoot and point back and forth."
    "lr_too_small" LrTooSmall "a learning rate that is too small" "The same optimizer is many times faster at a much larger rate."
    "healthy" Healthy "nothing" "Nothing was found in the region that was probed."
}

impl Cause {
    /// The cause with this code.
    #[must_use]
    pub fn named(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|cause| cause.code() == code)
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
        assert_eq!(Cause::ALL.len(), 21);
    }
}
