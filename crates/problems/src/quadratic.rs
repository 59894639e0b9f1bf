use losses::Loss;
use numeric::{Float, LANES, Row, Rows, Stream, rows, vectorize};
use registry::{Described, Info};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::landscape::{MOST_FUSED, around, squared_distance};
use crate::linear::{draws, lane_rows};
use crate::{Batch, Block, Entry, Fuse, Losses, require};

/// A quadratic bowl with a given condition number.
///
/// ```text
/// f(x) = ½ (x − 1)ᵀ H (x − 1),  H = Qᵀ diag(λ) Q
/// λ log-spaced from 1 down to 1/condition (1 alone for one variable);  Q = identity, or random orthogonal if rotated
/// minimiser (1, …, 1), f* = 0
/// error = √ mean (xᵢ − 1)²
/// start = 1 + spread·N(0, 1)   for each seed
/// ```
/// Axis-aligned, a diagonal method such as Adam sees condition number 1; rotated, it doesn't.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quadratic {
    /// The number of variables.
    pub dim: usize,
    /// The largest eigenvalue over the smallest.
    pub condition: f64,
    /// Turns the axes by a random rotation, the same for every seed.
    pub rotated: bool,
    /// The standard deviation of the start around the minimiser.
    pub spread: f64,
}

impl Default for Quadratic {
    fn default() -> Self {
        Self { dim: 10, condition: 100.0, rotated: false, spread: 1.0 }
    }
}

impl Quadratic {
    fn eigenvalues(&self) -> Vec<f64> {
        let step = |i: usize| if self.dim == 1 { 0.0 } else { i as f64 / (self.dim - 1) as f64 };
        (0..self.dim).map(|i| libm::pow(self.condition, -step(i))).collect()
    }

    /// Q, row by row: Gram & Schmidt's orthogonalisation of a Gaussian matrix.
    fn rotation(&self) -> Vec<f64> {
        let n = self.dim;
        let mut stream = Stream::new("quadratic: rotation", &[n as u64]);
        let mut q: Vec<Vec<f64>> = Vec::with_capacity(n);
        while q.len() < n {
            let mut row: Vec<f64> = (0..n).map(|_| stream.normal()).collect();
            // Twice, since one pass loses orthogonality to rounding.
            for _ in 0..2 {
                for other in &q {
                    let overlap: f64 = row.iter().zip(other).map(|(a, b)| a * b).sum();
                    row.iter_mut().zip(other).for_each(|(a, b)| *a -= overlap * b);
                }
            }
            let norm = row.iter().map(|a| a * a).sum::<f64>().sqrt();
            for a in &mut row {
                *a /= norm;
            }
            q.push(row);
        }
        q.concat()
    }

    fn start(&self, seed: u64) -> Vec<f64> {
        around(&vec![1.0; self.dim], self.spread, "quadratic: start", seed)
    }
}

impl Described for Quadratic {
    fn info(&self) -> Info {
        Info {
            summary: "a quadratic bowl with a given condition number, axis-aligned or rotated",
            formula: "f = ½ (x − 1)ᵀ H (x − 1), eigenvalues from 1 down to 1/condition;  error = √ mean (xᵢ − 1)²",
            source: "the textbook model of ill-conditioning (Nocedal & Wright 2006, Numerical Optimization, §3.3)",
        }
    }
}

impl Entry for Quadratic {
    fn check(&self) -> Result<(), String> {
        require((1..=2000).contains(&self.dim), "dim", "from 1 to 2000", self.dim)?;
        let sensible = self.condition >= 1.0 && self.condition <= 1e16;
        require(sensible, "condition", "from 1 to 1e16", self.condition)?;
        require(self.spread > 0.0 && self.spread.is_finite(), "spread", "above 0", self.spread)
    }
    fn losses(&self) -> Losses {
        Losses::Own
    }
    fn batch(&self, seeds: &[u64], loss: Option<&Loss>, (kind, device): (Kind, Device)) -> Box<dyn Batch> {
        assert!(loss.is_none(), "a landscape is its own loss");
        let tensor = |values: &[f64]| {
            Tensor::from_slice(values).reshape([-1, self.dim as i64]).to_kind(kind).to_device(device)
        };
        let starts: Vec<f64> = seeds.iter().flat_map(|seed| self.start(*seed)).collect();
        Box::new(OnTensors {
            start: tensor(&starts),
            eigenvalues: tensor(&self.eigenvalues()),
            rotation: self.rotated.then(|| tensor(&self.rotation())),
        })
    }
}

