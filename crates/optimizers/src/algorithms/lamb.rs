use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::lanes::{broadcast_lanes, norm};
use crate::shared::per_tensor::{Now, TensorRule, average, per_tensor, unbiased};
use crate::{Fusible, OptimizerSpec, TensorStepper};

options! {
    /// Adam's direction, as long as a share lr of the tensor's norm.
    ///
    /// ```text
    /// u = m̂/(√v̂ + eps) + weight_decay·p          m, v as in Adam
    /// p ← p − lr·‖p‖/‖u‖·u                         ‖·‖ over the tensor; the ratio is 1 where either is 0
    /// ```
    /// Source: You et al. 2020, “Large batch optimization for deep learning: training BERT in 76 minutes”, algorithm 2.
    ///
    /// Differs from the paper: φ is the identity, as in most implementations.
    ///
    /// Checked against: `optax.lamb` of optax 0.2.8.
    ///
    /// ```
    /// use optimizers::{OptimizerSpec, Lamb};
    /// use tch::Tensor;
    /// let mut stepper = Lamb::default().tensor();
    /// let mut p = [Tensor::from_slice(&[3.0_f64, 4.0]).reshape([1, 2])];
    /// stepper.step(&Tensor::from_slice(&[0.1_f64]), &mut p, &[Tensor::from_slice(&[1.0_f64, 0.0]).reshape([1, 2])]);
    /// // A tenth of the norm 5, along the first element.
    /// let p = Vec::<f64>::try_from(p[0].reshape(-1)).unwrap();
    /// assert!((p[0] - 2.5).abs() < 1e-12 && p[1] == 4.0);
    /// ```
    pub struct Lamb {
        /// Decay of the first moment.
        pub beta1: f64 = 0.9 => 0.0..1.0,
        /// Decay of the second moment.
        pub beta2: f64 = 0.999 => 0.0..1.0,
        /// Added to the denominator.
        pub eps: f64 = 1e-6 => 0.0..,
        /// The share of the parameter in the direction.
        pub weight_decay: f64 = 0.0 => 0.0..,
    }
}

impl<F: Float> Fusible<F> for Lamb {}

impl OptimizerSpec for Lamb {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        per_tensor(self.clone())
    }
}

/// `coefficient`·‖p‖/‖u‖ of each lane; 1 where one of the norms is 0.
pub(crate) fn trust_ratio(coefficient: f64, p: &Tensor, norm_of_update: &Tensor) -> Tensor {
    let norm = norm(p);
    let ratio = &norm / norm_of_update * coefficient;
    let either = norm.eq(0.0).logical_or(&norm_of_update.eq(0.0));
    broadcast_lanes(&ratio.ones_like().where_self(&either, &ratio), p)
}

impl TensorRule for Lamb {
    type State = [Tensor; 2];
    fn start(&self, parameter: &Tensor) -> [Tensor; 2] {
        [parameter.zeros_like(), parameter.zeros_like()]
    }

    fn update(&self, now: &Now<'_>, [m, v]: &mut [Tensor; 2]) -> Tensor {
        *m = average(m, self.beta1, now.g);
        *v = average(v, self.beta2, &now.g.square());
        let mean = &*m / unbiased(self.beta1, now.step);
        let root = (&*v / unbiased(self.beta2, now.step)).sqrt() + self.eps;
        let u = mean / root + now.p * self.weight_decay;
        now.p - &now.lr * trust_ratio(1.0, now.p, &norm(&u)) * u
    }
}
