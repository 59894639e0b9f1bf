use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::lanes::{broadcast_lanes, dot};
use crate::{Fusible, Optimizer, OptimizerSpec, Oracle, Sgd, TensorStepper};

options! {
    /// Any optimizer, with its gradient taken where the loss is largest nearby.
    ///
    /// ```text
    /// e = rho·g/(‖g‖ + 1e-12)                  ‖·‖ over all parameters
    /// e = rho·p²·g/(‖p·g‖ + 1e-12)             if adaptive
    /// then the optimizer's step at p, with the gradient at p + e
    /// ```
    /// Source: Foret et al. 2021, “Sharpness-aware minimization for efficiently improving generalization”, algorithm 1;
    /// adaptive: Kwon et al. 2021, “ASAM”.
    ///
    /// Every step costs one more evaluation of the gradient, which is counted.
    ///
    /// Differs from the paper: the 1e-12, as in the others' implementations.
    ///
    /// Checked against: `pytorch_optimizer.SAM` 4.1.0 around `torch.optim`.
    ///
    /// ```
    /// use optimizers::Optimizer;
    /// let sam: Optimizer = serde_json::from_str(r#"{"sam": {"optimizer": "adam", "rho": 0.1}}"#).unwrap();
    /// assert_eq!(sam.label(), "sam(optimizer=adam, rho=0.1)");
    /// ```
    pub struct Sam {
        /// What steps along the gradient found.
        pub optimizer: Box<Optimizer> = Box::new(Optimizer::Sgd(Sgd::default())),
        /// How far to look.
        pub rho: f64 = 0.05 => above(0.0),
        /// Looks farther along large parameters.
        pub adaptive: bool = false,
    }
    check: |sam| sam.optimizer.check(),
}

impl<F: Float> Fusible<F> for Sam {}

impl OptimizerSpec for Sam {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        Box::new(Stepper { rho: self.rho, adaptive: self.adaptive, inner: self.optimizer.tensor() })
    }

    fn inner(&self) -> Option<&Optimizer> {
        Some(&self.optimizer)
    }

    fn inner_mut(&mut self) -> Option<&mut Optimizer> {
        Some(&mut self.optimizer)
    }
}

struct Stepper {
    rho: f64,
    adaptive: bool,
    inner: Box<dyn TensorStepper>,
}

impl TensorStepper for Stepper {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        oracle: &mut dyn Oracle,
    ) {
        let guard = tch::no_grad_guard();
        let scaled = |p: &Tensor, g: &Tensor| if self.adaptive { p * g } else { g.shallow_clone() };
        let seen: Vec<Tensor> = parameters.iter().zip(gradients).map(|(p, g)| scaled(p, g)).collect();
        let size = dot(&seen, &seen).sqrt() + 1e-12;
        // A norm that has overflowed has no direction: such a lane looks where it is.
        let away = |(p, seen): (&Tensor, &Tensor)| {
            let size = broadcast_lanes(&size, p);
            p.where_self(&size.isinf(), &(p + scaled(p, seen) / &size * self.rho))
        };
        let points: Vec<Tensor> = parameters.iter().zip(&seen).map(away).collect();
        drop(guard);
        let lanes = vec![true; lr.size()[0] as usize];
        let (_, gradients) = oracle.evaluate(&points, &lanes);
        self.inner.step_with(lr, parameters, &gradients, oracle);
    }

    fn eval_params(&self, parameters: &[Tensor]) -> Option<Vec<Tensor>> {
        self.inner.eval_params(parameters)
    }
}
