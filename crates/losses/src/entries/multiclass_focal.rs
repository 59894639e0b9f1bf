use numeric::Float;
use registry::options;
use tch::Tensor;

use crate::{Fusible, LossSpec, TargetKind};

options! {
    /// Cross-entropy of many classes that cares less for what is already told right.
    ///
    /// ```text
    /// x = prediction (a vector of logits), k = target (the index of the true class),  p = softmax(x)ₖ
    /// loss = −(1 − p)^gamma·ln p
    /// ```
    /// in nats. gamma = 0 is the cross-entropy. Where p is above ½, ln (1 − p) is that of the other classes' sum, so that
    /// nothing is a difference of numbers near 1, and no power of 0 is taken.
    ///
    /// Shapes, as in PyTorch: logits `[n, classes, …]` (or `[classes]` alone), targets `int64` that broadcast to `[n, …]`; the
    /// result is `[n, …]`. It isn't elementwise and has no fused kernel.
    ///
    /// Source: Lin, Goyal, Girshick, He & Dollár 2017, “Focal Loss for Dense Object Detection”, which says that its
    /// binary form extends to more classes.
    ///
    /// Differs from [`Focal`](crate::Focal): no weights of classes.
    ///
    /// Checked against: the formula by `log_softmax` in PyTorch 2.13, value and gradient.
    ///
    /// ```
    /// use losses::{LossSpec, MulticlassFocal};
    /// use tch::Tensor;
    /// let logits = Tensor::from_slice(&[0.0_f64, 3_f64.ln()]);
    /// let loss = MulticlassFocal::default().tensor(&logits, &Tensor::from(1_i64));
    /// assert!((loss.double_value(&[]) - (4.0_f64 / 3.0).ln() / 16.0).abs() < 1e-15);
    /// ```
    pub struct MulticlassFocal {
        /// How much less what is told right counts (dimensionless).
        pub gamma: f64 = 2.0 => 0.0..,
    }
}

impl<F: Float> Fusible<F> for MulticlassFocal {}

impl LossSpec for MulticlassFocal {
    fn targets(&self) -> TargetKind {
        TargetKind::Classes
    }

    fn tensor(&self, prediction: &Tensor, target: &Tensor) -> Tensor {
        let mut outer = prediction.size();
        let classes = i64::from(outer.len() > 1);
        outer.remove(classes as usize);
        let index = target.expand(outer, false).unsqueeze(classes);
        let logarithms = prediction.log_softmax(classes, None);
        let others = logarithms.scatter_value(classes, &index, f64::NEG_INFINITY);
        let of_class = logarithms.gather(classes, &index, false).squeeze_dim(classes);
        let small = of_class.lt(-std::f64::consts::LN_2);
        let near_0 = -of_class.where_scalarother(&small, -1.0).exp();
        let missing = near_0.log1p().where_self(&small, &others.logsumexp([classes].as_slice(), false));
        (missing * self.gamma).exp() * -of_class
    }
}
