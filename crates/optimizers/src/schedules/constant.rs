use registry::options;

use super::{Factors, ScheduleSpec};

options! {
    /// The learning rate as it is.
    ///
    /// ```text
    /// factor = 1
    /// ```
    /// Source: the default of `torch.optim`; the case for anything else is Robbins & Monro 1951, “A stochastic
    /// approximation method”.
    ///
    /// Checked against: `torch.optim` of PyTorch 2.13 without a scheduler.
    ///
    /// ```
    /// use optimizers::schedules::{Constant, ScheduleSpec};
    /// assert_eq!(Constant {}.factors(3), [1.0, 1.0, 1.0]);
    /// ```
    pub struct Constant {}
}

impl ScheduleSpec for Constant {
    fn iter(&self, budget: u64) -> Factors {
        Box::new((0..budget).map(|_| 1.0))
    }
}
