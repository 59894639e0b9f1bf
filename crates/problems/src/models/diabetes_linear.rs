use std::sync::LazyLock;

use losses::Loss;
use numeric::{Float, Stream};
use registry::options;
use tch::{Device, Kind, Tensor};

use crate::data::{Table, least_squares};
use crate::linear::{Linear, LinearOnTensors, Truth, draws, lane_rows};
use crate::supervised::Supervised;
use crate::{Batch, Block, Entry, Fuse};

options! {
    /// Linear regression of the progression of diabetes on ten measurements of 442 patients.
    ///
    /// ```text
    /// prediction = x·w + b,  every column and y standardised
    /// loss  = mean ℓ(prediction, y)
    /// error = √ mean (prediction − prediction of least squares)²,  in standard deviations of y
    /// start: w, b ~ U(−1/√10, 1/√10) for each seed, as `torch.nn.Linear` does
    /// ```
    /// The columns are correlated (the Hessian of the mean square has condition number about 470), which
    /// makes this small problem a slow one. A loss whose minimiser isn't the mean, such as L1, keeps an
    /// error above 0: that is its bias against least squares.
    ///
    /// Data: Efron, Hastie, Johnstone & Tibshirani 2004, “Least Angle Regression”.
    pub struct DiabetesLinear {}
    summary: "linear regression on the diabetes data: 442 patients, ten correlated columns",
    formula: "prediction = x·w + b;  error = √ mean (prediction − least squares' prediction)²",
    source: "Efron, Hastie, Johnstone & Tibshirani 2004, Least Angle Regression",
}

const FEATURES: usize = 10;

/// The data as every run needs them.
struct Data {
    /// patients × features
    x: Vec<f64>,
    y: Vec<f64>,
    /// What least squares predicts.
    reference: Vec<f64>,
}

static DATA: LazyLock<Data> = LazyLock::new(|| {
    let mut table = Table::diabetes();
    table.standardise();
    let x: Vec<f64> = table.rows().flat_map(|row| row[..FEATURES].to_vec()).collect();
    let y: Vec<f64> = table.rows().map(|row| row[FEATURES]).collect();
    let solution = least_squares(&x, &y);
    let predict =
        |row: &[f64]| row.iter().zip(&solution).map(|(x, w)| x * w).sum::<f64>() + solution[FEATURES];
    let reference = x.chunks_exact(FEATURES).map(predict).collect();
    Data { x, y, reference }
});

fn start(seed: u64) -> Vec<f64> {
    let mut stream = Stream::new("diabetes: start", &[seed]);
    let bound = 1.0 / (FEATURES as f64).sqrt();
    (0..=FEATURES).map(|_| bound * (2.0 * stream.uniform() - 1.0)).collect()
}

impl Entry for DiabetesLinear {
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

impl<F: Float> Fuse<F> for DiabetesLinear {
    fn block(&self, seeds: &[u64], loss: Option<&Loss>) -> Option<Box<dyn Block<F>>> {
        let starts = draws(seeds, start);
        let y = lane_rows(DATA.y.len(), seeds.len(), |_, i| DATA.y[i]);
        let start = lane_rows(FEATURES + 1, seeds.len(), |lane, i| starts[lane][i]);
        let truth = Truth::Predictions(DATA.reference.iter().map(|y| F::from_f64(*y)).collect());
        Some(Box::new(Linear::new(loss?, (&DATA.x, FEATURES), y, start, truth)?))
    }
}
