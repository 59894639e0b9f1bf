use numeric::Real;
use registry::options;

use crate::rule::with_l2;
use crate::shared::moments::average;
use crate::{Elementwise, Rule, Visitor};

options! {
    /// The gradient, divided by its root mean square.
    ///
    /// ```text
    /// g ← ∇f(p) + l2·p
    /// v ← alpha·v + (1 − alpha)·g²
    /// m ← alpha·m + (1 − alpha)·g             if centered, else m = 0
    /// b ← momentum·b + g/(√(v − m²) + eps)
    /// p ← p − lr·b
    /// ```
    /// Source: Hinton 2012, “Neural networks for machine learning”, lecture 6e; centered and with momentum: Graves
    /// 2013, “Generating sequences with recurrent neural networks”, equations 38 to 45.
    ///
    /// Differs from the paper: `eps` is added to the root, as in PyTorch, where Graves adds it under the
    /// root. So a long run of equal gradients brings v − m² to 0, or by rounding below it (the step is NaN
    /// then), with `centered`.
    ///
    /// Checked against: `torch.optim.RMSprop` of PyTorch 2.13, whose `weight_decay` is `l2` here.
    ///
    /// ```
    /// use optimizers::{Fusible, RmsProp};
    /// let mut stepper = RmsProp { alpha: 0.75, ..RmsProp::default() }.stepper(1).unwrap();
    /// let mut p = [1.0_f64];
    /// stepper.step_slice(0.1, &mut p, &[3.0]);
    /// // v = 9/4, so the first step is 2·lr.
    /// assert!((p[0] - 0.8).abs() < 1e-8);
    /// ```
    pub struct RmsProp {
        /// Decay of the averages.
        pub alpha: f64 = 0.99 => 0.0..1.0,
        /// Added to the denominator.
        pub eps: f64 = 1e-8 => 0.0..,
        /// The share of the last step that is kept.
        pub momentum: f64 = 0.0 => 0.0..,
        /// Divides by the standard deviation instead.
        pub centered: bool = false,
        /// Decay added to the gradient.
        pub l2: f64 = 0.0 => 0.0..,
    }
}

impl Elementwise for RmsProp {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        let Self { alpha, eps, momentum, centered, l2 } = *self;
        match (centered, momentum != 0.0) {
            (false, false) => with_l2(l2, Root::<false, 1> { alpha, eps, momentum }, visitor),
            (false, true) => with_l2(l2, Root::<false, 2> { alpha, eps, momentum }, visitor),
            (true, false) => with_l2(l2, Root::<true, 2> { alpha, eps, momentum }, visitor),
            (true, true) => with_l2(l2, Root::<true, 3> { alpha, eps, momentum }, visitor),
        }
    }
}

/// The rule with a state of `N` numbers: v, then m if centered, then b if one is left.
#[derive(Clone)]
struct Root<const CENTERED: bool, const N: usize> {
    alpha: f64,
    eps: f64,
    momentum: f64,
}

impl<const CENTERED: bool, const N: usize> Rule<N> for Root<CENTERED, N> {
    type StepConstants = ();
    fn step_constants(&self, _step: u64, (): ()) {}

    #[inline(always)]
    fn update<R: Real>(&self, (): (), lr: R, p: R, g: R, state: &mut [R; N]) -> R {
        average(&mut state[0], self.alpha, g.clone().square());
        let mut square = state[0].clone();
        if CENTERED {
            average(&mut state[1], self.alpha, g.clone());
            square = square - state[1].clone().square();
        }
        let mut step = g / (square.sqrt() + self.eps);
        if N > 1 + usize::from(CENTERED) {
            step = state[N - 1].clone() * self.momentum + step;
            state[N - 1] = step.clone();
        }
        p - lr * step
    }
}
