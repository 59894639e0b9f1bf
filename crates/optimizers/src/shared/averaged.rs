//! What the schedule-free methods have in common: three sequences, of which the gradient is taken at one and
//! the error measured at another.

use tch::Tensor;

use crate::lanes::{broadcast_lanes, copies};

/// z steps, x is the weighted mean of z, and the parameters are y = (1 − β)·z + β·x.
pub(crate) struct Averaged {
    beta: f64,
    r: f64,
    weight_lr_power: f64,
    step: u64,
    /// Of each lane, `[lanes]`: the largest rate so far, and the sum of the weights.
    lr_max: Tensor,
    weights: Tensor,
    pub z: Vec<Tensor>,
    x: Vec<Tensor>,
}

impl Averaged {
    pub fn new(beta: f64, r: f64, weight_lr_power: f64, lr: &Tensor, parameters: &[Tensor]) -> Self {
        let (lr_max, weights) = (lr.zeros_like(), lr.zeros_like());
        let (z, x) = (copies(parameters), copies(parameters));
        Self { beta, r, weight_lr_power, step: 0, lr_max, weights, z, x }
    }

    /// After z has stepped at the rates `lr`: moves x, and puts y into the parameters.
    pub fn update_average(&mut self, lr: &Tensor, parameters: &mut [Tensor]) {
        self.step += 1;
        self.lr_max = self.lr_max.maximum(lr);
        let weight =
            self.lr_max.pow_tensor_scalar(self.weight_lr_power) * libm::pow(self.step as f64, self.r);
        self.weights += &weight;
        // A lane whose rate has always been 0 has no weights yet.
        let share = weight / &self.weights;
        let share = share.zeros_like().where_self(&self.weights.eq(0.0), &share);
        for ((p, z), x) in parameters.iter_mut().zip(&self.z).zip(&mut self.x) {
            let share = broadcast_lanes(&share, z);
            *x = &*x * (1.0 - &share) + z * &share;
            p.copy_(&(&*x * self.beta + z * (1.0 - self.beta)));
        }
    }

    pub fn eval_params(&self) -> Vec<Tensor> {
        self.x.iter().map(Tensor::shallow_clone).collect()
    }
}
