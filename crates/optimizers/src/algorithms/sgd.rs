use numeric::Real;
use registry::options;

use crate::rule::with_l2;
use crate::{Elementwise, Rule, Visitor};

options! {
    /// Stochastic gradient descent, with momentum if asked.
    ///
    /// ```text
    /// g ← ∇f(p) + l2·p
    /// b ← momentum·b + (1 − dampening)·g      (b ← g at the first step)
    /// g ← g + momentum·b  if nesterov, else b
    /// p ← p − lr·g
    /// ```
    /// Source: Robbins & Monro 1951, “A stochastic approximation method”; the momentum is that of `heavy_ball` and
    /// `nesterov`.
    ///
    /// Differs from the paper: `lr` is the schedule's, not a sequence 1/k.
    ///
    /// Checked against: `torch.optim.SGD` of PyTorch 2.13, whose `weight_decay` is `l2` here.
    ///
    /// ```
    /// use optimizers::{Fusible, Sgd};
    /// let mut stepper = Sgd::default().stepper(1).unwrap();
    /// let mut p = [1.0_f64];
    /// stepper.step_slice(0.1, &mut p, &[2.0]);
    /// assert_eq!(p, [0.8]);
    /// ```
    pub struct Sgd {
        /// The share of the last step that is kept.
        pub momentum: f64 = 0.0 => 0.0..,
        /// The share of the gradient that momentum leaves out.
        pub dampening: f64 = 0.0 => ..,
        /// Looks ahead along the momentum.
        pub nesterov: bool = false,
        /// Decay added to the gradient.
        pub l2: f64 = 0.0 => 0.0..,
    }
    check: |sgd| match *sgd {
        Self { nesterov: true, momentum, dampening, .. } if momentum == 0.0 || dampening != 0.0 => Err(format!(
            "`nesterov` needs a `momentum` above 0 and no `dampening`, and they are {momentum} and {dampening}"
        )),
        _ => Ok(()),
    },
}

impl Elementwise for Sgd {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        let Self { momentum, dampening, nesterov, l2 } = *self;
        match (momentum == 0.0, nesterov) {
            (true, _) => with_l2(l2, Gradient, visitor),
            (false, false) => with_l2(l2, Momentum::<false> { momentum, dampening }, visitor),
            (false, true) => with_l2(l2, Momentum::<true> { momentum, dampening }, visitor),
        }
    }
}

/// Without momentum: no state.
#[derive(Clone)]
struct Gradient;

impl Rule<0> for Gradient {
    type StepConstants = ();
    fn step_constants(&self, _step: u64, (): ()) {}

    #[inline(always)]
    fn update<R: Real>(&self, (): (), lr: R, p: R, g: R, _state: &mut [R; 0]) -> R {
        p - lr * g
    }
}

/// With momentum: the buffer b.
#[derive(Clone)]
struct Momentum<const NESTEROV: bool> {
    momentum: f64,
    dampening: f64,
}

impl<const NESTEROV: bool> Rule<1> for Momentum<NESTEROV> {
    /// The share of the gradient that enters the buffer.
    type StepConstants = f64;
    fn step_constants(&self, step: u64, _previous: f64) -> f64 {
        if step == 1 { 1.0 } else { 1.0 - self.dampening }
    }

    #[inline(always)]
    fn update<R: Real>(&self, share: f64, lr: R, p: R, g: R, [b]: &mut [R; 1]) -> R {
        *b = b.clone() * self.momentum + g.clone() * share;
        let g = if NESTEROV { g + b.clone() * self.momentum } else { b.clone() };
        p - lr * g
    }
}
