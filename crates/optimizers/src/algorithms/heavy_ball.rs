use registry::options;

use crate::{Elementwise, Sgd, Visitor};

options! {
    /// Gradient descent that keeps a share of its last step, like a ball with mass.
    ///
    /// ```text
    /// b ← momentum·b + ∇f(p) + l2·p
    /// p ← p − lr·b
    /// ```
    /// Source: Polyak 1964, “Some methods of speeding up the convergence of iteration methods”.
    ///
    /// Differs from the paper: a change of `lr` also scales the momentum that was built up before, as in
    /// PyTorch; the paper keeps the last step itself, `p ← p − lr·∇f(p) + momentum·(p − p_old)`. With a
    /// constant `lr` they are the same.
    ///
    /// Checked against: `torch.optim.SGD(momentum=0.9)` of PyTorch 2.13, whose rule is that of `sgd`.
    ///
    /// ```
    /// use optimizers::{Fusible, HeavyBall};
    /// let mut stepper = HeavyBall { momentum: 0.5, l2: 0.0 }.stepper(1).unwrap();
    /// let mut p = [2.0_f64];
    /// stepper.step_slice(0.5, &mut p, &[1.0]);
    /// stepper.step_slice(0.5, &mut p, &[1.0]);
    /// assert_eq!(p, [0.75]);
    /// ```
    pub struct HeavyBall {
        /// The share of the last step that is kept.
        pub momentum: f64 = 0.9 => 0.0..,
        /// Decay added to the gradient.
        pub l2: f64 = 0.0 => 0.0..,
    }
}

impl HeavyBall {
    /// The same in PyTorch's terms.
    fn sgd(&self) -> Sgd {
        Sgd { momentum: self.momentum, l2: self.l2, ..Sgd::default() }
    }
}

impl Elementwise for HeavyBall {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        self.sgd().rule(visitor)
    }
}
