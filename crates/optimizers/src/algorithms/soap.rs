use numeric::Float;
use registry::options;
use tch::{Kind, Tensor};

use crate::shared::per_tensor::{
    Now, TensorRule, average, eigen, finite_lanes, is_matrix, matrix, per_tensor, unbiased,
};
use crate::{Fusible, OptimizerSpec, TensorStepper};

options! {
    /// Adam in the eigenvectors of Shampoo's matrices.
    ///
    /// ```text
    /// G′ = Q_Lᵀ·G·Q_R
    /// M ← β₁·M + (1 − β₁)·G
    /// V ← β₂·V + (1 − β₂)·G′²
    /// P ← P − lr·√(1 − β₂ᵏ)/(1 − β₁ᵏ)·Q_L·(Q_Lᵀ·M·Q_R/(√V + eps))·Q_Rᵀ,  then P ← P − lr·weight_decay·P
    /// L ← β₂·L + (1 − β₂)·G·Gᵀ,  R ← β₂·R + (1 − β₂)·Gᵀ·G
    /// Q ← the eigenvectors at first; then, every `every` steps, QR of L·Q_L and R·Q_R, in the order of their size
    /// ```
    /// Source: Vyas et al. 2024, “SOAP: improving and stabilizing Shampoo using Adam”, algorithms 3 and 4.
    ///
    /// The first step only finds the eigenvectors: it moves nothing, and k counts from the second. Vectors get Adam.
    /// Dimensions after a parameter's first are taken for columns. A side longer than `max_dim` isn't rotated.
    ///
    /// Differs from the authors' code: QR runs in the parameters' type instead of float32.
    ///
    /// Checked against: `pytorch_optimizer.SOAP` 4.1.0, with its QR in float64.
    ///
    /// ```
    /// use optimizers::{OptimizerSpec, Soap};
    /// use tch::Tensor;
    /// let mut stepper = Soap { weight_decay: 0.0, ..Soap::default() }.tensor();
    /// let mut p = [Tensor::from_slice(&[1.0_f64, 1.0]).reshape([1, 1, 2])];
    /// for _ in 0..2 {
    ///     let g = [Tensor::from_slice(&[3.0_f64, 4.0]).reshape([1, 1, 2])];
    ///     stepper.step(&Tensor::from_slice(&[0.5_f64]), &mut p, &g);
    /// }
    /// // In its eigenvectors the gradient has one element, along which Adam makes a step of lr.
    /// let p = Vec::<f64>::try_from(p[0].reshape(-1)).unwrap();
    /// assert!((p[0] - 0.7).abs() < 1e-6 && (p[1] - 0.6).abs() < 1e-6);
    /// ```
    pub struct Soap {
        /// Decay of the first moment.
        pub beta1: f64 = 0.95 => 0.0..1.0,
        /// Decay of the second moment, and of Shampoo's matrices.
        pub beta2: f64 = 0.95 => 0.0..1.0,
        /// Added to the denominator.
        pub eps: f64 = 1e-8 => 0.0..,
        /// The share of a parameter that a step of rate 1 would remove.
        pub weight_decay: f64 = 0.01 => 0.0..,
        /// The steps from one renewal of the eigenvectors to the next.
        pub every: u64 = 10 => STEPS,
        /// The longest side that is rotated.
        pub max_dim: u64 = 10_000 => STEPS,
    }
}

impl<F: Float> Fusible<F> for Soap {}

impl OptimizerSpec for Soap {
    fn tensor(&self) -> Box<dyn TensorStepper> {
        per_tensor(self.clone())
    }

    fn memory(&self, shapes: &[Vec<u64>]) -> u64 {
        crate::matrices(shapes, self.max_dim)
    }
}

/// One side's matrix and its eigenvectors, largest first.
pub(crate) struct Side {
    products: Tensor,
    vectors: Tensor,
}

/// The moments, and the sides that are rotated: rows, columns.
pub(crate) struct Kept {
    m: Tensor,
    v: Tensor,
    sides: [Option<Side>; 2],
}

impl Kept {
    /// `g` in the eigenvectors, or back out of them.
    fn rotate(&self, g: &Tensor, back: bool) -> Tensor {
        let vectors =
            |side: &Side| if back { side.vectors.transpose(1, 2) } else { side.vectors.shallow_clone() };
        let [rows, columns] = &self.sides;
        let g = rows.as_ref().map_or_else(|| g.shallow_clone(), |side| vectors(side).transpose(1, 2).bmm(g));
        columns.as_ref().map_or_else(|| g.shallow_clone(), |side| g.bmm(&vectors(side)))
    }

    fn accumulate(&mut self, g: &Tensor, decay: f64) {
        let turned = g.transpose(1, 2);
        for (side, [a, b]) in self.sides.iter_mut().zip([[g, &turned], [&turned, g]]) {
            if let Some(side) = side {
                side.products = average(&side.products, decay, &a.bmm(b));
            }
        }
    }

    /// One step of the power method, after which the second moment is in the order of the new vectors.
    fn renew(&mut self) {
        for (side, dim) in self.sides.iter_mut().zip([1, 2]) {
            let Some(side) = side else { continue };
            let product = side.products.bmm(&side.vectors);
            let sizes = (&side.vectors * &product).sum_dim_intlist([1].as_slice(), false, None::<Kind>);
            let order = sizes.argsort(1, true);
            let along = if dim == 1 { order.unsqueeze(2) } else { order.unsqueeze(1) };
            self.v = self.v.gather(dim, &along.expand_as(&self.v), false);
            let sorted = product.gather(2, &order.unsqueeze(1).expand_as(&product), false);
            // After an overflow a lane keeps what it has.
            let vectors = Tensor::linalg_qr(&sorted, "reduced").0;
            side.vectors = vectors.where_self(&finite_lanes(&side.products), &side.vectors);
        }
    }
}

impl TensorRule for Soap {
    type State = Kept;
    fn start(&self, parameter: &Tensor) -> Kept {
        let zeros = matrix(parameter).zeros_like();
        let side = |n: i64| {
            let rotated = is_matrix(parameter) && n as u64 <= self.max_dim;
            rotated.then(|| {
                let square = Tensor::zeros([zeros.size()[0], n, n], (zeros.kind(), zeros.device()));
                Side { vectors: square.shallow_clone(), products: square }
            })
        };
        let sides = [side(zeros.size()[1]), side(zeros.size()[2])];
        Kept { m: zeros.copy(), v: zeros.copy(), sides }
    }

    fn update(&self, now: &Now<'_>, kept: &mut Kept) -> Tensor {
        let g = matrix(now.g);
        if now.step == 1 {
            kept.accumulate(&g, self.beta2);
            for side in kept.sides.iter_mut().flatten() {
                side.vectors = eigen(&side.products).1.flip([2]);
            }
            // Nothing but a NaN moves anything.
            return now.p + now.g * 0.0;
        }
        let step = now.step - 1;
        kept.m = average(&kept.m, self.beta1, &g);
        kept.v = average(&kept.v, self.beta2, &kept.rotate(&g, false).square());
        let scaled = kept.rotate(&kept.m, false) / (kept.v.sqrt() + self.eps);
        let correction = unbiased(self.beta2, step).sqrt() / unbiased(self.beta1, step);
        let direction = kept.rotate(&scaled, true).reshape(now.p.size());
        let next = now.p - &now.lr * correction * direction;
        kept.accumulate(&g, self.beta2);
        if step.is_multiple_of(self.every) {
            kept.renew();
        }
        &next - &now.lr * self.weight_decay * &next
    }
}
