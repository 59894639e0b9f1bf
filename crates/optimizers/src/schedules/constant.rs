use registry::options;

use super::{Entry, Factors};

options! {
    /// The learning rate as it is.
    ///
    /// ```text
    /// factor = 1
    /// ```
    /// Robbins & Monro 1951, “A stochastic approximation method”, is the case for anything else.
    ///
    /// Checked against: `torch.optim` of PyTorch 2.13 without a scheduler.
    ///
    /// ```
    /// use optimizers::schedules::{Constant, Entry};
    /// assert_eq!(Constant {}.factors(3), [1.0, 1.0, 1.0]);
    /// ```
    pub struct Constant {}
    summary: "the learning rate as it is",
    formula: "1",
    source: "the default everywhere",
}

impl Entry for Constant {
    fn iter(&self, budget: u64) -> Factors {
        Box::new((0..budget).map(|_| 1.0))
    }
}
