use std::sync::LazyLock;

use losses::Loss;
use numeric::{Float, Stream};
use registry::options;
use tch::{Device, Kind, Tensor};

use crate::data::{Table, logistic_regression};
use crate::linear::{Linear, LinearOnTensors, Truth, draws, lane_rows};
use crate::supervised::Supervised;
use crate::{Batch, Block, Entry, Fuse};

options! {
    /// Logistic regression: is a tumour benign, by ten measurements of cell nuclei of 569 patients.
    ///
    /// ```text
    /// logit = x·w + b,  every column standardised;  y = 1 for benign, 0 for malignant
    /// loss  = mean ℓ(logit, y), such as bce_with_logits, focal, hinge
    /// error = √ mean (logit − logit of maximum likelihood)²,  in nats
    /// start: w, b ~ U(−1/√10, 1/√10) for each seed, as `torch.nn.Linear` does
    /// ```
    /// Radius, perimeter and area say nearly the same: at the solution the Hessian of the cross-entropy has condition number
    /// 24 000, and the logits there spread by 9. The solution is found by Newton's method to 1e-12; under
    /// another loss than the cross-entropy the error keeps the distance of that loss's minimiser. (The data's
    /// other 20 columns would make the classes separable, and then there is no solution.)
    ///
    /// Data: Wolberg, Mangasarian & Street 1995, “Breast Cancer Wisconsin (Diagnostic)”.
    ///
    /// Checked against: PyTorch 2.13, loss and gradient; SciPy's minimiser, the solution.
    pub struct BreastCancerLogistic {}
    summary: "logistic regression on the breast cancer data: 569 patients, ten correlated columns",
    formula: "logit = x·w + b;  error = √ mean (logit − maximum likelihood's logit)²",
    source: "Wolberg, Mangasarian & Street 1995, Breast Cancer Wisconsin (Diagnostic)",
}

const FEATURES: usize = 10;

/// The data as every run needs them.
struct Data {
    /// patients × features
    x: Vec<f64>,
    y: Vec<f64>,
    /// The logits of maximum likelihood.
    reference: Vec<f64>,
}

static DATA: LazyLock<Data> = LazyLock::new(|| {
    let mut table = Table::breast_cancer();
    let y: Vec<f64> = table.rows().map(|row| row[FEATURES]).collect();
    table.standardise();
    let x: Vec<f64> = table.rows().flat_map(|row| row[..FEATURES].to_vec()).collect();
    let solution = logistic_regression(&x, &y);
    let predict =
        |row: &[f64]| row.iter().zip(&solution).map(|(x, w)| x * w).sum::<f64>() + solution[FEATURES];
    let reference = x.chunks_exact(FEATURES).map(predict).collect();
    Data { x, y, reference }
});

fn start(seed: u64) -> Vec<f64> {
    let mut stream = Stream::new("breast cancer: start", &[seed]);
    let bound = 1.0 / (FEATURES as f64).sqrt();
    (0..=FEATURES).map(|_| bound * (2.0 * stream.uniform() - 1.0)).collect()
}

impl Entry for BreastCancerLogistic {
    fn targets(&self) -> &'static [f64] {
        &[3.0, 1.0, 0.3]
    }

    fn batch(&self, seeds: &[u64], loss: Option<&Loss>, (kind, device): (Kind, Device)) -> Box<dyn Batch> {
        let tensor = |values: &[f64]| Tensor::from_slice(values).to_kind(kind).to_device(device);
        let model = LinearOnTensors {
            x: tensor(&DATA.x).reshape([-1, FEATURES as i64]).tr().contiguous(),
            y: tensor(&DATA.y).unsqueeze(0),
            start: seeds.iter().map(|seed| start(*seed)).collect(),
            truth: Truth::Predictions(DATA.reference.clone()),
        };
        Supervised::boxed(model, loss, seeds.len(), (kind, device))
    }
}

impl<F: Float> Fuse<F> for BreastCancerLogistic {
    fn block(&self, seeds: &[u64], loss: Option<&Loss>) -> Option<Box<dyn Block<F>>> {
        let starts = draws(seeds, start);
        let y = lane_rows(DATA.y.len(), seeds.len(), |_, i| DATA.y[i]);
        let start = lane_rows(FEATURES + 1, seeds.len(), |lane, i| starts[lane][i]);
        let truth = Truth::Predictions(DATA.reference.iter().map(|y| F::from_f64(*y)).collect());
        Some(Box::new(Linear::new(loss?, (&DATA.x, FEATURES), y, start, truth)?))
    }
}
