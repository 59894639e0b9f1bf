use std::sync::LazyLock;

use losses::Loss;
use numeric::Float;
use registry::options;
use tch::{Device, Kind};

use crate::data::shipped::{Table, least_squares};
use crate::models::regression::{FEATURES, Regression};
use crate::{FusedProblem, Fusible, ProblemSpec, TensorProblem};

options! {
    /// Linear regression of the progression of diabetes on ten measurements of 442 patients.
    ///
    /// ```text
    /// prediction = x·w + b,  every column and y standardized
    /// loss  = mean ℓ(prediction, y)
    /// error = √ mean (prediction − prediction of least squares)²,  in standard deviations of y
    /// start: w, b ~ U(−1/√10, 1/√10) for each seed, as `torch.nn.Linear` does
    /// ```
    /// The columns are correlated (the Hessian of the mean square has condition number about 470), which
    /// makes this small problem a slow one. A loss whose minimizer isn't the mean, such as L1, keeps an
    /// error above 0: that is its bias against least squares.
    ///
    /// Source: Efron, Hastie, Johnstone & Tibshirani 2004, “Least Angle Regression”.
    pub struct DiabetesLinear {}
}

static DATA: LazyLock<Regression> = LazyLock::new(|| {
    let mut table = Table::diabetes();
    table.standardize();
    let y = table.rows().map(|row| row[FEATURES]).collect();
    Regression::new("diabetes: start", &table, y, least_squares)
});

impl ProblemSpec for DiabetesLinear {
    fn batch(&self, seeds: &[u64], loss: Option<&Loss>, options: (Kind, Device)) -> Box<dyn TensorProblem> {
        DATA.batch(seeds, loss, options)
    }
}

impl<F: Float> Fusible<F> for DiabetesLinear {
    fn block(&self, seeds: &[u64], loss: Option<&Loss>) -> Option<Box<dyn FusedProblem<F>>> {
        DATA.block(seeds, loss)
    }
}
