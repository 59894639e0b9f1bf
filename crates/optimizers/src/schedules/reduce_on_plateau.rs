use registry::options;
use serde::{Deserialize, Serialize};

use super::{Factors, ScheduleSpec};

options! {
    /// The learning rate, cut whenever the loss has stopped falling.
    ///
    /// ```text
    /// a loss is better if it is below best·(1 − threshold)      (rel)
    ///                              or best − threshold          (abs)
    /// after more than `patience` losses in a row that are not, lr ← max(factor·lr, min_lr);
    /// the `cooldown` losses after that are not counted
    /// ```
    /// Source: `torch.optim.lr_scheduler.ReduceLROnPlateau`, with mode `min`.
    ///
    /// The factors are all 1; [`feedback`](ScheduleSpec::feedback) hands out the options, and each lane has its own
    /// [`Observer`], which is told the loss after every step. NaN is not better than anything. As in PyTorch,
    /// `rel` takes any loss to be better than a negative best that it is near to: use `abs` where losses can
    /// be negative.
    ///
    /// Checked against: `ReduceLROnPlateau` of PyTorch 2.13.
    ///
    /// ```
    /// use optimizers::schedules::ReduceOnPlateau;
    /// let mut observer = ReduceOnPlateau { patience: 1, ..ReduceOnPlateau::default() }.state();
    /// assert_eq!([3.0, 2.0, 2.0, 2.0].map(|loss| observer.observe(1.0, loss)), [1.0, 1.0, 1.0, 0.1]);
    /// ```
    pub struct ReduceOnPlateau {
        /// What a cut multiplies the rate by.
        pub factor: f64 = 0.1 => 0.0..1.0,
        /// How many losses in a row may be no better before a cut.
        pub patience: u64 = 10,
        /// How much lower a loss must be to be better.
        pub threshold: f64 = 1e-4 => 0.0..,
        /// Whether `threshold` is a share of the best loss (`rel`) or a difference from it (`abs`).
        pub threshold_mode: ThresholdMode = ThresholdMode::Rel,
        /// How many losses after a cut are not counted.
        pub cooldown: u64 = 0,
        /// The lowest rate; a rate, not a factor.
        pub min_lr: f64 = 0.0 => 0.0..,
        /// A cut that takes no more than this off the rate is not made.
        pub eps: f64 = 1e-8 => 0.0..,
    }
}

/// What a threshold is measured in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ThresholdMode {
    /// Shares of the best loss.
    #[default]
    Rel,
    /// The loss's own unit.
    Abs,
}

impl ScheduleSpec for ReduceOnPlateau {
    fn iter(&self, budget: u64) -> Factors {
        Box::new((0..budget).map(|_| 1.0))
    }

    fn feedback(&self) -> Option<ReduceOnPlateau> {
        Some(self.clone())
    }
}

impl ReduceOnPlateau {
    /// An observer that has seen nothing yet.
    #[must_use]
    pub fn state(&self) -> Observer {
        Observer { options: self.clone(), best: f64::INFINITY, bad: 0, cooldown: 0 }
    }
}

/// What one lane's losses have been like so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Observer {
    options: ReduceOnPlateau,
    best: f64,
    /// Losses in a row that were no better.
    bad: u64,
    /// Losses that are still not counted.
    cooldown: u64,
}

impl Observer {
    /// Takes the loss of a step made with the rate `lr_now`, and returns the rate of the next.
    pub fn observe(&mut self, lr_now: f64, loss: f64) -> f64 {
        let options = &self.options;
        let bar = match options.threshold_mode {
            ThresholdMode::Rel => self.best * (1.0 - options.threshold),
            ThresholdMode::Abs => self.best - options.threshold,
        };
        if loss < bar {
            self.best = loss;
            self.bad = 0;
        } else {
            self.bad += 1;
        }
        if self.cooldown > 0 {
            self.cooldown -= 1;
            self.bad = 0;
        }
        if self.bad <= options.patience {
            return lr_now;
        }
        self.cooldown = options.cooldown;
        self.bad = 0;
        // Not `f64::max`, which would drop a NaN.
        let cut = lr_now * options.factor;
        let next = if cut < options.min_lr { options.min_lr } else { cut };
        if lr_now - next > options.eps { next } else { lr_now }
    }
}
