use std::cell::OnceCell;

use losses::Loss;
use numeric::{Float, LANES, Row, Stream, rows};
use registry::{options, range};
use tch::{Device, Kind, Tensor};

use crate::landscapes::landscape::{Differentiate, Fused, OnTensors};
use crate::linear::around;
use crate::{FusedProblem, Fusible, Losses, ProblemSpec, TensorProblem};

options! {
    /// A quadratic bowl with a given condition number, axis-aligned or rotated.
    ///
    /// ```text
    /// f(x) = ½ (x − 1)ᵀ H (x − 1),  H = Qᵀ diag(λ) Q
    /// λ log-spaced from 1 down to 1/condition (1 alone for one variable);  Q = identity, or random orthogonal if rotated
    /// minimizer (1, …, 1), f* = 0
    /// error = √ mean (xᵢ − 1)²
    /// start = 1 + spread·N(0, 1)   for each seed
    /// ```
    /// Axis-aligned, a diagonal method such as Adam sees condition number 1; rotated, it doesn't.
    ///
    /// Source: the textbook model of ill-conditioning (Nocedal & Wright 2006, “Numerical Optimization”, §3.3).
    pub struct Quadratic {
        /// The number of variables.
        pub dim: usize = 10,
        /// The largest eigenvalue over the smallest.
        pub condition: f64 = 100.0 => 1.0..=1e16,
        /// Turns the axes by a random rotation, the same for every seed.
        pub rotated: bool = false,
        /// The standard deviation of the start around the minimizer.
        pub spread: f64 = 1.0 => above(0.0),
    }
    check: |quadratic| {
        // Making a rotation takes time with the cube of the dimension.
        range::check("dim", quadratic.dim, &(1..=if quadratic.rotated { 1000 } else { 2000 }))
    },
}

impl Quadratic {
    fn eigenvalues(&self) -> Vec<f64> {
        let step = |i: usize| if self.dim == 1 { 0.0 } else { i as f64 / (self.dim - 1) as f64 };
        (0..self.dim).map(|i| libm::pow(self.condition, -step(i))).collect()
    }

    /// Q, row by row: Gram & Schmidt's orthogonalization of a Gaussian matrix.
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

impl ProblemSpec for Quadratic {
    fn losses(&self) -> Losses {
        Losses::Own
    }
    fn minimizers(&self) -> Vec<Vec<f64>> {
        vec![vec![1.0; self.dim]]
    }
    fn batch(&self, seeds: &[u64], _loss: Option<&Loss>, options: (Kind, Device)) -> Box<dyn TensorProblem> {
        let tensor = |values: &[f64]| {
            Tensor::from_slice(values).reshape([-1, self.dim as i64]).to_kind(options.0).to_device(options.1)
        };
        let eigenvalues = tensor(&self.eigenvalues());
        // Not before it is needed: it costs more than a start.
        let (own, rotation) = (self.clone(), OnceCell::new());
        let value = move |points: &Tensor| {
            let d = points - 1.0;
            let rotated = own.rotated.then(|| {
                rotation.get_or_init(|| {
                    let rotation = Tensor::from_slice(&own.rotation()).reshape([-1, own.dim as i64]);
                    rotation.to_kind(options.0).to_device(options.1)
                })
            });
            let d = rotated.map_or(d.shallow_clone(), |q| d.matmul(&q.tr()));
            (d.square() * &eigenvalues).sum_dim_intlist([1i64].as_slice(), false, None::<Kind>) * 0.5
        };
        OnTensors::boxed(value, &self.minimizers(), seeds, |seed| self.start(seed), options)
    }
}

impl<F: Float> Fusible<F> for Quadratic {
    fn block(&self, seeds: &[u64], _loss: Option<&Loss>) -> Option<Box<dyn FusedProblem<F>>> {
        let round = |values: Vec<f64>| values.into_iter().map(F::from_f64).collect::<Vec<F>>();
        let axes = || Axes {
            eigenvalues: round(self.eigenvalues()),
            rotation: self.rotated.then(|| round(self.rotation())),
        };
        Fused::boxed(axes, &self.minimizers(), seeds, |seed| self.start(seed))
    }
}

/// The bowl along its principal axes.
struct Axes<F> {
    eigenvalues: Vec<F>,
    /// Q, row by row.
    rotation: Option<Vec<F>>,
}

impl<F: Float> Differentiate<F> for Axes<F> {
    #[inline(always)]
    fn differentiate(&self, p: &[Row<F>], gradient: &mut [Row<F>], value: &mut Row<F>) {
        let one = F::from_f64(1.0);
        *value = rows::zero();
        if self.rotation.is_some() {
            gradient.fill(rows::zero());
        }
        for (i, eigenvalue) in self.eigenvalues.iter().enumerate() {
            // How far from the minimizer along the i-th axis, and the pull back along it.
            let mut y = rows::zero::<F>();
            let axis = self.rotation.as_ref().map(|q| &q[i * p.len()..(i + 1) * p.len()]);
            match axis {
                None => y = p[i].map(|p| p - one),
                Some(axis) => {
                    for (q, p) in axis.iter().zip(p) {
                        for lane in 0..LANES {
                            y[lane] += *q * (p[lane] - one);
                        }
                    }
                }
            }
            let pull = y.map(|y| *eigenvalue * y);
            for lane in 0..LANES {
                value[lane] += F::from_f64(0.5) * pull[lane] * y[lane];
            }
            match axis {
                None => gradient[i] = pull,
                Some(axis) => {
                    for (q, g) in axis.iter().zip(gradient.iter_mut()) {
                        for lane in 0..LANES {
                            g[lane] += *q * pull[lane];
                        }
                    }
                }
            }
        }
    }
}
