use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::lanes::broadcast_lanes;
use crate::shared::averaged::Averaged;
use crate::{Fusible, OptimizerSpec, Oracle, TensorStepper};

options! {
    /// Gradient descent at a constant rate whose answer is a mean of its points, as good as a schedule's end.
    ///
    /// ```text
    /// y = (1 − momentum)·z + momentum·x       the parameters, at which gradients are taken
    /// z ← z − lr·(∇f(y) + l2·y)
    /// w = k^r·(largest lr so far)^weight_lr_power        at step k = 1, 2, …
    /// x ← x + (z − x)·w/Σw                    the answer, at which the error is measured
    /// ```
    /// Source: Defazio et al. 2024, “The road less scheduled”, equations 3 to 5.
    ///
    /// Differs from the authors' code: a warm-up is the schedule's (`warmup`), not an option.
    ///
    /// Checked against: `schedulefree.SGDScheduleFreeReference` 1.4.1, whose `weight_decay` is `l2` here.
    ///
    /// ```
    /// use optimizers::{OptimizerSpec, ScheduleFreeSgd};
    /// use tch::Tensor;
    /// let mut stepper = ScheduleFreeSgd { momentum: 0.5, ..ScheduleFreeSgd::default() }.tensor();
    /// let (lr, mut p) = (Tensor::from_slice(&[1.0_f64]), [Tensor::from_slice(&[0.0_f64])]);
    /// for gradient in [-1.0, -2.0] {
    ///     stepper.step(&lr, &mut p, &[Tensor::from_slice(&[gradient])]);
    /// }
    /// // z = 1, 3; x = 1, 2; y between them
    /// let answer = stepper.eval_params(&p).unwrap();
    /// assert_eq!((f64::try_from(&p[0]).unwrap(), f64::try_from(&answer[0]).unwrap()), (2.5, 2.0));
    /// ```
    pub struct ScheduleFreeSgd {
        /// How near to the mean gradients are taken (β).
        pub momentum: f64 = 0.9 => INSIDE_0_1,
        /// Decay added to the gradient.
        pub l2: f64 = 0.0 => 0.0..,
        /// The power of the step in the weights.
        pub r: f64 = 0.0 => 0.0..,
        /// The power of the rate in the weights.
        pub weight_lr_power: f64 = 2.0 => 0.0..,
    }
}

impl<F: Float> Fusible<F> for ScheduleFreeSgd {}

impl OptimizerSpec for ScheduleFreeSgd {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        Box::new(Stepper { options: self.clone(), averaged: None })
    }
}

struct Stepper {
    options: ScheduleFreeSgd,
    averaged: Option<Averaged>,
}

impl TensorStepper for Stepper {
    fn step_with(
        &mut self,
        lr: &Tensor,
        parameters: &mut [Tensor],
        gradients: &[Tensor],
        _oracle: &mut dyn Oracle,
    ) {
        let _guard = tch::no_grad_guard();
        let ScheduleFreeSgd { momentum, l2, r, weight_lr_power } = self.options;
        let averaged =
            self.averaged.get_or_insert_with(|| Averaged::new(momentum, r, weight_lr_power, lr, parameters));
        for ((z, y), g) in averaged.z.iter_mut().zip(&*parameters).zip(gradients) {
            *z = &*z - broadcast_lanes(lr, z) * (g + y * l2);
        }
        averaged.update_average(lr, parameters);
    }

    fn eval_params(&self, _parameters: &[Tensor]) -> Option<Vec<Tensor>> {
        self.averaged.as_ref().map(Averaged::eval_params)
    }
}
