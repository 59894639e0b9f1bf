use std::sync::LazyLock;

use losses::Loss;
use numeric::Float;
use registry::options;
use tch::{Device, Kind};

use crate::data::shipped::{Table, logistic_regression};
use crate::models::regression::{FEATURES, Regression};
use crate::{FusedProblem, Fusible, ProblemSpec, TensorProblem};

options! {
    /// Logistic regression: is a tumor benign, by ten measurements of cell nuclei of 569 patients.
    ///
    /// ```text
    /// logit = x·w + b,  every column standardized;  y = 1 for benign, 0 for malignant
    /// loss  = mean ℓ(logit, y), such as bce_with_logits, focal, hinge
    /// error = √ mean (logit − logit of maximum likelihood)²,  in nats
    /// start: w, b ~ U(−1/√10, 1/√10) for each seed, as `torch.nn.Linear` does
    /// ```
    /// Radius, perimeter and area say nearly the same: at the solution the Hessian of the cross-entropy has condition number
    /// 24 000, and the logits there spread by 9. The solution is found by Newton's method to 1e-12; under
    /// another loss than the cross-entropy the error keeps the distance of that loss's minimizer. (The data's
    /// other 20 columns would make the classes separable, and then there is no solution.)
    ///
    /// Source: Wolberg, Mangasarian & Street 1995, “Breast Cancer Wisconsin (Diagnostic)”.
    ///
    /// Checked against: PyTorch 2.13, loss and gradient; SciPy's minimizer, the solution.
    pub struct BreastCancerLogistic {}
}

static DATA: LazyLock<Regression> = LazyLock::new(|| {
    let mut table = Table::breast_cancer();
    let y = table.rows().map(|row| row[FEATURES]).collect();
    table.standardize();
    Regression::new("breast cancer: start", &table, y, logistic_regression)
});

impl ProblemSpec for BreastCancerLogistic {
    fn targets(&self) -> &'static [f64] {
        &[3.0, 1.0, 0.3]
    }

    fn batch(&self, seeds: &[u64], loss: Option<&Loss>, options: (Kind, Device)) -> Box<dyn TensorProblem> {
        DATA.batch(seeds, loss, options)
    }
}

impl<F: Float> Fusible<F> for BreastCancerLogistic {
    fn block(&self, seeds: &[u64], loss: Option<&Loss>) -> Option<Box<dyn FusedProblem<F>>> {
        DATA.block(seeds, loss)
    }
}
