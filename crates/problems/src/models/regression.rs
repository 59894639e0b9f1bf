//! A model x·w + b on a table of features: what the regressions on data share.

use losses::Loss;
use numeric::{Float, Stream};
use tch::{Device, Kind, Tensor};

use crate::data::shipped::Table;
use crate::linear::{Linear, LinearOnTensors, Truth, as_nn_linear, draws, lane_rows};
use crate::supervised::Supervised;
use crate::{FusedProblem, TensorProblem};

/// Features of each row of both tables; their target follows.
pub(super) const FEATURES: usize = 10;

/// The data as every run needs them.
pub(super) struct Regression {
    /// The stream of the starts.
    purpose: &'static str,
    /// rows × features
    x: Vec<f64>,
    y: Vec<f64>,
    /// What the solution predicts.
    reference: Vec<f64>,
}

impl Regression {
    /// With the features of `table`, and the solution by `solve`: w, then b.
    pub(super) fn new(
        purpose: &'static str,
        table: &Table,
        y: Vec<f64>,
        solve: fn(&[f64], &[f64]) -> Vec<f64>,
    ) -> Self {
        let x: Vec<f64> = table.rows().flat_map(|row| row[..FEATURES].to_vec()).collect();
        let solution = solve(&x, &y);
        let predict =
            |row: &[f64]| row.iter().zip(&solution).map(|(x, w)| x * w).sum::<f64>() + solution[FEATURES];
        let reference = x.chunks_exact(FEATURES).map(predict).collect();
        Self { purpose, x, y, reference }
    }

    /// w and b, each from U(−1/√features, 1/√features).
    fn start(&self, seed: u64) -> Vec<f64> {
        as_nn_linear(&mut Stream::new(self.purpose, &[seed]), FEATURES, FEATURES + 1)
    }

    pub(super) fn batch(
        &self,
        seeds: &[u64],
        loss: Option<&Loss>,
        (kind, device): (Kind, Device),
    ) -> Box<dyn TensorProblem> {
        let tensor = |values: &[f64]| Tensor::from_slice(values).to_kind(kind).to_device(device);
        let model = LinearOnTensors {
            x: tensor(&self.x).reshape([-1, FEATURES as i64]).tr().contiguous(),
            y: tensor(&self.y).unsqueeze(0),
            start: seeds.iter().map(|seed| self.start(*seed)).collect(),
            truth: Truth::Predictions(self.reference.clone()),
        };
        Supervised::boxed(model, loss, seeds, (kind, device))
    }

    pub(super) fn block<F: Float>(
        &self,
        seeds: &[u64],
        loss: Option<&Loss>,
    ) -> Option<Box<dyn FusedProblem<F>>> {
        let starts = draws(seeds, |seed| self.start(seed));
        let y = lane_rows(self.y.len(), seeds.len(), |_, i| self.y[i]);
        let start = lane_rows(FEATURES + 1, seeds.len(), |lane, i| starts[lane][i]);
        let truth = Truth::Predictions(self.reference.iter().map(|y| F::from_f64(*y)).collect());
        Some(Box::new(Linear::new(loss?, (&self.x, FEATURES), y, start, truth)?))
    }
}