struct OnTensors {
    start: Tensor,
    eigenvalues: Tensor,
    rotation: Option<Tensor>,
}

impl Batch for OnTensors {
    fn start(&self) -> Vec<Tensor> {
        vec![self.start.copy()]
    }
    fn loss(&mut self, _step: u64, parameters: &[Tensor]) -> Tensor {
        let d = &parameters[0] - 1.0;
        let d = self.rotation.as_ref().map_or(d.shallow_clone(), |q| d.matmul(&q.tr()));
        (d.square() * &self.eigenvalues).sum_dim_intlist([1i64].as_slice(), false, None::<Kind>) * 0.5
    }
    fn error(&mut self, parameters: &[Tensor]) -> Vec<f64> {
        let _guard = tch::no_grad_guard();
        let squares = (&parameters[0] - 1.0).square().mean_dim(1, false, None::<Kind>);
        Vec::try_from(squares.sqrt().to_kind(Kind::Double)).expect("a vector of lanes")
    }
}

impl<F: Float> Fuse<F> for Quadratic {
    fn block(&self, seeds: &[u64], _loss: Option<&Loss>) -> Option<Box<dyn Block<F>>> {
        if self.dim > MOST_FUSED {
            return None;
        }
        let round = |values: Vec<f64>| values.into_iter().map(F::from_f64).collect::<Vec<F>>();
        let starts = draws(seeds, |seed| self.start(seed));
        Some(Box::new(Fused {
            eigenvalues: round(self.eigenvalues()),
            rotation: self.rotated.then(|| round(self.rotation())),
            minimiser: vec![F::from_f64(1.0); self.dim],
            start: lane_rows(self.dim, seeds.len(), |lane, i| starts[lane][i]),
        }))
    }
}

struct Fused<F> {
    eigenvalues: Vec<F>,
    rotation: Option<Vec<F>>,
    minimiser: Vec<F>,
    start: Rows<F>,
}

impl<F: Float> Block<F> for Fused<F> {
    fn elements(&self) -> usize {
        self.minimiser.len()
    }
    fn start(&self) -> Rows<F> {
        self.start.clone()
    }
    fn evaluate(
        &mut self,
        parameters: &[Row<F>],
        gradient: &mut [Row<F>],
        loss: &mut [Row<F>],
        measure: &mut [Row<F>],
    ) {
        vectorize(
            #[inline(always)]
            || {
                let elements = self.elements();
                let chunks = parameters.chunks_exact(elements).zip(gradient.chunks_exact_mut(elements));
                for ((p, g), (loss, measure)) in chunks.zip(loss.iter_mut().zip(measure)) {
                    self.differentiate(p, g, loss);
                    *measure = squared_distance(p, &self.minimiser);
                }
            },
        );
    }
    /// The measure is the squared distance.
    fn error(&self, measure: F) -> F {
        (measure / F::from_f64(self.elements() as f64)).sqrt()
    }
    fn measure(&self, error: F) -> F {
        error * error * F::from_f64(self.elements() as f64)
    }
}

impl<F: Float> Fused<F> {
    #[inline(always)]
    fn differentiate(&self, p: &[Row<F>], gradient: &mut [Row<F>], loss: &mut Row<F>) {
        let n = self.elements();
        *loss = rows::zero();
        if self.rotation.is_some() {
            gradient.fill(rows::zero());
        }
        for (i, eigenvalue) in self.eigenvalues.iter().enumerate() {
            // Along the i-th principal axis: how far from the minimiser, and the pull back along it.
            let mut y = rows::zero::<F>();
            match &self.rotation {
                None => {
                    for lane in 0..LANES {
                        y[lane] = p[i][lane] - self.minimiser[i];
                    }
                }
                Some(q) => {
                    for (j, p) in p.iter().enumerate() {
                        let q = q[i * n + j];
                        for lane in 0..LANES {
                            y[lane] += q * (p[lane] - self.minimiser[j]);
                        }
                    }
                }
            }
            let mut pull = rows::zero::<F>();
            for lane in 0..LANES {
                pull[lane] = *eigenvalue * y[lane];
                loss[lane] += F::from_f64(0.5) * pull[lane] * y[lane];
            }
            match &self.rotation {
                None => gradient[i] = pull,
                Some(q) => {
                    for (j, g) in gradient.iter_mut().enumerate() {
                        let q = q[i * n + j];
                        for lane in 0..LANES {
                            g[lane] += q * pull[lane];
                        }
                    }
                }
            }
        }
    }
}
