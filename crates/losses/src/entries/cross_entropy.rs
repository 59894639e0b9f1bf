use numeric::Float;
use registry::options;
use tch::{Kind, Tensor};

use crate::{Fusible, LossSpec, TargetKind};

options! {
    /// The cross-entropy of class probabilities that are given as logits.
    ///
    /// ```text
    /// x = prediction (a vector of logits), k = target (the index of the true class)
    /// loss = (1 − label_smoothing)·(−ln softmax(x)ₖ) + label_smoothing·mean over j of (−ln softmax(x)ⱼ)
    /// ```
    /// with −ln softmax(x)ₖ = ln Σⱼ exp(xⱼ) − xₖ, in nats. Without smoothing its slope is softmax(x), minus 1 at the true class. The largest logit is subtracted
    /// before the exponentials, so that no logit overflows.
    ///
    /// Shapes, as in PyTorch: logits `[n, classes, …]` (or `[classes]` alone), targets `int64` that broadcast
    /// to `[n, …]`; the result is `[n, …]`. It isn't elementwise and has no fused kernel. Panics where a
    /// target is no class, as PyTorch does.
    ///
    /// Source: softmax regression (Bridle 1990, “Probabilistic Interpretation of Feedforward Classification
    /// Network Outputs”); label smoothing: Szegedy et al. 2016, “Rethinking the Inception Architecture”.
    ///
    /// Checked against: `torch.nn.functional.cross_entropy` of PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{CrossEntropy, LossSpec};
    /// use tch::Tensor;
    /// let logits = Tensor::from_slice(&[0.0_f64, 3_f64.ln()]);
    /// let loss = CrossEntropy::default().tensor(&logits, &Tensor::from(1_i64));
    /// assert!((loss.double_value(&[]) - (4.0_f64 / 3.0).ln()).abs() < 1e-15);
    /// ```
    pub struct CrossEntropy {
        /// The share of a target that is spread over all classes, from 0 to 1.
        pub label_smoothing: f64 = 0.0 => 0.0..=1.0,
    }
}

impl<F: Float> Fusible<F> for CrossEntropy {}

impl LossSpec for CrossEntropy {
    fn targets(&self) -> TargetKind {
        TargetKind::Classes
    }
    fn tensor(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let mut outer = prediction.size();
        let classes = i64::from(outer.len() > 1);
        outer.remove(classes as usize);
        let index = target.expand(outer, false).unsqueeze(classes);
        let logarithms = prediction.log_softmax(classes, None);
        let of_class = -logarithms.gather(classes, &index, false).squeeze_dim(classes);
        match self.label_smoothing {
            0.0 => of_class,
            share => of_class * (1.0 - share) - logarithms.mean_dim(classes, false, None::<Kind>) * share,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Losses of two lanes of three examples with two classes, and the gradient by the logits, as bits.
    fn bits(logits: [f32; 12], classes: &[i64]) -> (Vec<u32>, Vec<u32>) {
        let logits = Tensor::from_slice(&logits).reshape([2, 3, 2]).set_requires_grad(true);
        let loss = CrossEntropy::default().tensor(&logits.transpose(1, 2), &Tensor::from_slice(classes));
        assert_eq!(loss.size(), [2, 3]);
        loss.sum(Kind::Float).backward();
        let bits = |tensor: &Tensor| {
            let numbers = Vec::<f32>::try_from(tensor.detach().flatten(0, -1)).unwrap();
            numbers.into_iter().map(f32::to_bits).collect()
        };
        (bits(&loss), bits(&logits.grad()))
    }

    const LOGITS: [f32; 12] = [0.5, -1.0, 2.0, 0.0, -0.25, 3.0, 1.0, 1.5, -2.0, 0.75, 100.0, -100.0];

    #[test]
    fn lanes_share_the_classes_and_nothing_else() {
        let (loss, slope) = bits(LOGITS, &[0, 1, 1]);
        assert_eq!(f32::from_bits(loss[5]), 200.0);
        for intruder in [f32::NAN, f32::INFINITY, 3.0] {
            let mut disturbed = LOGITS;
            disturbed[2] = intruder;
            let (new_loss, new_slope) = bits(disturbed, &[0, 1, 1]);
            assert_eq!((&loss[3..], &slope[6..]), (&new_loss[3..], &new_slope[6..]));
            assert_ne!(loss[1], new_loss[1]);
        }
    }

    #[test]
    #[should_panic(expected = "out of bounds")]
    fn a_class_that_does_not_exist_panics() {
        bits(LOGITS, &[0, 1, 2]);
    }
}
