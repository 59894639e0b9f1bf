use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::lanes::copies;
use crate::{Adam, Fusible, Optimizer, OptimizerSpec, Oracle, TensorStepper};

options! {
    /// Any optimizer, from whose way a slower copy goes a part every few steps.
    ///
    /// ```text
    /// the optimizer's steps of p, and after every `k` of them
    /// s ← s + alpha·(p − s),  p ← s            s, the slow parameters, are where the error is measured
    /// ```
    /// Source: Zhang et al. 2019, “Lookahead optimizer: k steps forward, 1 step back”, algorithm 1.
    ///
    /// Differs from the paper: nothing; the optimizer keeps its state across the k-th step.
    ///
    /// Checked against: `pytorch_optimizer.Lookahead` 4.1.0 around `torch.optim`.
    ///
    /// ```
    /// use optimizers::{OptimizerSpec, Lookahead, Optimizer};
    /// use tch::Tensor;
    /// let sgd = Box::new(Optimizer::named("sgd").unwrap());
    /// let mut stepper = Lookahead { optimizer: sgd, k: 2, alpha: 0.25 }.tensor();
    /// let (lr, mut p) = (Tensor::from_slice(&[1.0_f64]), [Tensor::from_slice(&[0.0_f64])]);
    /// for _ in 0..2 {
    ///     stepper.step(&lr, &mut p, &[Tensor::from_slice(&[-2.0_f64])]);
    /// }
    /// assert_eq!(f64::try_from(&p[0]).unwrap(), 1.0);
    /// ```
    pub struct Lookahead {
        /// What makes the fast steps.
        pub optimizer: Box<Optimizer> = Box::new(Optimizer::Adam(Adam::default())),
        /// The fast steps to a slow one.
        pub k: u64 = 5 => STEPS,
        /// The share of their way that a slow step goes.
        pub alpha: f64 = 0.5 => up_to(1.0),
    }
    check: |lookahead| lookahead.optimizer.check(),
}

impl<F: Float> Fusible<F> for Lookahead {}

impl OptimizerSpec for Lookahead {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        let inner = self.optimizer.tensor();
        Box::new(Stepper { k: self.k, alpha: self.alpha, inner, step: 0, slow: Vec::new() })
    }

    fn inner(&self) -> Option<&Optimizer> {
        Some(&self.optimizer)
    }

    fn inner_mut(&mut self) -> Option<&mut Optimizer> {
        Some(&mut self.optimizer)
    }
}

struct Stepper {
    k: u64,
    alpha: f64,
    inner: Box<dyn TensorStepper>,
    step: u64,
    slow: Vec<Tensor>,
}

impl TensorStepper for Stepper {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        oracle: &mut dyn Oracle,
    ) {
        if self.slow.is_empty() {
            self.slow = copies(parameters);
        }
        self.inner.step_with(lr, parameters, gradients, oracle);
        self.step += 1;
        if self.step.is_multiple_of(self.k) {
            let _guard = tch::no_grad_guard();
            for (slow, p) in self.slow.iter_mut().zip(parameters) {
                *slow = &*slow + (&*p - &*slow) * self.alpha;
                p.copy_(slow);
            }
        }
    }

    fn eval_params(&self, _parameters: &[Tensor]) -> Option<Vec<Tensor>> {
        (!self.slow.is_empty()).then(|| self.slow.iter().map(Tensor::shallow_clone).collect())
    }
}
