use numeric::Real;
use registry::options;

use crate::Elementwise;

options! {
    /// The binary cross-entropy of a probability that is given as a logit.
    ///
    /// ```text
    /// x = prediction (a logit), y = target (a probability, 0 ≤ y ≤ 1)
    /// loss = −y·ln σ(x) − (1 − y)·ln(1 − σ(x))
    ///      = softplus(−|x|) + (1 − y)·x    for x > 0
    ///        softplus(−|x|) − y·x          for x ≤ 0
    /// ```
    /// in nats. Its slope is σ(x) − y. Neither term is below 0, so nothing cancels: a confident right answer
    /// keeps a small loss and slope (e⁻¹⁰⁰ at a logit of 100) for either class.
    ///
    /// Source: logistic regression (Cox 1958, “The Regression Analysis of Binary Sequences”).
    ///
    /// Checked against: `torch.nn.functional.binary_cross_entropy_with_logits` of PyTorch 2.13, value and
    /// gradient. PyTorch computes (1 − y)·x − ln σ(x), which rounds to 0 below a logit of −17 (`float32`)
    /// where y = 0.
    ///
    /// ```
    /// use losses::{BceWithLogits, Elementwise};
    /// use numeric::Dual;
    /// let undecided = BceWithLogits::default().value(Dual::variable(0.0_f64), Dual::fixed(0.25));
    /// assert_eq!(undecided.derivative, 0.25);
    /// assert!((undecided.value - 2_f64.ln()).abs() < 1e-15);
    /// ```
    pub struct BceWithLogits {}
}

impl Elementwise for BceWithLogits {
    #[inline(always)]
    fn value<R: Real>(&self, prediction: R, target: R) -> R {
        let (x, y) = (prediction, target);
        // At 0 the mean of both sides: with the slope 0 of |x| it makes the slope ½ − y.
        let above = R::select(&x.at_most(0.0), -y.clone() + 0.5, -y.clone() + 1.0);
        let weight = R::select(&x.below(0.0), -y, above);
        weight * x.clone() + (-x.abs()).softplus()
    }
}

#[cfg(test)]
mod tests {
    use numeric::{AutogradTensor, Dual};
    use tch::Tensor;

    use super::*;

    #[test]
    fn confident_logits_keep_value_and_slope_for_either_class() {
        let loss = BceWithLogits::default();
        let small = (-100.0_f64).exp();
        for (logit, label) in [(100.0, 1.0), (-100.0, 0.0)] {
            let right = loss.value(Dual::variable(logit), Dual::fixed(label));
            let leaf = Tensor::from(logit).set_requires_grad(true);
            loss.value(AutogradTensor(leaf.shallow_clone()), AutogradTensor(Tensor::from(label)))
                .0
                .backward();
            assert!((right.value / small - 1.0).abs() < 1e-12, "{right:?}");
            for slope in [right.derivative, leaf.grad().double_value(&[])] {
                assert!((slope / (-small * logit.signum()) - 1.0).abs() < 1e-12, "{slope}");
            }
            let wrong = loss.value(Dual::variable(-logit), Dual::fixed(label));
            assert_eq!((wrong.value, wrong.derivative), (100.0, -logit.signum()));
        }
    }

    #[test]
    fn the_slope_at_0_is_half_minus_the_label() {
        for label in [0.0, 0.25, 1.0] {
            let leaf = Tensor::from(0.0_f64).set_requires_grad(true);
            let loss = BceWithLogits::default();
            loss.value(AutogradTensor(leaf.shallow_clone()), AutogradTensor(Tensor::from(label)))
                .0
                .backward();
            let slope = loss.value(Dual::variable(0.0), Dual::fixed(label)).derivative;
            assert_eq!((slope, leaf.grad().double_value(&[])), (0.5 - label, 0.5 - label));
        }
    }
}
