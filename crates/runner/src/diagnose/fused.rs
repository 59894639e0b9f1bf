//! Losses of free predictions, or of a line, as fused loops: hundreds of times as fast as libtorch on few elements.

use losses::Kernel;
use numeric::{Float, LANES, Row, rows};

use super::model::{Evaluated, FitModel, Shape};
use crate::config::diagnose::Readout;

/// The kernels of a fit's losses in both types; only those of the model's own type are used.
pub(super) struct Fused<F> {
    kernels: Vec<(Box<dyn Kernel<F>>, f64)>,
    target: Vec<f64>,
    line: Option<Vec<f64>>,
}

impl<F: Float> Fused<F> {
    /// `None` where a loss isn't elementwise, or something stands between it and the predictions.
    pub fn new(fit: &FitModel) -> Option<Self> {
        let plain = fit.readout == Readout::Identity && fit.shape == Shape::Plain && fit.draws == 1;
        if !plain || fit.line.is_none() && fit.seen_shape() != fit.target.shape {
            return None;
        }
        let kernel = |term: &crate::config::diagnose::Term| Some((term.loss.kernel::<F>()?, term.weight));
        let kernels = fit.terms.iter().map(kernel).collect::<Option<_>>()?;
        Some(Self { kernels, target: fit.target.values.clone(), line: fit.line.clone() })
    }

    /// Values and gradients at points that lie one after another; `noise` is added to the targets.
    pub fn evaluate(
        &self,
        points: &[f64],
        size: usize,
        noise: Option<&[f64]>,
        term: Option<usize>,
    ) -> Evaluated {
        let lanes = points.len() / size;
        let elements = self.target.len();
        let row_of = |value: f64| rows::splat(F::from_f64(value));
        let target: Vec<Row<F>> = match noise {
            None => self.target.iter().map(|y| row_of(*y)).collect(),
            Some(noise) => self
                .target
                .iter()
                .zip(noise)
                .map(|(y, noise)| row_of(F::from_f64(*y).to_f64() + noise))
                .collect(),
        };
        let mut evaluated =
            Evaluated { values: Vec::with_capacity(lanes), gradients: Vec::with_capacity(points.len()) };
        let (mut slope, mut sum) = (vec![rows::zero::<F>(); elements], vec![rows::zero::<F>(); elements]);
        for chunk in points.chunks(LANES * size) {
            let count = chunk.len() / size;
            let prediction: Vec<Row<F>> = (0..elements)
                .map(|e| {
                    std::array::from_fn(|lane| {
                        let point = &chunk[lane.min(count - 1) * size..][..size];
                        match &self.line {
                            None => F::from_f64(point[e]),
                            Some(x) => F::from_f64(point[0]) * F::from_f64(x[e]) + F::from_f64(point[1]),
                        }
                    })
                })
                .collect();
            let mut value = rows::zero::<F>();
            sum.fill(rows::zero());
            for (_, (kernel, weight)) in
                self.kernels.iter().enumerate().filter(|(k, _)| term.is_none_or(|t| t == *k))
            {
                let mut own = [rows::zero::<F>()];
                kernel.mean(elements, &prediction, &target, &mut slope, &mut own);
                let weight = F::from_f64(*weight);
                for lane in 0..LANES {
                    value[lane] += weight * own[0][lane];
                }
                for (sum, slope) in sum.iter_mut().zip(&slope) {
                    for lane in 0..LANES {
                        sum[lane] += weight * slope[lane];
                    }
                }
            }
            for lane in 0..count {
                evaluated.values.push(value[lane].to_f64());
                match &self.line {
                    None => evaluated.gradients.extend(sum.iter().map(|row| row[lane].to_f64())),
                    Some(x) => {
                        let (mut by_w, mut by_b) = (F::default(), F::default());
                        for (row, x) in sum.iter().zip(x) {
                            by_w += row[lane] * F::from_f64(*x);
                            by_b += row[lane];
                        }
                        evaluated.gradients.extend([by_w.to_f64(), by_b.to_f64()]);
                    }
                }
            }
        }
        evaluated
    }
}
