use std::f64::consts::PI;

use registry::options;

use super::{Factors, ScheduleSpec};

options! {
    /// The learning rate along half a cosine, down to a last factor.
    ///
    /// ```text
    /// factor at step k = end_factor + (1 − end_factor)·(1 + cos(π·min(k, steps)/steps))/2
    /// ```
    /// Source: Loshchilov & Hutter 2017, “SGDR: stochastic gradient descent with warm restarts”, one period of equation
    /// 5.
    ///
    /// Differs from PyTorch: `end_factor` is a share of the learning rate (`eta_min` is `end_factor·lr`), and the
    /// factor stays at it after `steps` (`T_max`), where `CosineAnnealingLR` would rise again.
    ///
    /// Checked against: `CosineAnnealingLR` of PyTorch 2.13, up to its `T_max`.
    ///
    /// ```
    /// use optimizers::schedules::{Cosine, ScheduleSpec};
    /// let factors = Cosine { steps: Some(2), ..Cosine::default() }.factors(4);
    /// assert_eq!((factors[0], factors[2], factors[3]), (1.0, 0.0, 0.0));
    /// assert!((factors[1] - 0.5).abs() < 1e-15);
    /// ```
    pub struct Cosine {
        /// The factor at step `steps` and after it.
        pub end_factor: f64 = 0.0 => 0.0..=1.0,
        /// The length of the half wave; the budget, if it is not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub steps: Option<u64> = None => STEPS,
    }
}

impl ScheduleSpec for Cosine {
    fn iter(&self, budget: u64) -> Factors {
        let steps = self.steps.unwrap_or(budget);
        let end = self.end_factor;
        Box::new((0..budget).map(move |k| {
            let wave = 0.5 * (1.0 + libm::cos(PI * k.min(steps) as f64 / steps as f64));
            end + (1.0 - end) * wave
        }))
    }
}
