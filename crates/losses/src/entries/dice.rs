use numeric::Float;
use registry::options;
use tch::{Device, Kind, Tensor};

use crate::{BatchedLoss, Call, Fusible, LossSpec, TargetKind};

options! {
    /// How little two sets overlap, the one given by logits of membership.
    ///
    /// ```text
    /// p = σ(prediction), y = target (0 or 1)
    /// loss = 1 − (2·Σ p·y + smooth) / (Σ p + Σ y + smooth)
    /// ```
    /// with sums over all elements of a lane: one number a lane. It couples the elements and has no fused kernel. smooth
    /// makes two empty sets the same set.
    ///
    /// Source: Milletari, Navab & Ahmadi 2016, “V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image
    /// Segmentation”.
    ///
    /// Differs from the paper: sums of p and y where it has sums of squares, as most published code has it, and
    /// `smooth`.
    ///
    /// Checked against: the same expression in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{Dice, LossSpec};
    /// use tch::Tensor;
    /// let logits = Tensor::from_slice(&[0.0_f64, 0.0]);
    /// let loss = Dice::default().tensor(&logits, &Tensor::from_slice(&[1.0_f64, 0.0]));
    /// assert!((loss.double_value(&[]) - 1.0 / 3.0).abs() < 1e-15);
    /// ```
    pub struct Dice {
        /// What is added above and below, in elements.
        pub smooth: f64 = 1.0 => above(0.0),
    }
}

impl<F: Float> Fusible<F> for Dice {}

impl LossSpec for Dice {
    fn targets(&self) -> TargetKind {
        TargetKind::Values
    }

    /// One number for all elements.
    fn tensor(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let (one_lane, target) = (prediction.unsqueeze(0), target.unsqueeze(0));
        self.clone().values(&Call::default(), &one_lane, &target).squeeze_dim(0)
    }

    fn instantiate(
        &self,
        _seeds: &[u64],
        _options: (Kind, Device),
    ) -> Option<Result<Box<dyn BatchedLoss>, String>> {
        Some(Ok(Box::new(self.clone())))
    }
}

impl BatchedLoss for Dice {
    fn values(&mut self, _call: &Call, prediction: &Tensor, target: &Tensor) -> Tensor {
        let sum = |values: Tensor| {
            let dims: Vec<i64> = (1..values.dim() as i64).collect();
            values.sum_dim_intlist(dims.as_slice(), false, None::<Kind>)
        };
        let p = prediction.sigmoid();
        // What isn't in the overlap, over everything: no difference of numbers near 1.
        let apart = sum(&p * (1.0 - target)) + sum((-prediction).sigmoid() * target);
        apart / (sum(p) + sum(target.shallow_clone()) + self.smooth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_summed_each_by_itself_over_every_dimension() {
        let lanes = |intruder: f64| {
            let logits = [-1.0, 2.0, 0.5, -3.0, intruder, 1.0, 0.0, 4.0];
            Tensor::from_slice(&logits).reshape([2, 2, 2])
        };
        let target = Tensor::from_slice(&[1.0_f64, 0.0, 1.0, 1.0]).reshape([1, 2, 2]);
        let values = Dice { smooth: 0.5 }.values(&Call::default(), &lanes(7.0), &target);
        let p = [-1.0_f64, 2.0, 0.5, -3.0].map(|x| 1.0 / (1.0 + (-x).exp()));
        let published = 1.0 - (2.0 * (p[0] + p[2] + p[3]) + 0.5) / (p.iter().sum::<f64>() + 3.0 + 0.5);
        assert_eq!(values.size(), [2]);
        assert!((values.double_value(&[0]) - published).abs() < 1e-15);
        let disturbed = Dice { smooth: 0.5 }.values(&Call::default(), &lanes(f64::NAN), &target);
        assert_eq!(disturbed.double_value(&[0]), values.double_value(&[0]));
        assert!(disturbed.double_value(&[1]).is_nan());
    }
}
