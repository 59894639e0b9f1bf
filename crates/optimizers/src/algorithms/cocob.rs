use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::shared::per_tensor::{Now, TensorRule, per_tensor};
use crate::{Fusible, OptimizerSpec, TensorStepper};

options! {
    /// A bet on the sign of each gradient, with the money won so far; it has no rate.
    ///
    /// ```text
    /// L ← max(L, |g|)                          L = eps before step 1
    /// G ← G + |g|,  C ← C − g
    /// R ← max(R − g·(p − p₀), 0)
    /// p ← p + lr·(p₀ + C/(L·max(G + L, alpha·L))·(L + R) − p)
    /// ```
    /// Source: Orabona & Tommasi 2017, “Training deep networks without learning rates through coin betting”, algorithm
    /// 2.
    ///
    /// Differs from the paper: `lr`, the share of the way to the bet, is 1 there.
    ///
    /// Checked against: `optax.contrib.cocob` of optax 0.2.8.
    ///
    /// ```
    /// use optimizers::{Cocob, OptimizerSpec};
    /// use tch::Tensor;
    /// let mut stepper = Cocob { alpha: 4.0, ..Cocob::default() }.tensor();
    /// let mut p = [Tensor::from_slice(&[1.0_f64])];
    /// stepper.step(&Tensor::from_slice(&[1.0_f64]), &mut p, &[Tensor::from_slice(&[5.0_f64])]);
    /// // −5/(5·20)·5
    /// assert!((f64::try_from(&p[0]).unwrap() - 0.75).abs() < 1e-12);
    /// ```
    pub struct Cocob {
        /// How cautious the first bets are.
        pub alpha: f64 = 100.0 => above(0.0),
        /// The largest gradient before the first step.
        pub eps: f64 = 1e-8 => above(0.0),
    }
}

impl<F: Float> Fusible<F> for Cocob {}

impl OptimizerSpec for Cocob {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        per_tensor(self.clone())
    }
}

pub(crate) struct Bets {
    start: Tensor,
    largest: Tensor,
    total: Tensor,
    sum: Tensor,
    reward: Tensor,
}

impl TensorRule for Cocob {
    type State = Bets;
    fn start(&self, parameter: &Tensor) -> Bets {
        let zeros = || parameter.zeros_like();
        let largest = parameter.full_like(self.eps);
        Bets { start: parameter.copy(), largest, total: zeros(), sum: zeros(), reward: zeros() }
    }

    fn update(&self, now: &Now<'_>, bets: &mut Bets) -> Tensor {
        let size = now.g.abs();
        bets.largest = bets.largest.maximum(&size);
        bets.total += &size;
        bets.sum -= now.g;
        bets.reward = (&bets.reward - now.g * (now.p - &bets.start)).clamp_min(0.0);
        let least = &bets.largest * self.alpha;
        // One quotient at a time: a product of two could overflow.
        let share = &bets.sum / (&bets.total + &bets.largest).maximum(&least);
        let bet = &bets.start + share * (1.0 + &bets.reward / &bets.largest);
        now.p + &now.lr * (bet - now.p)
    }
}
