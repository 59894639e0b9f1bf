use registry::options;

use super::{Factors, ScheduleSpec};

options! {
    /// The learning rate, falling with a power of the steps.
    ///
    /// ```text
    /// factor at step k = (timescale/(timescale + k))^exponent
    /// ```
    /// Source: Robbins & Monro 1951, “A stochastic approximation method”.
    ///
    /// With noise, exponents above ½ and up to 1 converge. [`InverseSqrt`](super::InverseSqrt) and
    /// [`InverseTime`](super::InverseTime) are its ends.
    ///
    /// Differs from the paper: the `timescale`, without which the second step would already have half the rate.
    ///
    /// Checked against: `LambdaLR` of PyTorch 2.13.
    ///
    /// ```
    /// use optimizers::schedules::{ScheduleSpec, Power};
    /// let factors = Power { timescale: Some(1), exponent: 2.0 }.factors(3);
    /// assert_eq!((factors[0], factors[1]), (1.0, 0.25));
    /// ```
    pub struct Power {
        /// The steps after which the rate is 1/2^exponent; a tenth of the budget, rounded up, if it is not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub timescale: Option<u64> = None => STEPS,
        /// The power of the steps.
        pub exponent: f64 = 0.75 => 0.0..,
    }
}

impl ScheduleSpec for Power {
    fn iter(&self, budget: u64) -> Factors {
        let timescale = self.timescale.unwrap_or(budget.div_ceil(10)) as f64;
        let exponent = self.exponent;
        Box::new((0..budget).map(move |k| libm::pow(timescale / (timescale + k as f64), exponent)))
    }
}
