use numeric::Float;
use registry::options;
use tch::{Kind, Tensor};

use crate::lanes::{broadcast_lanes, dot};
use crate::{Fusible, OptimizerSpec, Oracle, TensorStepper};

options! {
    /// Gradient descent, with steps that shrink until the loss falls enough.
    ///
    /// ```text
    /// t = lr, lr·shrink, lr·shrink², …  until f(p − t·g) ≤ f(p) − c1·t·‖g‖²
    /// p ← p − t·g
    /// ```
    /// Source: Armijo 1966, “Minimization of functions having Lipschitz continuous first partial derivatives”.
    ///
    /// Every evaluation is counted. After `max_evaluations` the last step is made as it is. It is meant for losses
    /// without noise.
    ///
    /// Differs from the paper: `shrink` is ½ there.
    ///
    /// Checked against: `optax.scale_by_backtracking_linesearch` of optax 0.2.8 after `optax.sgd`.
    ///
    /// ```
    /// use optimizers::Optimizer;
    /// let descent: Optimizer = serde_json::from_str(r#"{"backtracking_gd": {"shrink": 0.8}}"#).unwrap();
    /// assert_eq!(descent.label(), "backtracking_gd(shrink=0.8)");
    /// ```
    pub struct BacktrackingGd {
        /// The least fall of the loss, as a share of its slope.
        pub c1: f64 = 1e-4 => INSIDE_0_1,
        /// What a step that was too long is multiplied by.
        pub shrink: f64 = 0.5 => INSIDE_0_1,
        /// The most steps to try.
        pub max_evaluations: u64 = 30 => 1..=10_000,
    }
}

impl<F: Float> Fusible<F> for BacktrackingGd {}

impl OptimizerSpec for BacktrackingGd {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        Box::new(Stepper(self.clone()))
    }
}

struct Stepper(BacktrackingGd);

impl TensorStepper for Stepper {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        oracle: &mut dyn Oracle,
    ) {
        let _guard = tch::no_grad_guard();
        let BacktrackingGd { c1, shrink, max_evaluations } = self.0;
        let start = oracle.loss().to_kind(Kind::Double);
        let slope = dot(gradients, gradients).to_kind(Kind::Double);
        let mut step = lr.copy();
        // A gradient of 0 leads nowhere, and one that isn't finite to nothing that could be compared.
        let mut asking = slope.gt(0.0).logical_and(&slope.isfinite()).logical_and(&lr.gt(0.0));
        let at = |step: &Tensor| -> Vec<Tensor> {
            parameters.iter().zip(gradients).map(|(p, g)| p - broadcast_lanes(step, g) * g).collect()
        };
        let mut points = at(&step);
        for tried in 1..=max_evaluations {
            let lanes: Vec<bool> = Vec::try_from(&asking).expect("a truth value for each lane");
            if !lanes.contains(&true) {
                break;
            }
            let (loss, _) = oracle.evaluate(&points, &lanes);
            let bound = &start - step.to_kind(Kind::Double) * &slope * c1;
            let enough = loss.to_kind(Kind::Double).le_tensor(&bound);
            asking = asking.logical_and(&enough.logical_not());
            if tried < max_evaluations {
                step = (&step * shrink).where_self(&asking, &step);
                points = at(&step);
            }
        }
        for (p, next) in parameters.iter_mut().zip(points) {
            p.copy_(&next);
        }
    }
}
