use registry::options;

use super::{Factors, ScheduleSpec};

options! {
    /// The learning rate, falling with the steps.
    ///
    /// ```text
    /// factor at step k = timescale/(timescale + k)
    /// ```
    /// Source: Darken & Moody 1990, “Note on learning rate schedules for stochastic optimization”: search, then
    /// converge.
    ///
    /// Differs from the paper: nothing.
    ///
    /// Checked against: `LambdaLR` of PyTorch 2.13.
    ///
    /// ```
    /// use optimizers::schedules::{ScheduleSpec, InverseTime};
    /// assert_eq!(InverseTime { timescale: Some(3) }.factors(4), [1.0, 0.75, 0.6, 0.5]);
    /// ```
    pub struct InverseTime {
        /// The steps after which the rate is a half; a tenth of the budget, rounded up, if it is not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub timescale: Option<u64> = None => STEPS,
    }
}

impl ScheduleSpec for InverseTime {
    fn iter(&self, budget: u64) -> Factors {
        let timescale = self.timescale.unwrap_or(budget.div_ceil(10)) as f64;
        Box::new((0..budget).map(move |k| timescale / (timescale + k as f64)))
    }
}
