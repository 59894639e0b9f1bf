//! Losses of free predictions, or of a line, as fused loops: hundreds of times as fast as libtorch on few elements.

use losses::Kernel;
use numeric::{Float, LANES, Row, rows};

use super::fit::{FitModel, Shape};
use super::model::Evaluated;
use crate::config::diagnose::{Readout, Sees, Term};

/// What stands between parameters and what the loss is handed.
enum Link {
    /// A function of each.
    Each(Readout),
    /// The product of so many neighbours.
    Product(usize),
}

impl Link {
    /// The value and the slope for each parameter.
    fn apply<F: Float>(&self, point: &[F]) -> (Vec<F>, Vec<F>) {
        match self {
            Self::Each(readout) => point.iter().map(|p| readout_of(readout, *p)).unzip(),
            Self::Product(width) => {
                let product =
                    |factors: &[F]| factors.iter().fold(F::from_f64(1.0), |product, p| product * *p);
                let others = |group: &[F], i: usize| product(&group[..i]) * product(&group[i + 1..]);
                let slopes =
                    point.chunks(*width).flat_map(|group| (0..group.len()).map(move |i| others(group, i)));
                (point.chunks(*width).map(product).collect(), slopes.collect())
            }
        }
    }

    /// The parameters of an element.
    fn width(&self) -> usize {
        match self {
            Self::Each(_) => 1,
            Self::Product(width) => *width,
        }
    }
}

fn readout_of<F: Float>(readout: &Readout, p: F) -> (F, F) {
    let (zero, one) = (F::default(), F::from_f64(1.0));
    match readout {
        Readout::Sigmoid => {
            // As libtorch: exact in both tails, and the slope s·(1 − s) vanishes where s rounds to 1.
            let small = (-p.abs()).exp();
            let s = if p < zero { small / (one + small) } else { one / (one + small) };
            (s, s * (one - s))
        }
        Readout::Tanh => {
            let t = p.tanh();
            (t, one - t * t)
        }
        Readout::Relu => (if p < zero { zero } else { p }, if p > zero { one } else { zero }),
        Readout::Exp => (p.exp(), p.exp()),
        _ => (p, one),
    }
}

/// The kernels of a fit's losses in both types; only those of the model's own type are used.
pub(super) struct Fused<F> {
    kernels: Vec<(Box<dyn Kernel<F>>, f64)>,
    link: Link,
    target: Vec<f64>,
    line: Option<Vec<f64>>,
}

impl<F: Float> Fused<F> {
    /// `None` where a loss isn't elementwise, or something stands between it and the predictions.
    pub fn new(fit: &FitModel) -> Option<Self> {
        let plain = fit.shape == Shape::Plain && fit.draws == 1;
        if !plain || fit.line.is_none() && fit.seen_shape() != fit.target.shape {
            return None;
        }
        let link = match &fit.readout {
            _ if fit.sees == Sees::Prediction => Link::Each(Readout::Identity),
            Readout::Product => Link::Product(*fit.start.shape.last()? as usize),
            Readout::Softmax | Readout::First | Readout::TorchScript(_) => return None,
            other => Link::Each(other.clone()),
        };
        let kernel = |term: &Term| Some((term.loss.kernel::<F>()?, term.weight));
        let kernels = fit.terms.iter().map(kernel).collect::<Option<_>>()?;
        Some(Self { kernels, link, target: fit.target.values.clone(), line: fit.line.clone() })
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
            let points: Vec<Vec<F>> =
                chunk.chunks(size).map(|point| point.iter().map(|p| F::from_f64(*p)).collect()).collect();
            let links: Vec<(Vec<F>, Vec<F>)> = points.iter().map(|point| self.link.apply(point)).collect();
            let prediction: Vec<Row<F>> = (0..elements)
                .map(|e| {
                    std::array::from_fn(|lane| {
                        let lane = lane.min(count - 1);
                        match &self.line {
                            None => links[lane].0[e],
                            Some(x) => points[lane][0] * F::from_f64(x[e]) + points[lane][1],
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
                    None => {
                        let width = self.link.width();
                        let slopes = links[lane].1.iter().enumerate();
                        evaluated
                            .gradients
                            .extend(slopes.map(|(i, slope)| (sum[i / width][lane] * *slope).to_f64()));
                    }
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
