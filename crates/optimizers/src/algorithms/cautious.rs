use numeric::Float;
use registry::options;
use tch::{Kind, Tensor};

use crate::lanes::{broadcast_lanes, copies, size, sum};
use crate::{Adam, Fusible, Optimizer, OptimizerSpec, Oracle, TensorStepper};

options! {
    /// Any optimizer, without the part of its step that goes up the gradient.
    ///
    /// ```text
    /// u = p − (p after the optimizer's step)
    /// φ = 1 where u·g > 0, else 0
    /// p ← p − u·φ·n/(Σφ + 1)                  n elements in the tensor
    /// ```
    /// Source: Liang et al. 2024, “Cautious optimizers: improving training with one line of code”, algorithm 1.
    ///
    /// Differs from the paper: the whole step is masked, with the optimizer's weight decay if it has any. Put
    /// the optimizer's decay at 0 to have the paper's.
    ///
    /// Checked against: `Lion`, and `AdEMAMix` without its slow mean (which is Adam), with `cautious=True`, of
    /// `pytorch_optimizer` 4.1.0.
    ///
    /// ```
    /// use optimizers::{Cautious, OptimizerSpec, Optimizer};
    /// use tch::Tensor;
    /// let momentum: Optimizer = serde_json::from_str(r#"{"heavy_ball": {"momentum": 1.0}}"#).unwrap();
    /// let mut stepper = Cautious { optimizer: Box::new(momentum) }.tensor();
    /// let (lr, mut p) = (Tensor::from_slice(&[1.0_f64]), [Tensor::from_slice(&[0.0_f64])]);
    /// for gradient in [-2.0, 1.0] {
    ///     stepper.step(&lr, &mut p, &[Tensor::from_slice(&[gradient])]);
    /// }
    /// // One element: scaled by 1/2; the momentum of the second step goes up its gradient.
    /// assert_eq!(f64::try_from(&p[0]).unwrap(), 1.0);
    /// ```
    pub struct Cautious {
        /// Whose steps are masked.
        pub optimizer: Box<Optimizer> = Box::new(Optimizer::Adam(Adam::default())),
    }
    check: |cautious| cautious.optimizer.check(),
}

impl<F: Float> Fusible<F> for Cautious {}

impl OptimizerSpec for Cautious {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        Box::new(Stepper(self.optimizer.tensor()))
    }

    fn inner(&self) -> Option<&Optimizer> {
        Some(&self.optimizer)
    }

    fn inner_mut(&mut self) -> Option<&mut Optimizer> {
        Some(&mut self.optimizer)
    }
}

struct Stepper(Box<dyn TensorStepper>);

impl TensorStepper for Stepper {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        oracle: &mut dyn Oracle,
    ) {
        let before = copies(parameters);
        self.0.step_with(lr, parameters, gradients, oracle);
        let _guard = tch::no_grad_guard();
        for ((p, before), g) in parameters.iter_mut().zip(before).zip(gradients) {
            let u = &before - &*p;
            let mask = (&u * g).gt(0.0).to_kind(Kind::Double);
            let scale = (sum(&mask) + 1.0).reciprocal() * size(&u);
            // Products, not a choice: a NaN passes through.
            let masked = &u * (broadcast_lanes(&scale, &u) * mask).to_kind(u.kind());
            p.copy_(&(before - masked));
        }
    }

    fn eval_params(&self, parameters: &[Tensor]) -> Option<Vec<Tensor>> {
        self.0.eval_params(parameters)
    }
}
