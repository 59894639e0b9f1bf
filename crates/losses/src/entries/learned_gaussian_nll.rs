use numeric::Float;
use registry::options;
use tch::{Device, Kind, Tensor};

use crate::{BatchedLoss, Call, Fusible, LossSpec, TargetKind, mean_of_lanes};

options! {
    /// The negative log-likelihood of a normal distribution whose variance is learned from the residuals.
    ///
    /// ```text
    /// d = prediction − target
    /// variance = max(mean d², least)           that which is likeliest, of all elements of a lane
    /// loss = ½·(ln variance + mean d²/variance)
    /// ```
    /// in nats, without the constant ½·ln 2π: one number a lane. It is where a variance that is a parameter of its own ends
    /// for given predictions, so that nothing is left to learn, and it can't run away below `least`. It couples
    /// the elements and has no fused kernel.
    ///
    /// Source: Nix & Weigend 1994, “Estimating the Mean and Variance of the Target Probability Distribution”, with
    /// one variance for all elements; that it may be maximized out: Seber & Wild 1989, “Nonlinear Regression”.
    ///
    /// Checked against: `torch.nn.functional.gaussian_nll_loss` of PyTorch 2.13 with this variance, held fixed, value and
    /// gradient (the slope by the variance is 0 there).
    ///
    /// ```
    /// use losses::{LossSpec, LearnedGaussianNll};
    /// use tch::Tensor;
    /// let loss = LearnedGaussianNll::default().tensor(&Tensor::from_slice(&[3.0, 1.0]), &Tensor::from_slice(&[1.0, 3.0]));
    /// assert!((loss.double_value(&[]) - 0.5 * (4_f64.ln() + 1.0)).abs() < 1e-15);
    /// ```
    pub struct LearnedGaussianNll {
        /// The least variance, in squared units of the prediction.
        pub least: f64 = 1e-6 => above(0.0),
    }
}

impl<F: Float> Fusible<F> for LearnedGaussianNll {}

impl LossSpec for LearnedGaussianNll {
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

impl BatchedLoss for LearnedGaussianNll {
    fn values(&mut self, _call: &Call, prediction: &Tensor, target: &Tensor) -> Tensor {
        let squares = mean_of_lanes(&(prediction - target).square());
        let variance = squares.clamp_min(self.least);
        (variance.log() + squares / &variance) * 0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_have_a_variance_each_over_every_dimension() {
        let lanes = |intruder: f64| {
            Tensor::from_slice(&[-1.0, 2.0, 0.5, -3.0, intruder, 1.0, 0.0, 4.0]).reshape([2, 2, 2])
        };
        let target = Tensor::from_slice(&[1.0_f64, 0.0, 1.0, 1.0]).reshape([1, 2, 2]);
        let values = LearnedGaussianNll::default().values(&Call::default(), &lanes(7.0), &target);
        let variance: f64 = (4.0 + 4.0 + 0.25 + 16.0) / 4.0;
        assert_eq!(values.size(), [2]);
        assert!((values.double_value(&[0]) - 0.5 * (variance.ln() + 1.0)).abs() < 1e-15);
        let disturbed = LearnedGaussianNll::default().values(&Call::default(), &lanes(f64::NAN), &target);
        assert_eq!(disturbed.double_value(&[0]), values.double_value(&[0]));
        assert!(disturbed.double_value(&[1]).is_nan());
    }
}
