use registry::options;

use super::{Factors, ScheduleSpec};

options! {
    /// The learning rate, falling with the root of the steps.
    ///
    /// ```text
    /// factor at step k = √(timescale/(timescale + k))
    /// ```
    /// Source: Vaswani et al. 2017, “Attention is all you need”, section 5.3.
    ///
    /// Differs from the paper: the warm-up is [`Warmup`](super::Warmup)'s, and the factor starts at 1. With a
    /// warm-up of `steps` = timescale − 1 it is the paper's min(n^−½, n·timescale^−1½)·√timescale for its step
    /// n = k + 1.
    ///
    /// Checked against: that formula, and `LambdaLR` of PyTorch 2.13.
    ///
    /// ```
    /// use optimizers::schedules::{ScheduleSpec, InverseSqrt};
    /// let factors = InverseSqrt { timescale: Some(1) }.factors(4);
    /// assert_eq!((factors[0], factors[3]), (1.0, 0.5));
    /// ```
    pub struct InverseSqrt {
        /// The steps after which the rate is 1/√2; a tenth of the budget, rounded up, if it is not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub timescale: Option<u64> = None => STEPS,
    }
}

impl ScheduleSpec for InverseSqrt {
    fn iter(&self, budget: u64) -> Factors {
        let timescale = self.timescale.unwrap_or(budget.div_ceil(10)) as f64;
        Box::new((0..budget).map(move |k| (timescale / (timescale + k as f64)).sqrt()))
    }
}
