use numeric::Float;
use registry::options;
use tch::{Kind, Tensor};

use crate::shared::per_tensor::{Now, TensorRule, eigen, finite_lanes, is_matrix, matrix, per_tensor};
use crate::{Fusible, OptimizerSpec, TensorStepper};

options! {
    /// Adagrad with matrices: the gradient between roots of the sums of its products with itself.
    ///
    /// ```text
    /// L ← L + G·Gᵀ,  R ← R + Gᵀ·G              L = R = eps·I before step 1
    /// P ← P − lr·L^(−¼)·G·R^(−¼)               a vector: L ← L + g·gᵀ, p ← p − lr·L^(−½)·g
    /// ```
    /// Source: Gupta, Koren & Singer 2018, “Shampoo: preconditioned stochastic tensor optimization”, algorithm 1.
    ///
    /// Dimensions after a parameter's first are taken for columns, and scalars for vectors of one. Of a side longer
    /// than `max_dim` only the diagonal is kept (the paper's section 5).
    ///
    /// Differs from the paper: tensors of more dimensions become matrices. After an overflow of the sums a lane's
    /// parameters stay where they are.
    ///
    /// Checked against: `pytorch_optimizer.Shampoo` 4.1.0.
    ///
    /// ```
    /// use optimizers::{OptimizerSpec, Shampoo};
    /// use tch::Tensor;
    /// let mut stepper = Shampoo { eps: 1e-12, ..Shampoo::default() }.tensor();
    /// let mut p = [Tensor::from_slice(&[1.0_f64, 1.0]).reshape([1, 2])];
    /// stepper.step(&Tensor::from_slice(&[0.5_f64]), &mut p, &[Tensor::from_slice(&[3.0_f64, 4.0]).reshape([1, 2])]);
    /// // The gradient over its norm
    /// let p = Vec::<f64>::try_from(p[0].reshape(-1)).unwrap();
    /// assert!((p[0] - 0.7).abs() < 1e-9 && (p[1] - 0.6).abs() < 1e-9);
    /// ```
    pub struct Shampoo {
        /// What the sums start from, times the identity.
        pub eps: f64 = 1e-6 => above(0.0),
        /// The longest side that a whole matrix is kept of.
        pub max_dim: u64 = 1024 => STEPS,
    }
}

impl<F: Float> Fusible<F> for Shampoo {}

impl OptimizerSpec for Shampoo {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        per_tensor(self.clone())
    }

    fn memory(&self, shapes: &[Vec<u64>]) -> u64 {
        crate::matrices(shapes, self.max_dim)
    }
}

/// The sum of one side: `[lanes, n, n]`, or `[lanes, n, 1]` if only the diagonal is kept.
pub(crate) struct Side(Tensor);

impl Side {
    fn whole(&self) -> bool {
        self.0.size()[1] == self.0.size()[2]
    }

    fn add(&mut self, g: &Tensor) {
        self.0 = if self.whole() {
            &self.0 + g.bmm(&g.transpose(1, 2))
        } else {
            &self.0 + g.square().sum_dim_intlist([2].as_slice(), true, None::<Kind>)
        };
    }

    /// The inverse root of this order, times `g`; 0 for a lane whose sum isn't finite.
    fn divide(&self, g: &Tensor, order: f64, eps: f64) -> Tensor {
        if !self.whole() {
            return self.0.pow_tensor_scalar(-1.0 / order) * g;
        }
        let (values, vectors) = eigen(&self.0);
        // None is below eps, but for rounding.
        let powers = values.clamp_min(eps).pow_tensor_scalar(-1.0 / order).unsqueeze(1);
        let root = (&vectors * powers).bmm(&vectors.transpose(1, 2));
        (root * finite_lanes(&self.0).to_kind(g.kind())).bmm(g)
    }
}

impl TensorRule for Shampoo {
    /// Rows, and columns if there are any.
    type State = Vec<Side>;
    fn start(&self, parameter: &Tensor) -> Vec<Side> {
        let size = matrix(parameter).size();
        let sides = if is_matrix(parameter) { &size[1..] } else { &size[1..2] };
        let side = |n: &i64| {
            let options = (parameter.kind(), parameter.device());
            let whole = *n as u64 <= self.max_dim;
            let one = if whole { Tensor::eye(*n, options) } else { Tensor::ones([*n, 1], options) };
            Side(one.unsqueeze(0).repeat([size[0], 1, 1]) * self.eps)
        };
        sides.iter().map(side).collect()
    }

    fn update(&self, now: &Now<'_>, sides: &mut Vec<Side>) -> Tensor {
        let g = matrix(now.g);
        let order = 2.0 * sides.len() as f64;
        let mut step = g.shallow_clone();
        // The second side is the first of the transposed.
        for (index, side) in sides.iter_mut().enumerate() {
            let turn = |x: &Tensor| if index == 0 { x.shallow_clone() } else { x.transpose(1, 2) };
            side.add(&turn(&g));
            step = turn(&side.divide(&turn(&step), order, self.eps));
        }
        now.p - &now.lr * step.reshape(now.p.size())
    }
}
