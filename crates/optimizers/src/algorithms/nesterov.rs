use registry::options;

use crate::{Elementwise, Sgd, Visitor};

options! {
    /// Gradient descent with momentum whose gradient is taken where the momentum leads.
    ///
    /// ```text
    /// g = ∇f(p) + l2·p
    /// b ← momentum·b + g
    /// p ← p − lr·(g + momentum·b)
    /// ```
    /// Source: Nesterov 1983, “A method of solving a convex programming problem with convergence rate O(1/k²)”, in the
    /// form of Sutskever et al. 2013, “On the importance of initialization and momentum in deep learning”.
    ///
    /// Differs from the paper: the momentum is constant; p is the point that is looked ahead to, so that the
    /// gradient is taken at the parameters themselves; a change of `lr` scales old momentum too, as in PyTorch.
    ///
    /// Checked against: `torch.optim.SGD(momentum=0.9, nesterov=True)` of PyTorch 2.13, whose rule is that of `sgd`.
    ///
    /// ```
    /// use optimizers::{Fusible, Nesterov};
    /// let mut stepper = Nesterov { momentum: 0.5, l2: 0.0 }.stepper(1).unwrap();
    /// let mut p = [2.0_f64];
    /// stepper.step_slice(0.5, &mut p, &[1.0]);
    /// assert_eq!(p, [1.25]);
    /// ```
    pub struct Nesterov {
        /// The share of the last step that is kept; above 0.
        pub momentum: f64 = 0.9 => above(0.0),
        /// Decay added to the gradient.
        pub l2: f64 = 0.0 => 0.0..,
    }
}

impl Nesterov {
    /// The same in PyTorch's terms.
    fn sgd(&self) -> Sgd {
        Sgd { momentum: self.momentum, nesterov: true, l2: self.l2, ..Sgd::default() }
    }
}

impl Elementwise for Nesterov {
    fn rule<V: Visitor>(&self, visitor: V) -> V::Output {
        self.sgd().rule(visitor)
    }
}
