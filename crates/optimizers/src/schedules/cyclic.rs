use registry::options;
use serde::{Deserialize, Serialize};

use super::{Factors, ScheduleSpec, powers};

options! {
    /// The learning rate up and down on straight lines, again and again.
    ///
    /// ```text
    /// x = the way up at step k, from 0 to 1 in `up` steps and back in `down`
    /// factor at step k = base_factor + (1 − base_factor)·x·s
    /// s = 1                    triangular
    ///     ½^cycle              triangular2, cycles counted from 0
    ///     gammaᵏ               exp_range
    /// ```
    /// Source: Smith 2017, “Cyclical learning rates for training neural networks”, section 3.
    ///
    /// Differs from PyTorch: `base_factor` is a share of the learning rate, which is the highest (`max_lr`); the
    /// lengths have defaults, such that there are four cycles; momentum is not cycled.
    ///
    /// Checked against: `CyclicLR` of PyTorch 2.13.
    ///
    /// ```
    /// use optimizers::schedules::{Cyclic, ScheduleSpec};
    /// let factors = Cyclic { base_factor: 0.5, up: Some(2), ..Cyclic::default() }.factors(5);
    /// assert_eq!(factors, [0.5, 0.75, 1.0, 0.75, 0.5]);
    /// ```
    pub struct Cyclic {
        /// The factor that a cycle starts from.
        pub base_factor: f64 = 0.25 => 0.0..=1.0,
        /// The steps up; an eighth of the budget, rounded up, if not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub up: Option<u64> = None => STEPS,
        /// The steps down; as many as up, if not given.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub down: Option<u64> = None => STEPS,
        /// How the peaks fall: `triangular`, `triangular2` or `exp_range`.
        pub mode: Mode = Mode::Triangular,
        /// The ratio of a step's height to that of the step before, in the mode `exp_range`.
        pub gamma: f64 = 1.0 => 0.0..=1.0,
    }
}

/// How the peaks of the cycles fall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// They don't.
    #[default]
    Triangular,
    /// By a half from one to the next.
    Triangular2,
    /// With a power of the steps.
    ExpRange,
}

impl ScheduleSpec for Cyclic {
    fn iter(&self, budget: u64) -> Factors {
        let up = self.up.unwrap_or(budget.div_ceil(8)).max(1);
        let down = self.down.unwrap_or(up);
        let (base, mode) = (self.base_factor, self.mode);
        Box::new((0..budget).zip(powers(self.gamma)).map(move |(k, power)| {
            let (cycle, t) = (k / (up + down), k % (up + down));
            let way = if t <= up { t as f64 / up as f64 } else { (up + down - t) as f64 / down as f64 };
            let height = match mode {
                Mode::Triangular => 1.0,
                Mode::Triangular2 => libm::exp2(-(cycle as f64)),
                Mode::ExpRange => power,
            };
            base + (1.0 - base) * way * height
        }))
    }
}
