//! Moving averages of the gradient and of its square, which Adam and its relatives share.

use numeric::Real;

/// `moment ← decay·moment + (1 − decay)·x`
#[inline(always)]
pub(crate) fn average<R: Real>(moment: &mut R, decay: f64, x: R) {
    *moment = moment.clone() * decay + x * (1.0 - decay);
}

/// The bias corrections of the two moments at a step, and the powers they come from.
///
/// Averages that start at 0 are too small by `1 − βᵏ` after `k` steps (Kingma & Ba 2015, section 3).
#[derive(Clone, Copy)]
pub struct Corrections {
    beta1_power: f64,
    beta2_power: f64,
    /// 1 / (1 − β₁ᵏ): what the first moment is multiplied by.
    pub first: f64,
    /// 1 / √(1 − β₂ᵏ): what the root of the second moment is multiplied by.
    pub second_root: f64,
}

impl Default for Corrections {
    fn default() -> Self {
        Self { beta1_power: 1.0, beta2_power: 1.0, first: 1.0, second_root: 1.0 }
    }
}

impl Corrections {
    /// Those of the next step.
    pub(crate) fn next(self, beta1: f64, beta2: f64) -> Self {
        let (beta1_power, beta2_power) = (self.beta1_power * beta1, self.beta2_power * beta2);
        let (first, second_root) = (1.0 / (1.0 - beta1_power), 1.0 / (1.0 - beta2_power).sqrt());
        Self { beta1_power, beta2_power, first, second_root }
    }
}
